// Everything.
#pragma once

#include "tapwise/isa.hpp"
#include "tapwise/layers.hpp"
#include "tapwise/measure.hpp"
#include "tapwise/operations.hpp"
#include "tapwise/parallel.hpp"
#include "tapwise/plan.hpp"
#include "tapwise/problem.hpp"
#include "tapwise/status.hpp"
#include "tapwise/version.hpp"
#include "tapwise/view.hpp"

#if defined(TAPWISE_HEADER_ONLY)
#include "tapwise/core/header_only.hpp"
#endif
