// Forward and transposed convolution, and the shape of the result.
#include <pybind11/stl.h>

#include <map>

#include "python/geometry.hpp"
#include "python/optional_operand.hpp"
#include "python/unlocked.hpp"

namespace tapwise::python {
namespace {

py::object conv(py::handle x_object, py::handle weight_object, py::handle bias_object, int rank, py::handle stride,
                py::handle padding, py::handle dilation, py::handle groups, py::handle flip, py::handle layout,
                py::handle weight_layout, py::handle activation, py::handle out, py::handle algorithm,
                py::handle threads) {
  const Operand x = as_operand(x_object, "x"), weight = as_operand(weight_object, "weight");
  check_same_dtype(x, weight);
  const Geometry g =
      forward_geometry(x.shape, weight.shape, {stride, padding, dilation, groups, flip, layout, weight_layout}, rank);
  const OptionalOperand bias = optional_bias(bias_object, x, g.problem.out_channels);
  const Options options{.relu = as_relu(activation), .threads = as_threads(threads)};
  check_algorithm(algorithm);
  const Operand y = result(out, "out", arrange(g.dst_shape(), g.activations), x, {&x, &weight, bias.pointer()});
  dispatch(x.is_double, [&]<class T>(T) {
    const auto src = view<const T>(x, g.activations), weights = view<const T>(weight, g.weights);
    const auto dst = view<T>(y, g.activations);
    raise_if_failed(unlocked([&] { return forward<T>(g.problem, src, weights, bias.vector<T>(), dst, options); }));
  });
  return returned(out, y);
}

py::object conv_transpose(py::handle x_object, py::handle weight_object, py::handle bias_object, py::handle stride,
                          py::handle padding, py::handle output_padding, py::handle dilation, py::handle groups,
                          py::handle flip, py::handle layout, py::handle weight_layout, py::handle out,
                          py::handle algorithm, py::handle threads) {
  const Operand x = as_operand(x_object, "x"), weight = as_operand(weight_object, "weight");
  check_same_dtype(x, weight);
  const Geometry g = transposed_geometry(x.shape, weight.shape, output_padding,
                                         {stride, padding, dilation, groups, flip, layout, weight_layout});
  const OptionalOperand bias = optional_bias(bias_object, x, g.problem.in_channels);
  const Options options{.threads = as_threads(threads)};
  check_algorithm(algorithm);
  const Operand y = result(out, "out", arrange(g.src_shape(), g.activations), x, {&x, &weight, bias.pointer()});
  dispatch(x.is_double, [&]<class T>(T) {
    const auto diff_dst = view<const T>(x, g.activations), weights = view<const T>(weight, g.weights);
    const auto diff_src = view<T>(y, g.activations);
    raise_if_failed(
        unlocked([&] { return backward_data<T>(g.problem, diff_dst, weights, bias.vector<T>(), diff_src, options); }));
  });
  return returned(out, y);
}

py::tuple conv_output_shape(py::handle x_shape, py::handle weight_shape, py::handle stride, py::handle padding,
                            py::handle dilation, py::handle groups, py::handle flip, py::handle layout,
                            py::handle weight_layout) {
  const Geometry g = forward_geometry(as_shape(x_shape, "x_shape"), as_shape(weight_shape, "weight_shape"),
                                      {stride, padding, dilation, groups, flip, layout, weight_layout}, 0);
  return as_tuple(arrange(g.dst_shape(), g.activations));
}

// What a function on another device returns: `out`, checked as every out is, or a new array like `like`.
py::array host_result(py::handle out, const std::string& name, py::handle shape, py::handle like_object, bool c_order,
                      const std::map<std::string, py::object>& apart) {
  const Operand given = as_operand(like_object, "x");
  const Operand like = c_order ? in_c_order(given) : given;
  for (const auto& [input_name, input] : apart) {
    const Operand other = as_operand(input, input_name.c_str());
    if (!out.is_none()) result(out, name.c_str(), as_shape(shape, "shape"), like, {&other});
  }
  return result(out, name.c_str(), as_shape(shape, "shape"), like, {}).array;
}

}  // namespace

void bind_conv(py::module_& m) {
  m.def("conv", conv);
  m.def("conv_transpose", conv_transpose);
  m.def("conv_output_shape", conv_output_shape);
  m.def("result", host_result);
  m.def("as_array", [](py::handle object, const std::string& name) { return as_operand(object, name.c_str()).array; });
}

}  // namespace tapwise::python
