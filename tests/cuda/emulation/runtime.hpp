// The state behind the emulated runtime API, and what every call has in common.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "api_types.hpp"
#include "memory.hpp"
#include "settings.hpp"
#include "streams.hpp"

namespace tapwise::emulation {

inline constexpr int kRegistersPerThread = 64;
inline constexpr int kRegistersPerMultiprocessor = 65536;
inline constexpr int kThreadsPerMultiprocessor = 2048;
inline constexpr int kBlocksPerMultiprocessor = 32;
inline constexpr int kThreadsPerBlock = 1024;
inline constexpr int kSharedBytesReserved = 1024;  // of every block, for the system, since compute capability 8.0
inline constexpr int kSharedBytesWithoutOptin = 48 * 1024;

class Runtime {
 public:
  // Never destroyed: objects of the product may still free memory while the process ends.
  static Runtime& instance() {
    static Runtime& runtime = *new Runtime;
    return runtime;
  }

  // Runs an API call: under the lock, refused where there is no usable device or after a fault, its error remembered
  // for cudaGetLastError.
  template <class Function>
  cudaError_t call(Function function) {
    const std::lock_guard lock(mutex_);
    return remember(status() == cudaSuccess ? function(*this) : status());
  }

  // Calls that release something do so even after a fault, lest leaks be reported in tests of faults.
  template <class Function>
  cudaError_t call_to_release(Function function) {
    const std::lock_guard lock(mutex_);
    const cudaError_t before = status();
    const cudaError_t error = function(*this);
    return remember(before == cudaSuccess ? error : before);
  }

  // For calls that work without a device.
  template <class Function>
  auto locked(Function function) {
    const std::lock_guard lock(mutex_);
    return function(*this);
  }

  cudaError_t status() const {
    if (settings.driver < CUDART_VERSION) return cudaErrorInsufficientDriver;
    if (settings.devices == 0) return cudaErrorNoDevice;
    return fault.empty() ? cudaSuccess : cudaErrorLaunchFailure;
  }

  // Queues `work`, which is dropped if a fault comes first unless it is to run `always`.
  Position submit(const std::shared_ptr<Stream>& stream, std::function<void()> work, bool always = false) {
    return submit_after(stream, streams.implicit_order(*stream), std::move(work), always);
  }

  Position submit_after(const std::shared_ptr<Stream>& stream, std::vector<Position> after, std::function<void()> work,
                        bool always = false) {
    stream->queue.push_back({[this, always, work = std::move(work)] {
                               if (always || fault.empty()) work();
                             },
                             std::move(after)});
    const Position end{stream, stream->submitted()};
    if (settings.streams == Streams::kEager) run_to(end);
    return end;
  }

  cudaError_t synchronize(const Position& position) {
    run_to(position);
    return status();
  }

  cudaError_t synchronize_all() {
    streams.run_all();
    return status();
  }

  // With all memory in use, what the streams have yet to free may still make room.
  void* allocate(std::size_t bytes, Place place, int device) {
    void* const memory = memories.allocate(bytes, place, device, settings.memory);
    if (memory != nullptr) return memory;
    streams.run_all();
    return memories.allocate(bytes, place, device, settings.memory);
  }

  std::shared_ptr<Stream> find_stream(cudaStream_t handle) { return streams.find(handle, current_device()); }

  Event* find_event(cudaEvent_t handle) {
    const auto entry = events.find(handle);
    return entry == events.end() ? nullptr : &entry->second;
  }

  // Attributes of kernels belong to a device's context: opting in on one device does not on another.
  int shared_limit(const void* kernel) const {
    const auto entry = shared_limits.find({kernel, current_device()});
    return entry == shared_limits.end() ? kSharedBytesWithoutOptin : entry->second;
  }

  static int& current_device() {
    static constinit thread_local int device = 0;
    return device;
  }

  static cudaError_t& last_error() {
    static constinit thread_local cudaError_t error = cudaSuccess;
    return error;
  }

  Settings settings;
  Memory memories;
  StreamTable streams;
  std::map<cudaEvent_t, Event> events;
  std::uintptr_t next_event = 0x1000;
  std::map<std::pair<const void*, int>, int> shared_limits;
  std::string fault;
  std::uint64_t launches = 0;

 private:
  Runtime() {
    if (const char* const text = std::getenv("TAPWISE_EMULATION")) apply_settings(settings, text);
  }

  static cudaError_t remember(cudaError_t error) {
    if (error != cudaSuccess) last_error() = error;
    return error;
  }

  std::recursive_mutex mutex_;
};

}  // namespace tapwise::emulation
