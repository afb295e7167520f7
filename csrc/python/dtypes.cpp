#include "python/dtypes.hpp"

namespace tapwise::python {
namespace {

constexpr const char* kExpected = " must be float32 or float64, got ";
constexpr const char* kNothingSilently = "; nothing is cast silently, ";

bool starts_with(const std::string& name, std::initializer_list<const char*> beginnings) {
  for (const char* beginning : beginnings)
    if (name.rfind(beginning, 0) == 0) return true;
  return false;
}

bool is_native(const py::dtype& dtype) { return dtype.byteorder() == '=' || dtype.byteorder() == '|'; }

// float16 and what extension packages such as ml_dtypes add.
bool is_narrow_float(const std::string& name) {
  return starts_with(name, {"float16", "half", "bfloat", "float8_", "float6_", "float4_"});
}

std::string name_of(const py::dtype& dtype) { return printable(dtype.attr("name")); }

std::string advice(const py::dtype& dtype, const Castable& operand) {
  const std::string name = name_of(dtype);
  if (const std::string narrow = narrow_float_advice(name, operand); !narrow.empty()) return narrow;
  if (starts_with(name, {"int", "uint", "bool"}))
    return text(kNothingSilently, "choose: ", operand.to_float32(), " holds integers exactly up to 2**24, ",
                operand.to_float64(), " up to 2**53");
  switch (dtype.kind()) {
    case 'f':
      if (dtype.itemsize() > 8)
        return text(kNothingSilently, operand.to_float64(), " loses the digits that float64 does not have");
      return text("; in the native byte order it is ", operand.expression, ".astype(", operand.expression,
                  ".dtype.newbyteorder(\"=\"))");
    case 'c':
      return text("; convolve the real and the imaginary part separately (", operand.expression, ".real, ",
                  operand.expression, ".imag), or call tapwise.convolve, which takes complex numbers");
    case 'O':
      return text(", which holds Python objects; if all are numbers, ", operand.to_float64(),
                  " rounds them to float64");
    case 'U':
    case 'S':
    case 'T':
      return text(", which is text; ", operand.to_float64(), " reads numbers from it");
    case 'M':
    case 'm':
      return ", which are times; pass numbers of a unit of yours";
    default:
      return dtype.has_fields() ? ", which are records; pass one field of them"
                                : ", which are bytes of unknown meaning";
  }
}

// The same without an operand to cast.
std::string advice(const py::dtype& dtype) {
  const std::string name = name_of(dtype);
  if (is_narrow_float(name)) return "; float32 holds its numbers exactly";
  if (starts_with(name, {"int", "uint", "bool"}))
    return "; float32 holds integers exactly up to 2**24, float64 up to 2**53";
  if (dtype.kind() == 'c') return "; the real and the imaginary part are convolved separately";
  if (dtype.kind() == 'f' && dtype.itemsize() > 8)
    return "; float64 has fewer digits, and is the longest that is taken";
  if (dtype.kind() == 'f') return "; operands are in the native byte order, dtype.newbyteorder(\"=\")";
  return "";
}

}  // namespace

std::optional<bool> is_float64(const py::dtype& dtype) {
  if (dtype.kind() != 'f' || !is_native(dtype) || (dtype.itemsize() != 4 && dtype.itemsize() != 8)) return {};
  return dtype.itemsize() == 8;
}

void refuse_dtype(const py::dtype& got, py::handle object, const char* name) {
  type_error(name, kExpected, printable(py::str(got)), advice(got, Castable(object, name)));
}

std::string narrow_float_advice(const std::string& dtype_name, const Castable& operand) {
  return is_narrow_float(dtype_name) ? text(kNothingSilently, operand.to_float32(), " is exact") : "";
}

bool as_float64(py::handle dtype) {
  if (dtype.is_none()) type_error("dtype", kExpected, "None");
  try {
    const auto known = py::dtype::from_args(py::reinterpret_borrow<py::object>(dtype));
    if (const auto is_double = is_float64(known)) return *is_double;
    type_error("dtype", kExpected, printable(py::str(known)), advice(known));
  } catch (py::error_already_set& error) {
    type_error_from(error, text("dtype", kExpected, describe(dtype)));
  }
}

}  // namespace tapwise::python
