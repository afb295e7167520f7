#include "call.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <link.h>
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(_OPENMP)
#include <omp.h>

#include "team.hpp"
#endif

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
inline std::atomic<int> default_threads{0};
inline thread_local int override_threads = 0;

inline int affinity_cpus() noexcept {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// The quota of the process's control group, in CPUs: cgroup v2's cpu.max, or v1's pair of files.
inline int quota_cpus() noexcept {
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
inline const int initial_openmp_threads = omp_get_max_threads();

// GNU's runtime hangs when a child of fork() starts a team in a thread that had one before the fork, whoever started
// it: another library, too. So a child runs everything in the calling thread.
inline std::atomic<bool> forked{false};

#if defined(__unix__) || defined(__APPLE__)
inline const int fork_handler = pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
#endif

#if defined(__linux__) && defined(__GLIBC__)

// A library that is first loaded after the fork has missed it. The kernel knows that this process was forked and has
// not executed anything since; whether OpenMP was there before us, the order of the loaded objects tells.
inline bool loaded_into_fork_with_openmp() noexcept {
  std::FILE* file = std::fopen("/proc/self/stat", "r");
  if (file == nullptr) return false;
  char text[512] = {};
  const std::size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  // pid (name) state ppid pgrp session tty tpgid flags ...; the name may hold anything.
  const char* fields = length > 0 ? std::strrchr(text, ')') : nullptr;
  unsigned long flags = 0;
  constexpr unsigned long kForkedNotExecuted = 0x40;  // PF_FORKNOEXEC
  if (fields == nullptr || std::sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1) return false;
  if ((flags & kForkedNotExecuted) == 0) return false;

  struct Search {
    bool openmp_seen = false, openmp_first = false;
  } search;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* data) {
        auto& found = *static_cast<Search*>(data);
        if (std::strstr(object->dlpi_name, "libgomp") != nullptr) found.openmp_seen = true;
        const auto here = reinterpret_cast<std::uintptr_t>(&default_threads);
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          const std::uintptr_t start = object->dlpi_addr + segment.p_vaddr;
          if (segment.p_type != PT_LOAD || here < start || here >= start + segment.p_memsz) continue;
          found.openmp_first = found.openmp_seen;
          return 1;
        }
        return 0;
      },
      &search);
  return search.openmp_first;
}
inline const bool late = loaded_into_fork_with_openmp();

#else
inline constexpr bool late = false;
#endif

inline bool serial_after_fork() noexcept { return late || forked.load(std::memory_order_relaxed); }

#endif  // _OPENMP

}  // namespace TAPWISE_PRIVATE

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
#if defined(_OPENMP)
  if (serial_after_fork()) return 1;
#endif
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

void openmp_for(std::int64_t items, int threads, void (*body)(void*, std::int64_t, int), void* state) noexcept {
#if defined(_OPENMP)
  threads = static_cast<int>(std::min<std::int64_t>(threads, items));
  if (threads > 1 && !serial_after_fork() && (threads = team_of(threads)) > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::int64_t item = 0; item < items; ++item) body(state, item, omp_get_thread_num());
    return;
  }
#endif
  static_cast<void>(threads);
  for (std::int64_t item = 0; item < items; ++item) body(state, item, 0);
}

}  // namespace detail
}  // namespace tapwise::inline TAPWISE_NAMESPACE
