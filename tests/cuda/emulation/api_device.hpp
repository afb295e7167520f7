// Errors, versions, devices and kernel attributes of the emulated runtime API.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>

#include "runtime.hpp"

namespace tapwise::emulation {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

inline constexpr ErrorText kErrorTexts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
};

inline ErrorText find_error_text(cudaError_t error) {
  for (const ErrorText& entry : kErrorTexts) {
    if (entry.error == error) return entry;
  }
  return {error, "unrecognized error code", "unrecognized error code"};
}

}  // namespace tapwise::emulation

inline const char* cudaGetErrorName(cudaError_t error) { return tapwise::emulation::find_error_text(error).name; }
inline const char* cudaGetErrorString(cudaError_t error) { return tapwise::emulation::find_error_text(error).text; }

inline cudaError_t cudaPeekAtLastError() {
  using tapwise::emulation::Runtime;
  return Runtime::instance().locked(
      [](Runtime& runtime) { return runtime.fault.empty() ? Runtime::last_error() : cudaErrorLaunchFailure; });
}

inline cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  tapwise::emulation::Runtime::last_error() = cudaSuccess;
  return error;
}

inline cudaError_t cudaDriverGetVersion(int* version) {
  using tapwise::emulation::Runtime;
  if (version == nullptr) return cudaErrorInvalidValue;
  *version = Runtime::instance().locked([](const Runtime& runtime) { return runtime.settings.driver; });
  return cudaSuccess;
}

inline cudaError_t cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return cudaErrorInvalidValue;
  *version = CUDART_VERSION;
  return cudaSuccess;
}

namespace tapwise::emulation {

inline bool is_device(const Runtime& runtime, int device) { return device >= 0 && device < runtime.settings.devices; }

// As on A100, H100 and others, a multiprocessor holds what one block may opt in to and the reserve of one block.
inline int shared_per_multiprocessor(const Settings& settings) { return settings.shared_optin + kSharedBytesReserved; }

inline cudaError_t get_attribute(const Settings& settings, cudaDeviceAttr attribute, int* value) {
  const std::map<cudaDeviceAttr, int> values = {
      {cudaDevAttrMaxThreadsPerBlock, kThreadsPerBlock},
      {cudaDevAttrMaxSharedMemoryPerBlock, kSharedBytesWithoutOptin},
      {cudaDevAttrWarpSize, 32},
      {cudaDevAttrMultiProcessorCount, settings.sms},
      {cudaDevAttrMaxThreadsPerMultiProcessor, kThreadsPerMultiprocessor},
      {cudaDevAttrComputeCapabilityMajor, settings.arch / 10},
      {cudaDevAttrComputeCapabilityMinor, settings.arch % 10},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, shared_per_multiprocessor(settings)},
      {cudaDevAttrMaxRegistersPerMultiprocessor, kRegistersPerMultiprocessor},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, settings.shared_optin},
      {cudaDevAttrMemoryPoolsSupported, settings.pools},
  };
  const auto entry = values.find(attribute);
  if (value == nullptr || entry == values.end()) return cudaErrorInvalidValue;
  *value = entry->second;
  return cudaSuccess;
}

inline cudaDeviceProp properties(const Settings& settings) {
  cudaDeviceProp result{};
  std::snprintf(result.name, sizeof result.name, "Emulated device");
  result.totalGlobalMem = settings.memory;
  result.sharedMemPerBlock = kSharedBytesWithoutOptin;
  result.warpSize = 32;
  result.maxThreadsPerBlock = kThreadsPerBlock;
  result.major = settings.arch / 10;
  result.minor = settings.arch % 10;
  result.multiProcessorCount = settings.sms;
  result.maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  result.sharedMemPerMultiprocessor = static_cast<std::size_t>(shared_per_multiprocessor(settings));
  result.regsPerMultiprocessor = kRegistersPerMultiprocessor;
  result.sharedMemPerBlockOptin = static_cast<std::size_t>(settings.shared_optin);
  result.memoryPoolsSupported = settings.pools;
  return result;
}

// What fits of threads, registers and shared memory, each block rounded up to warps.
inline int active_blocks(const Settings& settings, int threads, std::size_t shared_bytes) {
  const int rounded = (threads + 31) / 32 * 32;
  const std::size_t shared = shared_bytes + kSharedBytesReserved;
  const int by_shared = static_cast<int>(static_cast<std::size_t>(shared_per_multiprocessor(settings)) / shared);
  return std::min({kBlocksPerMultiprocessor, kThreadsPerMultiprocessor / rounded,
                   kRegistersPerMultiprocessor / (kRegistersPerThread * rounded), by_shared});
}

}  // namespace tapwise::emulation

inline cudaError_t cudaGetDeviceCount(int* count) {
  if (count != nullptr) *count = 0;
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (count == nullptr) return cudaErrorInvalidValue;
    *count = runtime.settings.devices;
    return cudaSuccess;
  });
}

inline cudaError_t cudaGetDevice(int* device) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (device == nullptr) return cudaErrorInvalidValue;
    *device = runtime.current_device();
    return cudaSuccess;
  });
}

inline cudaError_t cudaSetDevice(int device) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (!is_device(runtime, device)) return cudaErrorInvalidDevice;
    runtime.current_device() = device;
    return cudaSuccess;
  });
}

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* prop, int device) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (!is_device(runtime, device)) return cudaErrorInvalidDevice;
    if (prop == nullptr) return cudaErrorInvalidValue;
    *prop = tapwise::emulation::properties(runtime.settings);
    return cudaSuccess;
  });
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attr, int device) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (!is_device(runtime, device)) return cudaErrorInvalidDevice;
    return tapwise::emulation::get_attribute(runtime.settings, attr, value);
  });
}

inline cudaError_t cudaFuncSetAttribute(const void* func, cudaFuncAttribute attr, int value) {
  return tapwise::emulation::Runtime::instance().call([=](auto& runtime) {
    if (func == nullptr || attr != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaErrorInvalidValue;
    if (value < 0 || value > runtime.settings.shared_optin) return cudaErrorInvalidValue;
    runtime.shared_limits[{func, runtime.current_device()}] = value;
    return cudaSuccess;
  });
}

inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attr, const void* func) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (attr == nullptr || func == nullptr) return cudaErrorInvalidValue;
    *attr = {};
    attr->maxThreadsPerBlock = tapwise::emulation::kThreadsPerBlock;
    attr->numRegs = tapwise::emulation::kRegistersPerThread;
    attr->maxDynamicSharedSizeBytes = runtime.shared_limit(func);
    return cudaSuccess;
  });
}

inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* numBlocks, const void* func, int blockSize,
                                                                 std::size_t dynamicSMemSize) {
  return tapwise::emulation::Runtime::instance().call([=](const auto& runtime) {
    if (numBlocks == nullptr || func == nullptr || blockSize <= 0) return cudaErrorInvalidValue;
    const bool fits = blockSize <= tapwise::emulation::kThreadsPerBlock &&
                      dynamicSMemSize <= static_cast<std::size_t>(runtime.shared_limit(func));
    *numBlocks = fits ? tapwise::emulation::active_blocks(runtime.settings, blockSize, dynamicSMemSize) : 0;
    return cudaSuccess;
  });
}

// The overloads for kernels that NVIDIA's headers have for C++.
template <class... P>
cudaError_t cudaFuncSetAttribute(void (*func)(P...), cudaFuncAttribute attr, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(func), attr, value);
}

template <class... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attr, void (*func)(P...)) {
  return cudaFuncGetAttributes(attr, reinterpret_cast<const void*>(func));
}

template <class... P>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* numBlocks, void (*func)(P...), int blockSize,
                                                          std::size_t dynamicSMemSize) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks, reinterpret_cast<const void*>(func), blockSize,
                                                       dynamicSMemSize);
}
