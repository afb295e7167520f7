// What a call would do on the current device, without doing it.
#include "cuda/python/call.hpp"
#include "cuda/sizes.hpp"
#include "python/explaining.hpp"

namespace tapwise::cuda {
namespace {

// Dense device memory that nobody reads: all that matters is where it would be aligned.
template <class T>
TensorView<T> imagined(const python::Shape& shape, const python::Layout& layout) {
  TensorView<T> v;
  const auto dense = python::imagined_view<T>(shape, layout);
  v.shape = dense.shape;
  v.stride = dense.stride;
  v.data = reinterpret_cast<T*>(256);
  return v;
}

template <class T>
Pass<T> imagined_pass(const python::Question& q) {
  const python::Layout &activations = q.g.activations, &weight = q.g.weights;
  const auto x = imagined<T>(q.x, activations), y = imagined<T>(q.y, activations);
  const auto w = imagined<T>(arrange(q.g.weights_shape(), weight), weight);
  T* const bias = reinterpret_cast<T*>(256);
  Pass<T> pass;
  Status status;
  switch (q.direction) {
    case Direction::forward:
      status = lower_forward<T>(q.g.problem, x, w, nullptr, y, pass);
      break;
    case Direction::backward_data:
      status = lower_backward_data<T>(q.g.problem, y, w, nullptr, x, pass);
      break;
    case Direction::backward_weights:
      status = lower_backward_weights<T>(q.g.problem, y, x, w, pass);
      break;
    case Direction::backward_bias:
      status = lower_backward_bias<T>(y, bias, pass);
      break;
  }
  python::raise_if_failed(status);
  return pass;
}

template <class T>
py::list choices_of(const Plan<T>& plan) {
  const Choice<T>& c = plan.choice;
  py::list choices;
  if (plan.pass.products.empty()) {
    choices.append("an empty batch: there is nothing to do");
    return choices;
  }
  if (c.method == Method::implicit_gemm) {
    choices.append(c.kernel->tensor_cores ? "tensor cores, operands rounded to TF32" : "ordinary cores");
    choices.append(c.kernel->copy > 1
                       ? "copies of 16 bytes: channels lie side by side"
                       : "copies of single numbers, slower: 16 bytes do not lie side by side in both operands");
  } else if (c.method == Method::direct) {
    choices.append("a thread for each pixel and few outputs: groups are too narrow for tiles");
  } else {
    choices.append(c.lanes > 1 ? "threads along contiguous channels" : "threads along pixels");
  }
  if (c.splits > 1) choices.append(text("the sum in ", c.splits, " pieces, added in order by a second kernel"));
  if (plan.pass.products.size() > 1) choices.append(text(plan.pass.products.size(), " phases of the stride"));
  return choices;
}

py::dict explain(py::handle x_shape, py::handle weight_shape, const py::tuple& geometry, py::handle direction,
                 py::handle dtype, py::handle tf32) {
  const python::Question q(x_shape, weight_shape, as_geometry(geometry), direction, dtype);
  const bool round = python::as_bool(tf32, "tf32");
  const Device device = describe_device(current_device());
  py::dict result = q.answer();
  python::dispatch(q.is_double, [&]<class T>(T) {
    const Plan<T> chosen = plan(imagined_pass<T>(q), device, round);
    constexpr const char* kMethods[] = {"implicit_gemm", "direct", "sum_pixels"};
    const Kernel<T>* k = chosen.choice.method == Method::implicit_gemm ? chosen.choice.kernel : nullptr;
    result["algorithm"] = kMethods[static_cast<int>(chosen.choice.method)];
    result["workspace_bytes"] = chosen.workspace_bytes;
    result["choices"] = py::tuple(choices_of(chosen));
    result["tile"] = py::cast(k != nullptr ? std::pair(k->rows, k->cols) : std::pair(0, 0));
    result["threads"] = k != nullptr ? k->threads : kSumThreads;
    std::int64_t blocks = 0;
    for (const Product<T>& p : chosen.pass.products) blocks += blocks_of(chosen.choice, p);
    result["work_items"] = blocks;
  });
  result["isa"] = text("sm_", device.capability);
  return result;
}

}  // namespace

void bind_explain(py::module_& m) { m.def("explain", explain); }

}  // namespace tapwise::cuda
