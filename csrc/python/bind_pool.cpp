// Pooling and its gradients.
#include <optional>

#include "python/foreign.hpp"
#include "python/geometry.hpp"
#include "python/unlocked.hpp"

namespace tapwise::python {
namespace {

// Where the winners of a max pooling were found: int64, of the output's shape.
struct Indices {
  py::array array;

  TensorView<int64_t> view(const Layout& layout) const {
    TensorView<int64_t> v;
    v.data = const_cast<int64_t*>(static_cast<const int64_t*>(array.data()));
    for (std::size_t a = 0; a < 5; ++a) {
      if (layout.axis[a] < 0) continue;
      v.shape[a] = array.shape(layout.axis[a]);
      v.stride[a] = array.strides(layout.axis[a]);
    }
    return v;
  }
};

// A new array that lies as y does.
Indices new_indices(const Operand& y) {
  Shape strides = strides_like(y.shape, y);
  for (int64_t& stride : strides) stride *= int64_t{sizeof(int64_t)} / (y.is_double ? 8 : 4);
  return {py::array(py::dtype::of<int64_t>(), y.shape, strides)};
}

// As an operand that a result must not overlap.
Operand as_operand_of(const Indices& indices) {
  Operand o;
  o.name = "indices";
  o.array = indices.array;
  o.is_double = true;  // as large
  o.shape.assign(indices.array.shape(), indices.array.shape() + indices.array.ndim());
  o.strides.assign(indices.array.strides(), indices.array.strides() + indices.array.ndim());
  return o;
}

Indices as_indices(py::handle object, const Shape& shape) {
  const char* const expected = "indices must be what max_pool(..., return_indices=True) gave, an int64 array of shape ";
  if (!py::isinstance<py::array>(object) || is_masked(object))
    type_error(expected, tuple_text(shape), ", got ", describe(object));
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!array.dtype().equal(py::dtype::of<int64_t>()))
    type_error(expected, tuple_text(shape), ", got ", printable(py::str(array.dtype())));
  const Shape got(array.shape(), array.shape() + array.ndim());
  if (got != shape) value_error(expected, tuple_text(shape), ", got shape ", tuple_text(got));
  return {array};
}

// The input of a pooling whose gradient is wanted: an array, or no more than its shape.
struct Input {
  std::optional<Operand> array;
  Shape shape;

  Input(py::handle x, const Operand& grad, bool shape_suffices) {
    if (shape_suffices && (PyTuple_Check(x.ptr()) || PyList_Check(x.ptr()))) {
      shape = as_shape(x, "x");
      return;
    }
    array = as_operand(x, "x");
    check_same_dtype(grad, *array);
    shape = array->shape;
  }
  const Operand* pointer() const { return array ? &*array : nullptr; }
};

py::object max_pool_function(py::handle x_object, py::handle kernel_size, py::handle stride, py::handle padding,
                             py::handle dilation, py::handle ceil_mode, py::handle return_indices, py::handle layout,
                             py::handle out, py::handle threads) {
  const Operand x = as_operand(x_object, "x");
  const PoolGeometry g = pooling_geometry(x.shape, {kernel_size, stride, padding, dilation, ceil_mode, layout});
  const bool with_indices = as_bool(return_indices, "return_indices");
  const Options options{.threads = as_threads(threads)};
  const Operand y = result(out, "out", arrange(g.dst_shape(), g.activations), x, {&x});
  const Indices indices = with_indices ? new_indices(y) : Indices{};
  dispatch(x.is_double, [&]<class T>(T) {
    const auto src = view<const T>(x, g.activations);
    const auto dst = view<T>(y, g.activations);
    const auto winners = with_indices ? indices.view(g.activations) : TensorView<int64_t>{};
    raise_if_failed(unlocked([&] { return max_pool<T>(g.problem, src, dst, options, winners); }));
  });
  if (!with_indices) return returned(out, y);
  return py::make_tuple(returned(out, y), indices.array);
}

py::object max_pool_grad(py::handle grad_object, py::handle x_object, py::handle kernel_size, py::handle stride,
                         py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle indices_object,
                         py::handle layout, py::handle out, py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad");
  const bool given = !indices_object.is_none();
  const Input x(x_object, grad, given);
  const PoolGeometry g = pooling_geometry(x.shape, {kernel_size, stride, padding, dilation, ceil_mode, layout});
  check_gradient_shape(grad.shape, g);
  const Options options{.threads = as_threads(threads)};
  const Indices indices = given ? as_indices(indices_object, grad.shape) : Indices{};
  const std::optional<Operand> where = given ? std::optional(as_operand_of(indices)) : std::nullopt;
  const Operand y =
      result(out, "out", x.shape, x.array ? *x.array : grad, {&grad, x.pointer(), where ? &*where : nullptr});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto diff_dst = view<const T>(grad, g.activations);
    const auto src = x.array ? view<const T>(*x.array, g.activations) : TensorView<const T>{};
    const auto diff_src = view<T>(y, g.activations);
    const TensorView<const int64_t> winners = given ? indices.view(g.activations) : TensorView<int64_t>{};
    raise_if_failed(
        unlocked([&] { return max_pool_backward<T>(g.problem, diff_dst, src, diff_src, options, winners); }));
  });
  return returned(out, y);
}

py::object avg_pool(py::handle x_object, py::handle kernel_size, py::handle stride, py::handle padding,
                    py::handle ceil_mode, py::handle count_include_pad, py::handle layout, py::handle out,
                    py::handle threads) {
  const Operand x = as_operand(x_object, "x");
  const PoolGeometry g = pooling_geometry(x.shape, {kernel_size, stride, padding, py::int_(1), ceil_mode, layout});
  const Averaging averaging{as_bool(count_include_pad, "count_include_pad"), g.overhang};
  const Options options{.threads = as_threads(threads)};
  const Operand y = result(out, "out", arrange(g.dst_shape(), g.activations), x, {&x});
  dispatch(x.is_double, [&]<class T>(T) {
    const auto src = view<const T>(x, g.activations);
    const auto dst = view<T>(y, g.activations);
    raise_if_failed(unlocked([&] { return average_pool<T>(g.problem, src, dst, averaging, options); }));
  });
  return returned(out, y);
}

py::object avg_pool_grad(py::handle grad_object, py::handle x_object, py::handle kernel_size, py::handle stride,
                         py::handle padding, py::handle ceil_mode, py::handle count_include_pad, py::handle layout,
                         py::handle out, py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad");
  const Input x(x_object, grad, true);
  const PoolGeometry g = pooling_geometry(x.shape, {kernel_size, stride, padding, py::int_(1), ceil_mode, layout});
  check_gradient_shape(grad.shape, g);
  const Averaging averaging{as_bool(count_include_pad, "count_include_pad"), g.overhang};
  const Options options{.threads = as_threads(threads)};
  const Operand y = result(out, "out", x.shape, x.array ? *x.array : grad, {&grad, x.pointer()});
  dispatch(grad.is_double, [&]<class T>(T) {
    const auto diff_dst = view<const T>(grad, g.activations);
    const auto diff_src = view<T>(y, g.activations);
    raise_if_failed(
        unlocked([&] { return average_pool_backward<T>(g.problem, diff_dst, diff_src, averaging, options); }));
  });
  return returned(out, y);
}

}  // namespace

void bind_pool(py::module_& m) {
  m.def("max_pool", max_pool_function);
  m.def("max_pool_grad", max_pool_grad);
  m.def("avg_pool", avg_pool);
  m.def("avg_pool_grad", avg_pool_grad);
}

}  // namespace tapwise::python
