// Checks of the caller's views, before any memory is touched.
#pragma once

#include <span>

#include "tapwise/problem.hpp"
#include "tapwise/status.hpp"
#include "tapwise/view.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

enum class Use { read, write, describe };

/// Shapes as expected, data where there is something to read or write, positions within 2^61 bytes of the first, and,
/// for what is written, no two positions in one place.
TAPWISE_FUNCTION Status check_view(const char* operand, const void* data, std::span<const std::int64_t> shape,
                                   std::span<const std::int64_t> stride, std::span<const std::int64_t> expected,
                                   std::int64_t element_bytes, Use use) noexcept;

template <class T>
Status check_view(const char* operand, const TensorView<T>& view, const std::array<std::int64_t, 5>& expected,
                  Use use) noexcept {
  return check_view(operand, view.data, view.shape, view.stride, expected, sizeof(T), use);
}

/// The same for a vector of one number a channel; null is none unless it is written.
template <class T>
Status check_vector(const char* operand, const VectorView<T>& v, std::int64_t count, Use use) noexcept {
  if (v.data == nullptr && use != Use::write) return {};
  return check_view(operand, v.data, {&count, 1}, {&v.stride, 1}, {&count, 1}, sizeof(T), use);
}

/// Whether two positions share memory. Conservative for strides that no slicing of an array gives.
TAPWISE_FUNCTION bool overlaps_itself(std::span<const std::int64_t> shape, std::span<const std::int64_t> stride,
                                      std::int64_t element_bytes) noexcept;

/// The shapes that a problem implies.
inline std::array<std::int64_t, 5> src_shape(const ConvProblem& p) noexcept {
  return {p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]};
}
inline std::array<std::int64_t, 5> weights_shape(const ConvProblem& p) noexcept {
  return {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]};
}
inline std::array<std::int64_t, 5> dst_shape(const ConvProblem& p) noexcept {
  const Spatial out = dst_size(p);
  return {p.batch, p.out_channels, out[0], out[1], out[2]};
}

/// A transposed convolution may add outputs (output_padding, fewer than its dilation) that only positions past the end
/// of diff_dst would reach. It may lack those positions: they count as zeros.
inline std::array<std::int64_t, 5> diff_dst_shape(const ConvProblem& p,
                                                  const std::array<std::int64_t, 5>& got) noexcept {
  auto expected = dst_shape(p);
  for (std::size_t a = 0; a < 3; ++a) {
    if (got[a + 2] < 1 || got[a + 2] >= expected[a + 2]) continue;
    if (expected[a + 2] - got[a + 2] <= (p.dilation[a] - 1) / p.stride[a]) expected[a + 2] = got[a + 2];
  }
  return expected;
}

/// The same view with stride 0 along axes of one position, and along all of an empty one: such strides say nothing, may
/// be any number, and must not enter arithmetic.
template <class T>
TensorView<T> normalised(TensorView<T> view) noexcept {
  bool empty = false;
  for (const std::int64_t size : view.shape) empty = empty || size == 0;
  for (std::size_t a = 0; a < 5; ++a)
    if (empty || view.shape[a] <= 1) view.stride[a] = 0;
  return view;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
