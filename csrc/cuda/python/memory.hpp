// Device memory of ours, and what must not be freed while a stream still uses it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "cuda/python/runtime.hpp"

namespace tapwise::cuda {

/// Memory in the order of a stream; where the device has no such memory (no pools), allocating and freeing wait for it.
void* allocate(std::int64_t bytes, cudaStream_t stream, const std::string& what);
void release(void* memory, cudaStream_t stream);

/// Allocated and freed in the order of a stream. It is freed after all that the streams that it was handed to had been
/// given by then.
class DeviceMemory {
 public:
  DeviceMemory(std::int64_t bytes, int device, Stream stream);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return data_; }
  int device() const { return device_; }

  /// Another stream may use it from now on.
  void lend(const Stream& stream);
  /// Somebody may use it on a stream that we do not hear of: freeing it waits for the whole device.
  void lend_anywhere();
  /// Makes a stream that will write wait for all that it was lent to.
  void wait_for_readers(const Stream& writer) const;

 private:
  void* data_ = nullptr;
  int device_ = 0;
  Stream stream_;
  mutable std::mutex mutex_;  // of what follows: arrays are shared by threads
  std::vector<Stream> lent_;
  bool lent_anywhere_ = false;
};

/// Keeps objects alive until the stream has done all that it was given so far. Looked after on every call.
void keep_until_done(cudaStream_t stream, std::vector<py::object> objects);
/// Lets go of what is done.
void sweep();
/// Waits for everything, and lets go of all.
void drain();

}  // namespace tapwise::cuda
