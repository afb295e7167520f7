// A tensor in memory that somebody else owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tapwise {

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
  std::int64_t step = sizeof(T);
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto axis = static_cast<std::size_t>(order[i]);
    view.stride[axis] = step;
    step *= shape[axis];
  }
  return view;
}

}  // namespace tapwise
