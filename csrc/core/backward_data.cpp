#include "core/backward_data.hpp"

#include "core/unaligned.hpp"

namespace tapwise {
namespace {

// Positions that no tap reaches become the bias, or zero.
template <class T>
void fill_uncovered(const BackwardData<T>& lowered, const TensorView<T>& view, const T* bias, int64_t bias_stride,
                    const Options& options) {
  const std::vector<bool> covered[] = {lowered.covered(0), lowered.covered(1), lowered.covered(2)};
  const auto meets = [&](std::size_t axis, int64_t i) {
    return static_cast<bool>(covered[axis][static_cast<std::size_t>(i) % covered[axis].size()]);
  };
  const int64_t rows = view.shape[0] * view.shape[1];
  const double numbers = static_cast<double>(rows) * static_cast<double>(view.shape[2] * view.shape[3] * view.shape[4]);
  parallel_for(rows, threads_for(options, numbers, rows), [&](int64_t row, int) {
    const int64_t channel = row % view.shape[1];
    const T value = bias == nullptr ? T{0} : load<T>(reinterpret_cast<const byte*>(bias) + channel * bias_stride);
    byte* const plane =
        reinterpret_cast<byte*>(view.data) + row / view.shape[1] * view.stride[0] + channel * view.stride[1];
    for (int64_t d = 0; d < view.shape[2]; ++d) {
      for (int64_t h = 0; h < view.shape[3]; ++h) {
        const bool row_meets = meets(0, d) && meets(1, h);
        for (int64_t w = 0; w < view.shape[4]; ++w) {
          if (row_meets && meets(2, w)) continue;
          byte* const to = plane + d * view.stride[2] + h * view.stride[3] + w * view.stride[4];
          const T sum = options.accumulate ? value + load<T>(to) : value;
          store<T>(to, options.relu && sum < T{0} ? T{0} : sum);
        }
      }
    }
  });
}

}  // namespace

template <class T>
Status run_backward_data(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, const T* bias,
                         int64_t bias_stride, const TensorView<T>& diff_src, const Options& options) {
  const auto threads = [&](const Jobs<T>& jobs) { return threads_for(options, jobs.work, jobs.items); };
  // Memory first: nothing is written if there is too little.
  int64_t bytes = 0;
  for_each_batch(lowered, k,
                 [&](const Jobs<T>& jobs) { bytes = std::max(bytes, jobs.workspace_bytes(threads(jobs))); });
  const Workspace workspace(bytes);
  if (workspace.data() == nullptr) return out_of_memory(bytes);
  if (!lowered.covers_diff_src()) fill_uncovered(lowered, diff_src, bias, bias_stride, options);
  for_each_batch(lowered, k, [&](const Jobs<T>& jobs) {
    run_jobs(jobs, k, Bias<T>{bias, bias_stride}, options, threads(jobs), workspace.data());
  });
  return {};
}

#define TAPWISE_INSTANTIATE(T)                                                                                \
  template Status run_backward_data<T>(const BackwardData<T>&, const kernels::Kernels<T>&, const T*, int64_t, \
                                       const TensorView<T>&, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
