// From a convolution to the matrix products that compute its passes.
#pragma once

#include <vector>

#include "cuda/product.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::cuda {

/// The products of one pass; of an input gradient one for each phase of the stride. None where there is nothing to do.
template <class T>
struct Pass {
  Direction direction = Direction::forward;
  std::vector<Product<T>> products;
};

inline constexpr int kMostPhases = 1 << 14;

/// Views as in tapwise/operations.hpp, of device memory. Beside what the CPU refuses, strides must be multiples of the
/// element size, data aligned to it, and positions fewer than 2^29 along an axis and 2^30 in all, and an
/// input gradient's phases at most kMostPhases (Code::unsupported).
template <class T>
Status lower_forward(const ConvProblem& problem, TensorView<const T> src, TensorView<const T> weights,
                     VectorView<const T> bias, TensorView<T> dst, Pass<T>& pass);
template <class T>
Status lower_backward_data(const ConvProblem& problem, TensorView<const T> diff_dst, TensorView<const T> weights,
                           VectorView<const T> bias, TensorView<T> diff_src, Pass<T>& pass);
template <class T>
Status lower_backward_weights(const ConvProblem& problem, TensorView<const T> diff_dst, TensorView<const T> src,
                              TensorView<T> diff_weights, Pass<T>& pass);
template <class T>
Status lower_backward_bias(TensorView<const T> diff_dst, VectorView<T> diff_bias, Pass<T>& pass);

}  // namespace tapwise::cuda
