// What a call would do, without doing it.
#include "python/explaining.hpp"

namespace tapwise::python {
namespace {

py::dict explain(py::handle x_shape, py::handle weight_shape, py::handle stride, py::handle padding,
                 py::handle dilation, py::handle groups, py::handle flip, py::handle layout, py::handle weight_layout,
                 py::handle direction_name, py::handle dtype, py::handle algorithm, py::handle threads) {
  const Question q(x_shape, weight_shape, {stride, padding, dilation, groups, flip, layout, weight_layout},
                   direction_name, dtype);
  const Options options{.threads = as_threads(threads)};
  const std::string chosen = resolve_algorithm(algorithm);
  Description d;
  dispatch(q.is_double, [&]<class T>(T) {
    raise_if_failed(describe<T>(q.g.problem, q.direction, imagined_view<T>(q.x, q.g.activations),
                                imagined_view<T>(q.y, q.g.activations), options, d));
  });
  const char* isa = "";
  raise_if_failed(active_isa(&isa));

  py::dict result = q.answer();
  result["algorithm"] = chosen;
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
