// Matrix products by NumPy, whose BLAS is made for them.
#pragma once

#include "python/arrays.hpp"

namespace tapwise::python {

/// Whether BLAS takes a matrix as it lies, so that NumPy does not copy it: one axis dense, the other in whole numbers
/// and no shorter than a row of the dense one.
bool blas_takes(const Operand& matrix);

/// out = a * b, with either of them transposed first. All must be as BLAS takes them, and of sizes that fit.
void matrix_product(const Operand& a, bool transpose_a, const Operand& b, bool transpose_b, const Operand& out);

}  // namespace tapwise::python
