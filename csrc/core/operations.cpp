#include "tapwise/operations.hpp"

#include "backward_data.hpp"
#include "bias_gradient.hpp"
#include "check_operands.hpp"
#include "dispatch.hpp"
#include "forward.hpp"
#include "weight_gradient.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

template <class T>
Status forward(const ConvProblem& p, ConstTensorView<T> src, ConstTensorView<T> weights, ConstVectorView<T> bias,
               TensorView<T> dst, const Options& options) noexcept {
  if (Status s = check_forward(p, src, weights, bias, dst); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  return run_forward(p, src, weights, bias, dst, options, kernels_of<T>(*table));
}

template <class T>
Status backward_data(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> weights,
                     ConstVectorView<T> bias, TensorView<T> diff_src, const Options& options) noexcept {
  if (Status s = check_backward_data(p, diff_dst, weights, bias, diff_src); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  const BackwardData<T> lowered(p, diff_dst, weights, diff_src);
  return run_backward_data(lowered, kernels_of<T>(*table), bias, diff_src, resolved(options));
}

template <class T>
Status backward_weights(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> src,
                        TensorView<T> diff_weights, const Options& options) noexcept {
  if (Status s = check_backward_weights(p, diff_dst, src, diff_weights); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return run_weight_gradient(lower_forward<T>(p, src, diff_weights, diff_dst), kernels_of<T>(*table), options);
}

template <class T>
Status backward_bias(TensorView<const T> diff_dst, VectorView<T> diff_bias, const Options& options) noexcept {
  if (Status s = check_backward_bias(diff_dst, diff_bias); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return run_bias_gradient<T>(normalised(diff_dst), nullptr, diff_bias, options, kernels_of<T>(*table));
}

template <class T>
Status workspace_size(const ConvProblem& p, Direction direction, const Options& options, int64_t& bytes) noexcept {
  if (Status s = validate(p); !s) return s;
  int64_t most = 0;
  constexpr std::array<int, 5> kOrders[] = {{0, 1, 2, 3, 4}, {0, 2, 3, 4, 1}};
  for (const auto& src_order : kOrders)
    for (const auto& dst_order : kOrders) {
      int64_t needed = 0;
      const auto src = dense_view<const T>(nullptr, src_shape(p), src_order);
      const auto dst = dense_view<const T>(nullptr, dst_shape(p), dst_order);
      if (Status s = workspace_size<T>(p, direction, src, dst, options, needed); !s) return s;
      most = std::max(most, needed);
    }
  bytes = most;
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                        \
  template Status forward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, VectorView<const T>,       \
                             TensorView<T>, const Options&) noexcept;                                                 \
  template Status backward_data<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, VectorView<const T>, \
                                   TensorView<T>, const Options&) noexcept;                                           \
  template Status backward_weights<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<T>,    \
                                      const Options&) noexcept;                                                       \
  template Status backward_bias<T>(TensorView<const T>, VectorView<T>, const Options&) noexcept;                      \
  template Status workspace_size<T>(const ConvProblem&, Direction, const Options&, int64_t&) noexcept;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
