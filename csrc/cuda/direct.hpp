// Forward and input gradient where a group has few output channels (depthwise layers, the input gradient of a first
// layer): a matrix tile would be mostly empty, so each thread computes up to kCols outputs of one pixel itself.
#pragma once

#include "cuda/device.hpp"
#include "cuda/product.hpp"
#include "cuda/sizes.hpp"

namespace tapwise::cuda {

/// What each tap adds to positions in a and b.
struct DirectShared {
  Position a[kDirectPiece];
  std::int64_t b[kDirectPiece];
};

/// Neighbouring threads are neighbouring groups where channels are contiguous in c, else neighbouring pixels. What
/// taps add to positions is the same for all threads; a block tabulates it, a piece at a time.
template <class T, int kCols>
__global__ void __launch_bounds__(kDirectThreads, kLeastBlocks) direct(const __grid_constant__ Products<T> products) {
  auto& shared = *reinterpret_cast<DirectShared*>(dynamic_shared());
  const Product<T>& p = products.product[blockIdx.y];
  const int thread = static_cast<int>(threadIdx.x), pieces = (p.cols.total - 1) / kCols + 1;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kDirectThreads + thread;
  const std::int64_t channels = static_cast<std::int64_t>(p.groups) * pieces;
  if (index - thread >= channels * p.rows.total) return;  // a whole block: the rest meets at barriers

  const bool pixels_first = p.c.outer.stride[0] == 1 && p.rows.total > 1;
  const bool real = index < channels * p.rows.total;
  const auto row = static_cast<int>(pixels_first ? index % p.rows.total : index / channels);
  const auto channel = static_cast<int>(pixels_first ? index / p.rows.total : index % channels);
  const int group = real ? channel / pieces : 0, first_col = channel % pieces * kCols;
  const Counter pixel = Counter::at(p.rows, row);
  const Position start = position(p.a.outer, pixel);
  const T* const a = p.a.data + group * p.a.group;
  const T* b[kCols];
#pragma unroll
  for (int j = 0; j < kCols; ++j)
    b[j] = p.b.data + group * p.b.group + offset(p.b.outer, Counter::at(p.cols, min(first_col + j, p.cols.total - 1)));

  T sum[kCols] = {};
  for (int first = 0; first < p.depth.total; first += kDirectPiece) {
    const int count = min(p.depth.total - first, kDirectPiece);
    __syncthreads();
    if (thread < count) {
      const Counter depth = Counter::at(p.depth, first + thread);
      shared.a[thread] = position(p.a.inner, depth);
      shared.b[thread] = offset(p.b.inner, depth);
    }
    __syncthreads();
    for (int k = 0; k < count && real; ++k) {
      const Position tap = shared.a[k];
      if (!inside(start, tap, p.a.extent)) continue;
      const T value = a[start.offset + tap.offset];
#pragma unroll
      for (int j = 0; j < kCols; ++j) sum[j] += value * b[j][shared.b[k]];
    }
  }
  if (!real) return;
  T* const to = p.c.data + group * p.c.group + offset(p.c.outer, pixel);
#pragma unroll
  for (int j = 0; j < kCols; ++j)
    if (first_col + j < p.cols.total)
      store(p, to + offset(p.c.inner, Counter::at(p.cols, first_col + j)), sum[j], bias_of(p, group, first_col + j));
}

}  // namespace tapwise::cuda
