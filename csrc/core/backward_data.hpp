// Gradient by the input: the phases of the stride, and what lies between them.
#pragma once

#include "core/jobs.hpp"

namespace tapwise {

/// So many phases are planned, packed and run at a time, which bounds the memory of a pass with many.
inline constexpr int64_t kPhasesAtATime = 256;

/// body(const Jobs<T>&) for each batch of phases.
template <class T, class Body>
void for_each_batch(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, Body&& body) {
  const int64_t count = lowered.jobs();
  if (count == 0) return;
  const CorrelatePlan plan =
      plan_correlate(lowered.phased() ? lowered.largest() : lowered.job(0), k, nullptr, lowered.phased());
  for (int64_t first = 0; first < count; first += kPhasesAtATime) {
    Jobs<T> jobs;
    for (int64_t i = first; i < std::min(count, first + kPhasesAtATime); ++i) {
      const Correlation phase = lowered.job(i);
      jobs.add(phase, lowered.phased() ? plan_phase<T>(phase, plan) : plan);
    }
    body(jobs);
  }
}

template <class T>
Status run_backward_data(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, const T* bias,
                         int64_t bias_stride, const TensorView<T>& diff_src, const Options& options);

}  // namespace tapwise
