// What public functions do around their work: how many threads, whose, and failures as a Status.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdlib>
#include <exception>

#include "machine.hpp"
#include "tapwise/operations.hpp"
#include "tapwise/parallel.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

// Waking a team takes some microseconds on an idle machine and, where other processes hold the cores, milliseconds;
// a call of fewer operations than this (about 40 us of one core) stays in the calling thread, unless it asks for
// threads itself.
inline constexpr double kInlineFlops = 4e6;

// Every thread of a team is tried out (team.hpp) and has scratch memory, so a request is kept to what makes sense.
inline int startable(int threads) noexcept {
  constexpr int kAnywhere = 64;
  return threads <= kAnywhere ? threads : std::min(threads, std::max(kAnywhere, 4 * available_cpus()));
}

// The threads that a call may use, asked for once: the default may change meanwhile, and scratch memory is for so many.
inline int available_threads(const Options& options) noexcept {
  const bool others = options.parallel != nullptr && options.parallel->run != nullptr;
  const int wanted = options.threads == 0 ? (others ? options.parallel->workers : get_num_threads())
                                          : std::abs(std::max(options.threads, -(1 << 20)));
  return std::max(1, others ? std::min(wanted, options.parallel->workers) : startable(wanted));
}

/// The same options, with threads that no longer depend on the default.
inline Options resolved(Options options) noexcept {
  if (options.threads <= 0) options.threads = -available_threads(options);
  return options;
}

inline int threads_for(const Options& options, double work, std::int64_t items) noexcept {
  if (options.threads <= 0 && work < kInlineFlops) return 1;
  return static_cast<int>(std::clamp<std::int64_t>(items, 1, available_threads(options)));
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
  } else if (others != nullptr && others->run != nullptr) {
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
