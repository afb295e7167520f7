// The device primitives of the product, for threads of an emulated block.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda_runtime.h"
#include "grid.hpp"

namespace tapwise::emulation {

// Fragments of mma.m16n8k8 with .tf32 operands (PTX ISA, "Matrix Fragments for mma.m16n8k8"). With g = lane / 4 and
// t = lane % 4, the elements of a lane are, as (row, column) of the operand:
//
//   A, 16 x 8   a0 (g, t)        a1 (g + 8, t)      a2 (g, t + 4)      a3 (g + 8, t + 4)
//   B,  8 x 8   b0 (t, g)        b1 (t + 4, g)
//   C, 16 x 8   c0 (g, 2 t)      c1 (g, 2 t + 1)    c2 (g + 8, 2 t)    c3 (g + 8, 2 t + 1)
struct MatrixOffer {
  const std::uint32_t* a;
  const std::uint32_t* b;
};

// The hardware does not look at the low 13 bits of a .tf32 operand.
inline double from_tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xFFFFE000U); }

// The PTX ISA leaves the order and the intermediate rounding of the sum open: here it is exact in double but for its
// last bits, and rounded to float once.
inline void perform_matrix(const WarpMeeting& meeting) {
  double a[16][8];
  double b[8][8];
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const auto* const offer = meeting.offer<MatrixOffer>(lane);
    if (offer == nullptr) throw Fault("mma.sync without all lanes of the warp");
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 4; ++i) a[g + i % 2 * 8][t + i / 2 * 4] = from_tf32(offer->a[i]);
    for (unsigned i = 0; i < 2; ++i) b[t + i * 4][g] = from_tf32(offer->b[i]);
  }
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    float* const c = &meeting.result<float>(lane);
    for (unsigned i = 0; i < 4; ++i) {
      double sum = c[i];
      for (unsigned k = 0; k < 8; ++k) sum += a[lane / 4 + i / 2 * 8][k] * b[k][lane % 4 * 2 + i % 2];
      c[i] = static_cast<float>(sum);
    }
  }
}

inline bool is_valid_configuration(dim3 grid, dim3 block) {
  const bool grid_fits = grid.x < 1U << 31 && grid.y <= 65535 && grid.z <= 65535;
  const bool block_fits = block.x <= 1024 && block.y <= 1024 && block.z <= 64 &&
                          std::uint64_t{block.x} * block.y * block.z <= kThreadsPerBlock;
  const bool something = grid.x != 0 && grid.y != 0 && grid.z != 0 && block.x != 0 && block.y != 0 && block.z != 0;
  return grid_fits && block_fits && something;
}

inline cudaError_t submit_launch(Runtime& runtime, Launch launch, const void* kernel, cudaStream_t handle) {
  const auto stream = runtime.find_stream(handle);
  if (stream == nullptr || stream->device != runtime.current_device()) return cudaErrorInvalidResourceHandle;
  if (!is_valid_configuration(launch.grid, launch.block)) return cudaErrorInvalidConfiguration;
  if (launch.shared_bytes > static_cast<std::size_t>(runtime.shared_limit(kernel))) return cudaErrorInvalidValue;
  const std::uint64_t number = runtime.launches++;
  runtime.submit(stream, [&runtime, number, launch = std::move(launch)] {
    runtime.fault = run_grid(launch, runtime.settings, number);
  });
  return cudaSuccess;
}

}  // namespace tapwise::emulation

namespace tapwise::cuda {

inline unsigned char* dynamic_shared() { return emulation::Block::current().shared_memory(); }

// PTX cp.async: where `valid` is false zeros are written and nothing is read.
template <int kBytes>
void copy_async(void* shared, const void* global, bool valid) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  emulation::Block::current().issue_copy({shared, global, kBytes, valid});
}

inline void copy_async_commit() { emulation::Block::current().commit_copies(); }

template <int kPending>
void copy_async_wait() {
  static_assert(kPending >= 0);
  emulation::Block::current().wait_for_copies(kPending);
}

// cvt.rna.tf32.f32: to 10 bits of mantissa, to nearest, ties away from zero. Adding half of the last kept bit to the
// magnitude carries into the exponent as it should, up to infinity.
inline std::uint32_t to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return bits | 0x00400000U;
  return std::isinf(value) ? bits : (bits + 0x1000U) & 0xFFFFE000U;
}

// d += a * b over the warp.
inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  const emulation::MatrixOffer offer{a, b};
  emulation::Block::current().meet_warp(
      {emulation::WarpOperation::kMatrix, emulation::kAllLanes, &offer, d, &emulation::perform_matrix});
}

// Arguments are converted to the kernel's parameters and copied at the call, as by <<<>>>.
template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                   const A&... arguments) {
  std::tuple<std::remove_cv_t<P>...> copies{static_cast<std::remove_cv_t<P>>(arguments)...};
  emulation::Launch request{grid, block, shared, [=] { std::apply(kernel, copies); }};
  return emulation::Runtime::instance().call([&](emulation::Runtime& runtime) {
    return emulation::submit_launch(runtime, std::move(request), reinterpret_cast<const void*>(kernel), stream);
  });
}

}  // namespace tapwise::cuda
