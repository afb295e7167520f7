// What an explanation says of any device.
#pragma once

#include "python/geometry.hpp"

namespace tapwise::python {

/// The question that explain() was asked.
struct Question {
  Geometry g;
  Direction direction = Direction::forward;
  bool is_double = false;
  Shape x, y;

  Question(py::handle x_shape, py::handle weight_shape, const GeometryArguments& arguments, py::handle direction_name,
           py::handle dtype);

  /// direction, output_shape, pads, flops, bytes_moved.
  py::dict answer() const;
};

}  // namespace tapwise::python
