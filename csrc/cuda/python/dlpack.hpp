// The binary interface of DLPack 1, as its specification (dmlc.github.io/dlpack) fixes it.
#pragma once

#include <cstdint>

namespace tapwise::cuda::dlpack {

inline constexpr int kCpu = 1, kCuda = 2, kCudaHost = 3, kCudaManaged = 13;
inline constexpr std::uint8_t kFloat = 2;
inline constexpr std::uint64_t kReadOnly = 1;

struct Device {
  std::int32_t type, id;
};

struct DataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};

/// Strides are in elements; null is C order.
struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

/// In a capsule named "dltensor".
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};

/// In a capsule named "dltensor_versioned".
struct Versioned {
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(Versioned*);
  std::uint64_t flags;
  Tensor tensor;
};

}  // namespace tapwise::cuda::dlpack
