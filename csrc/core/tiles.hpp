// Walking register tiles.
#pragma once

#include <cstdint>

#include "../kernels/table.hpp"
#include "checked.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// `total` rows in the fewest tiles of at most `most`, as even as can be: tile i has rows [first(i), first(i + 1)).
struct EvenSplit {
  std::int64_t parts, least, larger;  // the first `larger` tiles have one row more than `least`
  EvenSplit(std::int64_t total, std::int64_t most)
      : parts(ceil_div(total, most)), least(total / parts), larger(total % parts) {}
  std::int64_t first(std::int64_t i) const { return i * least + (i < larger ? i : larger); }
  std::int64_t size(std::int64_t i) const { return first(i + 1) - first(i); }
};

/// log2 of the vectors that a tile is wide, as the kernel tables are indexed.
inline int vectors_index(int vectors) { return vectors == 4 ? 2 : vectors - 1; }

/// The fewest vectors, of those that tiles come in, that hold `count` numbers.
inline int vectors_for(std::int64_t count, std::int64_t lanes) {
  return count <= lanes ? 1 : count <= 2 * lanes ? 2 : 4;
}

/// The kernels of one operand and width, by rows - 1.
template <class T>
auto tile_functions(const kernels::Kernels<T>& k, kernels::Operand operand, int vectors) {
  return &k.tile[static_cast<int>(operand)][vectors_index(vectors)][0];
}

/// Runs `tile`, which starts at row 0 of `rows`, on each of them in turn.
template <class T>
void run_rows(void (*const* functions)(const kernels::Tile<T>&), kernels::Tile<T> tile, const EvenSplit& rows) {
  for (std::int64_t i = 0; i < rows.parts; ++i) {
    const std::int64_t count = rows.size(i);
    functions[count - 1](tile);
    tile.a += count * tile.a_row;
    tile.c += count * tile.c_row;
  }
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
