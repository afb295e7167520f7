// The operations: convolution forward and backward on views of the caller's memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tapwise/problem.hpp"
#include "tapwise/status.hpp"
#include "tapwise/view.hpp"

namespace tapwise {

enum class Direction { forward, backward_data, backward_weights, backward_bias };

/// What all operations take beside their operands.
struct Options {
  bool relu = false;        // forward and transposed only: max(0, .) fused into the store
  bool accumulate = false;  // add into the result instead of overwriting it
  int threads = 0;          // 0: the default, see parallel.hpp
};

// T is float or double. Views must have the shapes that the problem implies; results must not overlap operands.
// `bias` is a pointer to out_channels numbers `bias_stride` bytes apart, or null.

/// dst (N, O, *dst) = src (N, C, *src) * weights (O, C / groups, *kernel) + bias (O)
template <class T>
Status forward(const ConvProblem& problem, TensorView<const T> src, TensorView<const T> weights, const T* bias,
               std::int64_t bias_stride, TensorView<T> dst, const Options& options = {});

/// diff_src (N, C, *src): the gradient by src, or with a bias of C numbers the transposed convolution of diff_dst.
/// Of a dilated problem diff_dst may lack up to (dilation - 1) / stride positions at the end of an axis, which count as
/// zeros: a transposed convolution may have outputs that nothing reaches.
template <class T>
Status backward_data(const ConvProblem& problem, TensorView<const T> diff_dst, TensorView<const T> weights,
                     const T* bias, std::int64_t bias_stride, TensorView<T> diff_src, const Options& options = {});

/// diff_weights (O, C / groups, *kernel): the gradient by the weights, summed over batch and space.
template <class T>
Status backward_weights(const ConvProblem& problem, TensorView<const T> diff_dst, TensorView<const T> src,
                        TensorView<T> diff_weights, const Options& options = {});

/// diff_bias: the sum of diff_dst (N, O, *dst) over everything but its channels.
template <class T>
Status backward_bias(TensorView<const T> diff_dst, T* diff_bias, std::int64_t stride, const Options& options = {});

/// What a direction would do: for explain() and for tests.
struct Description {
  const char* lanes = "";               // what one vector register holds: "channels", "pixels" or "groups"
  int tile_rows = 0, tile_vectors = 0;  // the register tile
  std::int64_t jobs = 0;                // correlations that the pass splits into (stride phases)
  std::int64_t items = 0;               // independent pieces of work
  int threads = 1;                      // threads that the call would use
  std::int64_t packed_bytes = 0;        // weights packed, or partial sums of a weight gradient
  std::int64_t scratch_bytes = 0;       // per thread
  std::int64_t workspace_bytes = 0;     // all of it, for `threads` threads
  bool in_place = false;                // the activations are read where they lie

  /// The planner's estimate of the share of full speed with channels, pixels and groups in the lanes; 0 where it was
  /// not asked.
  double lane_speed[3] = {};
  /// What else was chosen, and why: up to so many sentences, then nulls.
  const char* choices[4] = {};
};

/// `src` and `dst` matter by their strides only; their data is not touched.
template <class T>
Status describe(const ConvProblem& problem, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                const Options& options, Description& description);

}  // namespace tapwise
