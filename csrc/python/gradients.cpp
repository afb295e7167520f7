#include "python/gradients.hpp"

namespace tapwise::python {
Gradients::Gradients(py::handle needs, py::handle outs, bool accumulate, const std::array<Shape, 3>& shapes,
                     const Operand& x, const Operand& grad, const std::array<const Operand*, 4>& inputs)
    : out(as_triple(outs, "out")) {
  constexpr const char* names[] = {"out[0]", "out[1]", "out[2]"};
  const auto need = as_triple(needs, "needs");
  const Operand c_order = in_c_order(grad);
  const Operand* const like[] = {&x, &c_order, &c_order};
  std::array<const Operand*, 3> given{};
  for (std::size_t i = 0; i < 3; ++i) {
    wanted[i] = as_bool(need[i], "needs");
    if (!wanted[i]) {
      if (!out[i].is_none()) value_error(names[i], " was given, but needs[", i, "] is False");
      continue;
    }
    check_accumulate(accumulate, out[i]);
    result[i] = python::result(out[i], names[i], shapes[i], *like[i],
                               {inputs[0], inputs[1], inputs[2], inputs[3], given[0], given[1]});
    if (!out[i].is_none()) given[i] = &result[i];
  }
}

py::tuple Gradients::returned() const {
  py::tuple gradients(3);
  for (std::size_t i = 0; i < 3; ++i)
    gradients[i] = wanted[i] ? python::returned(out[i], result[i]) : py::object(py::none());
  return gradients;
}

}  // namespace tapwise::python
