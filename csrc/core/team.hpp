// Whether threads can be had, before OpenMP is asked for them: its runtimes end the process where they cannot start
// one.
#pragma once

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// The stack of OpenMP's threads in bytes, 0 for the system's default. OMP_STACKSIZE counts in KiB, or has a unit.
inline std::size_t openmp_stack_bytes() noexcept {
  const char* const text = std::getenv("OMP_STACKSIZE");
  if (text == nullptr) return 0;
  char* unit = nullptr;
  const std::size_t number = std::strtoull(text, &unit, 10);
  while (*unit == ' ') ++unit;
  switch (std::tolower(static_cast<unsigned char>(*unit))) {
    case 'b':
      return number;
    case 'm':
      return number << 20;
    case 'g':
      return number << 30;
    default:
      return number << 10;
  }
}

// A thread that waits at a gate and ends.
struct TriedThread {
  std::mutex* gate = nullptr;
  pthread_t handle{};
  long id = 0;

  bool start(const pthread_attr_t& attributes) noexcept { return pthread_create(&handle, &attributes, run, this) == 0; }

  // The kernel counts a thread that was joined for some microseconds more, until it is out of its tables.
  void join() const noexcept {
    pthread_join(handle, nullptr);
#if defined(__linux__)
    for (int tries = 0; tries < 10'000 && syscall(SYS_tgkill, getpid(), id, 0) == 0; ++tries) sched_yield();
#endif
  }

 private:
  static void* run(void* self) noexcept {
    auto& tried = *static_cast<TriedThread*>(self);
#if defined(__linux__)
    tried.id = syscall(SYS_gettid);
#endif
    const std::lock_guard pass(*tried.gate);
    return nullptr;
  }
};

// How many of so many threads can be started: all of them live at once, and end.
inline int try_threads(int wanted) noexcept {
  const auto count = static_cast<std::size_t>(wanted);
  const std::unique_ptr<TriedThread[]> threads(new (std::nothrow) TriedThread[count]);
  pthread_attr_t attributes;
  if (threads == nullptr || pthread_attr_init(&attributes) != 0) return 0;
  if (const std::size_t bytes = openmp_stack_bytes(); bytes > 0) pthread_attr_setstacksize(&attributes, bytes);
  std::size_t started = 0;
  {
    std::mutex gate;
    std::unique_lock closed(gate);
    for (; started < count; ++started) {
      threads[started].gate = &gate;
      if (!threads[started].start(attributes)) break;
    }
    closed.unlock();
    for (std::size_t i = 0; i < started; ++i) threads[i].join();
  }
  pthread_attr_destroy(&attributes);
  return static_cast<int>(started);
}

// What the calling thread knows of its team: OpenMP keeps threads for each thread that asks.
struct OpenMPTeam {
  enum class Spare { untried, there, missing };

  int size = 1;                                   // the largest that it has had
  Spare spare = Spare::there;                     // whether as many threads again can be had
  std::chrono::steady_clock::time_point retry{};  // where more were refused: when to try again
};
inline constinit thread_local OpenMPTeam openmp_team;

// One caller at a time tries, until OpenMP has its threads: two would count on the same.
inline constinit std::mutex trying;

inline int larger_team(int wanted) noexcept {
  if (omp_get_active_level() >= omp_get_max_active_levels()) return wanted;  // in somebody's region: OpenMP gives one
  OpenMPTeam& team = openmp_team;
  const auto now = std::chrono::steady_clock::now();
  if (now < team.retry) return team.size;
  const std::lock_guard alone(trying);
  const int size = std::max(team.size, 1 + try_threads(wanted - 1));
#pragma omp parallel num_threads(size)
  {
    asm volatile("");  // or compilers would leave the region out
  }
  if (size == wanted) {
    team = {size, OpenMPTeam::Spare::untried, {}};
  } else {
    team = {size, OpenMPTeam::Spare::missing, now + std::chrono::minutes(1)};
  }
  return size;
}

// GNU's runtime ends the threads that a smaller team leaves over, and may have to start others before those are gone.
// Where there are none to spare, the team stays as it is, and the caller works alone.
inline int smaller_team(int wanted) noexcept {
  OpenMPTeam& team = openmp_team;
  if (team.spare == OpenMPTeam::Spare::untried) {
    const std::lock_guard alone(trying);
    const bool all = try_threads(team.size - 1) == team.size - 1;
    team.spare = all ? OpenMPTeam::Spare::there : OpenMPTeam::Spare::missing;
  }
  return team.spare == OpenMPTeam::Spare::there ? wanted : 1;
}

// The threads that OpenMP can be asked for: so many, or fewer where they cannot be had.
inline int team_of(int wanted) noexcept {
  const int size = openmp_team.size;
  return wanted == size ? wanted : wanted > size ? larger_team(wanted) : smaller_team(wanted);
}

}  // namespace TAPWISE_PRIVATE
}  // namespace tapwise::inline TAPWISE_NAMESPACE
