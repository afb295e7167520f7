// One call: its device and stream, what it plans, runs, and keeps alive.
#pragma once

#include "cuda/python/operand.hpp"
#include "python/geometry.hpp"

namespace tapwise::cuda {

/// What calls share beside their operands: the geometry's arguments in the order of GeometryArguments, the stream, and
/// whether tensor cores may round operands to TF32.
struct Call {
  Stream stream;
  bool tf32 = false;

  /// Also lets go of operands of earlier calls.
  Call(py::handle stream, py::handle tf32);

  /// Plans and starts a pass on a device, and keeps the operands alive until it is done.
  template <class T>
  void run(Pass<T> pass, int device, std::initializer_list<const DeviceOperand*> operands) const;
};

/// stride, padding, dilation, groups, flip, layout, weight_layout.
python::GeometryArguments as_geometry(const py::tuple& arguments);

void bind_calls(py::module_& m);
void bind_explain(py::module_& m);
void bind_staging(py::module_& m);

}  // namespace tapwise::cuda
