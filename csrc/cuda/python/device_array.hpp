// A result on a device, and how others get at it.
#pragma once

#include "cuda/python/memory.hpp"

namespace tapwise::cuda {

struct DeviceArray {
  std::shared_ptr<DeviceMemory> memory;
  bool is_double = false;
  python::Shape shape, strides;  // bytes
  Stream stream;                 // that writes it

  std::int64_t bytes() const;
  const char* dtype() const { return is_double ? "float64" : "float32"; }
};

/// The class tapwise.cuda.DeviceArray.
void bind_device_array(py::module_& m);

}  // namespace tapwise::cuda
