#include "cuda/gemm_table.hpp"

namespace tapwise::cuda {

std::span<const Kernel<double>> double_kernels() {
  static const auto table = variants<Simt<double>, 2, 2>();
  return table;
}

}  // namespace tapwise::cuda
