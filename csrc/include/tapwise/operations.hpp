// The operations: convolution forward and backward on views of the caller's memory.
//
// All of them: T is float or double, and is taken from the result where it need not be named. Views must have the
// shapes that the problem implies, in any strides; results must not overlap operands. Everything is checked before any
// memory is touched, and what is wrong is a Status; nothing throws or prints. Any number of threads may call at once.
// The same call gives the same bits for any number of threads.
//
//   std::vector<float> x(3 * 32 * 32), w(16 * 3 * 3 * 3), y(16 * 30 * 30);
//   const ConvProblem problem{.in_channels = 3, .out_channels = 16, .src = {1, 32, 32}, .kernel = {1, 3, 3}};
//   const Status status = forward(problem, dense_view(x, {1, 3, 1, 32, 32}), dense_view(w, {16, 3, 1, 3, 3}), nullptr,
//                                 dense_view(y, {1, 16, 1, 30, 30}));
//
// Nothing ends the process, either. OpenMP's runtimes do where they cannot start a thread, so threads are tried out
// first, and a call goes on with those that can be had. Left to chance is what others take between the trial and
// OpenMP's start of its own, which GNU's runtime repeats when a caller goes from fewer threads back to more.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tapwise/config.hpp"
#include "tapwise/parallel.hpp"
#include "tapwise/problem.hpp"
#include "tapwise/status.hpp"
#include "tapwise/view.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

enum class Direction { forward, backward_data, backward_weights, backward_bias };

/// How to compute. `automatic` takes the fastest; so far there is one.
enum class Algorithm { automatic, direct };

/// Memory that an operation may use while it runs: at least workspace_size() bytes, aligned to kWorkspaceAlignment,
/// not shared with a call that runs at the same time. Without data the library allocates, and keeps up to 16 MB a
/// thread for the next call; with it, it allocates nothing.
struct Workspace {
  void* data = nullptr;
  std::int64_t bytes = 0;
};
inline constexpr std::int64_t kWorkspaceAlignment = 64;

/// What all operations take beside their operands.
struct Options {
  bool relu = false;        // forward and transposed only: max(0, .) fused into the store
  bool accumulate = false;  // add into the result instead of overwriting it
  int threads = 0;          // 0: the default, see parallel.hpp; -n: at most n, and one where there is little to do
  Workspace workspace{};
  const ParallelFor* parallel = nullptr;  // the caller's threads; null: OpenMP's
  Algorithm algorithm = Algorithm::automatic;
  bool through_relu = false;  // workspace_size and describe only: of a gradient with the result of a ReLU (backward)
};

/// dst (N, O, *dst) = src (N, C, *src) * weights (O, C / groups, *kernel) + bias (O)
template <class T>
TAPWISE_FUNCTION Status forward(const ConvProblem& problem, ConstTensorView<T> src, ConstTensorView<T> weights,
                                ConstVectorView<T> bias, TensorView<T> dst, const Options& options = {}) noexcept;

/// diff_src (N, C, *src): the gradient by src, or with a bias of C numbers the transposed convolution of diff_dst.
/// Of a dilated problem diff_dst may lack up to (dilation - 1) / stride positions at the end of an axis, which count as
/// zeros: a transposed convolution may have outputs that nothing reaches.
template <class T>
TAPWISE_FUNCTION Status backward_data(const ConvProblem& problem, ConstTensorView<T> diff_dst,
                                      ConstTensorView<T> weights, ConstVectorView<T> bias, TensorView<T> diff_src,
                                      const Options& options = {}) noexcept;

/// diff_weights (O, C / groups, *kernel): the gradient by the weights, summed over batch and space.
template <class T>
TAPWISE_FUNCTION Status backward_weights(const ConvProblem& problem, ConstTensorView<T> diff_dst,
                                         ConstTensorView<T> src, TensorView<T> diff_weights,
                                         const Options& options = {}) noexcept;

/// diff_bias (O): the sum of diff_dst (N, O, *dst) over everything but its channels.
template <class T>
TAPWISE_FUNCTION Status backward_bias(TensorView<const T> diff_dst, VectorView<T> diff_bias,
                                      const Options& options = {}) noexcept;

/// Where backward() puts its results. Those without data are not wanted.
template <class T>
struct Gradients {
  TensorView<T> diff_src, diff_weights;
  VectorView<T> diff_bias;
};

/// All gradients in one call: backward_data, backward_weights and backward_bias of the same diff_dst. A workspace must
/// be large enough for the largest of them. Results must not overlap operands or each other. Everything but memory that
/// the library allocates itself is checked before the first of them is written.
///
/// `relu_dst`, if it has data, is what forward() with Options::relu gave, and diff_dst the gradient by that: it counts
/// as zero where relu_dst is, and ReLU's gradient is taken on the way, in scratch.
template <class T>
TAPWISE_FUNCTION Status backward(const ConvProblem& problem, ConstTensorView<T> diff_dst, ConstTensorView<T> src,
                                 ConstTensorView<T> weights, const Gradients<T>& gradients, const Options& options = {},
                                 ConstTensorView<T> relu_dst = {}) noexcept;

/// The transposed convolution: dst (N, C, *src) of src (N, O, *dst), where `problem` is the convolution that it
/// transposes, with weights (O, C / groups, *kernel) and a bias of C numbers.
template <class T>
Status transposed(const ConvProblem& problem, ConstTensorView<T> src, ConstTensorView<T> weights,
                  ConstVectorView<T> bias, TensorView<T> dst, const Options& options = {}) noexcept {
  return backward_data<T>(problem, src, weights, bias, dst, options);
}

/// All gradients of transposed(): from diff_dst (N, C, *src) by its src (N, O, *dst), its weights and its bias (C).
/// A workspace must suffice for forward (of diff_dst) and backward_weights, and for the bias for 1 MiB or C numbers,
/// whichever is more.
template <class T>
TAPWISE_FUNCTION Status transposed_backward(const ConvProblem& problem, ConstTensorView<T> diff_dst,
                                            ConstTensorView<T> src, ConstTensorView<T> weights,
                                            const Gradients<T>& gradients, const Options& options = {}) noexcept;

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
  bool finite_weights = false;          // whether only finite weights go this way: padding is read as zeros

  /// The planner's estimate of the share of full speed with channels, pixels and groups in the lanes; 0 where it was
  /// not asked.
  double lane_speed[3] = {};
  /// What else was chosen, and why: up to so many sentences, then nulls.
  const char* choices[4] = {};
};

/// `src` and `dst` matter by their strides only; their data is not touched.
template <class T>
TAPWISE_FUNCTION Status describe(const ConvProblem& problem, Direction direction, TensorView<const T> src,
                                 TensorView<const T> dst, const Options& options, Description& description) noexcept;

/// The workspace that a call on views of these strides needs, with these options.
template <class T>
TAPWISE_FUNCTION Status workspace_size(const ConvProblem& problem, Direction direction, TensorView<const T> src,
                                       TensorView<const T> dst, const Options& options, std::int64_t& bytes) noexcept;

/// The workspace that suffices for dense views with channels first as well as last (NCHW and NHWC).
template <class T>
TAPWISE_FUNCTION Status workspace_size(const ConvProblem& problem, Direction direction, const Options& options,
                                       std::int64_t& bytes) noexcept;

/// The same for the default options: bytes, or -1 if the problem is not valid.
template <class T>
std::int64_t workspace_size(const ConvProblem& problem, Direction direction,
                            Algorithm algorithm = Algorithm::automatic) noexcept {
  std::int64_t bytes = 0;
  return workspace_size<T>(problem, direction, Options{.algorithm = algorithm}, bytes) ? bytes : -1;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
