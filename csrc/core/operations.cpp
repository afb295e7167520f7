#include "tapwise/operations.hpp"

#include "core/backward_data.hpp"
#include "core/bias_gradient.hpp"
#include "core/check.hpp"
#include "core/dispatch.hpp"
#include "core/weight_gradient.hpp"

namespace tapwise {
namespace {

// A transposed convolution may add outputs (output_padding, fewer than its dilation) that only positions past the end
// of diff_dst would reach. It may lack those positions: they count as zeros.
Status check_diff_dst(const ConvProblem& p, const TensorView<const float>& diff_dst) noexcept {
  auto expected = dst_shape(p);
  for (std::size_t a = 0; a < 3; ++a) {
    const int64_t missing = expected[a + 2] - diff_dst.shape[a + 2];
    if (missing > 0 && missing <= (p.dilation[a] - 1) / p.stride[a] && diff_dst.shape[a + 2] > 0)
      expected[a + 2] -= missing;
  }
  return check_view("diff_dst", diff_dst, expected, Use::read);
}

template <class T>
Status check_diff_dst(const ConvProblem& p, const TensorView<const T>& v) noexcept {
  return check_diff_dst(p, TensorView<const float>{reinterpret_cast<const float*>(v.data), v.shape, v.stride});
}

}  // namespace

template <class T>
Status forward(const ConvProblem& p, TensorView<const T> src, TensorView<const T> weights, const T* bias,
               int64_t bias_stride, TensorView<T> dst, const Options& options) {
  if (Status s = validate(p); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::read); !s) return s;
  if (Status s = check_view("weights", weights, weights_shape(p), Use::read); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::write); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  return guarded([&]() -> Status {
    const auto& k = kernels_of<T>(*table);
    Jobs<T> jobs;
    const Correlation c = lower_forward<T>(p, src, weights, dst);
    jobs.add(c, plan_correlate(c, k));
    const int threads = threads_for(options, jobs.work, jobs.items);
    const Workspace workspace(jobs.workspace_bytes(threads));
    if (workspace.data() == nullptr) return out_of_memory(jobs.workspace_bytes(threads));
    run_jobs(jobs, k, Bias<T>{bias, bias_stride}, options, threads, workspace.data(), [](int64_t) {});
    return {};
  });
}

template <class T>
Status backward_data(const ConvProblem& p, TensorView<const T> diff_dst, TensorView<const T> weights, const T* bias,
                     int64_t bias_stride, TensorView<T> diff_src, const Options& options) {
  if (Status s = validate(p); !s) return s;
  if (Status s = check_diff_dst(p, diff_dst); !s) return s;
  if (Status s = check_view("weights", weights, weights_shape(p), Use::read); !s) return s;
  if (Status s = check_view("diff_src", diff_src, src_shape(p), Use::write); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  return guarded([&] {
    const BackwardData<T> lowered(p, diff_dst, weights, diff_src);
    return run_backward_data(lowered, kernels_of<T>(*table), bias, bias_stride, diff_src, options);
  });
}

template <class T>
Status backward_weights(const ConvProblem& p, TensorView<const T> diff_dst, TensorView<const T> src,
                        TensorView<T> diff_weights, const Options& options) {
  if (Status s = validate(p); !s) return s;
  if (Status s = check_view("diff_dst", diff_dst, dst_shape(p), Use::read); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::read); !s) return s;
  if (Status s = check_view("diff_weights", diff_weights, weights_shape(p), Use::write); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded([&] {
    return run_weight_gradient(lower_forward<T>(p, src, diff_weights, diff_dst), kernels_of<T>(*table), options);
  });
}

template <class T>
Status backward_bias(TensorView<const T> diff_dst, T* diff_bias, std::int64_t stride, const Options& options) {
  Checked bytes{int64_t{sizeof(T)}};
  for (const int64_t size : diff_dst.shape) {
    if (size < 0) return Status::error(Code::invalid_argument, "diff_dst: a size is negative");
    bytes = bytes * std::max<int64_t>(size, 1);
  }
  if (bytes.overflowed || bytes.value > kMostBytes)
    return Status::error(Code::overflow, "diff_dst is too large: its bytes are more than 2^52");
  if (Status s = check_view("diff_dst", diff_dst, diff_dst.shape, Use::read); !s) return s;
  if (diff_bias == nullptr) return Status::error(Code::invalid_argument, "diff_bias: data is null");
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded(
      [&] { return run_bias_gradient(normalised(diff_dst), diff_bias, stride, options, kernels_of<T>(*table)); });
}

#define TAPWISE_INSTANTIATE(T)                                                                                     \
  template Status forward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, const T*, std::int64_t, \
                             TensorView<T>, const Options&);                                                       \
  template Status backward_data<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, const T*,         \
                                   std::int64_t, TensorView<T>, const Options&);                                   \
  template Status backward_weights<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<T>, \
                                      const Options&);                                                             \
  template Status backward_bias<T>(TensorView<const T>, T*, std::int64_t, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
