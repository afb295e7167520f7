// A piece of an operand in shared memory: rows (of a; columns, as b's rows are called) by 64 bytes of depth.
//
// Numbers lie in 16-byte chunks along the direction in which the tensor is contiguous, so that a chunk is one copy.
// The order of the chunks is permuted by an exclusive or (a swizzle), so that neither the 16-byte loads of eight lanes
// nor the single loads of the 32 lanes that feed a tensor core meet in one of the 32 banks.
#pragma once

#include "cuda/along.hpp"
#include "cuda/device.hpp"
#include "cuda/product.hpp"

namespace tapwise::cuda {

/// Numbers that one load brings.
template <class T, int kCount>
struct alignas(kCount * sizeof(T)) Run {
  T value[kCount];
};

template <class T, Along kDirection, int kRowCount>
struct Tile {
  using Value = T;
  static constexpr Along kAlong = kDirection;
  static constexpr int kChunk = 16 / sizeof(T), kRows = kRowCount, kDepth = 64 / sizeof(T), kSize = kRows * kDepth;
  static_assert(kRows % 32 == 0);

  __device__ static int index(int row, int k) {
    // Two rows of four chunks fill the banks once: eight consecutive rows meet each bank once at any one depth.
    if constexpr (kAlong == Along::depth) return row * kDepth + ((k / kChunk) ^ ((row / 2) % 4)) * kChunk + k % kChunk;
    // Lanes of a tensor core's operand are eight rows at four depths that are four apart: two chunks for each depth.
    return k * kRows + ((row / kChunk) ^ ((k / 4) % 4 * 2)) * kChunk + row % kChunk;
  }

  /// kCount numbers of one chunk, along the direction in which they are contiguous.
  template <int kCount>
  __device__ static Run<T, kCount> run(const T* tile, int row, int k) {
    return *reinterpret_cast<const Run<T, kCount>*>(tile + index(row, k));
  }
};

/// Starts the copies of a tile: kCopy numbers at a time, each from the sum of a row's and a depth's position.
template <class Tile, int kCopy, int kThreads, class T>
__device__ inline void gather(T* tile, const Operand<const T>& operand, const T* data, const Position* rows,
                              const Position* depth) {
  constexpr bool along_depth = Tile::kAlong == Along::depth;
  constexpr int kAcross = (along_depth ? Tile::kDepth : Tile::kRows) / kCopy;
  constexpr int kTurns = Tile::kSize / kCopy / kThreads, kStep = kThreads / kAcross;
  static_assert(kThreads % kAcross == 0 && Tile::kSize % (kCopy * kThreads) == 0);
  // Neighbouring threads copy along the contiguous direction; there a thread stays where it is.
  const int along = static_cast<int>(threadIdx.x) % kAcross * kCopy;
  const Position here = along_depth ? depth[along] : rows[along];
#pragma unroll 2
  for (int turn = 0; turn < kTurns; ++turn) {
    const int across = static_cast<int>(threadIdx.x) / kAcross + turn * kStep;
    const Position there = along_depth ? rows[across] : depth[across];
    bool inside = true;
#pragma unroll
    for (int a = 0; a < 3; ++a)
      inside = inside && static_cast<unsigned>(here.at[a] + there.at[a]) < static_cast<unsigned>(operand.extent[a]);
    const int to = along_depth ? Tile::index(across, along) : Tile::index(along, across);
    copy_async<kCopy * sizeof(T)>(tile + to, data + (inside ? here.offset + there.offset : 0), inside);
  }
}

}  // namespace tapwise::cuda
