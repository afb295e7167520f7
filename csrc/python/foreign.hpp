// Anything that passes for an array, as one of NumPy's.
#pragma once

#include "python/common.hpp"

namespace tapwise::python {

/// A NumPy array as it is; any other object through __dlpack__ or __array_interface__, without a copy. What cannot be
/// read as it stands in memory is a TypeError: masked arrays, and tensors that keep a sign or a conjugation as a bit.
py::array import_array(py::handle object, const char* name);

/// Whether it is one of numpy.ma's, whose mask no protocol hands over.
bool is_masked(py::handle object);

/// How an operand called `name` is written as a thing that casts: itself, or the array that NumPy makes of it.
struct Castable {
  std::string expression;
  bool is_tensor = false;  // casts by float() and double(), as PyTorch's do, not by astype()

  Castable(py::handle object, const char* name);
  std::string to_float32() const { return expression + (is_tensor ? ".float()" : ".astype(numpy.float32)"); }
  std::string to_float64() const { return expression + (is_tensor ? ".double()" : ".astype(numpy.float64)"); }
};

}  // namespace tapwise::python
