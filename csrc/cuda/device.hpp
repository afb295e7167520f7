// What the kernels ask of the hardware. The only file with a second implementation: the tests' emulation of a device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#if defined(TAPWISE_EMULATED_CUDA)
#include <emulated_device.hpp>
#else

namespace tapwise::cuda {

/// The block's dynamic shared memory.
__device__ inline unsigned char* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char memory[];
  return memory;
}

/// Starts a copy of kBytes from global to shared memory, both aligned to them; zeros, and no read, unless valid.
template <int kBytes>
__device__ inline void copy_async(void* shared, const void* global, bool valid) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? kBytes : 0;
  if constexpr (kBytes == 16)  // past L1: a tile is read once
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(to), "l"(global), "r"(bytes), "n"(kBytes)
                 : "memory");
}

/// Closes the group of the copies that this thread has started.
__device__ inline void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until all but the kPending newest groups of this thread have landed.
template <int kPending>
__device__ inline void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/// Rounded to the 10 fraction bits of TF32, ties away from zero.
__device__ inline std::uint32_t to_tf32(float value) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

/// d += a * b on the tensor cores: 16 x 8 sums of 8 products, spread over the warp as the PTX ISA says of
/// mma.m16n8k8 (with g = lane / 4, t = lane % 4):
///   a: rows g, g + 8, g, g + 8 at depth t, t, t + 4, t + 4;  b: column g at depth t, t + 4;
///   d: rows g, g, g + 8, g + 8 in columns 2t, 2t + 1, 2t, 2t + 1
__device__ inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Starts a kernel on a stream.
template <class... Parameters>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                   Parameters... arguments) {
  void* pointers[] = {&arguments...};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared, stream);
}

}  // namespace tapwise::cuda

#endif
