// Operations in which the lanes of a warp meet: what each lane brings, and where each finds its result.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>

#include "sanitizers.hpp"

namespace tapwise::emulation {

inline constexpr unsigned kWarpSize = 32;

// What a kernel must not do; ends the launch and becomes last_fault().
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct WarpMeeting;

enum class WarpOperation { kSync, kShuffle, kMatrix };

struct WarpVisit {
  WarpOperation operation;
  std::uint32_t mask;
  const void* offer;
  void* result;
  void (*perform)(const WarpMeeting&);  // writes every lane's result
};

struct WarpMeeting {
  std::array<const WarpVisit*, kWarpSize> lanes{};  // null for lanes that do not take part

  template <class T>
  const T* offer(unsigned lane) const {
    return lanes[lane] == nullptr ? nullptr : static_cast<const T*>(lanes[lane]->offer);
  }
  template <class T>
  T& result(unsigned lane) const {
    return *static_cast<T*>(lanes[lane]->result);
  }
};

// A place where threads wait for each other. For ThreadSanitizer all that went before any arrival happens before all
// that follows any departure. Two tokens take turns: with one, a thread that already arrives at the next meeting would
// seem ordered before a slow one that has yet to leave this meeting, which would hide races between the two.
class MeetingPoint {
 public:
  void* token() { return &tokens_[generation_ % 2]; }
  void complete() { ++generation_; }

 private:
  std::array<std::uint64_t, 2> tokens_{};
  unsigned generation_ = 0;
};

// Bit sets by lane. Subsets of a warp may synchronize on their own, so there is a meeting point for every mask.
struct Warp {
  std::uint32_t live = 0;
  std::uint32_t waiting = 0;
  std::map<std::uint32_t, MeetingPoint> points;
};

}  // namespace tapwise::emulation
