#include "python/arrays.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/check.hpp"
#include "core/overlap.hpp"

namespace tapwise::python {
namespace {

constexpr int kDlpackCpu = 1;

// The object's array through NumPy; what an exporter raises becomes a TypeError that names the operand.
template <class Import>
py::array imported(py::handle object, const char* name, const char* protocol, Import&& import) {
  try {
    return import();
  } catch (py::error_already_set& error) {
    type_error(name, ": ", protocol, " of ", describe(object), " failed: ", py::str(error.value()).cast<std::string>());
  } catch (const py::cast_error&) {
    type_error(name, ": ", protocol, " of ", describe(object), " gives something else than the protocol says");
  }
}

py::array import_array(py::handle object, const char* name) {
  if (py::isinstance<py::array>(object)) return py::reinterpret_borrow<py::array>(object);
  const py::module_ numpy = py::module_::import("numpy");
  if (py::hasattr(object, "__dlpack__")) {
    int device = kDlpackCpu;
    py::array array = imported(object, name, "__dlpack__", [&]() -> py::array {
      if (py::hasattr(object, "__dlpack_device__"))
        device = object.attr("__dlpack_device__")().cast<std::pair<int, int>>().first;
      return device == kDlpackCpu ? numpy.attr("from_dlpack")(object).cast<py::array>() : py::array();
    });
    if (device == kDlpackCpu) return array;
    value_error(name, " lies on DLPack device type ", device, ", not in CPU memory (1); see tapwise.cuda");
  }
  if (py::hasattr(object, "__cuda_array_interface__"))
    value_error(name, " lies on a CUDA device, not in CPU memory; see tapwise.cuda");
  if (py::hasattr(object, "__array_interface__"))
    return imported(object, name, "__array_interface__",
                    [&] { return numpy.attr("asarray")(object).cast<py::array>(); });
  type_error(name, " must be a NumPy array, or an object with __dlpack__ or __array_interface__, got ",
             describe(object), object.is_none() ? "" : "; numpy.asarray(..., dtype=numpy.float32) makes an array");
}

bool overlap(const Operand& a, const Operand& b) {
  const auto memory = [](const Operand& o) { return MemoryView{o.data(), o.shape, o.strides, o.is_double ? 8 : 4}; };
  return share_memory(memory(a), memory(b));
}

}  // namespace

std::string tuple_text(const Shape& shape) {
  std::ostringstream out;
  for (std::size_t i = 0; i < shape.size(); ++i) out << (i > 0 ? ", " : "(") << shape[i];
  out << (shape.empty() ? "()" : shape.size() == 1 ? ",)" : ")");
  return out.str();
}

py::tuple as_tuple(const Shape& shape) {
  py::tuple tuple(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) tuple[i] = shape[i];
  return tuple;
}

std::string describe(py::handle object) {
  if (object.is_none()) return "None";
  const auto type = py::str(py::type::of(object).attr("__name__")).cast<std::string>();
  std::string value;
  try {
    value = py::repr(object).cast<std::string>();
  } catch (py::error_already_set&) {
    return type;
  }
  return value.size() <= 40 ? type + " " + value : type;
}

std::string as_text(py::handle object, const char* name) {
  if (!py::isinstance<py::str>(object)) type_error(name, " must be a string, got ", describe(object));
  Py_ssize_t length = 0;
  if (const char* text = PyUnicode_AsUTF8AndSize(object.ptr(), &length); text != nullptr)
    return {text, static_cast<std::size_t>(length)};
  PyErr_Clear();  // surrogates, which no name has
  value_error(name, " must be one of its names, got ", describe(object));
}

int64_t as_int(py::handle object, const char* name) {
  if (PyBool_Check(object.ptr()) || !PyIndex_Check(object.ptr()))
    type_error(name, " must be an int, got ", describe(object));
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!index) {  // NumPy gives every array an __index__, which refuses those of floats
    PyErr_Clear();
    type_error(name, " must be an int, got ", describe(object));
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0) value_error(name, " does not fit into 64 bits: ", py::repr(index).cast<std::string>());
  return value;
}

std::array<py::object, 3> as_triple(py::handle object, const char* name) {
  constexpr const char* expected = " must be a tuple of three, for the input, the weight and the bias, got ";
  if (!PyTuple_Check(object.ptr()) && !PyList_Check(object.ptr())) type_error(name, expected, describe(object));
  if (py::len(object) != 3) value_error(name, expected, describe(object));
  const auto values = py::reinterpret_borrow<py::sequence>(object);
  return {values[0], values[1], values[2]};
}

int as_threads(py::handle threads) {
  if (threads.is_none()) return 0;
  const int64_t n = as_int(threads, "threads");
  if (n < 1 || n > kMostThreads) value_error("threads must be between 1 and ", kMostThreads, ", got ", n);
  return static_cast<int>(n);
}

void raise_if_failed(const Status& status) {
  switch (status.code) {
    case Code::ok:
      return;
    case Code::out_of_memory:
      PyErr_SetString(PyExc_MemoryError, status.message());
      throw py::error_already_set();
    default:
      throw py::value_error(status.message());
  }
}

Operand as_operand(py::handle object, const char* name) {
  Operand o;
  o.name = name;
  o.array = import_array(object, name);
  const py::dtype dtype = o.array.dtype();
  const bool native = dtype.byteorder() == '=' || dtype.byteorder() == '|';
  if (dtype.kind() != 'f' || !native || (dtype.itemsize() != 4 && dtype.itemsize() != 8))
    type_error(name, " must be float32 or float64, got ", py::str(dtype).cast<std::string>(),
               "; nothing is cast silently, ", name, ".astype(numpy.float32) casts");
  o.is_double = dtype.itemsize() == 8;
  o.shape.assign(o.array.shape(), o.array.shape() + o.array.ndim());
  o.strides.assign(o.array.strides(), o.array.strides() + o.array.ndim());
  return o;
}

void check_same_dtype(const Operand& a, const Operand& b) {
  if (a.is_double != b.is_double)
    type_error(b.name, " must have the dtype of ", a.name, ", ", a.dtype(), ", got ", b.dtype(),
               "; dtypes are never mixed, ", b.name, ".astype(numpy.", a.dtype(), ") casts");
}

Shape strides_like(const Shape& shape, const Operand& like) {
  std::vector<std::size_t> order(shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (like.shape.size() == shape.size()) {
    const auto known = [&](std::size_t i) { return like.shape[i] > 1 && like.strides[i] != 0; };
    for (std::size_t i = 1; i < order.size(); ++i) {
      // Insertion sort, largest stride first; it compares across axes that say nothing.
      const std::size_t axis = order[i];
      if (!known(axis)) continue;
      std::size_t to = i;
      for (std::size_t j = i; j-- > 0;) {
        if (!known(order[j])) continue;
        if (std::abs(like.strides[order[j]]) >= std::abs(like.strides[axis])) break;
        to = j;
      }
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(i));
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), axis);
    }
  }
  Shape strides(shape.size());
  int64_t step = like.is_double ? 8 : 4;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(shape[order[i]], 1);
  }
  return strides;
}

Operand result(py::handle out, const char* name, const Shape& shape, const Operand& like,
               std::initializer_list<const Operand*> inputs) {
  Operand r;
  if (out.is_none()) {
    r.name = name;
    r.is_double = like.is_double;
    r.shape = shape;
    r.strides = strides_like(shape, like);
    r.array = py::array(like.is_double ? py::dtype::of<double>() : py::dtype::of<float>(), shape, r.strides);
    // NumPy's own idea of the strides of axes of size 0 and 1.
    r.strides.assign(r.array.strides(), r.array.strides() + r.array.ndim());
    return r;
  }
  r = as_operand(out, name);
  if (r.is_double != like.is_double)
    type_error(name, " must have the dtype of ", like.name, ", ", like.dtype(), ", got ", r.dtype());
  if (r.shape != shape) value_error(name, " must have shape ", tuple_text(shape), ", got ", tuple_text(r.shape));
  if (!r.array.writeable()) value_error(name, " must be writable, got a read-only array");
  if (overlaps_itself(r.shape, r.strides, r.is_double ? 8 : 4))
    value_error(name, " must not overlap itself, got strides ", tuple_text(r.strides), " for shape ",
                tuple_text(r.shape));
  for (const Operand* input : inputs)
    if (input != nullptr && overlap(r, *input))
      value_error(name, " must not overlap ", input->name, ", got memory that both share; pass a separate array");
  return r;
}

Operand in_c_order(const Operand& operand) {
  Operand o;
  o.name = operand.name;
  o.is_double = operand.is_double;
  return o;
}

py::object returned(py::handle out, const Operand& result) {
  return out.is_none() ? py::object(result.array) : py::reinterpret_borrow<py::object>(out);
}

void check_accumulate(bool accumulate, py::handle out) {
  if (accumulate && out.is_none()) value_error("accumulate=True adds into out, but out is None; pass out=");
}

}  // namespace tapwise::python
