// Sums over pixels: the bias gradient, the weight gradient of depthwise layers, and the second pass of split products.
#pragma once

#include "cuda/device.hpp"
#include "cuda/product.hpp"
#include "cuda/sizes.hpp"

namespace tapwise::cuda {

/// c[row, col] for all rows of all groups (channels) and one column at a time; b null counts as ones. kLanes channels
/// share a block: 32 where they are contiguous, else one. The threads of a channel take its pixels in turn.
template <class T, int kLanes>
__global__ void __launch_bounds__(kSumThreads, kLeastBlocks) sum_pixels(const __grid_constant__ Products<T> products) {
  constexpr int kWays = kSumThreads / kLanes;
  T* const shared = reinterpret_cast<T*>(dynamic_shared());
  const Product<T>& p = products.product[0];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kLanes, way = thread / kLanes;
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * kLanes + lane;
  const bool real = channel < static_cast<std::int64_t>(p.groups) * p.rows.total;
  const int group = real ? static_cast<int>(channel / p.rows.total) : 0;
  const int row = static_cast<int>(channel % p.rows.total), split = static_cast<int>(blockIdx.z);
  const int first = split * p.split_depth, last = min(p.depth.total - first, p.split_depth) + first;
  const T* const a = p.a.data + group * p.a.group + offset(p.a.outer, Counter::at(p.rows, row));

  for (int col = static_cast<int>(blockIdx.y); col < p.cols.total; col += static_cast<int>(gridDim.y)) {
    const Position tap = position(p.b.outer, Counter::at(p.cols, col));
    T sum{0};
    for (Counter pixel = Counter::at(p.depth, first + way); real && last > pixel.index; pixel.advance(p.depth)) {
      T weight{1};
      if (p.b.data != nullptr) {
        const Position place = position(p.b.inner, pixel);
        if (!inside(place, tap, p.b.extent)) continue;
        weight = p.b.data[group * p.b.group + place.offset + tap.offset];
      }
      sum += a[offset(p.a.inner, pixel)] * weight;
    }
    shared[thread] = sum;
    // A tree whose shape depends on nothing: the same bits every time.
#pragma unroll
    for (int ways = kWays / 2; ways > 0; ways /= 2) {
      __syncthreads();
      if (way < ways) shared[thread] += shared[thread + ways * kLanes];
    }
    if (way == 0 && real) {
      if (p.splits > 1)
        p.partial[partial_index(p, split, group, row, col)] = shared[thread];
      else
        store(p, element_of_c(p, group, row, col), shared[thread], T{0});
    }
    __syncthreads();
  }
}

/// The second pass: adds the splits of every sum in their order, and stores it.
template <class T>
__global__ void __launch_bounds__(kSumThreads) add_splits(const __grid_constant__ Products<T> products) {
  const Product<T>& p = products.product[blockIdx.y];
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  const std::int64_t count = sums_of(p);
  if (index >= count) return;
  T sum{0};
  for (int split = 0; split < p.splits; ++split) sum += p.partial[split * count + index];
  const auto col = static_cast<int>(index % p.cols.total);
  const auto row = static_cast<int>(index / p.cols.total % p.rows.total);
  const auto group = static_cast<int>(index / p.cols.total / p.rows.total);
  store(p, element_of_c(p, group, row, col), sum, bias_of(p, group, col));
}

}  // namespace tapwise::cuda
