// Whether two strided views share memory.
#pragma once

#include <cstdint>
#include <span>

#include "tapwise/status.hpp"
#include "tapwise/view.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// A view of any rank as the questions below see it. Strides in bytes.
struct MemoryView {
  const void* data = nullptr;
  std::span<const std::int64_t> shape, stride;
  std::int64_t element_bytes = 1;
};

/// Whether some byte belongs to both. Slices of one array that interleave are told apart; for strides so odd that this
/// would take too long the answer is that they share.
TAPWISE_FUNCTION bool share_memory(const MemoryView& a, const MemoryView& b) noexcept;

/// A status that says so if a result shares memory with another operand.
TAPWISE_FUNCTION Status check_apart(const char* result, const MemoryView& a, const char* operand,
                                    const MemoryView& b) noexcept;

template <class T>
MemoryView memory_of(const TensorView<T>& view) noexcept {
  return {view.data, view.shape, view.stride, sizeof(T)};
}

/// A vector's one size and stride must outlive what they describe, so it is a view of rank 1 with room of its own.
struct VectorMemory {
  const void* data;
  std::int64_t size, stride, element_bytes;
  operator MemoryView() const noexcept { return {data, {&size, 1}, {&stride, 1}, element_bytes}; }
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
