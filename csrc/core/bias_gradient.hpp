// The sum of a gradient over everything but its channels.
#pragma once

#include "../kernels/table.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// `y`: null, or the result of the ReLU that diff_dst comes through.
template <class T>
Status run_bias_gradient(const TensorView<const T>& diff_dst, const TensorView<const T>* y, VectorView<T> diff_bias,
                         const Options& options, const kernels::Kernels<T>& k);

template <class T>
void describe_bias_gradient(const TensorView<const T>& diff_dst, const TensorView<const T>* y, const Options& options,
                            Description& description);

}  // namespace tapwise::inline TAPWISE_NAMESPACE
