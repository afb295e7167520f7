// Memory of the emulated runtime API.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "runtime.hpp"

namespace tapwise::emulation {

inline Place place_of(const Runtime& runtime, const void* address, std::size_t bytes) {
  const Allocation* const allocation = runtime.memories.find(address, bytes);
  return allocation == nullptr ? Place::kPageable : allocation->place;
}

// With unified addressing the driver knows where a pointer leads, and refuses a kind that says otherwise.
inline bool agrees(cudaMemcpyKind kind, bool from_device, bool to_device) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !from_device && !to_device;
    case cudaMemcpyHostToDevice:
      return !from_device && to_device;
    case cudaMemcpyDeviceToHost:
      return from_device && !to_device;
    case cudaMemcpyDeviceToDevice:
      return from_device && to_device;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

// See "API synchronization behavior" in CUDA's documentation: pageable sources are staged before the call returns,
// copies to pageable memory are done by then, all others run whenever the stream reaches them.
inline cudaError_t copy(Runtime& runtime, void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                        const std::shared_ptr<Stream>& stream) {
  const Place from = place_of(runtime, source, bytes);
  const Place to = place_of(runtime, target, bytes);
  if (!agrees(kind, from == Place::kDevice, to == Place::kDevice)) return cudaErrorInvalidValue;
  if (from == Place::kPageable && to == Place::kDevice) {
    const auto* const first = static_cast<const unsigned char*>(source);
    std::vector<unsigned char> staged(first, first + bytes);
    runtime.submit(stream, [=, staged = std::move(staged)] { std::memcpy(target, staged.data(), bytes); });
    return cudaSuccess;
  }
  const Position end = runtime.submit(stream, [=] { std::memmove(target, source, bytes); });
  return to == Place::kPageable ? runtime.synchronize(end) : cudaSuccess;
}

inline cudaError_t allocate(Runtime& runtime, void** result, std::size_t bytes, Place place, int device) {
  *result = nullptr;
  if (bytes == 0) return cudaSuccess;
  *result = runtime.allocate(bytes, place, device);
  return *result == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

}  // namespace tapwise::emulation

inline cudaError_t cudaMalloc(void** devPtr, std::size_t size) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    if (devPtr == nullptr) return cudaErrorInvalidValue;
    return allocate(runtime, devPtr, size, tapwise::emulation::Place::kDevice, runtime.current_device());
  });
}

inline cudaError_t cudaMallocHost(void** ptr, std::size_t size) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    if (ptr == nullptr) return cudaErrorInvalidValue;
    return allocate(runtime, ptr, size, tapwise::emulation::Place::kPinned, runtime.current_device());
  });
}

// The memory is the stream's only from here on in its order: it is poisoned once more when the queue gets there, which
// destroys what another stream wrote too early.
inline cudaError_t cudaMallocAsync(void** devPtr, std::size_t size, cudaStream_t hStream) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto stream = runtime.find_stream(hStream);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (runtime.settings.pools == 0) return cudaErrorNotSupported;
    if (devPtr == nullptr) return cudaErrorInvalidValue;
    const cudaError_t error = allocate(runtime, devPtr, size, tapwise::emulation::Place::kDevice, stream->device);
    if (error != cudaSuccess || size == 0) return error;
    runtime.submit(stream, [=, memory = *devPtr] { tapwise::emulation::poison(memory, size); });
    return cudaSuccess;
  });
}

// Waits for all work on the device first, as the driver does.
inline cudaError_t cudaFree(void* devPtr) {
  return tapwise::emulation::Runtime::instance().call_to_release([=](auto& runtime) {
    const cudaError_t error = runtime.synchronize_all();
    if (devPtr == nullptr) return error;
    const auto* const found = runtime.memories.find_start(devPtr);
    if (found == nullptr || found->place != tapwise::emulation::Place::kDevice) return cudaErrorInvalidValue;
    runtime.memories.release(devPtr);
    return error;
  });
}

inline cudaError_t cudaFreeHost(void* ptr) {
  return tapwise::emulation::Runtime::instance().call_to_release([=](auto& runtime) {
    if (ptr == nullptr) return cudaSuccess;
    const auto* const found = runtime.memories.find_start(ptr);
    if (found == nullptr || found->place != tapwise::emulation::Place::kPinned) return cudaErrorInvalidValue;
    runtime.memories.release(ptr);
    return cudaSuccess;
  });
}

inline cudaError_t cudaFreeAsync(void* devPtr, cudaStream_t hStream) {
  return tapwise::emulation::Runtime::instance().call_to_release([=](auto& runtime) {
    const auto stream = runtime.find_stream(hStream);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (runtime.settings.pools == 0) return cudaErrorNotSupported;
    auto* const found = runtime.memories.find_start(devPtr);
    if (found == nullptr || found->place != tapwise::emulation::Place::kDevice) return cudaErrorInvalidValue;
    if (std::exchange(found->freeing, true)) return cudaErrorInvalidValue;
    runtime.submit(stream, [&runtime, devPtr] { runtime.memories.release(devPtr); }, true);
    return cudaSuccess;
  });
}

inline cudaError_t cudaMemcpyAsync(void* dst, const void* src, std::size_t count, cudaMemcpyKind kind,
                                   cudaStream_t stream = nullptr) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto found = runtime.find_stream(stream);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    if (count == 0) return cudaSuccess;
    if (dst == nullptr || src == nullptr) return cudaErrorInvalidValue;
    return copy(runtime, dst, src, count, kind, found);
  });
}

inline cudaError_t cudaMemsetAsync(void* devPtr, int value, std::size_t count, cudaStream_t stream = nullptr) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    const auto found = runtime.find_stream(stream);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    if (count == 0) return cudaSuccess;
    if (place_of(runtime, devPtr, count) == tapwise::emulation::Place::kPageable) return cudaErrorInvalidValue;
    runtime.submit(found, [=] { std::memset(devPtr, value, count); });
    return cudaSuccess;
  });
}

// A pointer that CUDA does not know is no error.
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* ptr) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    void* const pointer = const_cast<void*>(ptr);
    const auto* const found = runtime.memories.find(ptr, 1);
    if (found == nullptr) {
      *attributes = {cudaMemoryTypeUnregistered, cudaInvalidDeviceId, nullptr, pointer};
    } else if (found->place == tapwise::emulation::Place::kPinned) {
      *attributes = {cudaMemoryTypeHost, found->device, pointer, pointer};
    } else {
      *attributes = {cudaMemoryTypeDevice, found->device, pointer, nullptr};
    }
    return cudaSuccess;
  });
}

// The overloads for typed pointers that NVIDIA's headers have for C++.
template <class T>
cudaError_t cudaMalloc(T** devPtr, std::size_t size) {
  return cudaMalloc(reinterpret_cast<void**>(devPtr), size);
}

template <class T>
cudaError_t cudaMallocHost(T** ptr, std::size_t size) {
  return cudaMallocHost(reinterpret_cast<void**>(ptr), size);
}

template <class T>
cudaError_t cudaMallocAsync(T** devPtr, std::size_t size, cudaStream_t stream) {
  return cudaMallocAsync(reinterpret_cast<void**>(devPtr), size, stream);
}
