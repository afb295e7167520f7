#include "tapwise/problem.hpp"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "checked.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
inline constexpr const char* kAxisName[] = {"depth", "height", "width"};

inline Status check_range(const char* what, const char* axis, std::int64_t value, std::int64_t low,
                          std::int64_t high) noexcept {
  if (value >= low && value <= high) return {};
  return Status::error(Code::invalid_argument, "%s%s%s must be between %" PRId64 " and %" PRId64 ", got %" PRId64, what,
                       *axis ? " along " : "", axis, low, high, value);
}

inline Status check_axis(const ConvProblem& p, std::size_t a) noexcept {
  const char* axis = kAxisName[a];
  const struct {
    const char* what;
    std::int64_t value, low;
  } limits[] = {{"src size", p.src[a], 1},      {"kernel size", p.kernel[a], 1}, {"stride", p.stride[a], 1},
                {"dilation", p.dilation[a], 1}, {"padding", p.pad_low[a], 0},    {"padding", p.pad_high[a], 0}};
  for (const auto& [what, value, low] : limits)
    if (Status s = check_range(what, axis, value, low, kMaxExtent); !s) return s;
  const Checked extent = Checked{p.kernel[a] - 1} * p.dilation[a] + 1;
  const Checked padded = Checked{p.src[a]} + p.pad_low[a] + p.pad_high[a];
  if (extent.overflowed || padded.overflowed)
    return Status::error(Code::overflow, "the dilated kernel along %s does not fit into 64 bits", axis);
  if (extent.value > padded.value)
    return Status::error(Code::invalid_argument,
                         "no output along %s: a kernel of %" PRId64 " with dilation %" PRId64 " spans %" PRId64
                         ", more than the padded src of %" PRId64,
                         axis, p.kernel[a], p.dilation[a], extent.value, padded.value);
  return {};
}

}  // namespace TAPWISE_PRIVATE

Status validate(const ConvProblem& p) noexcept {
  if (Status s = check_range("batch", "", p.batch, 0, kMaxExtent); !s) return s;
  if (Status s = check_range("groups", "", p.groups, 1, kMaxExtent); !s) return s;
  if (Status s = check_range("in_channels", "", p.in_channels, 1, kMaxExtent); !s) return s;
  if (Status s = check_range("out_channels", "", p.out_channels, 1, kMaxExtent); !s) return s;
  for (const auto& [what, channels] :
       {std::pair{"in_channels", p.in_channels}, std::pair{"out_channels", p.out_channels}})
    if (channels % p.groups != 0)
      return Status::error(Code::invalid_argument, "%s = %" PRId64 " is not divisible by groups = %" PRId64, what,
                           channels, p.groups);
  for (std::size_t a = 0; a < 3; ++a)
    if (Status s = check_axis(p, a); !s) return s;

  const Spatial dst = dst_size(p);
  // An empty batch has sizes as well, which plans are made of.
  const std::int64_t batch = std::max<std::int64_t>(p.batch, 1);
  Checked src_count = Checked{batch} * p.in_channels * 8, dst_count = Checked{batch} * p.out_channels * 8;
  Checked weights_count = Checked{p.out_channels} * (p.in_channels / p.groups) * 8;
  for (std::size_t a = 0; a < 3; ++a) {
    src_count = src_count * p.src[a];
    dst_count = dst_count * dst[a];
    weights_count = weights_count * p.kernel[a];
  }
  for (const auto& [what, count] :
       {std::pair{"src", src_count}, std::pair{"dst", dst_count}, std::pair{"weights", weights_count}})
    if (count.overflowed || count.value > kMostBytes)
      return Status::error(Code::overflow, "%s is too large: its bytes are more than 2^52", what);
  return {};
}

Spatial dst_size(const ConvProblem& p) noexcept {
  Spatial size{};
  for (std::size_t a = 0; a < 3; ++a) {
    const std::int64_t extent = (p.kernel[a] - 1) * p.dilation[a] + 1;
    size[a] = (p.src[a] + p.pad_low[a] + p.pad_high[a] - extent) / p.stride[a] + 1;
  }
  return size;
}

inline namespace TAPWISE_PRIVATE {
// The sum of floor((a * i + b) / m) for i in [0, n), by Euclid's algorithm on a and m: exchange the two axes of the
// lattice points under the line. a, b >= 0.
inline Wide floor_sum(Wide n, Wide m, Wide a, Wide b) noexcept {
  Wide sum = 0;
  while (n > 0) {
    sum += n * (n - 1) / 2 * (a / m) + n * (b / m);
    a %= m;
    b %= m;
    const Wide top = a * n + b;
    if (top < m) break;
    n = top / m;
    b = top % m;
    const Wide previous = m;
    m = a;
    a = previous;
  }
  return sum;
}

// Pairs of output q < outputs and tap k < taps with q * stride + k * dilation < limit.
inline Wide pairs_below(std::int64_t limit, std::int64_t outputs, std::int64_t taps, std::int64_t stride,
                        std::int64_t dilation) noexcept {
  if (limit <= 0) return 0;
  // Taps that any output meets, then those that all outputs meet.
  const std::int64_t some = std::min(taps, ceil_div(limit, dilation));
  const std::int64_t spare = limit - 1 - (outputs - 1) * stride;
  const std::int64_t all = spare < 0 ? 0 : std::min(some, spare / dilation + 1);
  // The others, from the last on: 1 + floor((limit - 1 - k * dilation) / stride) outputs each.
  return Wide{all} * outputs + (some - all) +
         floor_sum(some - all, stride, dilation, limit - 1 - (some - 1) * dilation);
}

}  // namespace TAPWISE_PRIVATE

double flops(const ConvProblem& p) noexcept {
  double products = static_cast<double>(p.batch) * static_cast<double>(p.out_channels) *
                    static_cast<double>(p.in_channels / p.groups);
  const Spatial dst = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a) {
    // Pairs that end before the end of src, less those that end before its beginning.
    const auto below = [&](std::int64_t limit) {
      return pairs_below(limit, dst[a], p.kernel[a], p.stride[a], p.dilation[a]);
    };
    products *= static_cast<double>(below(p.src[a] + p.pad_low[a]) - below(p.pad_low[a]));
  }
  return 2 * products;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
