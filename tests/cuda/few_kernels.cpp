// In the place of gemm_*.cu where builds must be quick: of each way to multiply the small tile alone.
#include "cuda/gemm_table.hpp"

namespace tapwise::cuda {

std::span<const Kernel<float>> float_kernels() {
  static const auto table = variants<Simt<float>, 2, 1>();
  return table;
}

std::span<const Kernel<float>> tf32_kernels() {
  static const auto table = variants<TensorCore, 2, 1>();
  return table;
}

std::span<const Kernel<double>> double_kernels() {
  static const auto table = variants<Simt<double>, 2, 2>();
  return table;
}

}  // namespace tapwise::cuda
