// The two roofs of this machine: how fast it multiplies, and how fast it moves.
#pragma once

#include <cstdint>

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Floating-point operations a second of `threads` threads together, in multiply-adds on registers alone on the active
/// instruction set. Takes about `seconds`; 0 if there is no usable instruction set.
template <class T>
TAPWISE_FUNCTION double measure_fma_peak(double seconds, int threads);

/// Bytes a second of `threads` threads together, reading an array of `bytes` bytes again and again. The best pass of
/// those that fit into `seconds` (at least two) counts. Throws std::bad_alloc.
TAPWISE_FUNCTION double measure_read_bandwidth(std::int64_t bytes, double seconds, int threads);

/// The same for a = b + s * c on three arrays of `bytes` bytes together; the bytes of all three count, written ones
/// once.
TAPWISE_FUNCTION double measure_triad_bandwidth(std::int64_t bytes, double seconds, int threads);

}  // namespace tapwise::inline TAPWISE_NAMESPACE
