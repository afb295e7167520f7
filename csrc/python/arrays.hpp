// NumPy arrays, and what else passes for one, as operands and results.
#pragma once

#include <initializer_list>

#include "python/common.hpp"

namespace tapwise::python {

/// An array operand, read where it lies. `array` keeps the memory alive.
struct Operand {
  const char* name = "";
  py::handle given;  // what the caller passed, for messages
  py::array array;
  bool is_double = false;
  Shape shape;
  Shape strides;  // bytes

  int ndim() const { return static_cast<int>(shape.size()); }
  char* data() const { return const_cast<char*>(static_cast<const char*>(array.data())); }
  const char* dtype() const { return is_double ? "float64" : "float32"; }
};

/// What import_array() reads, in float32 or float64; any other dtype is a TypeError.
Operand as_operand(py::handle object, const char* name);

/// TypeError unless both have one dtype.
void check_same_dtype(const Operand& a, const Operand& b);

/// Checks a caller's `out` (writable, exact shape, dtype of `like`, no overlap with itself or with the inputs), or
/// makes a fresh array whose axes lie in memory in the order of `like`'s (of the same rank; else in C order).
Operand result(py::handle out, const char* name, const Shape& shape, const Operand& like,
               std::initializer_list<const Operand*> inputs);

/// Strides of a dense array whose axes are nested as those of `like`, if that has as many; else C order. Axes of size 1
/// and broadcast axes say nothing about the order and stay where C order has them.
Shape strides_like(const Shape& shape, const Operand& like);

/// The dtype of `operand`, and no memory order: a fresh result like it is in C order.
Operand in_c_order(const Operand& operand);

/// What the call returns: the caller's out, or the fresh array.
py::object returned(py::handle out, const Operand& result);

/// accumulate=True needs an out.
void check_accumulate(bool accumulate, py::handle out);

}  // namespace tapwise::python
