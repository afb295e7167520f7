// A forward pass whose weights are packed once.
#include <mutex>
#include <variant>

#include "python/geometry.hpp"
#include "python/optional_operand.hpp"
#include "python/unlocked.hpp"

namespace tapwise::python {
namespace {

class PyPlan {
 public:
  PyPlan(py::handle x_shape, py::handle weight, py::handle bias, py::handle stride, py::handle padding,
         py::handle dilation, py::handle groups, py::handle flip, py::handle layout, py::handle weight_layout,
         py::handle activation, py::handle algorithm, py::handle threads)
      : threads_(as_threads(threads)), algorithm_(resolve_algorithm(algorithm)) {
    const Operand w = as_operand(weight, "weight");
    x_shape_ = as_shape(x_shape, "x_shape");
    weight_shape_ = w.shape;
    is_double_ = w.is_double;
    geometry_ =
        forward_geometry(x_shape_, w.shape, {stride, padding, dilation, groups, flip, layout, weight_layout}, 0);
    y_shape_ = arrange(geometry_.dst_shape(), geometry_.activations);
    const bool relu = as_relu(activation);
    const OptionalOperand b = optional_bias(bias, w, geometry_.problem.out_channels);
    dispatch(is_double_, [&]<class T>(T) {
      const auto src = imagined_view<T>(x_shape_, geometry_.activations);
      const auto dst = imagined_view<T>(y_shape_, geometry_.activations);
      Plan<T> plan;
      raise_if_failed(Plan<T>::create(geometry_.problem, src, dst, relu, plan));
      Description d;
      raise_if_failed(tapwise::describe<T>(geometry_.problem, Direction::forward, src, dst, {.threads = threads_}, d));
      workspace_bytes_ = d.threads * d.scratch_bytes + plan.packed_bytes();
      plan_ = std::move(plan);
    });
    pack(w, b);
  }

  void update(py::handle weight, py::handle bias) {
    const Operand w = as_operand(weight, "weight");
    if (w.is_double != is_double_)
      type_error("weight must have the plan's dtype, ", is_double_ ? "float64" : "float32", ", got ", w.dtype());
    if (w.shape != weight_shape_)
      value_error("weight must have the plan's shape, ", tuple_text(weight_shape_), ", got ", tuple_text(w.shape));
    pack(w, optional_bias(bias, w, geometry_.problem.out_channels));
  }

  py::object run(py::handle x_object, py::handle out) const {
    const Operand x = as_operand(x_object, "x");
    if (x.is_double != is_double_)
      type_error("x must have the plan's dtype, ", is_double_ ? "float64" : "float32", ", got ", x.dtype());
    if (x.shape != x_shape_)
      value_error("x must have the plan's shape, ", tuple_text(x_shape_), ", got ", tuple_text(x.shape));
    const Operand y = result(out, "out", y_shape_, x, {&x});
    dispatch(is_double_, [&]<class T>(T) {
      const auto src = view<const T>(x, geometry_.activations);
      const auto dst = view<T>(y, geometry_.activations);
      // A copy shares the packed weights and keeps them alive if update() replaces them meanwhile.
      const Plan<T> plan = current<T>();
      raise_if_failed(unlocked([&] { return plan.run(src, dst, {.threads = threads_}); }));
    });
    return returned(out, y);
  }

  const std::string& algorithm() const { return algorithm_; }
  int64_t workspace_bytes() const { return workspace_bytes_; }
  py::tuple x_shape() const { return as_tuple(x_shape_); }
  py::tuple output_shape() const { return as_tuple(y_shape_); }

 private:
  // Calls that run at the same time go on with the weights that they began with: new ones are packed into a new plan.
  void pack(const Operand& weight, const OptionalOperand& bias) {
    dispatch(is_double_, [&]<class T>(T) {
      Plan<T> plan = current<T>().fresh();
      const auto weights = view<const T>(weight, geometry_.weights);
      raise_if_failed(unlocked([&] { return plan.update(weights, bias.vector<T>()); }));
      const std::scoped_lock locked(mutex_);
      plan_ = std::move(plan);
    });
  }

  template <class T>
  Plan<T> current() const {
    const std::scoped_lock locked(mutex_);
    return std::get<Plan<T>>(plan_);
  }

  mutable std::mutex mutex_;  // guards plan_, which free-threaded Python may replace while another thread copies it
  int threads_;
  std::string algorithm_;
  Shape x_shape_, weight_shape_, y_shape_;
  bool is_double_ = false;
  Geometry geometry_;
  std::variant<Plan<float>, Plan<double>> plan_;
  int64_t workspace_bytes_ = 0;
};

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<PyPlan>(m, "Plan")
      .def(py::init<py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                    py::handle, py::handle, py::handle, py::handle, py::handle>())
      .def("update", &PyPlan::update)
      .def("run", &PyPlan::run)
      .def_property_readonly("algorithm", &PyPlan::algorithm)
      .def_property_readonly("workspace_bytes", &PyPlan::workspace_bytes)
      .def_property_readonly("x_shape", &PyPlan::x_shape)
      .def_property_readonly("output_shape", &PyPlan::output_shape);
}

}  // namespace tapwise::python
