#include "tapwise/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace tapwise {
namespace {

std::atomic<int> default_threads{0};
thread_local int override_threads = 0;

int affinity_cpus() noexcept {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// The quota of the process's control group, in CPUs: cgroup v2's cpu.max, or v1's pair of files.
int quota_cpus() noexcept {
  long long quota = -1, period = -1;
  const auto scan = [](const char* path, const char* format, auto*... values) {
    std::FILE* file = std::fopen(path, "r");
    if (file == nullptr) return false;
    const bool complete = std::fscanf(file, format, values...) == static_cast<int>(sizeof...(values));
    std::fclose(file);
    return complete;
  };
  if (!scan("/sys/fs/cgroup/cpu.max", "%lld %lld", &quota, &period) &&
      !(scan("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "%lld", &quota) &&
        scan("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "%lld", &period)))
    return 0;
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::max(1LL, (quota + period - 1) / period));
}

#if defined(_OPENMP)

// What OpenMP would have used before anyone lowered it at run time.
const int initial_openmp_threads = omp_get_max_threads();

// GNU's runtime hangs when a child of fork() starts a team and its parent had one already. Remember that a team has
// run; in a child of such a process everything runs in the calling thread.
std::atomic<bool> team_has_run{false};
std::atomic<bool> forked_after_team{false};

#if defined(__unix__) || defined(__APPLE__)
const int fork_handler = pthread_atfork(nullptr, nullptr, [] {
  if (team_has_run.load(std::memory_order_relaxed)) forked_after_team.store(true, std::memory_order_relaxed);
});
#endif

#endif  // _OPENMP

}  // namespace

int available_cpus() noexcept {
  static const int cpus = [] {
    const int affinity = affinity_cpus(), quota = quota_cpus();
    return quota > 0 ? std::min(affinity, quota) : affinity;
  }();
  return cpus;
}

void set_num_threads(int threads) noexcept { default_threads.store(std::max(threads, 0), std::memory_order_relaxed); }

int exchange_thread_override(int threads) noexcept {
  const int previous = override_threads;
  override_threads = std::max(threads, 0);
  return previous;
}

int get_num_threads() noexcept {
  if (override_threads > 0) return override_threads;
  const int chosen = default_threads.load(std::memory_order_relaxed);
  int threads = chosen > 0 ? chosen : available_cpus();
#if defined(_OPENMP)
  const int openmp = omp_get_max_threads();
  if (chosen == 0 || openmp < initial_openmp_threads) threads = std::min(threads, openmp);
#endif
  return std::max(threads, 1);
}

bool has_openmp() noexcept {
#if defined(_OPENMP)
  return true;
#else
  return false;
#endif
}

namespace detail {

void parallel_for(std::int64_t items, int threads, void (*body)(const void*, std::int64_t, int),
                  const void* context) noexcept {
#if defined(_OPENMP)
  threads = static_cast<int>(std::min<std::int64_t>(threads, items));
  if (threads > 1 && !forked_after_team.load(std::memory_order_relaxed)) {
    team_has_run.store(true, std::memory_order_relaxed);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::int64_t item = 0; item < items; ++item) body(context, item, omp_get_thread_num());
    return;
  }
#endif
  static_cast<void>(threads);
  for (std::int64_t item = 0; item < items; ++item) body(context, item, 0);
}

}  // namespace detail
}  // namespace tapwise
