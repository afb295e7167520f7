#include "python/explaining.hpp"

#include "python/dtypes.hpp"

namespace tapwise::python {
namespace {

constexpr struct {
  const char* name;
  const char* alias;
  Direction direction;
} kDirections[] = {{"forward", "fwd", Direction::forward},
                   {"input_grad", "bwd_d", Direction::backward_data},
                   {"weight_grad", "bwd_w", Direction::backward_weights},
                   {"bias_grad", "bwd_b", Direction::backward_bias}};

Direction as_direction(py::handle object) {
  const std::string wanted = as_text(object);
  for (const auto& [name, alias, direction] : kDirections)
    if (wanted == name || wanted == alias) return direction;
  refuse_choice("direction", "one of \"forward\", \"input_grad\", \"weight_grad\", \"bias_grad\"", object);
}

}  // namespace

Question::Question(py::handle x_shape, py::handle weight_shape, const GeometryArguments& arguments,
                   py::handle direction_name, py::handle dtype)
    : x(as_shape(x_shape, "x_shape")) {
  g = forward_geometry(x, as_shape(weight_shape, "weight_shape"), arguments, 0, "x_shape");
  direction = as_direction(direction_name);
  is_double = as_float64(dtype);
  y = arrange(g.dst_shape(), g.activations);
}

py::dict Question::answer() const {
  const ConvProblem& p = g.problem;
  const auto count = [](const std::array<int64_t, 5>& shape) {
    int64_t n = 1;
    for (const int64_t size : shape) n *= size;
    return n;
  };
  const int64_t element = is_double ? 8 : 4;
  const bool bias_only = direction == Direction::backward_bias;
  py::int_ bytes = 0;  // Python's: each operand fits into 64 bits, their sum may not
  for (const int64_t numbers : bias_only ? Shape{count(g.dst_shape()), p.out_channels}
                                         : Shape{count(g.src_shape()), count(g.weights_shape()), count(g.dst_shape())})
    bytes += py::int_(numbers * element);
  const Shape shapes[] = {y, x, arrange(g.weights_shape(), g.weights), {p.out_channels}};
  py::list pads;
  for (std::size_t a = static_cast<std::size_t>(3 - g.activations.rank); a < 3; ++a)
    pads.append(py::make_tuple(p.pad_low[a], p.pad_high[a]));
  py::dict result;
  result["direction"] = kDirections[static_cast<int>(direction)].name;
  result["output_shape"] = as_tuple(shapes[static_cast<int>(direction)]);
  result["pads"] = py::tuple(pads);
  const double operations = bias_only ? static_cast<double>(count(g.dst_shape())) : flops(p);
  result["flops"] = py::reinterpret_steal<py::int_>(PyLong_FromDouble(operations));
  result["bytes_moved"] = bytes;
  return result;
}

}  // namespace tapwise::python
