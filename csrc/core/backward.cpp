// All gradients of a convolution, or of a transposed one, in one call: each is checked before the first is written.
#include "backward_data.hpp"
#include "bias_gradient.hpp"
#include "check_operands.hpp"
#include "dispatch.hpp"
#include "forward.hpp"
#include "weight_gradient.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
struct Named {
  const char* name;
  MemoryView memory;
};

// No result shares memory with an operand or with another result: one gradient would read what another has written.
// Those without data are not wanted.
inline Status check_all_apart(std::span<const Named> results, std::span<const Named> operands) noexcept {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& [name, memory] = results[i];
    if (memory.data == nullptr) continue;
    for (const auto& [other, of] : operands)
      if (Status s = check_apart(name, memory, other, of); !s) return s;
    for (const auto& [other, of] : results.first(i))
      if (Status s = check_apart(name, memory, other, of); !s) return s;
  }
  return {};
}

// The caller's workspace, if any, is large enough for a pass.
template <class T>
Status check_workspace(const ConvProblem& p, Direction direction, const TensorView<const T>& src,
                       const TensorView<const T>& dst, const Options& options) noexcept {
  if (options.workspace.data == nullptr) return {};
  int64_t bytes = 0;
  if (Status s = workspace_size<T>(p, direction, src, dst, options, bytes); !s) return s;
  return Scratch(options.workspace, bytes).status();
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status backward(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> src, ConstTensorView<T> weights,
                const Gradients<T>& g, const Options& options, ConstTensorView<T> relu_dst) noexcept {
  const TensorView<const T>* const y = relu_dst.data == nullptr ? nullptr : &relu_dst;
  const bool by_data = g.diff_src.data != nullptr, by_weights = g.diff_weights.data != nullptr,
             by_bias = g.diff_bias.data != nullptr;
  Options fixed = resolved(options);
  fixed.relu = false;
  fixed.through_relu = y != nullptr;
  const Status checked = first_error(
      [&] { return validate(p); }, [&] { return check_view("diff_dst", diff_dst, dst_shape(p), Use::read); },
      [&] { return y != nullptr ? check_view("relu_dst", relu_dst, dst_shape(p), Use::read) : Status{}; },
      [&] { return by_data ? check_view("weights", weights, weights_shape(p), Use::read) : Status{}; },
      [&] { return by_weights ? check_view("src", src, src_shape(p), Use::read) : Status{}; },
      [&] { return by_data ? check_view("diff_src", g.diff_src, src_shape(p), Use::write) : Status{}; },
      [&] { return by_weights ? check_view("diff_weights", g.diff_weights, weights_shape(p), Use::write) : Status{}; },
      [&] { return by_bias ? check_vector("diff_bias", g.diff_bias, p.out_channels, Use::write) : Status{}; },
      [&] {
        const VectorMemory diff_bias = memory_of(g.diff_bias, p.out_channels);
        const Named results[] = {
            {"diff_src", memory_of(g.diff_src)}, {"diff_weights", memory_of(g.diff_weights)}, {"diff_bias", diff_bias}};
        const Named operands[] = {{"diff_dst", memory_of(diff_dst)},
                                  {"src", memory_of(src)},
                                  {"weights", memory_of(weights)},
                                  {"relu_dst", memory_of(relu_dst)}};
        return check_all_apart(results, operands);
      },
      [&] { return by_data ? check_workspace<T>(p, Direction::backward_data, g.diff_src, diff_dst, fixed) : Status{}; },
      [&] { return by_weights ? check_workspace<T>(p, Direction::backward_weights, src, diff_dst, fixed) : Status{}; },
      [&] {
        const auto any = dense_view<const T>(nullptr, src_shape(p));
        return by_bias ? check_workspace<T>(p, Direction::backward_bias, any, diff_dst, fixed) : Status{};
      });
  if (!checked) return checked;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const auto& k = kernels_of<T>(*table);
  return first_error(
      [&] {
        if (!by_data || p.batch == 0) return Status{};
        return run_backward_data(BackwardData<T>(p, diff_dst, weights, g.diff_src, y), k, {}, g.diff_src, fixed);
      },
      [&] {
        if (!by_weights) return Status{};
        return run_weight_gradient(lower_forward<T>(p, src, g.diff_weights, diff_dst, y), k, fixed);
      },
      [&] { return by_bias ? run_bias_gradient(normalised(diff_dst), y, g.diff_bias, fixed, k) : Status{}; });
}

template <class T>
Status transposed_backward(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> src,
                           ConstTensorView<T> weights, const Gradients<T>& g, const Options& options) noexcept {
  const bool by_data = g.diff_src.data != nullptr, by_weights = g.diff_weights.data != nullptr,
             by_bias = g.diff_bias.data != nullptr;
  Options fixed = resolved(options);
  fixed.relu = fixed.through_relu = false;
  const Status checked = first_error(
      [&] { return validate(p); }, [&] { return check_view("diff_dst", diff_dst, src_shape(p), Use::read); },
      [&] { return by_data ? check_view("weights", weights, weights_shape(p), Use::read) : Status{}; },
      [&] { return by_weights ? check_view("src", src, diff_dst_shape(p, src.shape), Use::read) : Status{}; },
      [&] {
        return by_data ? check_view("diff_src", g.diff_src, diff_dst_shape(p, g.diff_src.shape), Use::write) : Status{};
      },
      [&] { return by_weights ? check_view("diff_weights", g.diff_weights, weights_shape(p), Use::write) : Status{}; },
      [&] { return by_bias ? check_vector("diff_bias", g.diff_bias, p.in_channels, Use::write) : Status{}; },
      [&] {
        const VectorMemory diff_bias = memory_of(g.diff_bias, p.in_channels);
        const Named results[] = {
            {"diff_src", memory_of(g.diff_src)}, {"diff_weights", memory_of(g.diff_weights)}, {"diff_bias", diff_bias}};
        const Named operands[] = {
            {"diff_dst", memory_of(diff_dst)}, {"src", memory_of(src)}, {"weights", memory_of(weights)}};
        return check_all_apart(results, operands);
      },
      [&] { return by_data ? check_workspace<T>(p, Direction::forward, diff_dst, g.diff_src, fixed) : Status{}; },
      [&] { return by_weights ? check_workspace<T>(p, Direction::backward_weights, diff_dst, src, fixed) : Status{}; },
      [&] {
        if (!by_bias || p.batch == 0 || fixed.workspace.data == nullptr) return Status{};
        Description bias;
        describe_bias_gradient<T>(normalised(TensorView<const T>(diff_dst)), nullptr, fixed, bias);
        return Scratch(fixed.workspace, bias.workspace_bytes).status();
      });
  if (!checked) return checked;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const auto& k = kernels_of<T>(*table);
  return first_error(
      [&] {
        if (!by_data || p.batch == 0) return Status{};
        return run_forward<T>(p, diff_dst, weights, {}, g.diff_src, fixed, k);
      },
      [&] {
        if (!by_weights) return Status{};
        return run_weight_gradient(lower_forward<T>(p, diff_dst, g.diff_weights, src), k, fixed);
      },
      [&] { return by_bias ? run_bias_gradient<T>(normalised(diff_dst), nullptr, g.diff_bias, fixed, k) : Status{}; });
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                   \
  template Status backward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<const T>, \
                              const Gradients<T>&, const Options&, TensorView<const T>) noexcept;                \
  template Status transposed_backward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>,           \
                                         TensorView<const T>, const Gradients<T>&, const Options&) noexcept;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
