// Instruction sets: what is compiled in, what this CPU can run, what is in use.
#pragma once

#include <cstddef>

#include "tapwise/config.hpp"
#include "tapwise/status.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Names of the instruction sets compiled in, best first; the last is always "scalar".
TAPWISE_FUNCTION std::size_t built_isas(const char** names, std::size_t capacity) noexcept;

/// Whether this CPU and its operating system can run the instruction set of that name.
TAPWISE_FUNCTION bool isa_usable(const char* name) noexcept;

/// The instruction set in use: the best usable one, or the one that the environment variable TAPWISE_ISA names.
/// An error if that one is unknown or cannot run here. Decided once, at the first call.
TAPWISE_FUNCTION Status active_isa(const char** name) noexcept;

}  // namespace tapwise::inline TAPWISE_NAMESPACE
