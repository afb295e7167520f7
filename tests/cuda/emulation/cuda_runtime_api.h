// Stands in for NVIDIA's header of this name: the CUDA runtime API over host memory and a CPU. The directory of this
// file comes first on the include path of builds that test CUDA code without a GPU.
#pragma once

#define TAPWISE_EMULATED_CUDA 1

#include "api_device.hpp"
#include "api_memory.hpp"
#include "api_streams.hpp"
#include "api_types.hpp"
#include "control.hpp"
#include "vector_types.hpp"
