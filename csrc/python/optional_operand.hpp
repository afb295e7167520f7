// A bias, or none.
#pragma once

#include <optional>

#include "python/geometry.hpp"

namespace tapwise::python {

struct OptionalOperand {
  std::optional<Operand> operand;

  const Operand* pointer() const { return operand ? &*operand : nullptr; }
  template <class T>
  VectorView<const T> vector() const {
    if (!operand) return {};
    return {reinterpret_cast<const T*>(operand->data()), operand->strides[0]};
  }
};

/// None, or an array of shape (channels,) and like's dtype.
inline OptionalOperand optional_bias(py::handle object, const Operand& like, int64_t channels) {
  if (object.is_none()) return {};
  Operand bias = as_operand(object, "bias");
  check_same_dtype(like, bias);
  check_bias_shape(bias, channels);
  return {std::move(bias)};
}

/// None or "relu".
inline bool as_relu(py::handle activation) {
  if (activation.is_none()) return false;
  if (as_text(activation) != "relu") refuse_choice("activation", "None or \"relu\"", activation);
  return true;
}

}  // namespace tapwise::python
