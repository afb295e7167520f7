// A forward pass prepared once and run many times.
#pragma once

#include <memory>
#include <vector>

#include "tapwise/problem.hpp"
#include "tapwise/status.hpp"
#include "tapwise/view.hpp"

namespace tapwise {

/// Packed weights and every decision of a forward pass. Copies share the weights. run() may be called from several
/// threads at once; update() must not overlap with it.
template <class T>
class Plan {
 public:
  /// `src` and `dst` give the shapes and the strides to plan for; their data is not touched. run() takes views of any
  /// other strides too. Weights are all zero until update().
  static Status create(const ConvProblem& problem, TensorView<const T> src, TensorView<const T> dst, bool relu,
                       Plan& plan);

  /// Packs weights, and bias if not null. Nothing refers to them afterwards.
  Status update(TensorView<const T> weights, const T* bias, std::int64_t bias_stride);

  /// The same plan with memory of its own for other weights, all zero until update().
  Plan fresh() const;

  /// dst = src * weights + bias. threads as in Options.
  Status run(TensorView<const T> src, TensorView<T> dst, int threads = 0) const;

  std::int64_t packed_bytes() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tapwise
