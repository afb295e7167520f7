// The variants of one way to multiply. Forward and input gradient: src with channels last (along the depth) or first
// (along its rows, pixels), weights either way; weight gradient: both along rows with channels last, along the depth
// with channels first. Copies of 16 bytes need channels last; single numbers serve everything else.
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>

#include "cuda/implicit_gemm.hpp"
#include "cuda/kernels.hpp"

namespace tapwise::cuda {

template <class Gemm>
Kernel<typename Gemm::Value> variant() {
  using A = typename Gemm::A;
  using B = typename Gemm::B;
  return {implicit_gemm<Gemm>,
          std::is_same_v<typename Gemm::Math, TensorCore>,
          A::kAlong,
          B::kAlong,
          Gemm::kCopy,
          A::kRows,
          B::kRows,
          A::kDepth,
          Gemm::kThreads,
          static_cast<int>(sizeof(typename Gemm::Shared))};
}

template <class Math, int kWarpsDown, int kWarpsAcross>
std::array<Kernel<typename Math::Value>, 7> variants() {
  constexpr int kVector = 16 / sizeof(typename Math::Value);
  return {variant<Gemm<Math, Along::depth, Along::depth, kVector, kWarpsDown, kWarpsAcross>>(),
          variant<Gemm<Math, Along::depth, Along::rows, kVector, kWarpsDown, kWarpsAcross>>(),
          variant<Gemm<Math, Along::rows, Along::rows, kVector, kWarpsDown, kWarpsAcross>>(),
          variant<Gemm<Math, Along::depth, Along::depth, 1, kWarpsDown, kWarpsAcross>>(),
          variant<Gemm<Math, Along::depth, Along::rows, 1, kWarpsDown, kWarpsAcross>>(),
          variant<Gemm<Math, Along::rows, Along::depth, 1, kWarpsDown, kWarpsAcross>>(),
          variant<Gemm<Math, Along::rows, Along::rows, 1, kWarpsDown, kWarpsAcross>>()};
}

template <class Kernel, std::size_t kCount>
std::array<Kernel, 2 * kCount> joined(const std::array<Kernel, kCount>& a, const std::array<Kernel, kCount>& b) {
  std::array<Kernel, 2 * kCount> all;
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), all.begin()));
  return all;
}

}  // namespace tapwise::cuda
