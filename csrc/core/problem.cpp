#include "tapwise/problem.hpp"

#include <algorithm>
#include <cinttypes>
#include <utility>

#include "core/checked.hpp"

namespace tapwise {
namespace {

constexpr const char* kAxisName[] = {"depth", "height", "width"};

Status check_range(const char* what, const char* axis, std::int64_t value, std::int64_t low,
                   std::int64_t high) noexcept {
  if (value >= low && value <= high) return {};
  return Status::error(Code::invalid_argument, "%s%s%s must be between %" PRId64 " and %" PRId64 ", got %" PRId64, what,
                       *axis ? " along " : "", axis, low, high, value);
}

Status check_axis(const ConvProblem& p, std::size_t a) noexcept {
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

}  // namespace

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
  Checked src_count = Checked{p.batch} * p.in_channels * 8, dst_count = Checked{p.batch} * p.out_channels * 8;
  Checked weights_count = Checked{p.out_channels} * (p.in_channels / p.groups) * 8;
  for (std::size_t a = 0; a < 3; ++a) {
    src_count = src_count * p.src[a];
    dst_count = dst_count * dst[a];
    weights_count = weights_count * p.kernel[a];
  }
  for (const auto& [what, count] :
       {std::pair{"src", src_count}, std::pair{"dst", dst_count}, std::pair{"weights", weights_count}})
    if (count.overflowed)
      return Status::error(Code::overflow, "the size of %s in bytes does not fit into 64 bits", what);
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

double flops(const ConvProblem& p) noexcept {
  double products = static_cast<double>(p.batch) * static_cast<double>(p.out_channels) *
                    static_cast<double>(p.in_channels / p.groups);
  const Spatial dst = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a) {
    // For each tap, the output positions q with 0 <= q * stride + shift < src.
    double pairs = 0;
    for (std::int64_t k = 0; k < p.kernel[a]; ++k) {
      const std::int64_t shift = k * p.dilation[a] - p.pad_low[a];
      const std::int64_t first = shift >= 0 ? 0 : ceil_div(-shift, p.stride[a]);
      const std::int64_t last = shift >= p.src[a] ? 0 : ceil_div(p.src[a] - shift, p.stride[a]);
      pairs += static_cast<double>(std::max<std::int64_t>(0, std::min(last, dst[a]) - first));
    }
    products *= pairs;
  }
  return 2 * products;
}

}  // namespace tapwise
