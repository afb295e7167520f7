// Which kernels compute a pass on a device.
#pragma once

#include "cuda/kernels.hpp"
#include "cuda/lower.hpp"

namespace tapwise::cuda {

/// What the choice depends on.
struct Device {
  int capability = 80;  // ten times the major version, plus the minor one
  int multiprocessors = 1;
  int shared_bytes = 48 * 1024;  // that a block may ask for
};

enum class Method { implicit_gemm, direct, sum_pixels };

template <class T>
struct Choice {
  Method method = Method::implicit_gemm;
  const Kernel<T>* kernel = nullptr;  // of Method::implicit_gemm
  int lanes = 1;                      // channels that share a block of sum_pixels
  int cols = 1;                       // outputs of a thread of direct
  int splits = 1;                     // pieces of the depth
  double clocks = 0;                  // the estimate that the choice rests on
};

template <class T>
struct Plan {
  Pass<T> pass;
  Choice<T> choice;
  std::int64_t workspace_bytes = 0;
};

/// All that could compute a pass on a device. tf32 allows tensor cores (float only).
template <class T>
std::vector<Choice<T>> possibilities(const Pass<T>& pass, const Device& device, bool tf32);

template <class T>
Plan<T> plan(Pass<T> pass, const Choice<T>& choice);

/// The possibility that is estimated to take the fewest clocks.
template <class T>
Plan<T> plan(Pass<T> pass, const Device& device, bool tf32);

/// How many blocks of threads a product of the plan takes, over all splits.
template <class T>
std::int64_t blocks_of(const Choice<T>& choice, const Product<T>& product);

/// Starts a plan on a stream, with plan.workspace_bytes of device memory.
template <class T>
cudaError_t run(const Plan<T>& plan, void* workspace, cudaStream_t stream);

}  // namespace tapwise::cuda
