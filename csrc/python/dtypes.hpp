// The dtypes that are taken, and what to do about the others.
#pragma once

#include <optional>

#include "python/foreign.hpp"

namespace tapwise::python {

/// Whether a dtype is float64 rather than float32, both in the native byte order; nothing if it is another.
std::optional<bool> is_float64(const py::dtype& dtype);

/// TypeError: `got` is the dtype of `object`, an operand called `name`. The advice is what suits that dtype.
[[noreturn]] void refuse_dtype(const py::dtype& got, py::handle object, const char* name);

/// The advice for a floating-point number of fewer bits than float32, by name ("bfloat16"), which NumPy may not know;
/// "" for any other.
std::string narrow_float_advice(const std::string& dtype_name, const Castable& operand);

/// The argument dtype= of a function without operands: float64 rather than float32.
bool as_float64(py::handle dtype);

}  // namespace tapwise::python
