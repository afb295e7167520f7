#include "tapwise/operations.hpp"

#include "backward_data.hpp"
#include "bias_gradient.hpp"
#include "check.hpp"
#include "dispatch.hpp"
#include "overlap.hpp"
#include "weight_gradient.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// What is wrong first, of several checks.
template <class... Checks>
Status first_error(const Checks&... checks) noexcept {
  Status status;
  static_cast<void>(((status = checks(), static_cast<bool>(status)) && ...));
  return status;
}

template <class T>
VectorMemory memory_of(const VectorView<T>& v, int64_t count) noexcept {
  return {v.data, count, v.stride, sizeof(T)};
}

template <class T>
Status check_forward(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& weights,
                     const VectorView<const T>& bias, const TensorView<T>& dst) noexcept {
  return first_error([&] { return validate(p); }, [&] { return check_view("src", src, src_shape(p), Use::read); },
                     [&] { return check_view("weights", weights, weights_shape(p), Use::read); },
                     [&] { return check_vector("bias", bias, p.out_channels, Use::describe); },
                     [&] { return check_view("dst", dst, dst_shape(p), Use::write); },
                     [&] { return check_apart("dst", memory_of(dst), "src", memory_of(src)); },
                     [&] { return check_apart("dst", memory_of(dst), "weights", memory_of(weights)); },
                     [&] { return check_apart("dst", memory_of(dst), "bias", memory_of(bias, p.out_channels)); });
}

template <class T>
Status check_backward_data(const ConvProblem& p, const TensorView<const T>& diff_dst,
                           const TensorView<const T>& weights, const VectorView<const T>& bias,
                           const TensorView<T>& diff_src) noexcept {
  return first_error(
      [&] { return validate(p); },
      [&] { return check_view("diff_dst", diff_dst, diff_dst_shape(p, diff_dst.shape), Use::read); },
      [&] { return check_view("weights", weights, weights_shape(p), Use::read); },
      [&] { return check_vector("bias", bias, p.in_channels, Use::describe); },
      [&] { return check_view("diff_src", diff_src, src_shape(p), Use::write); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "diff_dst", memory_of(diff_dst)); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "weights", memory_of(weights)); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "bias", memory_of(bias, p.in_channels)); });
}

template <class T>
Status check_backward_weights(const ConvProblem& p, const TensorView<const T>& diff_dst, const TensorView<const T>& src,
                              const TensorView<T>& diff_weights) noexcept {
  return first_error(
      [&] { return validate(p); }, [&] { return check_view("diff_dst", diff_dst, dst_shape(p), Use::read); },
      [&] { return check_view("src", src, src_shape(p), Use::read); },
      [&] { return check_view("diff_weights", diff_weights, weights_shape(p), Use::write); },
      [&] { return check_apart("diff_weights", memory_of(diff_weights), "diff_dst", memory_of(diff_dst)); },
      [&] { return check_apart("diff_weights", memory_of(diff_weights), "src", memory_of(src)); });
}

template <class T>
Status check_backward_bias(const TensorView<const T>& diff_dst, const VectorView<T>& diff_bias) noexcept {
  Checked bytes{int64_t{sizeof(T)}};
  for (const int64_t size : diff_dst.shape) {
    if (size < 0) return Status::error(Code::invalid_argument, "diff_dst: a size is negative");
    bytes = bytes * std::max<int64_t>(size, 1);
  }
  if (bytes.overflowed || bytes.value > kMostBytes)
    return Status::error(Code::overflow, "diff_dst is too large: its bytes are more than 2^52");
  const int64_t channels = diff_dst.shape[1];
  return first_error(
      [&] { return check_view("diff_dst", diff_dst, diff_dst.shape, Use::read); },
      [&] { return check_vector("diff_bias", diff_bias, channels, Use::write); },
      [&] { return check_apart("diff_bias", memory_of(diff_bias, channels), "diff_dst", memory_of(diff_dst)); });
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status forward(const ConvProblem& p, ConstTensorView<T> src, ConstTensorView<T> weights, ConstVectorView<T> bias,
               TensorView<T> dst, const Options& options) noexcept {
  if (Status s = check_forward(p, src, weights, bias, dst); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  const auto& k = kernels_of<T>(*table);
  typename Jobs<T>::Job job;
  Jobs<T> jobs{.room = {&job, 1}};
  const Correlation c = lower_forward<T>(p, src, weights, dst);
  jobs.add(c, plan_correlate(c, k));
  const int threads = threads_for(options, jobs.work, jobs.items);
  const Scratch scratch(options.workspace, jobs.workspace_bytes(threads));
  if (!scratch.status()) return scratch.status();
  run_jobs(jobs, k, bias, options, threads, scratch.data(), [](int64_t) {});
  return {};
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
  return run_bias_gradient(normalised(diff_dst), diff_bias, options, kernels_of<T>(*table));
}

template <class T>
Status backward(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> src, ConstTensorView<T> weights,
                const Gradients<T>& g, const Options& options) noexcept {
  const bool wants[] = {g.diff_src.data != nullptr, g.diff_weights.data != nullptr, g.diff_bias.data != nullptr};
  const VectorMemory diff_bias = memory_of(g.diff_bias, p.out_channels);
  const Options fixed = resolved(options);
  const auto needed = [&](Direction direction, const TensorView<const T>& at) -> Status {
    if (fixed.workspace.data == nullptr) return {};
    int64_t bytes = 0;
    if (Status s = workspace_size<T>(p, direction, at, diff_dst, fixed, bytes); !s) return s;
    return Scratch(fixed.workspace, bytes).status();
  };
  const Status checked = first_error(
      [&] { return validate(p); }, [&] { return check_view("diff_dst", diff_dst, dst_shape(p), Use::read); },
      [&] { return wants[0] ? check_backward_data<T>(p, diff_dst, weights, {}, g.diff_src) : Status{}; },
      [&] { return wants[1] ? check_backward_weights(p, diff_dst, src, g.diff_weights) : Status{}; },
      [&] { return wants[2] ? check_backward_bias(diff_dst, g.diff_bias) : Status{}; },
      [&] {
        return wants[0] && wants[1]
                   ? check_apart("diff_src", memory_of(g.diff_src), "diff_weights", memory_of(g.diff_weights))
                   : Status{};
      },
      [&] { return wants[0] ? check_apart("diff_src", memory_of(g.diff_src), "diff_bias", diff_bias) : Status{}; },
      [&] {
        return wants[1] ? check_apart("diff_weights", memory_of(g.diff_weights), "diff_bias", diff_bias) : Status{};
      },
      // Of what one gradient writes no other may read.
      [&] {
        return wants[0] && wants[1] ? check_apart("diff_src", memory_of(g.diff_src), "src", memory_of(src)) : Status{};
      },
      [&] { return wants[0] ? needed(Direction::backward_data, g.diff_src) : Status{}; },
      [&] { return wants[1] ? needed(Direction::backward_weights, src) : Status{}; },
      [&] {
        return wants[2] ? needed(Direction::backward_bias, dense_view<const T>(nullptr, src_shape(p))) : Status{};
      });
  if (!checked) return checked;
  return first_error(
      [&] { return wants[0] ? backward_data<T>(p, diff_dst, weights, {}, g.diff_src, fixed) : Status{}; },
      [&] { return wants[1] ? backward_weights<T>(p, diff_dst, src, g.diff_weights, fixed) : Status{}; },
      [&] { return wants[2] ? backward_bias<T>(diff_dst, g.diff_bias, fixed) : Status{}; });
}

template <class T>
Status workspace_size(const ConvProblem& p, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                      const Options& options, int64_t& bytes) noexcept {
  Description d;
  if (Status s = describe<T>(p, direction, src, dst, options, d); !s) return s;
  bytes = d.workspace_bytes;
  return {};
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
  template Status backward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<const T>,      \
                              const Gradients<T>&, const Options&) noexcept;                                          \
  template Status workspace_size<T>(const ConvProblem&, Direction, TensorView<const T>, TensorView<const T>,          \
                                    const Options&, int64_t&) noexcept;                                               \
  template Status workspace_size<T>(const ConvProblem&, Direction, const Options&, int64_t&) noexcept;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
