// The three gradients of a layer with a weight: which are wanted, where they go, in one piece of code for convolution
// and dense layers.
#pragma once

#include "python/arrays.hpp"
#include "python/geometry.hpp"
#include "python/unlocked.hpp"

namespace tapwise::python {

struct Gradients {
  std::array<bool, 3> wanted{};
  std::array<py::object, 3> out;
  std::array<Operand, 3> result;

  /// Checks every out before anything is written. Shapes are those of input, weight and bias.
  Gradients(py::handle needs, py::handle outs, bool accumulate, const std::array<Shape, 3>& shapes, const Operand& x,
            const Operand& grad, const std::array<const Operand*, 3>& inputs);

  /// The wanted gradients, with the GIL released.
  template <class T>
  void run(const ConvProblem& p, TensorView<const T> diff_dst, TensorView<const T> src, TensorView<const T> weights,
           TensorView<T> diff_src, TensorView<T> diff_weights, const Options& options) const {
    raise_if_failed(unlocked([&] {
      Status status;
      if (wanted[0]) status = backward_data<T>(p, diff_dst, weights, nullptr, diff_src, options);
      if (wanted[1] && status) status = backward_weights<T>(p, diff_dst, src, diff_weights, options);
      if (wanted[2] && status)
        status = backward_bias<T>(diff_dst, {reinterpret_cast<T*>(result[2].data()), result[2].strides[0]}, options);
      return status;
    }));
  }

  /// (grad_input, grad_weight, grad_bias), None where not wanted.
  py::tuple returned() const;
};

}  // namespace tapwise::python
