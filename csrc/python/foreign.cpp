#include "python/foreign.hpp"

#include "python/dtypes.hpp"

namespace tapwise::python {
namespace {

constexpr int kDlpackCpu = 1;

// The attribute, or a null object where there is none. What else looking it up raises is an error of the object.
py::object attribute(py::handle object, const char* attribute_name, const char* name) {
  if (PyObject* const found = PyObject_GetAttrString(object.ptr(), attribute_name); found != nullptr)
    return py::reinterpret_steal<py::object>(found);
  py::error_already_set error;
  if (error.matches(PyExc_AttributeError)) return {};
  type_error_from(error, text(name, ": ", attribute_name, " of ", describe(object), " cannot be read"));
}

bool says_yes(py::handle object, const char* method, const char* name) {
  const py::object found = attribute(object, method, name);
  return found && PyCallable_Check(found.ptr()) && found().is(py::bool_(true));
}

// PyTorch hands over the memory of such a tensor without what its reader would have to do.
void check_lazy_bits(py::handle object, const char* name) {
  try {
    if (says_yes(object, "is_conj", name))
      type_error(name,
                 " must be float32 or float64, got a complex tensor whose conjugate bit is set; convolve the real ",
                 "and the imaginary part of ", name, ".resolve_conj() separately (.real, .imag), or call ",
                 "tapwise.convolve, which takes complex numbers");
    if (says_yes(object, "is_neg", name))
      type_error(name, " must hold its numbers as they are, got a tensor whose negative bit is set, which memory does ",
                 "not show; ", name, ".resolve_neg() writes the signs out");
  } catch (py::error_already_set& error) {
    type_error_from(error, text(name, ": is_conj() or is_neg() of ", describe(object), " failed"));
  }
}

// The first line of what an exception says.
std::string first_line(const py::error_already_set& error) {
  const auto message = py::reinterpret_steal<py::object>(PyObject_Str(error.value().ptr()));
  if (!message) {
    const py::error_already_set other;
    pass_on_what_is_no_error(other);
    return describe(error.value());
  }
  return printable(message.attr("partition")("\n")[py::int_(0)]);
}

// Why an exporter may have refused, from what it says of itself.
std::string likely_reason(py::handle object, const char* name) {
  const py::object gradients = attribute(object, "requires_grad", name);
  if (gradients && gradients.is(py::bool_(true)))
    return text(name, " must not require gradients, which end here; pass ", name, ".detach()");
  const py::object dtype = attribute(object, "dtype", name);
  if (!dtype) return "";
  const std::string full = printable(py::str(dtype));
  const std::string advice = narrow_float_advice(full.substr(full.rfind('.') + 1), Castable(object, name));
  return advice.empty() ? "" : text(name, " must be float32 or float64, got ", full, advice);
}

// The object's array through NumPy; what an exporter raises becomes a TypeError that names the operand.
template <class Import>
py::array imported(py::handle object, const char* name, const char* protocol, Import&& import) {
  try {
    return import();
  } catch (py::error_already_set& error) {
    pass_on_what_is_no_error(error);
    const std::string reason = likely_reason(object, name);
    type_error_from(error, !reason.empty()
                               ? reason
                               : text(name, ": ", protocol, " of ", describe(object), " failed: ", first_line(error)));
  } catch (const py::cast_error&) {
    type_error(name, ": ", protocol, " of ", describe(object), " gives something else than the protocol says");
  }
}

py::array import_foreign(py::handle object, const char* name) {
  const py::module_ numpy = py::module_::import("numpy");
  if (attribute(object, "__dlpack__", name)) {
    check_lazy_bits(object, name);
    int device = kDlpackCpu;
    py::array array = imported(object, name, "__dlpack__", [&]() -> py::array {
      if (const py::object asked = attribute(object, "__dlpack_device__", name); asked)
        device = asked().cast<std::pair<int, int>>().first;
      return device == kDlpackCpu ? numpy.attr("from_dlpack")(object).cast<py::array>() : py::array();
    });
    if (device == kDlpackCpu) return array;
    value_error(name, " lies on DLPack device type ", device, ", not in CPU memory (1); see tapwise.cuda");
  }
  if (attribute(object, "__cuda_array_interface__", name))
    value_error(name, " lies on a CUDA device, not in CPU memory; see tapwise.cuda");
  if (attribute(object, "__array_interface__", name))
    return imported(object, name, "__array_interface__",
                    [&] { return numpy.attr("asarray")(object).cast<py::array>(); });
  type_error(name, " must be a NumPy array, or an object with __dlpack__ or __array_interface__, got ",
             describe(object), object.is_none() ? "" : "; numpy.asarray(..., dtype=numpy.float32) makes an array");
}

}  // namespace

bool is_masked(py::handle object) {
  // Most arrays are of NumPy's own type: they cost a comparison.
  return Py_TYPE(object.ptr()) != py::detail::npy_api::get().PyArray_Type_ && py::isinstance<py::array>(object) &&
         py::isinstance(object, py::module_::import("numpy.ma").attr("MaskedArray"));
}

py::array import_array(py::handle object, const char* name) {
  if (!py::isinstance<py::array>(object)) return import_foreign(object, name);
  if (is_masked(object))
    type_error(name, " must not be a masked array, whose mask would be dropped; pass ", name, ".filled(value), or ",
               name, ".data times a mask of your own");
  return py::reinterpret_borrow<py::array>(object);
}

Castable::Castable(py::handle object, const char* name) : expression(name) {
  const auto has = [&](const char* method) { return static_cast<bool>(attribute(object, method, name)); };
  if (py::isinstance<py::array>(object) || has("astype")) return;
  is_tensor = has("float") && has("double");
  if (!is_tensor) expression = (has("__dlpack__") ? "numpy.from_dlpack(" : "numpy.asarray(") + expression + ")";
}

}  // namespace tapwise::python
