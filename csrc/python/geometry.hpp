// From the arguments of a call to a ConvProblem, with errors that name the operand, what was expected, what was got
// and the likely fix.
#pragma once

#include "python/layout.hpp"

namespace tapwise::python {

/// The keyword arguments that all convolutions share, as they came from Python.
struct GeometryArguments {
  py::handle stride, padding, dilation, groups, flip, layout, weight_layout;
};

struct Geometry {
  ConvProblem problem;
  Layout activations, weights;

  std::array<int64_t, 5> src_shape() const {
    return {problem.batch, problem.in_channels, problem.src[0], problem.src[1], problem.src[2]};
  }
  std::array<int64_t, 5> dst_shape() const {
    const Spatial out = dst_size(problem);
    return {problem.batch, problem.out_channels, out[0], out[1], out[2]};
  }
  std::array<int64_t, 5> weights_shape() const {
    return {problem.out_channels, problem.in_channels / problem.groups, problem.kernel[0], problem.kernel[1],
            problem.kernel[2]};
  }
};

/// rank 0: as the layout or the weight says. x_name: how messages call the input.
Geometry forward_geometry(const Shape& x_shape, const Shape& weight_shape, const GeometryArguments& arguments, int rank,
                          const char* x_name = "x");

/// The geometry of a weight gradient, where the kernel's size is given and its channels follow from grad and x.
Geometry weight_gradient_geometry(const Shape& x_shape, const Shape& grad_shape, py::handle kernel_size,
                                  const GeometryArguments& arguments);

/// The convolution whose gradient by its input a transposed convolution is: its dst is x, its src is the result.
Geometry transposed_geometry(const Shape& x_shape, const Shape& weight_shape, py::handle output_padding,
                             const GeometryArguments& arguments);

/// The keyword arguments of poolings.
struct PoolArguments {
  py::handle kernel_size, stride, padding, dilation, ceil_mode, layout;
};

/// The geometry of a pooling: a depthwise convolution without weights. `overhang` is what the last window reaches
/// beyond the padding, which pad_high has, too.
struct PoolGeometry : Geometry {
  Spatial overhang{0, 0, 0};
};
PoolGeometry pooling_geometry(const Shape& x_shape, const PoolArguments& arguments);

/// The layout of a gradient whose bias gradient is asked for.
Layout gradient_layout(const Shape& grad_shape, py::handle layout_name);

/// ValueError unless grad has the shape of the convolution's output, or of `output`.
void check_gradient_shape(const Shape& grad_shape, const Geometry& geometry);
void check_gradient_shape(const Shape& grad_shape, const Geometry& geometry, const std::array<int64_t, 5>& output);

/// bias must have shape (channels,).
void check_bias_shape(const Operand& bias, int64_t channels);

/// A tuple of ints; for the shape of an input.
Shape as_shape(py::handle object, const char* name);

bool as_bool(py::handle object, const char* name);

}  // namespace tapwise::python
