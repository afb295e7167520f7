// The whole library in one translation unit: what tapwise/tapwise.hpp includes where TAPWISE_HEADER_ONLY is defined.
// The same files as in the compiled library, in any order.
#pragma once

// A user's warnings are about the user's code.
#pragma GCC system_header

#include "../kernels/native.hpp"
//
#include "average_pool.cpp"
#include "backward.cpp"
#include "backward_data.cpp"
#include "bias_gradient.cpp"
#include "check.cpp"
#include "correlate.cpp"
#include "correlate_plan.cpp"
#include "correlation.cpp"
#include "describe.cpp"
#include "dispatch.cpp"
#include "few_channels.cpp"
#include "max_pool.cpp"
#include "measure.cpp"
#include "operations.cpp"
#include "overlap.cpp"
#include "pack.cpp"
#include "parallel.cpp"
#include "plan.cpp"
#include "pointwise.cpp"
#include "problem.cpp"
#include "scratch.cpp"
#include "weight_gradient.cpp"
#include "weight_gradient_plan.cpp"
