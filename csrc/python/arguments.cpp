// Numbers, names and sequences as arguments, and how messages show what came instead.
#include <string_view>

#include "python/common.hpp"

namespace tapwise::python {
namespace {

// A message is one line of UTF-8: control characters are escaped.
std::string one_line(std::string_view characters) {
  constexpr const char* digits = "0123456789abcdef";
  std::string escaped;
  for (const char c : characters) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code != 0x7f)
      escaped += c;
    else
      (((escaped += "\\x") += digits[code >> 4]) += digits[code & 15]);
  }
  return escaped;
}

}  // namespace

std::string printable(py::handle string) {
  const auto bytes = py::reinterpret_steal<py::object>(
      PyUnicode_AsEncodedString(string.ptr(), "utf-8", "backslashreplace"));  // surrogates have no UTF-8
  if (!bytes) throw py::error_already_set();
  return one_line({PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))});
}

void pass_on_what_is_no_error(const py::error_already_set& error) {
  if (!error.matches(PyExc_Exception) || error.matches(PyExc_MemoryError)) throw error;
}

void type_error_from(py::error_already_set& error, const std::string& message) {
  pass_on_what_is_no_error(error);
  py::raise_from(error, PyExc_TypeError, message.c_str());
  throw py::error_already_set();
}

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
  const std::string_view full = Py_TYPE(object.ptr())->tp_name;
  const std::string type = one_line(full.substr(full.rfind('.') + 1));
  try {
    const std::string value = printable(py::repr(object));
    return value.size() <= 40 ? type + " " + value : type;
  } catch (py::error_already_set& error) {
    pass_on_what_is_no_error(error);
    return type;
  }
}

std::string as_text(py::handle object) { return py::isinstance<py::str>(object) ? printable(object) : ""; }

void refuse_choice(const char* name, const std::string& choices, py::handle got) {
  if (!py::isinstance<py::str>(got)) type_error(name, " must be ", choices, ", got ", describe(got));
  value_error(name, " must be ", choices, ", got \"", printable(got), "\"");
}

bool is_int(py::handle object) { return !PyBool_Check(object.ptr()) && PyIndex_Check(object.ptr()); }

int64_t as_int(py::handle object, const char* name) {
  if (!is_int(object)) type_error(name, " must be an int, got ", describe(object));
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!index) {  // NumPy gives every array an __index__, which refuses those of floats
    py::error_already_set error;
    type_error_from(error, text(name, " must be an int, got ", describe(object)));
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0) value_error(name, " must fit into 64 bits, got ", describe(index));
  return value;
}

Items::Items(py::handle object, const char* name) : object_(object), name_(name) {
  const Py_ssize_t length = PySequence_Size(object.ptr());
  if (length < 0) fail();
  size_ = static_cast<std::size_t>(length);
}

py::object Items::operator[](std::size_t i) const {
  PyObject* const item = PySequence_GetItem(object_.ptr(), static_cast<Py_ssize_t>(i));
  if (item == nullptr) fail();
  return py::reinterpret_steal<py::object>(item);
}

void Items::fail() const {
  py::error_already_set error;
  type_error_from(error, text(name_, " must be a sequence that can be read, got ", describe(object_)));
}

std::array<py::object, 3> as_triple(py::handle object, const char* name) {
  constexpr const char* expected = " must be a tuple of three, for the input, the weight and the bias, got ";
  if (!PyTuple_Check(object.ptr()) && !PyList_Check(object.ptr())) type_error(name, expected, describe(object));
  const Items items(object, name);
  if (items.size() != 3) value_error(name, expected, describe(object));
  return {items[0], items[1], items[2]};
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

}  // namespace tapwise::python
