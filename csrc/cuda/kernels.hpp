// The compiled variants of implicit_gemm, as a table to choose from.
#pragma once

#include <span>

#include "cuda/along.hpp"
#include "cuda/product.hpp"

namespace tapwise::cuda {

template <class T>
struct Kernel {
  void (*function)(Products<T>) = nullptr;
  bool tensor_cores = false;
  Along a = Along::depth, b = Along::depth;
  int copy = 0;                       // numbers that one copy brings
  int rows = 0, cols = 0, depth = 0;  // of its tile
  int threads = 0, shared = 0;        // of a block, and its bytes
};

// One table for each way to multiply, in gemm_<name>.cu.
std::span<const Kernel<float>> float_kernels();
std::span<const Kernel<float>> tf32_kernels();
std::span<const Kernel<double>> double_kernels();

}  // namespace tapwise::cuda
