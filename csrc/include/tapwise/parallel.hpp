// Threads: how many, and whose.
#pragma once

#include <cstdint>

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// The CPUs that this process may use: its affinity mask and its cgroup quota, whichever is smaller.
TAPWISE_FUNCTION int available_cpus() noexcept;

/// The process-wide default; 0 restores available_cpus().
TAPWISE_FUNCTION void set_num_threads(int threads) noexcept;

/// What an operation with Options::threads == 0 uses in this thread: the innermost ThreadScope, else the
/// default, never more than what omp_set_num_threads (or threadpoolctl) has lowered OpenMP to.
TAPWISE_FUNCTION int get_num_threads() noexcept;

/// The calling thread's own override, 0 for none; returns the previous one. ThreadScope's two halves.
TAPWISE_FUNCTION int exchange_thread_override(int threads) noexcept;

struct ThreadScope {
  explicit ThreadScope(int threads) noexcept : previous(exchange_thread_override(threads)) {}
  ~ThreadScope() { exchange_thread_override(previous); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  int previous;
};

/// Whether this build has OpenMP. Without it every loop runs in the calling thread.
TAPWISE_FUNCTION bool has_openmp() noexcept;

/// Somebody else's threads, such as a thread pool: passed in Options, they run a call in place of OpenMP's.
struct ParallelFor {
  /// Calls body(state, item, worker) once for every item in [0, items) and returns when all of them have. Items may run
  /// in any order and at the same time, but never two with the same worker in [0, workers). A body neither throws nor
  /// waits for another. Null: OpenMP does it.
  void (*run)(void* context, std::int64_t items, int workers, void (*body)(void* state, std::int64_t item, int worker),
              void* state) = nullptr;
  void* context = nullptr;
  /// The most workers that run() is asked to use; every one needs scratch memory of its own.
  int workers = 1;
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
