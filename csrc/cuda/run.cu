// From a plan to launches.
#include <algorithm>

#include "cuda/direct.hpp"
#include "cuda/plan.hpp"
#include "cuda/sums.hpp"

namespace tapwise::cuda {
namespace {

unsigned pieces(std::int64_t count, int piece) { return static_cast<unsigned>((count + piece - 1) / piece); }

// blockIdx.x of a product.
template <class T>
unsigned blocks_across(const Choice<T>& choice, const Product<T>& p) {
  const auto groups = static_cast<unsigned>(p.groups);
  switch (choice.method) {
    case Method::implicit_gemm:
      return groups * pieces(p.rows.total, choice.kernel->rows) * pieces(p.cols.total, choice.kernel->cols);
    case Method::direct:
      return pieces(std::int64_t{groups} * pieces(p.cols.total, choice.cols) * p.rows.total, kDirectThreads);
    case Method::sum_pixels:
      return pieces(std::int64_t{groups} * p.rows.total, choice.lanes);
  }
  return 0;
}

template <class T>
cudaError_t start(const Choice<T>& choice, const Products<T>& products, unsigned count, cudaStream_t stream) {
  dim3 grid(1, count, static_cast<unsigned>(choice.splits));
  for (unsigned i = 0; i < count; ++i) grid.x = std::max(grid.x, blocks_across(choice, products.product[i]));
  switch (choice.method) {
    case Method::implicit_gemm: {
      const Kernel<T>& k = *choice.kernel;
      // More than 48 KB a block have to be asked for, of each device.
      const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(k.function),
                                                     cudaFuncAttributeMaxDynamicSharedMemorySize, k.shared);
      return error != cudaSuccess ? error
                                  : launch(k.function, grid, dim3(static_cast<unsigned>(k.threads)),
                                           static_cast<std::size_t>(k.shared), stream, products);
    }
    case Method::direct:
      return launch(choice.cols == 1 ? direct<T, 1> : direct<T, kDirectCols>, grid, dim3(kDirectThreads),
                    sizeof(DirectShared), stream, products);
    case Method::sum_pixels:
      grid.y = static_cast<unsigned>(std::min(products.product[0].cols.total, 65535));
      return launch(choice.lanes == 1 ? sum_pixels<T, 1> : sum_pixels<T, kSumLanes>, grid, dim3(kSumThreads),
                    kSumThreads * sizeof(T), stream, products);
  }
  return cudaErrorInvalidValue;
}

}  // namespace

template <class T>
std::int64_t blocks_of(const Choice<T>& choice, const Product<T>& product) {
  const std::int64_t cols = choice.method == Method::sum_pixels ? product.cols.total : 1;
  return cols * blocks_across(choice, product) * choice.splits;
}

template <class T>
cudaError_t run(const Plan<T>& plan, void* workspace, cudaStream_t stream) {
  T* partial = static_cast<T*>(workspace);
  const auto& all = plan.pass.products;
  for (std::size_t first = 0; first < all.size(); first += kMostProducts) {
    const std::size_t count = std::min<std::size_t>(kMostProducts, all.size() - first);
    Products<T> products;
    std::int64_t most = 0;
    for (std::size_t i = 0; i < count; ++i) {
      Product<T>& p = products.product[i] = all[first + i];
      p.partial = partial;
      if (p.splits > 1) partial += p.splits * sums_of(p);
      most = std::max(most, sums_of(p));
    }
    cudaError_t error = start(plan.choice, products, static_cast<unsigned>(count), stream);
    if (error == cudaSuccess && plan.choice.splits > 1)
      error = launch(add_splits<T>, dim3(pieces(most, kSumThreads), static_cast<unsigned>(count)), dim3(kSumThreads), 0,
                     stream, products);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

template std::int64_t blocks_of(const Choice<float>&, const Product<float>&);
template std::int64_t blocks_of(const Choice<double>&, const Product<double>&);
template cudaError_t run(const Plan<float>&, void*, cudaStream_t);
template cudaError_t run(const Plan<double>&, void*, cudaStream_t);

}  // namespace tapwise::cuda
