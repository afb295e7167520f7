#pragma once

namespace tapwise::cuda {

/// The direction of a matrix in which a tensor is contiguous, or nearest to it. Rows of b are the product's columns.
enum class Along { depth, rows };

}  // namespace tapwise::cuda
