// What the lanes of a vector hold, and how full they get.
#pragma once

#include <cstdint>

#include "checked.hpp"

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Every pass has the same three choices:
///
///   channels  one output channel a lane; activations are broadcast. The rule.
///   pixels    one output position of a row a lane; weights are broadcast (forward), or the lanes are summed at
///             the end (weight gradient). For few output channels, where lanes of channels would stay empty.
///   groups    one group a lane; every lane has its own activations and weights. For depthwise and many small groups.
enum class Lanes { channels, pixels, groups };

/// The planner's estimate of the share of full speed that each would reach; the highest is chosen.
struct LaneSpeed {
  double channels = 0, pixels = 0, groups = 0;
  Lanes fastest() const {
    if (channels >= pixels && channels >= groups) return Lanes::channels;
    return pixels >= groups ? Lanes::pixels : Lanes::groups;
  }
};

inline const char* name(Lanes lanes) {
  constexpr const char* names[] = {"channels", "pixels", "groups"};
  return names[static_cast<int>(lanes)];
}

/// The share of lanes that do useful work when `count` things are laid out in vectors.
inline double lane_use(std::int64_t count, std::int64_t lanes) {
  return static_cast<double>(count) / static_cast<double>(round_up(count, lanes));
}

/// How many vectors of groups a tile is wide. Only a single one may be filled in part.
inline int vectors_of_groups(std::int64_t groups, std::int64_t lanes) { return groups % (2 * lanes) == 0 ? 2 : 1; }

/// How fast a choice of lanes is: `speed` relative to full lanes, less what it costs to pack the weights (or to add up
/// the sums of a weight gradient), which are as many numbers more as lanes are empty, and serve `positions` outputs.
inline double with_packing(double speed, double lanes_used, double positions) {
  constexpr double kPackedNumber = 8;  // in multiply-adds of a lane
  return 1 / (1 / speed + kPackedNumber / (lanes_used * positions));
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
