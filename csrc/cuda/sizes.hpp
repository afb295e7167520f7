// Sizes that kernels and the choice among them share.
#pragma once

#include <cstddef>

namespace tapwise::cuda {

inline constexpr int kDirectThreads = 256;  // of a block of direct
inline constexpr int kDirectCols = 4;       // outputs of one thread, where there is more than one
inline constexpr int kDirectPiece = 64;     // taps that are tabulated at a time
inline constexpr int kSumThreads = 256;     // of a block of sum_pixels and add_splits
inline constexpr int kSumLanes = 32;        // channels that share a block of sum_pixels where they are contiguous

inline constexpr int kLeastBlocks = 4;  // of either that share a multiprocessor: 64 registers a thread

}  // namespace tapwise::cuda
