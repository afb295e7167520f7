// The geometry of a convolution, and whether it makes sense.
#pragma once

#include <array>
#include <cstdint>

#include "tapwise/config.hpp"
#include "tapwise/status.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// One number per spatial axis: depth, height, width. A 2-D problem leaves depth at its default, a 1-D
/// problem depth and height.
using Spatial = std::array<std::int64_t, 3>;

/// The geometry of one convolution; every pass (forward, backward by data, by weights, by bias) shares it.
///
///   dst[n, o, q] = bias[o] + sum over c, k of src[n, c, q * stride + k * dilation - pad_low] * weights[o, c, k]
///
/// with c running over the channels of o's group and src read as zero outside of itself. That is the
/// cross-correlation which deep learning calls convolution; `flip` reverses k in the weights and makes it
/// the convolution of mathematics.
struct ConvProblem {
  std::int64_t batch = 1;
  std::int64_t in_channels = 1;
  std::int64_t out_channels = 1;
  std::int64_t groups = 1;
  Spatial src{1, 1, 1};
  Spatial kernel{1, 1, 1};
  Spatial stride{1, 1, 1};
  Spatial dilation{1, 1, 1};
  Spatial pad_low{0, 0, 0};
  Spatial pad_high{0, 0, 0};
  bool flip = false;
};

/// Strides, dilations and paddings above this are refused: no array that fits into memory needs them, and
/// below it no index that a kernel computes can overflow.
inline constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

/// Code::ok, or the first thing that is wrong with the geometry. Memory is not looked at.
TAPWISE_FUNCTION Status validate(const ConvProblem& problem) noexcept;

/// The number of output positions along each axis. The problem must be valid.
TAPWISE_FUNCTION Spatial dst_size(const ConvProblem& problem) noexcept;

/// Twice the number of products with real input (products with padding are not counted).
TAPWISE_FUNCTION double flops(const ConvProblem& problem) noexcept;

}  // namespace tapwise::inline TAPWISE_NAMESPACE
