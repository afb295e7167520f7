// Gradient by the input: the phases of the stride, and what lies between them.
#pragma once

#include "jobs.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// So many phases are planned, packed and run at a time, which bounds the memory of a pass with many.
inline constexpr int64_t kPhasesAtATime = 256;

/// Descriptions look at so many phases one by one; of more, at the largest.
inline constexpr int64_t kMostDescribed = 4096;

/// The scratch memory of all batches, each of which needs `bytes` at most: their list of jobs comes first.
template <class T>
struct BatchMemory {
  std::span<typename Jobs<T>::Job> room;
  byte* rest;
  int64_t bytes;

  BatchMemory(const BackwardData<T>& lowered, int64_t bytes_of_batch, byte* block = nullptr) {
    const int64_t most = std::min(kPhasesAtATime, lowered.phases());
    Arena arena(block);
    auto* const jobs = arena.take<typename Jobs<T>::Job>(most);
    if (block != nullptr) room = {jobs, static_cast<std::size_t>(most)};
    rest = arena.take<byte>(bytes_of_batch);
    bytes = arena.used();
  }
};

/// body(const Jobs<T>&) for each batch of phases, which are kept in `room`, or only counted if that is empty.
template <class T, class Finite, class Body>
void for_each_batch(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, std::span<typename Jobs<T>::Job> room,
                    Finite&& finite, Body&& body) {
  Correlation phase;
  CorrelatePlan plan;
  if (lowered.phased()) plan = plan_for(lowered.largest(), k, finite, true);
  Jobs<T> jobs{.room = room};
  for (int64_t i = 0; i < lowered.phases(); ++i) {
    if (!lowered.job(i, phase)) continue;
    jobs.add(phase, lowered.phased() ? plan_phase<T>(phase, plan) : plan_for(phase, k, finite));
    if (jobs.count < kPhasesAtATime) continue;
    body(jobs);
    jobs = {.room = room};
  }
  if (jobs.count > 0) body(jobs);
}

template <class T>
Status run_backward_data(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, Bias<T> bias,
                         const TensorView<T>& diff_src, const Options& options);

}  // namespace tapwise::inline TAPWISE_NAMESPACE
