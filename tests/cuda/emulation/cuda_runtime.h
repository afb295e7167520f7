// Stands in for NVIDIA's header of this name: the language of CUDA C++ on top of the runtime API, so that a plain C++
// compiler takes .cu files.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "block.hpp"
#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

using std::max;
using std::min;

namespace tapwise::emulation {

inline constexpr unsigned kAllLanes = 0xFFFFFFFF;

template <class T>
struct ShuffleOffer {
  T value;
  unsigned source;
};

// A lane that does not take part has an undefined value: every bit of it is set here.
template <class T>
void perform_shuffle(const WarpMeeting& meeting) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto* const own = meeting.offer<ShuffleOffer<T>>(lane);
    if (own == nullptr) continue;
    const auto* const source = meeting.offer<ShuffleOffer<T>>(own->source);
    T& result = meeting.result<T>(lane);
    std::memset(&result, 0xFF, sizeof result);
    if (source != nullptr) result = source->value;
  }
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  const ShuffleOffer<T> offer{value, source};
  T result{};
  Block::current().meet_warp({WarpOperation::kShuffle, mask, &offer, &result, &perform_shuffle<T>});
  return result;
}

}  // namespace tapwise::emulation

inline void __syncthreads() { tapwise::emulation::Block::current().sync_threads(); }

inline void __syncwarp(unsigned mask = tapwise::emulation::kAllLanes) {
  using tapwise::emulation::WarpOperation;
  tapwise::emulation::Block::current().meet_warp({WarpOperation::kSync, mask, nullptr, nullptr, nullptr});
}

// A warp is taken as segments of `width` lanes, a power of two; a lane that would read beyond its segment keeps its own
// value (PTX ISA, shfl.sync).
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned inside = static_cast<unsigned>(width) - 1;
  const unsigned lane = tapwise::emulation::Block::current().lane();
  return tapwise::emulation::shuffle(mask, value, (lane & ~inside) | (static_cast<unsigned>(source) & inside));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  const unsigned inside = static_cast<unsigned>(width) - 1;
  const unsigned lane = tapwise::emulation::Block::current().lane();
  const unsigned source = lane ^ static_cast<unsigned>(lane_mask);
  return tapwise::emulation::shuffle(mask, value, source <= (lane | inside) ? source : lane);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned inside = static_cast<unsigned>(width) - 1;
  const unsigned lane = tapwise::emulation::Block::current().lane();
  return tapwise::emulation::shuffle(mask, value, lane + delta <= (lane | inside) ? lane + delta : lane);
}

template <class T>
T __ldg(const T* address) {
  return *address;
}

// Relaxed, as in CUDA: atomics order no other memory.
template <class T>
  requires std::same_as<T, int> || std::same_as<T, unsigned>
T atomicAdd(T* address, T value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
