// The sum of a gradient over everything but its channels.
#pragma once

#include "../kernels/table.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

template <class T>
Status run_bias_gradient(const TensorView<const T>& diff_dst, VectorView<T> diff_bias, const Options& options,
                         const kernels::Kernels<T>& k);

template <class T>
void describe_bias_gradient(const TensorView<const T>& diff_dst, const Options& options, Description& description);

}  // namespace tapwise::inline TAPWISE_NAMESPACE
