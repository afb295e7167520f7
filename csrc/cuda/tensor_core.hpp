// Multiply-adds of the tensor cores: float32 operands rounded to TF32, float32 sums.
#pragma once

#include "cuda/tile.hpp"

namespace tapwise::cuda {

/// A warp keeps 32 x 64 sums as 2 x 8 results of mma_tf32. The order of the depth within a product is free, as long as
/// both operands share it: lane t of four takes the depths 4t to 4t + 3, a chunk, for two instructions.
struct TensorCore {
  using Value = float;
  static constexpr int kThreads = 512;  // of a multiprocessor
  static constexpr int kWarpRows = 32, kWarpCols = 64;

  float sum[2][8][4] = {};

  __device__ static int lane_row() { return static_cast<int>(threadIdx.x) % 32 / 4; }
  __device__ static int lane_depth() { return static_cast<int>(threadIdx.x) % 4; }

  /// The four depths of a lane in one row. `start`: the index of the first.
  template <class Tile>
  __device__ static void load(std::uint32_t (&to)[4], const float* tile, int start) {
    if constexpr (Tile::kAlong == Along::depth) {
      const auto chunk = Tile::template run<4>(tile, start);
#pragma unroll
      for (int e = 0; e < 4; ++e) to[e] = to_tf32(chunk.value[e]);
    } else {
#pragma unroll
      for (int e = 0; e < 4; ++e) to[e] = to_tf32(tile[Tile::beside(start, 0, e)]);
    }
  }

  template <class A, class B>
  __device__ void multiply(const float* a, const float* b, int warp_row, int warp_col) {
    static_assert(A::kDepth == 16 && B::kDepth == 16);
    const int a_start = A::index(warp_row + lane_row(), lane_depth() * 4);
    const int b_start = B::index(warp_col + lane_row(), lane_depth() * 4);
    std::uint32_t left[2][2][4];  // by rows, instruction, and as it wants them
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        std::uint32_t depths[4];
        load<A>(depths, a, A::beside(a_start, i * 16 + half * 8, 0));
#pragma unroll
        for (int e = 0; e < 4; ++e) left[i][e / 2][e % 2 * 2 + half] = depths[e];
      }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      std::uint32_t right[4];
      load<B>(right, b, B::beside(b_start, j * 8, 0));
#pragma unroll
      for (int s = 0; s < 2; ++s)
#pragma unroll
        for (int i = 0; i < 2; ++i) mma_tf32(sum[i][j], left[i][s], {right[2 * s], right[2 * s + 1]});
    }
  }

  template <class A, class B, class Use>
  __device__ void each(Use use) const {
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < 8; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          use(i * 16 + e / 2 * 8 + lane_row(), j * 8 + lane_depth() * 2 + e % 2, sum[i][j][e]);
  }
};

}  // namespace tapwise::cuda
