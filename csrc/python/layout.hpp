// Names of layouts: permutations of the axes, nothing more.
#pragma once

#include <array>

#include "python/arrays.hpp"

namespace tapwise::python {

/// How the axes of an array are named, e.g. "NHWC" or "OIHW".
struct Layout {
  std::string name;
  int rank = 0;  // spatial

  /// The array axis of each of the five canonical axes, -1 for those that it does not have: N, C, D, H, W for
  /// activations, O, I, D, H, W for weights.
  std::array<int, 5> axis{-1, -1, -1, -1, -1};

  bool batched() const { return axis[0] >= 0; }
  int ndim() const { return static_cast<int>(name.size()); }
};

/// The names of the layouts of activations of that rank. rank 0: of any.
std::vector<std::string> activation_layouts(int rank);

/// A layout of activations by name, or the default for the rank. rank 0: any.
Layout activation_layout(py::handle name, int rank);

/// A layout of weights of that rank by name, or the default: "OI" + space, for transposed convolution "IO" + space.
Layout weight_layout(py::handle name, int rank, bool transposed);

/// The canonical view of an operand in a layout (which has as many axes).
template <class T>
TensorView<T> view(const Operand& operand, const Layout& layout) {
  TensorView<T> v;
  v.data = reinterpret_cast<T*>(operand.data());
  for (std::size_t a = 0; a < 5; ++a) {
    if (layout.axis[a] < 0) continue;
    v.shape[a] = operand.shape[static_cast<std::size_t>(layout.axis[a])];
    v.stride[a] = operand.strides[static_cast<std::size_t>(layout.axis[a])];
  }
  return v;
}

/// Sizes in the order of the layout, from the canonical five.
Shape arrange(const std::array<int64_t, 5>& canonical, const Layout& layout);
/// And back; axes that the layout does not have are of size 1.
std::array<int64_t, 5> canonical(const Shape& shape, const Layout& layout);

/// The view of a C-contiguous array of that shape, without data: for plans and explanations.
template <class T>
TensorView<const T> imagined_view(const Shape& shape, const Layout& layout) {
  TensorView<const T> v;
  v.shape = canonical(shape, layout);
  int64_t step = sizeof(T);
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i])
    for (std::size_t a = 0; a < 5; ++a)
      if (layout.axis[a] == static_cast<int>(i)) v.stride[a] = step;
  return v;
}

}  // namespace tapwise::python
