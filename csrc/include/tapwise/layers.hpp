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

/// diff_src = 0 where src <= 0, else diff_dst: it passes at NaN. src may be relu's result as well as its operand.
template <class T>
TAPWISE_FUNCTION Status relu_backward(const std::vector<std::int64_t>& shape, const AnyView<const T>& diff_dst,
                                      const AnyView<const T>& src, const AnyView<T>& diff_src,
                                      const Options& options = {});

/// dst (N, C, *dst): the maximum of each window of src; padding never wins, a NaN always does. The geometry is that of
/// a depthwise convolution with one input and output channel a group, in which no window sees padding alone. `winners`,
/// if it has data: where in its plane of src each was found, as (d * H + h) * W + w; the first of equals.
template <class T>
TAPWISE_FUNCTION Status max_pool(const ConvProblem& problem, ConstTensorView<T> src, TensorView<T> dst,
                                 const Options& options = {}, TensorView<std::int64_t> winners = {});

/// diff_src: each number of diff_dst goes to the winner of its window. With `winners` src is not looked at, and its
/// view may be empty.
template <class T>
TAPWISE_FUNCTION Status max_pool_backward(const ConvProblem& problem, ConstTensorView<T> diff_dst,
                                          ConstTensorView<T> src, TensorView<T> diff_src, const Options& options = {},
                                          TensorView<const std::int64_t> winners = {});

/// What a mean is taken over: the window's positions within src and its padding, or within src alone. `overhang` is the
/// part of pad_high that never counts: what the last window reaches beyond the padding.
struct Averaging {
  bool count_padding = true;
  Spatial overhang{0, 0, 0};
};

/// dst (N, C, *dst): the mean of each window of src. The geometry is that of max_pool.
template <class T>
TAPWISE_FUNCTION Status average_pool(const ConvProblem& problem, ConstTensorView<T> src, TensorView<T> dst,
                                     const Averaging& averaging = {}, const Options& options = {});

/// diff_src: each number of diff_dst, shared out evenly among what its mean was taken over.
template <class T>
TAPWISE_FUNCTION Status average_pool_backward(const ConvProblem& problem, ConstTensorView<T> diff_dst,
                                              TensorView<T> diff_src, const Averaging& averaging = {},
                                              const Options& options = {});

}  // namespace tapwise::inline TAPWISE_NAMESPACE
