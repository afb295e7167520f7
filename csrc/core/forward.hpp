// The forward pass, on operands that have been checked.
#pragma once

#include "finite.hpp"
#include "jobs.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

template <class T>
Status run_forward(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& weights,
                   const Bias<T>& bias, const TensorView<T>& dst, const Options& options,
                   const kernels::Kernels<T>& k) {
  typename Jobs<T>::Job job;
  Jobs<T> jobs{.room = {&job, 1}};
  const Correlation c = lower_forward<T>(p, src, weights, dst);
  jobs.add(c, plan_for(c, k, [&] { return all_finite(weights); }));
  const int threads = threads_for(options, jobs.work, jobs.items);
  const Scratch scratch(options.workspace, jobs.workspace_bytes(threads));
  if (!scratch.status()) return scratch.status();
  run_jobs(jobs, k, bias, options, threads, scratch.data(), [](int64_t) {});
  return {};
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
