// What a call would do, without doing it.
#include <cstring>

#include "python/geometry.hpp"

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
  const std::string wanted = as_text(object, "direction");
  for (const auto& [name, alias, direction] : kDirections)
    if (wanted == name || wanted == alias) return direction;
  value_error("direction must be one of \"forward\", \"input_grad\", \"weight_grad\", \"bias_grad\", got \"", wanted,
              "\"");
}

py::dict explain(py::handle x_shape, py::handle weight_shape, py::handle stride, py::handle padding,
                 py::handle dilation, py::handle groups, py::handle flip, py::handle layout, py::handle weight_layout,
                 py::handle direction_name, py::handle dtype, py::handle algorithm, py::handle threads) {
  const Shape x = as_shape(x_shape, "x_shape");
  const Geometry g = forward_geometry(x, as_shape(weight_shape, "weight_shape"),
                                      {stride, padding, dilation, groups, flip, layout, weight_layout}, 0, "x_shape");
  const Direction direction = as_direction(direction_name);
  if (dtype.is_none()) type_error("dtype must be float32 or float64, got None");
  const auto kind = py::dtype::from_args(py::reinterpret_borrow<py::object>(dtype));
  if (kind.kind() != 'f' || kind.byteorder() != '=' || (kind.itemsize() != 4 && kind.itemsize() != 8))
    type_error("dtype must be float32 or float64, got ", describe(dtype));
  const bool is_double = kind.itemsize() == 8;
  const Options options{.threads = as_threads(threads)};
  const std::string chosen = resolve_algorithm(algorithm);
  const Shape y = arrange(g.dst_shape(), g.activations);
  Description d;
  dispatch(is_double, [&]<class T>(T) {
    raise_if_failed(describe<T>(g.problem, direction, imagined_view<T>(x, g.activations),
                                imagined_view<T>(y, g.activations), options, d));
  });
  const char* isa = "";
  raise_if_failed(active_isa(&isa));

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
  result["algorithm"] = chosen;
  result["direction"] = kDirections[static_cast<int>(direction)].name;
  result["output_shape"] = as_tuple(shapes[static_cast<int>(direction)]);
  result["pads"] = py::tuple(pads);
  const double operations = bias_only ? static_cast<double>(count(g.dst_shape())) : flops(p);
  result["flops"] = py::reinterpret_steal<py::int_>(PyLong_FromDouble(operations));
  result["bytes_moved"] = bytes;
  result["workspace_bytes"] = d.workspace_bytes;
  result["packed_bytes"] = d.packed_bytes;
  result["scratch_bytes"] = d.scratch_bytes;
  result["in_place"] = d.in_place;
  result["lanes"] = d.lanes;
  result["lane_speed"] = py::make_tuple(d.lane_speed[0], d.lane_speed[1], d.lane_speed[2]);
  py::list choices;
  for (const char* choice : d.choices)
    if (choice != nullptr) choices.append(choice);
  result["choices"] = py::tuple(choices);
  result["tile"] = py::make_tuple(d.tile_rows, d.tile_vectors);
  result["phases"] = d.jobs;
  result["work_items"] = d.items;
  result["isa"] = isa;
  result["threads"] = d.threads;
  return result;
}

}  // namespace

void bind_explain(py::module_& m) { m.def("explain", explain); }

}  // namespace tapwise::python
