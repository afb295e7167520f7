// A convolution pass as a matrix product whose operands are gathered, never materialised:
//
//   c[row, col] = sum over depth of a[row, depth] * b[col, depth]
//
//                          rows             columns               depth                 a         b        c
//   forward                pixels           output channels       taps, input channels  src       weights  dst
//   input gradient         pixels (*)       input channels        taps, output channels diff_dst  weights  diff_src
//   weight gradient        output channels  taps, input channels  pixels                diff_dst  src      diff_weights
//   bias gradient          output channels  one                   pixels                diff_dst           diff_bias
//
// (*) of one phase of the stride: a product for each.
#pragma once

#include "cuda/index.hpp"

namespace tapwise::cuda {

/// A tensor as a matrix. Of src, elements outside of `extent` are zero; of other tensors every place is 0, 0, 0.
template <class T>
struct Operand {
  T* data = nullptr;
  std::int64_t group = 0;  // from one group of channels to the next, in elements
  Map outer, inner;        // a, b: rows or columns, and depth; c: rows, and columns
  int extent[3] = {1, 1, 1};
};

template <class T>
struct Product {
  int groups = 1;
  Space rows, cols, depth;
  Operand<const T> a, b;
  Operand<T> c;

  const T* bias = nullptr;  // one number a column, those of all groups in a row
  std::int64_t bias_stride = 0;
  bool relu = false, accumulate = false;

  // Depth is cut into pieces whose sums a second pass adds in order: partial[split][group][row][col].
  T* partial = nullptr;
  int splits = 1, split_depth = 0;
};

/// As many products as one launch takes, each in its own blockIdx.y.
inline constexpr int kMostProducts = 8;

template <class T>
struct Products {
  Product<T> product[kMostProducts];
};

/// What is stored for a sum: with its bias, with what is there, without what is negative (a NaN stays).
template <class T>
__device__ inline void store(const Product<T>& p, T* to, T sum, T bias) {
  T value = sum + bias;
  if (p.accumulate) value += *to;
  *to = p.relu && value < T{0} ? T{0} : value;
}

template <class T>
__device__ inline T bias_of(const Product<T>& p, int group, int col) {
  if (p.bias == nullptr) return T{0};
  return p.bias[(static_cast<std::int64_t>(group) * p.cols.total + col) * p.bias_stride];
}

template <class T>
__device__ inline T* element_of_c(const Product<T>& p, int group, int row, int col) {
  return p.c.data + group * p.c.group + offset(p.c.outer, Counter::at(p.rows, row)) +
         offset(p.c.inner, Counter::at(p.cols, col));
}

/// How many numbers the product has.
template <class T>
__host__ __device__ std::int64_t sums_of(const Product<T>& p) {
  return static_cast<std::int64_t>(p.groups) * p.rows.total * p.cols.total;
}

/// Where the sum of a split lies in `partial`.
template <class T>
__device__ inline std::int64_t partial_index(const Product<T>& p, int split, int group, int row, int col) {
  return ((static_cast<std::int64_t>(split) * p.groups + group) * p.rows.total + row) * p.cols.total + col;
}

}  // namespace tapwise::cuda
