// Gradients by the input, the weight and the bias.
#include "python/geometry.hpp"
#include "python/gradients.hpp"
#include "python/optional_operand.hpp"
#include "python/unlocked.hpp"

namespace tapwise::python {
namespace {

py::object input_grad(py::handle grad_object, py::handle weight_object, py::handle input_shape, py::handle stride,
                      py::handle padding, py::handle dilation, py::handle groups, py::handle flip, py::handle layout,
                      py::handle weight_layout, py::handle out, py::handle accumulate, py::handle algorithm,
                      py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad"), weight = as_operand(weight_object, "weight");
  check_same_dtype(grad, weight);
  const Geometry g =
      forward_geometry(as_shape(input_shape, "input_shape"), weight.shape,
                       {stride, padding, dilation, groups, flip, layout, weight_layout}, 0, "input_shape");
  check_gradient_shape(grad.shape, g);
  const Options options{.accumulate = as_bool(accumulate, "accumulate"), .threads = as_threads(threads)};
  check_accumulate(options.accumulate, out);
  check_algorithm(algorithm);
  const Operand y = result(out, "out", arrange(g.src_shape(), g.activations), grad, {&grad, &weight});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto diff_dst = view<const T>(grad, g.activations), weights = view<const T>(weight, g.weights);
    const auto diff_src = view<T>(y, g.activations);
    raise_if_failed(
        unlocked([&] { return backward_data<T>(g.problem, diff_dst, weights, nullptr, diff_src, options); }));
  });
  return returned(out, y);
}

py::object weight_grad(py::handle grad_object, py::handle x_object, py::handle kernel_size, py::handle stride,
                       py::handle padding, py::handle dilation, py::handle groups, py::handle flip, py::handle layout,
                       py::handle weight_layout, py::handle out, py::handle accumulate, py::handle algorithm,
                       py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad"), x = as_operand(x_object, "x");
  check_same_dtype(grad, x);
  const Geometry g = weight_gradient_geometry(x.shape, grad.shape, kernel_size,
                                              {stride, padding, dilation, groups, flip, layout, weight_layout});
  const Options options{.accumulate = as_bool(accumulate, "accumulate"), .threads = as_threads(threads)};
  check_accumulate(options.accumulate, out);
  check_algorithm(algorithm);
  const Operand y = result(out, "out", arrange(g.weights_shape(), g.weights), in_c_order(grad), {&grad, &x});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto diff_dst = view<const T>(grad, g.activations), src = view<const T>(x, g.activations);
    const auto diff_weights = view<T>(y, g.weights);
    raise_if_failed(unlocked([&] { return backward_weights<T>(g.problem, diff_dst, src, diff_weights, options); }));
  });
  return returned(out, y);
}

py::object bias_grad(py::handle grad_object, py::handle layout_name, py::handle out, py::handle accumulate,
                     py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad");
  const Layout layout = gradient_layout(grad.shape, layout_name);
  const Options options{.accumulate = as_bool(accumulate, "accumulate"), .threads = as_threads(threads)};
  check_accumulate(options.accumulate, out);
  const Operand y = result(out, "out", {canonical(grad.shape, layout)[1]}, grad, {&grad});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto diff_dst = view<const T>(grad, layout);
    raise_if_failed(
        unlocked([&] { return backward_bias<T>(diff_dst, {reinterpret_cast<T*>(y.data()), y.strides[0]}, options); }));
  });
  return returned(out, y);
}

// The result of a fused ReLU, if there was one.
OptionalOperand activated(py::handle activation, py::handle y_object, const Operand& grad) {
  if (!as_relu(activation)) {
    if (!y_object.is_none()) value_error("y was given, but activation is None; pass activation=\"relu\" with it");
    return {};
  }
  if (y_object.is_none())
    value_error("activation=\"relu\" needs y, the result of the forward pass with that activation; pass y=");
  Operand y = as_operand(y_object, "y");
  check_same_dtype(grad, y);
  if (y.shape != grad.shape)
    value_error("y must have the shape of grad, ", tuple_text(grad.shape), ", got ", tuple_text(y.shape));
  return {std::move(y)};
}

template <class T>
tapwise::Gradients<T> views_of(const Gradients& gradients, const Geometry& g) {
  return gradients.views<T>([&](const Operand& o) { return view<T>(o, g.activations); },
                            [&](const Operand& o) { return view<T>(o, g.weights); });
}

py::tuple backward(py::handle grad_object, py::handle x_object, py::handle weight_object, py::handle stride,
                   py::handle padding, py::handle dilation, py::handle groups, py::handle flip, py::handle layout,
                   py::handle weight_layout, py::handle needs, py::handle outs, py::handle accumulate,
                   py::handle activation, py::handle y_object, py::handle algorithm, py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad"), x = as_operand(x_object, "x"),
                weight = as_operand(weight_object, "weight");
  check_same_dtype(grad, x);
  check_same_dtype(grad, weight);
  const OptionalOperand y = activated(activation, y_object, grad);
  const Geometry g =
      forward_geometry(x.shape, weight.shape, {stride, padding, dilation, groups, flip, layout, weight_layout}, 0);
  check_gradient_shape(grad.shape, g);
  const Options options{.accumulate = as_bool(accumulate, "accumulate"), .threads = as_threads(threads)};
  check_algorithm(algorithm);
  const Gradients gradients(needs, outs, options.accumulate, {x.shape, weight.shape, {g.problem.out_channels}}, x, grad,
                            {&grad, &x, &weight, y.pointer()});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto results = views_of<T>(gradients, g);
    const auto relu_dst = y.operand ? view<const T>(*y.operand, g.activations) : TensorView<const T>{};
    raise_if_failed(unlocked([&] {
      return tapwise::backward<T>(g.problem, view<const T>(grad, g.activations), view<const T>(x, g.activations),
                                  view<const T>(weight, g.weights), results, options, relu_dst);
    }));
  });
  return gradients.returned();
}

py::tuple transpose_backward(py::handle grad_object, py::handle x_object, py::handle weight_object, py::handle stride,
                             py::handle padding, py::handle output_padding, py::handle dilation, py::handle groups,
                             py::handle flip, py::handle layout, py::handle weight_layout, py::handle needs,
                             py::handle outs, py::handle accumulate, py::handle algorithm, py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad"), x = as_operand(x_object, "x"),
                weight = as_operand(weight_object, "weight");
  check_same_dtype(grad, x);
  check_same_dtype(grad, weight);
  const Geometry g = transposed_geometry(x.shape, weight.shape, output_padding,
                                         {stride, padding, dilation, groups, flip, layout, weight_layout});
  check_gradient_shape(grad.shape, g, g.src_shape());
  const Options options{.accumulate = as_bool(accumulate, "accumulate"), .threads = as_threads(threads)};
  check_algorithm(algorithm);
  const Gradients gradients(needs, outs, options.accumulate, {x.shape, weight.shape, {g.problem.in_channels}}, x, grad,
                            {&grad, &x, &weight});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto results = views_of<T>(gradients, g);
    raise_if_failed(unlocked([&] {
      return transposed_backward<T>(g.problem, view<const T>(grad, g.activations), view<const T>(x, g.activations),
                                    view<const T>(weight, g.weights), results, options);
    }));
  });
  return gradients.returned();
}

}  // namespace

void bind_gradients(py::module_& m) {
  m.def("conv_input_grad", input_grad);
  m.def("conv_weight_grad", weight_grad);
  m.def("conv_bias_grad", bias_grad);
  m.def("conv_backward", backward);
  m.def("conv_transpose_backward", transpose_backward);
}

}  // namespace tapwise::python
