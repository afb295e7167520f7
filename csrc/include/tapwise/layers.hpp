// What a small network needs beside convolution. A dense layer is a 1x1 convolution whose pixels are the batch.
#pragma once

#include <cstdint>
#include <vector>

#include "tapwise/config.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// A view of any rank, for functions that treat every number alike. Strides are in bytes.
template <class T>
struct AnyView {
  T* data = nullptr;
  std::vector<std::int64_t> stride;
};

/// dst = max(0, src), NaN stays NaN.
template <class T>
TAPWISE_FUNCTION Status relu(const std::vector<std::int64_t>& shape, const AnyView<const T>& src, const AnyView<T>& dst,
                             const Options& options = {});

/// diff_src = diff_dst where src > 0, else 0. src may be relu's result as well as its operand.
template <class T>
TAPWISE_FUNCTION Status relu_backward(const std::vector<std::int64_t>& shape, const AnyView<const T>& diff_dst,
                                      const AnyView<const T>& src, const AnyView<T>& diff_src,
                                      const Options& options = {});

/// dst (N, C, *dst): the maximum of each window of src; padding never wins, a NaN always does. The geometry is that of
/// a depthwise convolution with one input and output channel a group.
template <class T>
TAPWISE_FUNCTION Status max_pool(const ConvProblem& problem, ConstTensorView<T> src, TensorView<T> dst,
                                 const Options& options = {});

/// diff_src: each number of diff_dst goes to the first maximum (in the order of the window) of its window.
template <class T>
TAPWISE_FUNCTION Status max_pool_backward(const ConvProblem& problem, ConstTensorView<T> diff_dst,
                                          ConstTensorView<T> src, TensorView<T> diff_src, const Options& options = {});

}  // namespace tapwise::inline TAPWISE_NAMESPACE
