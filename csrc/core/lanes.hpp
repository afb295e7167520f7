// What the lanes of a vector hold, and how full they get.
#pragma once

#include <cstdint>

#include "core/checked.hpp"

namespace tapwise {

/// Every pass has the same three choices:
///
///   channels  one output channel a lane; activations are broadcast. The rule.
///   pixels    one output position of a row a lane; weights are broadcast (forward), or the lanes are summed at
///             the end (weight gradient). For few output channels, where lanes of channels would stay empty.
///   groups    one group a lane; every lane has its own activations and weights. For depthwise and many small groups.
enum class Lanes { channels, pixels, groups };

inline const char* name(Lanes lanes) {
  constexpr const char* names[] = {"channels", "pixels", "groups"};
  return names[static_cast<int>(lanes)];
}

/// The share of lanes that do useful work when `count` things are laid out in vectors.
inline double lane_use(std::int64_t count, std::int64_t lanes) {
  return static_cast<double>(count) / static_cast<double>(round_up(count, lanes));
}

/// `total` rows in the fewest tiles of at most `most`, as even as can be: tile i has rows [first(i), first(i + 1)).
struct EvenSplit {
  std::int64_t total, parts;
  EvenSplit(std::int64_t total_, std::int64_t most) : total(total_), parts(ceil_div(total_, most)) {}
  std::int64_t first(std::int64_t i) const { return i * (total / parts) + (i < total % parts ? i : total % parts); }
  std::int64_t size(std::int64_t i) const { return first(i + 1) - first(i); }
};

/// log2 of the vectors that a tile is wide, as the kernel tables are indexed.
inline int vectors_index(int vectors) { return vectors == 4 ? 2 : vectors - 1; }

}  // namespace tapwise
