// The CUDA runtime: whether it can be used, its errors as Python's, its streams.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/plan.hpp"
#include "python/common.hpp"

namespace tapwise::cuda {

namespace py = pybind11;
using python::text;
using python::type_error;
using python::value_error;

/// RuntimeError (MemoryError where memory ran out) that says what failed, in the driver's words. The error is not left
/// behind for the next call.
void check(cudaError_t error, const std::string& what);

/// What was built, and what the driver says.
std::string status();

/// How many devices can be used; 0 where the driver, or a device, is missing.
int device_count();

/// RuntimeError with status() unless a device can be used.
void require_device();

/// Makes a device current for a while.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

int current_device();
Device describe_device(int device);

/// A stream of the caller's, kept alive if an object stands for it.
struct Stream {
  cudaStream_t handle = nullptr;
  py::object owner;
};

/// None or 0 or 1: the default stream; 2: the thread's default stream; another int: a cudaStream_t; or an object with
/// __cuda_stream__ (a version and such an int).
Stream as_stream(py::handle object);

/// The number that stands for a stream in DLPack and in __cuda_array_interface__, never 0.
std::int64_t stream_number(cudaStream_t stream);

/// Makes `waiting` wait for all that `first` has been given so far.
void wait_for(cudaStream_t waiting, cudaStream_t first);

}  // namespace tapwise::cuda
