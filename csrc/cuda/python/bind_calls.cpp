// The functions of tapwise.cuda: check, lower, run.
#include <optional>

#include "cuda/python/call.hpp"
#include "python/optional_operand.hpp"

namespace tapwise::cuda {
namespace {

using python::Geometry;
using python::Shape;

struct OptionalBias {
  std::optional<DeviceOperand> operand;

  const DeviceOperand* pointer() const { return operand ? &*operand : nullptr; }
  template <class T>
  VectorView<const T> vector() const {
    if (!operand) return {};
    return {reinterpret_cast<const T*>(operand->device_data), operand->strides[0]};
  }
};

// An operand of the dtype, and on the device, of another.
DeviceOperand operand_beside(const DeviceOperand& other, py::handle object, const char* name, const Stream& stream) {
  DeviceOperand o = as_device_operand(object, name, stream);
  check_same_dtype(other, o);
  check_same_device(other, o);
  return o;
}

OptionalBias optional_bias(py::handle object, const DeviceOperand& like, std::int64_t channels, const Stream& stream) {
  if (object.is_none()) return {};
  DeviceOperand bias = operand_beside(like, object, "bias", stream);
  check_bias_shape(bias, channels);
  return {std::move(bias)};
}

template <class T>
VectorView<T> vector_of(const DeviceOperand& o) {
  return {reinterpret_cast<T*>(o.device_data), o.strides[0]};
}

// Of a result that was not given, the new array stands behind its own memory.
py::object returned(py::handle out, const DeviceOperand& result) {
  return out.is_none() ? result.owner : py::reinterpret_borrow<py::object>(out);
}

struct Epilogue {
  bool relu = false, accumulate = false;
};

// Lowers a pass in the dtype of its operands, the first of which tells it, and starts it.
template <class Lower>
void start(const Call& call, std::initializer_list<const DeviceOperand*> operands, Epilogue epilogue, Lower lower) {
  const DeviceOperand& first = **operands.begin();
  python::dispatch(first.is_double, [&]<class T>(T) {
    Pass<T> pass;
    python::raise_if_failed(lower(pass));
    for (Product<T>& p : pass.products) {
      p.relu = epilogue.relu;
      p.accumulate = epilogue.accumulate;
    }
    call.run(std::move(pass), first.device, operands);
  });
}

py::object conv(py::handle x_object, py::handle weight_object, py::handle bias_object, int rank,
                const py::tuple& geometry, py::handle activation, py::handle out, py::handle tf32,
                py::handle stream_object) {
  const Call call(stream_object, tf32);
  const DeviceOperand x = as_device_operand(x_object, "x", call.stream);
  const DeviceOperand weight = operand_beside(x, weight_object, "weight", call.stream);
  const Geometry g = forward_geometry(x.shape, weight.shape, as_geometry(geometry), rank);
  const OptionalBias bias = optional_bias(bias_object, x, g.problem.out_channels, call.stream);
  const bool relu = python::as_relu(activation);
  const OnDevice here(x.device);
  const DeviceOperand y = device_result(out, "out", arrange(g.dst_shape(), g.activations), x, x,
                                        {&x, &weight, bias.pointer()}, call.stream);
  start(call, {&x, &weight, bias.pointer(), &y}, {.relu = relu}, [&]<class T>(Pass<T>& pass) {
    return lower_forward<T>(g.problem, device_view<const T>(x, g.activations), device_view<const T>(weight, g.weights),
                            bias.vector<T>(), device_view<T>(y, g.activations), pass);
  });
  return returned(out, y);
}

py::object conv_transpose(py::handle x_object, py::handle weight_object, py::handle bias_object,
                          py::handle output_padding, const py::tuple& geometry, py::handle out, py::handle tf32,
                          py::handle stream_object) {
  const Call call(stream_object, tf32);
  const DeviceOperand x = as_device_operand(x_object, "x", call.stream);
  const DeviceOperand weight = operand_beside(x, weight_object, "weight", call.stream);
  const Geometry g = transposed_geometry(x.shape, weight.shape, output_padding, as_geometry(geometry));
  const OptionalBias bias = optional_bias(bias_object, x, g.problem.in_channels, call.stream);
  const OnDevice here(x.device);
  const DeviceOperand y = device_result(out, "out", arrange(g.src_shape(), g.activations), x, x,
                                        {&x, &weight, bias.pointer()}, call.stream);
  start(call, {&x, &weight, bias.pointer(), &y}, {}, [&]<class T>(Pass<T>& pass) {
    return lower_backward_data<T>(g.problem, device_view<const T>(x, g.activations),
                                  device_view<const T>(weight, g.weights), bias.vector<T>(),
                                  device_view<T>(y, g.activations), pass);
  });
  return returned(out, y);
}

void run_input_grad(const Call& call, const Geometry& g, const DeviceOperand& grad, const DeviceOperand& weight,
                    const DeviceOperand& result, bool accumulate) {
  start(call, {&grad, &weight, &result}, {.accumulate = accumulate}, [&]<class T>(Pass<T>& pass) {
    return lower_backward_data<T>(g.problem, device_view<const T>(grad, g.activations),
                                  device_view<const T>(weight, g.weights), nullptr,
                                  device_view<T>(result, g.activations), pass);
  });
}

void run_weight_grad(const Call& call, const Geometry& g, const DeviceOperand& grad, const DeviceOperand& x,
                     const DeviceOperand& result, bool accumulate) {
  start(call, {&grad, &x, &result}, {.accumulate = accumulate}, [&]<class T>(Pass<T>& pass) {
    return lower_backward_weights<T>(g.problem, device_view<const T>(grad, g.activations),
                                     device_view<const T>(x, g.activations), device_view<T>(result, g.weights), pass);
  });
}

void run_bias_grad(const Call& call, const python::Layout& layout, const DeviceOperand& grad,
                   const DeviceOperand& result, bool accumulate) {
  start(call, {&grad, &result}, {.accumulate = accumulate}, [&]<class T>(Pass<T>& pass) {
    return lower_backward_bias<T>(device_view<const T>(grad, layout), vector_of<T>(result), pass);
  });
}

py::object input_grad(py::handle grad_object, py::handle weight_object, py::handle input_shape,
                      const py::tuple& geometry, py::handle out, py::handle accumulate_object, py::handle tf32,
                      py::handle stream_object) {
  const Call call(stream_object, tf32);
  const DeviceOperand grad = as_device_operand(grad_object, "grad", call.stream);
  const DeviceOperand weight = operand_beside(grad, weight_object, "weight", call.stream);
  const Geometry g = forward_geometry(python::as_shape(input_shape, "input_shape"), weight.shape, as_geometry(geometry),
                                      0, "input_shape");
  check_gradient_shape(grad.shape, g);
  const bool accumulate = python::as_bool(accumulate_object, "accumulate");
  python::check_accumulate(accumulate, out);
  const OnDevice here(grad.device);
  const DeviceOperand y =
      device_result(out, "out", arrange(g.src_shape(), g.activations), grad, grad, {&grad, &weight}, call.stream);
  run_input_grad(call, g, grad, weight, y, accumulate);
  return returned(out, y);
}

py::object weight_grad(py::handle grad_object, py::handle x_object, py::handle kernel_size, const py::tuple& geometry,
                       py::handle out, py::handle accumulate_object, py::handle tf32, py::handle stream_object) {
  const Call call(stream_object, tf32);
  const DeviceOperand grad = as_device_operand(grad_object, "grad", call.stream);
  const DeviceOperand x = operand_beside(grad, x_object, "x", call.stream);
  const Geometry g = weight_gradient_geometry(x.shape, grad.shape, kernel_size, as_geometry(geometry));
  const bool accumulate = python::as_bool(accumulate_object, "accumulate");
  python::check_accumulate(accumulate, out);
  const OnDevice here(grad.device);
  const DeviceOperand y = device_result(out, "out", arrange(g.weights_shape(), g.weights), in_c_order(grad), grad,
                                        {&grad, &x}, call.stream);
  run_weight_grad(call, g, grad, x, y, accumulate);
  return returned(out, y);
}

py::object bias_grad(py::handle grad_object, py::handle layout_name, py::handle out, py::handle accumulate_object,
                     py::handle stream_object) {
  const Call call(stream_object, py::bool_(false));
  const DeviceOperand grad = as_device_operand(grad_object, "grad", call.stream);
  const python::Layout layout = python::gradient_layout(grad.shape, layout_name);
  const bool accumulate = python::as_bool(accumulate_object, "accumulate");
  python::check_accumulate(accumulate, out);
  const OnDevice here(grad.device);
  const DeviceOperand y =
      device_result(out, "out", {canonical(grad.shape, layout)[1]}, in_c_order(grad), grad, {&grad}, call.stream);
  run_bias_grad(call, layout, grad, y, accumulate);
  return returned(out, y);
}

py::tuple backward(py::handle grad_object, py::handle x_object, py::handle weight_object, const py::tuple& geometry,
                   py::handle needs_object, py::handle outs_object, py::handle accumulate_object, py::handle tf32,
                   py::handle stream_object) {
  const Call call(stream_object, tf32);
  const DeviceOperand grad = as_device_operand(grad_object, "grad", call.stream);
  const DeviceOperand x = operand_beside(grad, x_object, "x", call.stream);
  const DeviceOperand weight = operand_beside(grad, weight_object, "weight", call.stream);
  const Geometry g = forward_geometry(x.shape, weight.shape, as_geometry(geometry), 0);
  check_gradient_shape(grad.shape, g);
  const bool accumulate = python::as_bool(accumulate_object, "accumulate");
  const auto needs = python::as_triple(needs_object, "needs"), outs = python::as_triple(outs_object, "out");

  // Every out is checked before anything is started.
  constexpr const char* names[] = {"out[0]", "out[1]", "out[2]"};
  const Shape shapes[] = {x.shape, weight.shape, {g.problem.out_channels}};
  const python::Operand c_order = in_c_order(grad);
  const python::Operand* const like[] = {&x, &c_order, &c_order};
  const OnDevice here(grad.device);
  std::array<std::optional<DeviceOperand>, 3> results;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!python::as_bool(needs[i], "needs")) {
      if (!outs[i].is_none()) value_error(names[i], " was given, but needs[", i, "] is False");
      continue;
    }
    python::check_accumulate(accumulate, outs[i]);
    results[i] = device_result(outs[i], names[i], shapes[i], *like[i], grad,
                               {&grad, &x, &weight, i > 0 && results[0] ? &*results[0] : nullptr,
                                i > 1 && results[1] ? &*results[1] : nullptr},
                               call.stream);
  }
  if (results[0]) run_input_grad(call, g, grad, weight, *results[0], accumulate);
  if (results[1]) run_weight_grad(call, g, grad, x, *results[1], accumulate);
  if (results[2]) run_bias_grad(call, g.activations, grad, *results[2], accumulate);
  py::tuple gradients(3);
  for (std::size_t i = 0; i < 3; ++i)
    gradients[i] = results[i] ? returned(outs[i], *results[i]) : py::object(py::none());
  return gradients;
}

}  // namespace

void bind_calls(py::module_& m) {
  m.def("conv", conv);
  m.def("conv_transpose", conv_transpose);
  m.def("conv_input_grad", input_grad);
  m.def("conv_weight_grad", weight_grad);
  m.def("conv_bias_grad", bias_grad);
  m.def("conv_backward", backward);
}

}  // namespace tapwise::cuda
