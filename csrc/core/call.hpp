// What public functions do around their work: how many threads, and failures as a Status.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <exception>

#include "core/machine.hpp"
#include "tapwise/operations.hpp"
#include "tapwise/parallel.hpp"

namespace tapwise {

// Waking a team takes some microseconds on an idle machine and, where other processes hold the cores, milliseconds;
// a call of fewer operations than this (about 40 us of one core) stays in the calling thread, unless it asks for
// threads itself.
inline constexpr double kInlineFlops = 4e6;

// OpenMP ends the process where it cannot start a thread, so a request is kept to what any machine can start.
inline int most_threads() noexcept { return std::max(64, 4 * available_cpus()); }

inline int threads_for(const Options& options, double work, std::int64_t items) noexcept {
  if (options.threads <= 0 && work < kInlineFlops) return 1;
  const int threads = std::min(options.threads > 0 ? options.threads : get_num_threads(), most_threads());
  return static_cast<int>(std::clamp<std::int64_t>(items, 1, threads));
}

inline Status out_of_memory(std::int64_t bytes) noexcept {
  return Status::error(Code::out_of_memory, "a workspace of %" PRId64 " bytes could not be allocated", bytes);
}

// Lists of plans and positions are all that can throw in here.
template <class Body>
Status guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception&) {
    return Status::error(Code::out_of_memory, "out of memory while planning");
  }
}

}  // namespace tapwise
