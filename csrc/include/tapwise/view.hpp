// A tensor in memory that somebody else owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <version>
#if defined(__cpp_lib_mdspan)
#include <mdspan>
#endif

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Five axes, always in this order: N (batch), C (channels), D, H, W (space). Axes that a problem does not
/// have are of size 1. A weight tensor has the same five: O, I / groups, KD, KH, KW.
///
/// Strides are in bytes, as NumPy's are, and may be anything: negative, zero, not a multiple of the element
/// size. A memory layout (NCHW, NHWC, ...) is nothing but a choice of strides.
template <class T>
struct TensorView {
  T* data = nullptr;
  std::array<std::int64_t, 5> shape{1, 1, 1, 1, 1};
  std::array<std::int64_t, 5> stride{};

  operator TensorView<const T>() const noexcept { return {data, shape, stride}; }
};

/// What a view can be made of: a pointer, or what std::span takes, such as a std::vector, a std::array, a C array.
template <class Memory, class T>
concept MemoryOf = std::is_convertible_v<Memory, T*> || std::is_constructible_v<std::span<T>, Memory>;

namespace detail {

constexpr bool fits(const std::array<std::int64_t, 5>& shape, std::size_t numbers) noexcept {
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return false;
    empty = empty || size == 0;
    numbers = size == 0 ? numbers : numbers / static_cast<std::size_t>(size);
  }
  return numbers > 0 || empty;
}

}  // namespace detail

/// A dense view whose axes lie in memory in the order given, outermost first: {0, 1, 2, 3, 4} is NCDHW (or a
/// weight as OIDHW), {0, 2, 3, 4, 1} is NDHWC. Of memory that knows its size, and is too short for the shape, the
/// view has no data, which operations refuse.
template <class T, MemoryOf<T> Memory>
TensorView<T> dense_view(Memory&& memory, std::array<std::int64_t, 5> shape,
                         std::array<int, 5> order = {0, 1, 2, 3, 4}) noexcept {
  TensorView<T> view{nullptr, shape, {}};
  std::uint64_t step = sizeof(T);  // of sizes that do not fit, which operations refuse, it may overflow
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto axis = static_cast<std::size_t>(order[i]);
    view.stride[axis] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(shape[axis]);
  }
  if constexpr (std::is_constructible_v<std::span<T>, Memory>) {
    const std::span<T> numbers(std::forward<Memory>(memory));
    if (detail::fits(shape, numbers.size())) view.data = numbers.data();
  } else {
    view.data = memory;
  }
  return view;
}

/// The same with T from the memory: const where its numbers are.
template <class Memory, class T = std::remove_reference_t<decltype(std::declval<Memory&>()[0])>>
  requires MemoryOf<Memory, T>
TensorView<T> dense_view(Memory&& memory, std::array<std::int64_t, 5> shape,
                         std::array<int, 5> order = {0, 1, 2, 3, 4}) noexcept {
  return dense_view<T>(std::forward<Memory>(memory), shape, order);
}

#if defined(__cpp_lib_mdspan)

/// Of a std::mdspan of rank 3 to 5: N, C and one to three axes of space.
template <class T, class Extents, class Layout>
TensorView<T> view_of(std::mdspan<T, Extents, Layout> m) {
  static_assert(m.rank() >= 3 && m.rank() <= 5);
  TensorView<T> view{m.data_handle(), {1, 1, 1, 1, 1}, {}};
  for (std::size_t i = 0; i < m.rank(); ++i) {
    const std::size_t axis = i < 2 ? i : i + 5 - m.rank();
    view.shape[axis] = static_cast<std::int64_t>(m.extent(i));
    view.stride[axis] = static_cast<std::int64_t>(m.stride(i)) * std::int64_t{sizeof(T)};
  }
  return view;
}

#endif

/// One number for each channel, such as a bias: `stride` bytes apart, or null for none.
template <class T>
struct VectorView {
  T* data = nullptr;
  std::int64_t stride = sizeof(T);

  VectorView() = default;
  VectorView(T* numbers, std::int64_t step = sizeof(T)) noexcept : data(numbers), stride(step) {}
  operator VectorView<const T>() const noexcept { return {data, stride}; }
};

/// Operands that an operation only reads. It takes its T from the result that it writes, and views of T as well as of
/// const T for these.
template <class T>
using ConstTensorView = std::type_identity_t<TensorView<const T>>;
template <class T>
using ConstVectorView = std::type_identity_t<VectorView<const T>>;

}  // namespace tapwise::inline TAPWISE_NAMESPACE
