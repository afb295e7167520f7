// The one shape that every pass takes before it runs. Forward, input gradient (one per stride phase), transposed
// convolution and, with the roles of the operands turned, the weight gradient are all instances of
//
//   dst[n, g, o, q] = sum over c, k of src[n, g, c, q * stride + k * dilation + offset] * weights[g, o, c, k]
//
// on three spatial axes. Flipping a kernel, swapping its channels or taking every s-th of its taps are nothing but
// strides and base pointers of the weights. All strides are in bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "checked.hpp"
#include "tapwise/problem.hpp"
#include "tapwise/view.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

using std::byte;
using std::int64_t;

/// How output positions and taps along one axis meet the input: index = q * stride + k * dilation + offset, read as
/// zero outside of [0, in). dilation >= 1 always: a reversed kernel is reversed in the weights.
struct Axis {
  int64_t out = 1, in = 1, taps = 1;
  int64_t stride = 1, dilation = 1, offset = 0;

  int64_t index(int64_t q, int64_t k) const { return q * stride + k * dilation + offset; }
  bool operator==(const Axis&) const = default;
  bool trivial() const { return out == 1 && taps == 1 && offset >= 0 && offset < in; }
};

/// Strides of activations: batch, group, channel within its group, space.
struct ActivationStrides {
  int64_t n = 0, g = 0, c = 0;
  std::array<int64_t, 3> space{};
};

/// Strides of weights: group, output and input channel within the group, taps.
struct WeightStrides {
  int64_t g = 0, o = 0, c = 0;
  std::array<int64_t, 3> tap{};
};

/// Whether some tap meets padding at some output.
inline bool meets_padding(const Axis& a) { return a.offset < 0 || a.index(a.out - 1, a.taps - 1) >= a.in; }

/// A half-open range.
struct Range {
  int64_t first = 0, last = 0;
  int64_t size() const { return last - first; }
  bool operator==(const Range&) const = default;
};

/// The i in [0, count) with 0 <= start + i * step < in.
inline Range range_inside(int64_t start, int64_t step, int64_t count, int64_t in) {
  const int64_t first = start >= 0 ? 0 : std::min(count, ceil_div(-start, step));
  const int64_t last = start >= in ? 0 : std::min(count, (in - 1 - start) / step + 1);
  return {first, std::max(first, last)};
}

/// A block of output positions.
struct Block {
  std::array<int64_t, 3> first, size;
};

template <class T>
using Bias = VectorView<const T>;

/// Which operand of a correlation is a gradient that comes through a fused ReLU.
enum class Gradient { none, src, dst };

/// That gradient counts as zero where the ReLU's result `y` is zero: it is gathered into a band, and y beside it.
struct Through {
  Gradient gradient = Gradient::none;
  const byte* y = nullptr;
  ActivationStrides stride;

  explicit operator bool() const { return gradient != Gradient::none; }
};

struct Correlation {
  int64_t batch = 1, groups = 1;
  int64_t in_channels = 1, out_channels = 1;  // of one group
  std::array<Axis, 3> axis;
  const byte* src = nullptr;
  const byte* weights = nullptr;
  byte* dst = nullptr;
  ActivationStrides src_stride, dst_stride;
  WeightStrides weights_stride;
  Through through;

  int64_t taps() const { return axis[0].taps * axis[1].taps * axis[2].taps; }
  int64_t products_per_dst() const { return taps() * in_channels; }
  int64_t positions() const { return axis[0].out * axis[1].out * axis[2].out; }
};

inline bool meets_padding(const Correlation& c) {
  return meets_padding(c.axis[0]) || meets_padding(c.axis[1]) || meets_padding(c.axis[2]);
}

/// Padding included.
inline double flops_of(const Correlation& c) {
  return 2.0 * static_cast<double>(c.batch * c.groups) * static_cast<double>(c.out_channels * c.positions()) *
         static_cast<double>(c.products_per_dst());
}

/// The forward pass. Gradients by the weights use the same, with dst for diff_dst and weights for diff_weights; `y` is
/// null, or the result of the ReLU that diff_dst comes through. dst may lack positions at the end of an axis.
template <class T>
Correlation lower_forward(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& weights,
                          const TensorView<const T>& dst, const TensorView<const T>* y = nullptr);

/// The pass by data: one dense stride-1 problem per phase of the stride that has taps. There may be as many as taps, so
/// they are made one by one, and without lists of them.
template <class T>
struct BackwardData {
  BackwardData(const ConvProblem& p, const TensorView<const T>& diff_dst, const TensorView<const T>& weights,
               const TensorView<const T>& diff_src, const TensorView<const T>* y = nullptr);

  /// How many phases there may be. Some may have no positions or no taps: those are no job.
  int64_t phases() const { return phases_along(0) * phases_along(1) * phases_along(2); }
  bool job(int64_t index, Correlation& phase) const;

  /// Whether there is a stride, so that diff_src is written to in steps.
  bool phased() const;

  /// If so: one that has as many positions and taps along each axis as any phase. They share its plan, and write to
  /// neighbours.
  Correlation largest() const;

  /// The positions of diff_src that a block of the phases' positions stands for.
  std::array<Range, 3> positions_of(const Block& block) const;

  /// Whether every position of diff_src meets a tap, and whether position i along one axis does.
  bool covers_diff_src() const { return covers_all(0) && covers_all(1) && covers_all(2); }
  bool covers_all(std::size_t axis) const;
  bool covers(std::size_t axis, int64_t i) const { return smallest_tap(axis, i % p.stride[axis]) >= 0; }

  ConvProblem p;
  TensorView<const T> diff_dst, weights, diff_src;
  Through through;

 private:
  // Taps that a phase's position meets are `period` apart; inverse * dilation / gcd(stride, dilation) = 1 (mod period).
  std::array<int64_t, 3> period, inverse;

  int64_t phases_along(std::size_t axis) const;
  int64_t smallest_tap(std::size_t axis, int64_t phase) const;
  Correlation phase(const std::array<int64_t, 3>& smallest_taps) const;
  std::size_t row_axis() const;
  std::size_t along(std::size_t a) const;
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
