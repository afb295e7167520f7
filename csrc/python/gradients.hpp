// The three gradients of a layer with a weight: which are wanted, where they go, in one piece of code for convolution
// and dense layers.
#pragma once

#include "python/arrays.hpp"
#include "python/geometry.hpp"

namespace tapwise::python {

struct Gradients {
  std::array<bool, 3> wanted{};
  std::array<py::object, 3> out;
  std::array<Operand, 3> result;

  /// Checks every out before anything is written. Shapes are those of input, weight and bias;
  /// `inputs`, up to four of them, overlap none.
  Gradients(py::handle needs, py::handle outs, bool accumulate, const std::array<Shape, 3>& shapes, const Operand& x,
            const Operand& grad, const std::array<const Operand*, 4>& inputs);

  /// Views of them, without data where they are not wanted. `src` and `weights` say how the first two are seen.
  template <class T, class Src, class Weights>
  tapwise::Gradients<T> views(Src&& src, Weights&& weights) const {
    tapwise::Gradients<T> g;
    if (wanted[0]) g.diff_src = src(result[0]);
    if (wanted[1]) g.diff_weights = weights(result[1]);
    if (wanted[2]) g.diff_bias = {reinterpret_cast<T*>(result[2].data()), result[2].strides[0]};
    return g;
  }

  /// (grad_input, grad_weight, grad_bias), None where not wanted.
  py::tuple returned() const;
};

}  // namespace tapwise::python
