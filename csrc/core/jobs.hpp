// Correlations that write disjoint parts of one result, packed and run as one parallel loop.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <new>
#include <vector>

#include "core/correlate.hpp"
#include "core/workspace.hpp"
#include "tapwise/operations.hpp"
#include "tapwise/parallel.hpp"

namespace tapwise {

inline constexpr int64_t kCacheLine = 64;

// Waking a team takes some microseconds on an idle machine and, where other processes hold the cores, milliseconds;
// a call of fewer operations than this (about 40 us of one core) stays in the calling thread, unless it asks for
// threads itself.
inline constexpr double kInlineFlops = 4e6;

inline int threads_for(const Options& options, double work, int64_t items) {
  if (options.threads == 0 && work < kInlineFlops) return 1;
  const int threads = options.threads > 0 ? options.threads : get_num_threads();
  return static_cast<int>(std::clamp<int64_t>(items, 1, threads));
}

inline Status out_of_memory(int64_t bytes) {
  return Status::error(Code::out_of_memory, "a workspace of %" PRId64 " bytes could not be allocated", bytes);
}

// Memory for plans and lists is all that can throw in here.
template <class Body>
Status guarded(Body&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::error(Code::out_of_memory, "out of memory while planning");
  }
}

inline double flops_of(const Correlation& c) {
  return 2.0 * static_cast<double>(c.batch * c.groups) * static_cast<double>(c.out_channels * c.positions()) *
         static_cast<double>(c.products_per_dst());
}

template <class T>
struct Jobs {
  struct Job {
    Correlation c;
    CorrelatePlan plan;
    int64_t first_item, first_panel, packed_at;
  };
  std::vector<Job> jobs;
  int64_t items = 0, panels = 0, packed_numbers = 0, scratch_bytes = 0;
  double work = 0;

  /// `packed_as`: the plan that existing packed weights follow, or null.
  Jobs(const std::vector<Correlation>& correlations, const kernels::Kernels<T>& k,
       const CorrelatePlan* packed_as = nullptr) {
    jobs.reserve(correlations.size());
    for (const Correlation& c : correlations) {
      const CorrelatePlan plan = plan_correlate(c, k, packed_as);
      jobs.push_back({c, plan, items, panels, packed_numbers});
      items += plan.items(c);
      panels += plan.units * plan.panels;
      packed_numbers += round_up(plan.packed_numbers(), kCacheLine / int64_t{sizeof(T)});
      scratch_bytes = std::max(scratch_bytes, round_up(plan.scratch_bytes(c), kCacheLine));
      work += flops_of(c);
    }
  }

  int64_t packed_bytes() const { return packed_numbers * int64_t{sizeof(T)}; }
  int64_t workspace_bytes(int threads) const { return packed_bytes() + threads * scratch_bytes; }

  void pack(const kernels::Kernels<T>& k, const T* bias, int64_t bias_stride, T* packed, int threads) const {
    parallel_for(panels, threads, [&](int64_t panel, int) {
      const Job& job = find(panel, &Job::first_panel);
      const int64_t index = panel - job.first_panel;
      pack_panel(job.c, job.plan, k, index / job.plan.panels, index % job.plan.panels, bias, bias_stride,
                 packed + job.packed_at);
    });
  }

  void run(const kernels::Kernels<T>& k, const T* packed, StoreOptions store, byte* scratch, int threads) const {
    parallel_for(items, threads, [&](int64_t item, int thread) {
      const Job& job = find(item, &Job::first_item);
      run_correlate_item(job.c, job.plan, k, item - job.first_item, packed + job.packed_at, store,
                         scratch + thread * scratch_bytes);
    });
  }

 private:
  const Job& find(int64_t index, int64_t Job::* first) const {
    return *(std::upper_bound(jobs.begin(), jobs.end(), index,
                              [first](int64_t i, const Job& job) { return i < job.*first; }) -
             1);
  }
};

template <class T>
Status run_jobs(const Jobs<T>& jobs, const kernels::Kernels<T>& k, const T* bias, int64_t bias_stride,
                const Options& options) {
  const int threads = threads_for(options, jobs.work, jobs.items);
  const Workspace workspace(jobs.workspace_bytes(threads));
  if (workspace.data() == nullptr) return out_of_memory(jobs.workspace_bytes(threads));
  T* const packed = reinterpret_cast<T*>(workspace.data());
  jobs.pack(k, bias, bias_stride, packed, threads);
  jobs.run(k, packed, {bias != nullptr, options.relu, options.accumulate}, workspace.data() + jobs.packed_bytes(),
           threads);
  return {};
}

}  // namespace tapwise
