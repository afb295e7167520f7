// What public functions do around their work: how many threads, whose, and failures as a Status.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <exception>

#include "machine.hpp"
#include "tapwise/operations.hpp"
#include "tapwise/parallel.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

// Waking a team takes some microseconds on an idle machine and, where other processes hold the cores, milliseconds;
// a call of fewer operations than this (about 40 us of one core) stays in the calling thread, unless it asks for
// threads itself.
inline constexpr double kInlineFlops = 4e6;

// OpenMP ends the process where it cannot start a thread, so a request is kept to what any machine can start.
inline int most_threads() noexcept { return std::max(64, 4 * available_cpus()); }

inline int threads_for(const Options& options, double work, std::int64_t items) noexcept {
  if (options.threads <= 0 && work < kInlineFlops) return 1;
  const int available = options.parallel != nullptr ? std::max(options.parallel->workers, 1) : get_num_threads();
  const int threads = std::min(options.threads > 0 ? options.threads : available,
                               options.parallel != nullptr ? available : most_threads());
  return static_cast<int>(std::clamp<std::int64_t>(items, 1, threads));
}

namespace detail {
TAPWISE_FUNCTION void openmp_for(std::int64_t items, int threads,
                                 void (*body)(void* state, std::int64_t item, int thread), void* state) noexcept;
}

/// body(item, thread) for item in [0, items), thread in [0, threads). Items are handed out one by one as threads
/// become free, so that a result must never depend on which thread computed it.
template <class Body>
void parallel_for(const ParallelFor* others, std::int64_t items, int threads, const Body& body) noexcept {
  const auto call = [](void* state, std::int64_t item, int thread) {
    (*static_cast<const Body*>(state))(item, thread);
  };
  auto* const state = const_cast<void*>(static_cast<const void*>(&body));
  if (items == 1 || threads == 1) {
    for (std::int64_t item = 0; item < items; ++item) body(item, 0);
  } else if (others != nullptr) {
    others->run(others->context, items, threads, call, state);
  } else {
    detail::openmp_for(items, threads, call, state);
  }
}

inline Status out_of_memory(std::int64_t bytes) noexcept {
  return Status::error(Code::out_of_memory, "a workspace of %" PRId64 " bytes could not be allocated", bytes);
}

// Where the standard library may run out of memory. Everything else neither allocates nor throws.
template <class Body>
Status guarded(Body&& body) noexcept {
#if defined(__cpp_exceptions)
  try {
    return body();
  } catch (const std::exception&) {
    return Status::error(Code::out_of_memory, "out of memory");
  }
#else
  return body();
#endif
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
