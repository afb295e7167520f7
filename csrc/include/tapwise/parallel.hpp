// Threads: how many, and the one loop that uses them.
#pragma once

#include <cstdint>

namespace tapwise {

/// The CPUs that this process may use: its affinity mask and its cgroup quota, whichever is smaller.
int available_cpus() noexcept;

/// The process-wide default; 0 restores available_cpus().
void set_num_threads(int threads) noexcept;

/// What an operation with Options::threads == 0 uses in this thread: the innermost ThreadScope, else the
/// default, never more than what omp_set_num_threads (or threadpoolctl) has lowered OpenMP to.
int get_num_threads() noexcept;

/// The calling thread's own override, 0 for none; returns the previous one. ThreadScope's two halves.
int exchange_thread_override(int threads) noexcept;

struct ThreadScope {
  explicit ThreadScope(int threads) noexcept : previous(exchange_thread_override(threads)) {}
  ~ThreadScope() { exchange_thread_override(previous); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  int previous;
};

/// Whether this build has OpenMP. Without it every loop runs in the calling thread.
bool has_openmp() noexcept;

namespace detail {
void parallel_for(std::int64_t items, int threads, void (*body)(const void* context, std::int64_t item, int thread),
                  const void* context) noexcept;
}

/// body(item, thread) for item in [0, items), thread in [0, threads). Items are handed out one by one as threads
/// become free, so that a result must never depend on which thread computed it.
template <class Body>
void parallel_for(std::int64_t items, int threads, const Body& body) noexcept {
  detail::parallel_for(
      items, threads,
      [](const void* context, std::int64_t item, int thread) { (*static_cast<const Body*>(context))(item, thread); },
      &body);
}

}  // namespace tapwise
