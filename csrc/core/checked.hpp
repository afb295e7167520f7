// Arithmetic on sizes that remembers whether it overflowed.
#pragma once

#include <cstdint>

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

__extension__ using Wide = __int128;

struct Checked {
  std::int64_t value = 0;
  bool overflowed = false;

  Checked(std::int64_t v) noexcept : value(v) {}  // implicit: sizes mix freely with plain numbers

  friend Checked operator+(Checked a, Checked b) noexcept {
    Checked r{0};
    r.overflowed = __builtin_add_overflow(a.value, b.value, &r.value) || a.overflowed || b.overflowed;
    return r;
  }
  friend Checked operator*(Checked a, Checked b) noexcept {
    Checked r{0};
    r.overflowed = __builtin_mul_overflow(a.value, b.value, &r.value) || a.overflowed || b.overflowed;
    return r;
  }
};

/// No address space holds this many bytes (4 PiB). Operands are refused above it, and planned sizes stop growing at it,
/// so that sums and small multiples of them cannot overflow.
inline constexpr std::int64_t kMostBytes = std::int64_t{1} << 52;

/// The product of sizes, or kMostBytes if that is less.
template <class... Sizes>
std::int64_t capped_product(Sizes... sizes) noexcept {
  const Checked product = (Checked{1} * ... * Checked{sizes});
  return product.overflowed || product.value > kMostBytes ? kMostBytes : product.value;
}

/// Bytes that threads share and bytes that each has of its own, together; or kMostBytes if that is less.
inline std::int64_t workspace_of(std::int64_t shared, std::int64_t threads, std::int64_t each) noexcept {
  const std::int64_t bytes = shared + capped_product(threads, each);
  return bytes < kMostBytes ? bytes : kMostBytes;
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) noexcept { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) noexcept { return ceil_div(a, b) * b; }

}  // namespace tapwise::inline TAPWISE_NAMESPACE
