// What the planners take for granted of a core, and of how much work there is to be for many of them.
#pragma once

#include <cstdint>

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

inline constexpr std::int64_t kCacheLine = 64;

/// The first-level cache: lines whose addresses differ by a multiple of kSetBytes share a set, of so many lines.
inline constexpr std::int64_t kSets = 64, kWays = 8, kSetBytes = kSets * kCacheLine;

/// A step of a tile of at least so many multiply-adds takes longer than lines of the second-level cache need.
inline constexpr std::int64_t kPatientStep = 16;

/// Fewer independent pieces of work than this are divided further.
inline constexpr std::int64_t kEnoughItems = 16;

}  // namespace tapwise::inline TAPWISE_NAMESPACE
