#include "cuda/gemm_table.hpp"

namespace tapwise::cuda {

std::span<const Kernel<float>> tf32_kernels() {
  static const auto table = joined(variants<TensorCore, 4, 2>(), variants<TensorCore, 2, 1>());
  return table;
}

}  // namespace tapwise::cuda
