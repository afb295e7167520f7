// Multiply-adds of the ordinary cores on tiles in shared memory.
#pragma once

#include "cuda/tile.hpp"

namespace tapwise::cuda {

/// A warp's lanes stand in 4 rows and 8 columns, and each keeps 8 x 8 sums (float64: 8 x 4) in registers: 64 of them,
/// beside 48 for the operands, stay below the 128 that let two blocks of 256 threads share a multiprocessor.
template <class T>
struct Simt {
  using Value = T;
  static constexpr int kChunk = 16 / sizeof(T), kStep = 8 / sizeof(T), kLaneRows = 8,
                       kLaneCols = sizeof(T) == 4 ? 8 : 4;
  static constexpr int kThreads = 512;  // of a multiprocessor
  static constexpr int kWarpRows = 4 * kLaneRows, kWarpCols = 8 * kLaneCols;

  T sum[kLaneRows][kLaneCols] = {};

  __device__ static int lane_y() { return static_cast<int>(threadIdx.x) % 32 / 8; }
  __device__ static int lane_x() { return static_cast<int>(threadIdx.x) % 8; }

  /// A lane's rows are its first one and others that are constants further; what one load brings to the kLanes lanes
  /// lies side by side.
  template <class Tile>
  __device__ static int first_row(int lane) {
    return Tile::kAlong == Along::depth ? lane : lane * kChunk;
  }
  template <class Tile, int kLanes>
  __device__ static constexpr int more_rows(int i) {
    return Tile::kAlong == Along::depth ? kLanes * i : i / kChunk * (kLanes * kChunk) + i % kChunk;
  }

  /// All kCount rows of a lane, at kStep steps of depth. `start`: the index of the first row.
  template <class Tile, int kLanes, int kCount>
  __device__ static void load(T (&to)[kCount][kStep], const T* tile, int start) {
    if constexpr (Tile::kAlong == Along::depth) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const auto run = Tile::template run<kStep>(tile, Tile::beside(start, more_rows<Tile, kLanes>(i), 0));
#pragma unroll
        for (int d = 0; d < kStep; ++d) to[i][d] = run.value[d];
      }
    } else {
#pragma unroll
      for (int i = 0; i < kCount; i += kChunk)
#pragma unroll
        for (int d = 0; d < kStep; ++d) {
          const auto run = Tile::template run<kChunk>(tile, Tile::beside(start, more_rows<Tile, kLanes>(i), d));
#pragma unroll
          for (int e = 0; e < kChunk; ++e) to[i + e][d] = run.value[e];
        }
    }
  }

  // Unrolled further, the compiler loads so far ahead that registers spill.
  template <class A, class B>
  __device__ void multiply(const T* a, const T* b, int warp_row, int warp_col) {
#pragma unroll 1
    for (int k = 0; k < A::kDepth; k += kStep) {
      T left[kLaneRows][kStep], right[kLaneCols][kStep];
      load<A, 4>(left, a, A::index(warp_row + first_row<A>(lane_y()), k));
      load<B, 8>(right, b, B::index(warp_col + first_row<B>(lane_x()), k));
#pragma unroll
      for (int d = 0; d < kStep; ++d)
#pragma unroll
        for (int i = 0; i < kLaneRows; ++i)
#pragma unroll
          for (int j = 0; j < kLaneCols; ++j) sum[i][j] += left[i][d] * right[j][d];
    }
  }

  /// use(row, col, sum) for every sum of the lane, within the warp's rows and columns.
  template <class A, class B, class Use>
  __device__ void each(Use use) const {
#pragma unroll
    for (int i = 0; i < kLaneRows; ++i)
#pragma unroll
      for (int j = 0; j < kLaneCols; ++j)
        use(first_row<A>(lane_y()) + more_rows<A, 4>(i), first_row<B>(lane_x()) + more_rows<B, 8>(j), sum[i][j]);
  }
};

}  // namespace tapwise::cuda
