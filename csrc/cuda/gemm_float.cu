#include "cuda/gemm_table.hpp"

namespace tapwise::cuda {

std::span<const Kernel<float>> float_kernels() {
  static const auto table = joined(variants<Simt<float>, 4, 2>(), variants<Simt<float>, 2, 1>());
  return table;
}

}  // namespace tapwise::cuda
