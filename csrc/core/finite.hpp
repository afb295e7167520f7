// Whether all weights are finite. Where padding is read as zeros, only they may pass by: a zero times an infinity is
// NaN.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <type_traits>

#include "tapwise/view.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Views without data (for a plan, for explain) count as finite.
template <class T>
bool all_finite(const TensorView<const T>& view) noexcept {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits exponent = Bits{2 * std::numeric_limits<T>::max_exponent - 1} << (std::numeric_limits<T>::digits - 1);
  if (view.data == nullptr) return true;
  // The axes from the smallest stride on; those that lie in memory as one are one, and broadcast ones say nothing.
  struct Run {
    std::int64_t step = sizeof(T), count = 1;
  } axes[5];
  std::size_t order[] = {4, 3, 2, 1, 0}, last = 0;
  std::stable_sort(order, order + 5,
                   [&](std::size_t a, std::size_t b) { return std::abs(view.stride[a]) < std::abs(view.stride[b]); });
  for (const std::size_t a : order) {
    if (view.shape[a] == 0) return true;
    if (view.shape[a] == 1 || view.stride[a] == 0) continue;
    const bool joins = axes[last].count * axes[last].step == view.stride[a];
    if (!joins && axes[last].count > 1) ++last;
    axes[last] = {joins ? axes[last].step : view.stride[a], joins ? axes[last].count * view.shape[a] : view.shape[a]};
  }
  // Without a branch in the loop, of which compilers make vectors where the step is known.
  const auto finite_run = [](const std::byte* from, std::int64_t count, std::int64_t step) {
    Bits found = 0;
    for (std::int64_t i = 0; i < count; ++i)
      found |= static_cast<Bits>((load<Bits>(from + i * step) & exponent) == exponent);
    return found == 0;
  };
  std::int64_t runs = 1;
  for (std::size_t i = 1; i <= last; ++i) runs *= axes[i].count;
  for (std::int64_t run = 0; run < runs; ++run) {
    const auto* from = reinterpret_cast<const std::byte*>(view.data);
    std::int64_t index = run;
    for (std::size_t i = 1; i <= last; index /= axes[i].count, ++i) from += index % axes[i].count * axes[i].step;
    constexpr std::int64_t dense = sizeof(T);
    const auto [step, count] = axes[0];
    if (!(step == dense ? finite_run(from, count, dense) : finite_run(from, count, step))) return false;
  }
  return true;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
