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

  /// What the place of a chunk is permuted by: four chunks of a row along the depth, of which two rows fill the banks
  /// once; eight chunks of neighbouring rows along rows, where a tensor core's lanes want two chunks at four depths.
  __device__ static constexpr int swizzle(int across) {
    return kAlong == Along::depth ? across / 2 % 4 * kChunk : across / 4 % 4 * 2 * kChunk;
  }

  __device__ static int index(int row, int k) {
    return kAlong == Along::depth ? row * kDepth + (k ^ swizzle(row)) : k * kRows + (row ^ swizzle(k));
  }

  /// index(row + more, k + d) from index(row, k). No bit may be in both row and more, and d not change the swizzle of
  /// k; then most of it is a constant that the load adds.
  __device__ static int beside(int index, int more, int d) {
    if constexpr (kAlong == Along::depth) return (index ^ swizzle(more)) + more * kDepth + d;
    const int permuted = more % (8 * kChunk);
    return (index ^ permuted) + (more - permuted) + d * kRows;
  }

  /// kCount numbers of one chunk, along the direction in which they are contiguous.
  template <int kCount>
  __device__ static Run<T, kCount> run(const T* tile, int index) {
    return *reinterpret_cast<const Run<T, kCount>*>(tile + index);
  }
};

/// Starts the copies of a tile: kCopy numbers at a time, each from the sum of a row's address and a depth's offset.
template <class Tile, int kCopy, int kThreads, class T>
__device__ inline void gather(T* tile, const Operand<const T>& operand, const Position* rows, const Position* depth) {
  constexpr bool along_depth = Tile::kAlong == Along::depth;
  constexpr int kAcross = (along_depth ? Tile::kDepth : Tile::kRows) / kCopy;
  constexpr int kTurns = Tile::kSize / kCopy / kThreads, kStep = kThreads / kAcross;
  static_assert(kThreads % kAcross == 0 && Tile::kSize % (kCopy * kThreads) == 0);
  // Neighbouring threads copy along the contiguous direction; there a thread stays where it is.
  const int along = static_cast<int>(threadIdx.x) % kAcross * kCopy;
  const Position here = along_depth ? depth[along] : rows[along];
  // Unrolled further, the addresses of copies of single numbers take more registers than there are.
#pragma unroll kCopy == 1 ? 1 : 2
  for (int turn = 0; turn < kTurns; ++turn) {
    const int across = static_cast<int>(threadIdx.x) / kAcross + turn * kStep;
    const Position there = along_depth ? rows[across] : depth[across];
    const int to = along_depth ? Tile::index(across, along) : Tile::index(along, across);
    // What is outside has some address, which is not read.
    copy_async<kCopy * sizeof(T)>(tile + to, reinterpret_cast<const void*>(here.offset + there.offset),
                                  inside(here, there, operand.extent));
  }
}

}  // namespace tapwise::cuda
