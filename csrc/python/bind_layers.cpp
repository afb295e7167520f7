// Dense layers and ReLU.
#include <algorithm>
#include <cstring>

#include "core/unaligned.hpp"
#include "python/blas.hpp"
#include "python/geometry.hpp"
#include "python/gradients.hpp"
#include "python/optional_operand.hpp"
#include "python/unlocked.hpp"

namespace tapwise::python {
namespace {

// A dense layer is a 1x1 convolution: x (N, F), weight (O, F), y (N, O).
ConvProblem dense_problem(const Shape& x, const Shape& weight) {
  if (x.size() != 2) value_error("x must have 2 axes, (batch, features), got shape ", tuple_text(x));
  if (weight.size() != 2)
    value_error("weight must have 2 axes, (out_features, in_features), got shape ", tuple_text(weight));
  if (x[1] != weight[1])
    value_error("weight expects ", weight[1], " input features but x of shape ", tuple_text(x), " has ", x[1],
                weight[0] == x[1] ? "; weight is (out_features, in_features), pass weight.T" : "");
  ConvProblem p;
  p.batch = x[0];
  p.in_channels = x[1];
  p.out_channels = weight[0];
  raise_if_failed(validate(p));
  return p;
}

template <class T>
TensorView<T> matrix(const Operand& m) {
  TensorView<T> v;
  v.data = reinterpret_cast<T*>(m.data());
  v.shape = {m.shape[0], m.shape[1], 1, 1, 1};
  v.stride = {m.strides[0], m.strides[1], 0, 0, 0};
  return v;
}

// What is fused into the store of our own product: the bias, and a ReLU.
template <class T>
void add_bias(const Operand& y, const VectorView<const T>& bias, bool relu) {
  if (bias.data == nullptr && !relu) return;
  constexpr auto element = int64_t{sizeof(T)};
  unlocked([&] {
    // In pieces that are copied to where they are dense and aligned, so that the sums are taken by vectors.
    constexpr int64_t together = 512;
    T terms[together] = {}, sums[together];
    for (int64_t first = 0; first < y.shape[1]; first += together) {
      const int64_t count = std::min(together, y.shape[1] - first);
      const auto bytes = static_cast<std::size_t>(count * element);
      for (int64_t o = 0; bias.data != nullptr && o < count; ++o)
        terms[o] = load<T>(reinterpret_cast<const std::byte*>(bias.data) + (first + o) * bias.stride);
      for (int64_t n = 0; n < y.shape[0]; ++n) {
        auto* const row = reinterpret_cast<std::byte*>(y.data()) + n * y.strides[0] + first * y.strides[1];
        const bool dense = y.strides[1] == element;
        if (dense) std::memcpy(sums, row, bytes);
        for (int64_t o = 0; !dense && o < count; ++o) sums[o] = load<T>(row + o * y.strides[1]);
        for (int64_t o = 0; bias.data != nullptr && o < count; ++o) sums[o] += terms[o];
        for (int64_t o = 0; relu && o < count; ++o) sums[o] = sums[o] < T{0} ? T{0} : sums[o];
        if (dense) std::memcpy(row, sums, bytes);
        for (int64_t o = 0; !dense && o < count; ++o) store<T>(row + o * y.strides[1], sums[o]);
      }
    }
    return true;
  });
}

py::object dense(py::handle x_object, py::handle weight_object, py::handle bias_object, py::handle activation,
                 py::handle out, py::handle threads) {
  const Operand x = as_operand(x_object, "x"), weight = as_operand(weight_object, "weight");
  check_same_dtype(x, weight);
  const ConvProblem p = dense_problem(x.shape, weight.shape);
  const OptionalOperand bias = optional_bias(bias_object, x, p.out_channels);
  const Options options{.relu = as_relu(activation), .threads = as_threads(threads)};
  const Operand y = result(out, "out", {p.batch, p.out_channels}, x, {&x, &weight, bias.pointer()});
  if (blas_takes(x) && blas_takes(weight) && blas_takes(y)) {
    matrix_product(x, false, weight, true, y);
    dispatch(x.is_double, [&]<class T>(T) { add_bias(y, bias.vector<T>(), options.relu); });
    return returned(out, y);
  }
  dispatch(x.is_double, [&]<class T>(T) {
    raise_if_failed(unlocked([&] {
      return forward<T>(p, matrix<const T>(x), matrix<const T>(weight), bias.vector<T>(), matrix<T>(y), options);
    }));
  });
  return returned(out, y);
}

py::tuple dense_grad(py::handle grad_object, py::handle x_object, py::handle weight_object, py::handle needs,
                     py::handle outs, py::handle accumulate, py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad"), x = as_operand(x_object, "x"),
                weight = as_operand(weight_object, "weight");
  check_same_dtype(grad, x);
  check_same_dtype(grad, weight);
  const ConvProblem p = dense_problem(x.shape, weight.shape);
  if (grad.shape != Shape{p.batch, p.out_channels})
    value_error("grad must have the shape of the output, ", tuple_text({p.batch, p.out_channels}), ", got ",
                tuple_text(grad.shape));
  const Options options{.accumulate = as_bool(accumulate, "accumulate"), .threads = as_threads(threads)};
  const Gradients gradients(needs, outs, options.accumulate, {x.shape, weight.shape, {p.out_channels}}, x, grad,
                            {&grad, &x, &weight});
  // Matrix products that are not added onto something are NumPy's.
  std::array<bool, 3> by_blas{};
  if (!options.accumulate && blas_takes(grad)) {
    by_blas[0] = gradients.wanted[0] && blas_takes(weight) && blas_takes(gradients.result[0]);
    by_blas[1] = gradients.wanted[1] && blas_takes(x) && blas_takes(gradients.result[1]);
    if (by_blas[0]) matrix_product(grad, false, weight, false, gradients.result[0]);
    if (by_blas[1]) matrix_product(grad, true, x, false, gradients.result[1]);
  }
  dispatch(grad.is_double, [&]<class T>(T) {
    auto results = gradients.views<T>(matrix<T>, matrix<T>);
    if (by_blas[0]) results.diff_src.data = nullptr;
    if (by_blas[1]) results.diff_weights.data = nullptr;
    raise_if_failed(unlocked([&] {
      return backward<T>(p, matrix<const T>(grad), matrix<const T>(x), matrix<const T>(weight), results, options);
    }));
  });
  return gradients.returned();
}

template <class T>
AnyView<T> any_view(const Operand& o) {
  return {reinterpret_cast<T*>(o.data()), o.strides};
}

py::object relu_function(py::handle x_object, py::handle out, py::handle threads) {
  const Operand x = as_operand(x_object, "x");
  const Options options{.threads = as_threads(threads)};
  const Operand y = result(out, "out", x.shape, x, {&x});
  dispatch(x.is_double, [&]<class T>(T) {
    raise_if_failed(unlocked([&] { return relu<T>(x.shape, any_view<const T>(x), any_view<T>(y), options); }));
  });
  return returned(out, y);
}

py::object relu_grad(py::handle grad_object, py::handle x_object, py::handle out, py::handle threads) {
  const Operand grad = as_operand(grad_object, "grad"), x = as_operand(x_object, "x");
  check_same_dtype(grad, x);
  if (grad.shape != x.shape)
    value_error("grad must have the shape of x, ", tuple_text(x.shape), ", got ", tuple_text(grad.shape));
  const Options options{.threads = as_threads(threads)};
  const Operand y = result(out, "out", x.shape, x, {&grad, &x});
  dispatch(x.is_double, [&]<class T>(T) {
    raise_if_failed(unlocked([&] {
      return relu_backward<T>(x.shape, any_view<const T>(grad), any_view<const T>(x), any_view<T>(y), options);
    }));
  });
  return returned(out, y);
}

}  // namespace

void bind_layers(py::module_& m) {
  m.def("dense", dense);
  m.def("dense_grad", dense_grad);
  m.def("relu", relu_function);
  m.def("relu_grad", relu_grad);
}

}  // namespace tapwise::python
