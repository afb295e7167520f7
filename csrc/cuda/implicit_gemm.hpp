// The kernel of every pass: a block computes one tile of c, walking the depth in tiles of 64 bytes that three stages
// of asynchronous copies keep ahead of the multiply-adds.
#pragma once

#include "cuda/simt.hpp"
#include "cuda/tensor_core.hpp"

namespace tapwise::cuda {

/// Which tile of the product a block computes.
struct Corner {
  int group, row, col;
};

/// Neighbouring blocks share their rows, which are the larger operand of most passes.
template <class A, class B, class T>
__device__ inline Corner corner_of(const Product<T>& p, int tile) {
  const int row_tiles = (p.rows.total - 1) / A::kRows + 1, col_tiles = (p.cols.total - 1) / B::kRows + 1;
  return {tile / col_tiles / row_tiles, tile / col_tiles % row_tiles * A::kRows, tile % col_tiles * B::kRows};
}

/// What one kernel is compiled for: how it multiplies, along which direction its operands are contiguous, how many
/// numbers one copy brings, and how many warps share a block.
template <class Math_, Along kA, Along kB, int kCopyNumbers, int kWarpsDown, int kWarpsAcross>
struct Gemm {
  using Math = Math_;
  using Value = typename Math::Value;
  static constexpr int kCopy = kCopyNumbers, kStages = 3, kAcross = kWarpsAcross;
  static constexpr int kThreads = 32 * kWarpsDown * kWarpsAcross;
  static constexpr int kBlocks = Math::kThreads / kThreads;
  using A = Tile<Value, kA, Math::kWarpRows * kWarpsDown>;
  using B = Tile<Value, kB, Math::kWarpCols * kWarpsAcross>;

  struct Shared {
    Value a[kStages][A::kSize], b[kStages][B::kSize];
    Position rows[A::kRows], cols[B::kRows];
    Position a_depth[2][A::kDepth], b_depth[2][A::kDepth];  // of the tile to fill next, and of the one after it
    Value bias[B::kRows];
    Corner corner;  // not in registers, of which the loop needs all
  };
};

/// The positions of count indices from the first one on, offsets in bytes from `base`, in shared memory.
template <int kThreads, class T>
__device__ inline void tabulate(Position* table, int count, const Space& space, const Map& map, int first,
                                const T* base) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    const bool real = first + i < space.total;
    table[i] = real ? in_bytes<T>(position(map, Counter::at(space, first + i))) : nowhere();
    table[i].offset += reinterpret_cast<std::int64_t>(base);
  }
}

template <class Gemm>
__global__ void __launch_bounds__(Gemm::kThreads, Gemm::kBlocks)
    implicit_gemm(const __grid_constant__ Products<typename Gemm::Value> products) {
  using T = typename Gemm::Value;
  using A = typename Gemm::A;
  using B = typename Gemm::B;
  constexpr int kThreads = Gemm::kThreads, kStages = Gemm::kStages, kDepth = A::kDepth;
  const Product<T>& p = products.product[blockIdx.y];
  auto& shared = *reinterpret_cast<typename Gemm::Shared*>(dynamic_shared());
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;

  const Corner corner = corner_of<A, B>(p, static_cast<int>(blockIdx.x));
  if (corner.group >= p.groups) return;
  if (thread == 0) shared.corner = corner;
  const int first_depth = static_cast<int>(blockIdx.z) * p.split_depth;
  const int count = min(p.depth.total - first_depth, p.split_depth);  // of the depth; none or less: sums are zero

  tabulate<kThreads>(shared.rows, A::kRows, p.rows, p.a.outer, corner.row, p.a.data + corner.group * p.a.group);
  tabulate<kThreads>(shared.cols, B::kRows, p.cols, p.b.outer, corner.col, p.b.data + corner.group * p.b.group);
  // The first warp walks the depth for a, the second for b.
  Counter depth = Counter::at(p.depth, first_depth + lane);
  const auto tabulate_depth = [&](int step) {
    if (warp > 1 || lane >= kDepth) return;
    Position(*const tables)[kDepth] = warp == 0 ? shared.a_depth : shared.b_depth;
    Position* const table = tables[step % 2];
    const Map& map = warp == 0 ? p.a.inner : p.b.inner;
    const bool real = step * kDepth + lane < count;
    table[lane] = real ? in_bytes<T>(position(map, depth)) : nowhere();
    depth.advance(p.depth);
  };
  // After a barrier: the positions of this step are there, and nobody reads its stage, or the next positions, any more.
  const auto fill = [&](int step) {
    if (step * kDepth < count) {
      gather<A, Gemm::kCopy, kThreads>(shared.a[step % kStages], p.a, shared.rows, shared.a_depth[step % 2]);
      gather<B, Gemm::kCopy, kThreads>(shared.b[step % kStages], p.b, shared.cols, shared.b_depth[step % 2]);
    }
    copy_async_commit();
    tabulate_depth(step + 1);
  };

  tabulate_depth(0);
  for (int step = 0; step < kStages - 1; ++step) {
    __syncthreads();
    fill(step);
  }
  const int warp_row = warp / Gemm::kAcross * Gemm::Math::kWarpRows;
  const int warp_col = warp % Gemm::kAcross * Gemm::Math::kWarpCols;
  typename Gemm::Math math;
  for (int step = 0; step * kDepth < count; ++step) {
    copy_async_wait<kStages - 2>();
    __syncthreads();
    fill(step + kStages - 1);
    math.template multiply<A, B>(shared.a[step % kStages], shared.b[step % kStages], warp_row, warp_col);
  }
  copy_async_wait<0>();

  // Barriers have passed since tiles were last gathered, so the tables are free.
  const auto [group, first_row, first_col] = shared.corner;
  tabulate<kThreads>(shared.rows, A::kRows, p.rows, p.c.outer, first_row, p.c.data + group * p.c.group);
  tabulate<kThreads>(shared.cols, B::kRows, p.cols, p.c.inner, first_col, static_cast<T*>(nullptr));
  for (int i = thread; i < B::kRows; i += kThreads)
    shared.bias[i] = first_col + i < p.cols.total ? bias_of(p, group, first_col + i) : T{0};
  __syncthreads();
  math.template each<A, B>([&, group = group, first_row = first_row, first_col = first_col](int r, int c, T sum) {
    const int row = warp_row + r, col = warp_col + c;
    if (first_row + row >= p.rows.total || first_col + col >= p.cols.total) return;
    if (p.splits > 1)
      p.partial[partial_index(p, static_cast<int>(blockIdx.z), group, first_row + row, first_col + col)] = sum;
    else
      store(p, reinterpret_cast<T*>(shared.rows[row].offset + shared.cols[col].offset), sum, shared.bias[col]);
  });
}

}  // namespace tapwise::cuda
