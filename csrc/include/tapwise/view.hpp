// A tensor in memory that somebody else owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
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

/// A dense view whose axes lie in memory in the order given, outermost first: {0, 1, 2, 3, 4} is NCDHW (or a
/// weight as OIDHW), {0, 2, 3, 4, 1} is NDHWC.
template <class T>
TensorView<T> dense_view(T* data, std::array<std::int64_t, 5> shape,
                         std::array<int, 5> order = {0, 1, 2, 3, 4}) noexcept {
  TensorView<T> view{data, shape, {}};
  std::uint64_t step = sizeof(T);  // of sizes that do not fit, which operations refuse, it may overflow
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto axis = static_cast<std::size_t>(order[i]);
    view.stride[axis] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(shape[axis]);
  }
  return view;
}

/// The same in a span; without data, which operations refuse, if the span is too short for the shape.
template <class T, std::size_t extent>
TensorView<T> dense_view(std::span<T, extent> memory, std::array<std::int64_t, 5> shape,
                         std::array<int, 5> order = {0, 1, 2, 3, 4}) noexcept {
  std::size_t left = memory.size();
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return dense_view<T>(nullptr, shape, order);
    empty = empty || size == 0;
    left = size == 0 ? left : left / static_cast<std::size_t>(size);
  }
  return dense_view<T>(left > 0 || empty ? memory.data() : nullptr, shape, order);
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

}  // namespace tapwise::inline TAPWISE_NAMESPACE
