// The CUDA runtime: whether it can be used, its errors as Python's, its streams.
#pragma once

#include <cuda_runtime_api.h>

#include <thread>

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

/// A stream of the caller's, kept alive if an object stands for it. The default stream of a thread has the same handle
/// in each of them, so its thread belongs to it.
struct Stream {
  cudaStream_t handle = nullptr;
  py::object owner;
  std::thread::id thread;

  friend bool operator==(const Stream& a, const Stream& b) { return a.handle == b.handle && a.thread == b.thread; }
  /// Whether this thread can name it.
  bool reachable() const { return thread == std::thread::id() || thread == std::this_thread::get_id(); }
};

/// None or 0 or 1: the default stream; 2: the thread's default stream; another int: a cudaStream_t; or an object with
/// __cuda_stream__ (a version and such an int).
Stream as_stream(py::handle object);

/// The number that stands for a stream in DLPack and in __cuda_array_interface__, never 0.
std::int64_t stream_number(cudaStream_t stream);

/// Makes `waiting` wait for all that `first` has been given so far.
void wait_for(const Stream& waiting, const Stream& first);

}  // namespace tapwise::cuda
