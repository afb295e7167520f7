// Correlations that write disjoint parts of one result, packed and run as one parallel loop: several phases of a
// stride, or a single one. They divide their work alike, and item i is item i of each of them in turn.
#pragma once

#include <algorithm>
#include <span>

#include "call.hpp"
#include "correlate.hpp"
#include "scratch.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

template <class T>
struct Jobs {
  struct Job {
    Correlation c;
    CorrelatePlan plan;
    int64_t first_panel, packed_at;
  };
  /// Where jobs are kept. Without room they are only counted, and cannot be run.
  std::span<Job> room = {};
  int64_t count = 0;
  CorrelatePlan first{};                                                 // the plan of the first job
  int64_t items = 0, panels = 0, packed_numbers = 0, scratch_bytes = 0;  // panels and packed: beforehand
  double work = 0;

  void add(const Correlation& c, const CorrelatePlan& plan) {
    if (count == 0) first = plan;
    if (!room.empty()) room[static_cast<std::size_t>(count)] = {c, plan, panels, packed_numbers};
    ++count;
    items = plan.items(c);
    scratch_bytes = std::max(scratch_bytes, plan.scratch_bytes(sizeof(T)));
    work += flops_of(c);
    if (plan.pack_in_item) return;
    panels += plan.units * plan.panels;
    packed_numbers += round_up(plan.packed_numbers(), kCacheLine / int64_t{sizeof(T)});
  }

  std::span<const Job> all() const { return room.first(static_cast<std::size_t>(count)); }
  int64_t packed_bytes() const { return capped_product(packed_numbers, int64_t{sizeof(T)}); }
  int64_t workspace_bytes(int threads) const { return workspace_of(packed_bytes(), threads, scratch_bytes); }

  void pack(const kernels::Kernels<T>& k, Bias<T> bias, T* packed, const ParallelFor* others, int threads) const {
    // Waking a team costs as much as to pack so many numbers.
    constexpr int64_t few = 32 * 1024;
    parallel_for(others, panels, packed_numbers < few ? 1 : threads, [&](int64_t panel, int) {
      const Job& job = find_panel(panel);
      const int64_t index = panel - job.first_panel;
      pack_panel(job.c, job.plan, k, index / job.plan.panels, index % job.plan.panels, bias,
                 packed + job.packed_at + index * job.plan.panel_numbers);
    });
  }

  /// `before(item)` is called before each item.
  template <class Before>
  void run(const kernels::Kernels<T>& k, const T* packed, Bias<T> bias, StoreOptions store, byte* scratch,
           const ParallelFor* others, int threads, Before&& before) const {
    parallel_for(others, items, threads, [&](int64_t item, int thread) {
      before(item);
      for (const Job& job : all())
        run_correlate_item(job.c, job.plan, k, item, job.plan.pack_in_item ? nullptr : packed + job.packed_at, bias,
                           store, scratch + thread * scratch_bytes);
    });
  }

 private:
  const Job& find_panel(int64_t index) const {
    return *(std::upper_bound(all().begin(), all().end(), index,
                              [](int64_t i, const Job& job) { return i < job.first_panel; }) -
             1);
  }
};

/// Packs and runs all jobs in workspace_bytes(threads) bytes of scratch memory.
template <class T, class Before>
void run_jobs(const Jobs<T>& jobs, const kernels::Kernels<T>& k, Bias<T> bias, const Options& options, int threads,
              byte* workspace, Before&& before) {
  T* const packed = reinterpret_cast<T*>(workspace);
  jobs.pack(k, bias, packed, options.parallel, threads);
  jobs.run(k, packed, bias, {bias.data != nullptr, options.relu, options.accumulate}, workspace + jobs.packed_bytes(),
           options.parallel, threads, before);
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
