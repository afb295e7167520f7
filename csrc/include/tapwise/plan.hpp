// A forward pass prepared once and run many times.
#pragma once

#include <cstdint>
#include <memory>

#include "tapwise/config.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Packed weights and every decision of a forward pass. Copies share the weights. run() may be called from several
/// threads at once; update() must not overlap with it.
template <class T>
class TAPWISE_CLASS Plan {
 public:
  /// `src` and `dst` give the shapes and the strides to plan for; their data is not touched. run() takes views of any
  /// other strides too. Weights are all zero until update().
  static Status create(const ConvProblem& problem, TensorView<const T> src, TensorView<const T> dst, bool relu,
                       Plan& plan) noexcept;

  /// Packs weights, and bias if not null. Nothing refers to them afterwards. Of the options, threads and parallel
  /// count. Weights that are not all finite may be packed in another order, in memory of another size.
  Status update(TensorView<const T> weights, VectorView<const T> bias, const Options& options = {}) noexcept;

  /// The same plan with memory of its own for other weights, all zero until update(). Empty if there is too little.
  Plan fresh() const noexcept;

  /// dst = src * weights + bias. Whether there is a ReLU was said to create(); Options::relu does not count.
  Status run(TensorView<const T> src, TensorView<T> dst, const Options& options = {}) const noexcept;

  /// The workspace that run() needs on views of these strides, with these options.
  Status workspace_size(TensorView<const T> src, TensorView<const T> dst, const Options& options,
                        std::int64_t& bytes) const noexcept;

  std::int64_t packed_bytes() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
