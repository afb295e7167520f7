// Arrays on a device as operands and results.
#pragma once

#include <initializer_list>

#include "cuda/python/device_array.hpp"
#include "python/layout.hpp"

namespace tapwise::cuda {

/// An operand of a call on one device and stream. `array` of its base stays empty; `owner` keeps the memory alive.
struct DeviceOperand : python::Operand {
  char* device_data = nullptr;
  int device = 0;
  bool read_only = false;
  py::object owner;
};

/// What is ours; what has __dlpack__ on a CUDA device, asked for this stream; what has __cuda_array_interface__, whose
/// stream this one then waits for. TypeError for anything else, host arrays among it.
DeviceOperand as_device_operand(py::handle object, const char* name, const Stream& stream);

/// ValueError unless both are on one device.
void check_same_device(const DeviceOperand& a, const DeviceOperand& b);

/// As python::result: a caller's out, checked, or a new DeviceArray in the memory order of `like`.
DeviceOperand device_result(py::handle out, const char* name, const python::Shape& shape, const python::Operand& like,
                            const DeviceOperand& beside, std::initializer_list<const DeviceOperand*> inputs,
                            const Stream& stream);

template <class T>
TensorView<T> device_view(const DeviceOperand& operand, const python::Layout& layout) {
  TensorView<T> v = python::view<T>(operand, layout);
  v.data = reinterpret_cast<T*>(operand.device_data);
  return v;
}

}  // namespace tapwise::cuda
