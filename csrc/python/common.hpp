// What every binding needs: pybind11, an error that carries a composed message, and the four steps of a function
// (views, out, release the GIL, run).
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "tapwise/tapwise.hpp"

namespace tapwise::python {

namespace py = pybind11;

using std::int64_t;
using Shape = std::vector<int64_t>;

/// Composes a message out of anything that can be streamed.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void value_error(const Parts&... parts) {
  throw py::value_error(text(parts...));
}
template <class... Parts>
[[noreturn]] void type_error(const Parts&... parts) {
  throw py::type_error(text(parts...));
}

/// A TypeError whose __cause__ is `error`. What is no error of an argument passes on unchanged: MemoryError, and
/// whatever is no Exception, such as KeyboardInterrupt.
[[noreturn]] void type_error_from(py::error_already_set& error, const std::string& message);
void pass_on_what_is_no_error(const py::error_already_set& error);

/// A Python string as one line of UTF-8, whatever it holds: for messages.
std::string printable(py::handle string);

/// "(8, 3, 32, 32)", as Python prints a tuple.
std::string tuple_text(const Shape& shape);
py::tuple as_tuple(const Shape& shape);

/// The type's name and, where it is short, the value: for messages.
std::string describe(py::handle object);

/// A string to be compared with names; "" for anything else, which is none.
std::string as_text(py::handle object);

/// An argument that is none of its choices: a TypeError if it is no string either, else a ValueError.
[[noreturn]] void refuse_choice(const char* name, const std::string& choices, py::handle got);

/// An int, or anything with __index__; a bool or float is a TypeError naming the parameter, a number beyond 64 bits a
/// ValueError.
int64_t as_int(py::handle object, const char* name);
bool is_int(py::handle object);

/// The items of a sequence argument. What the sequence itself raises becomes a TypeError naming the parameter.
class Items {
 public:
  Items(py::handle object, const char* name);
  std::size_t size() const { return size_; }
  py::object operator[](std::size_t i) const;

 private:
  [[noreturn]] void fail() const;

  py::handle object_;
  const char* name_;
  std::size_t size_ = 0;
};

/// A tuple or list of three, one for each gradient.
std::array<py::object, 3> as_triple(py::handle object, const char* name);

/// A failed Status as the Python exception that suits its code.
void raise_if_failed(const Status& status);

/// None, or an int from 1 to kMostThreads. 0 stands for None.
int as_threads(py::handle threads);
inline constexpr int kMostThreads = 1024;

/// Checks the name of an algorithm; "auto" stands for the default in force.
void check_algorithm(py::handle algorithm);
std::string resolve_algorithm(py::handle algorithm);

/// run(T{}) for T = float or double.
template <class Run>
auto dispatch(bool is_double, Run&& run) {
  return is_double ? run(double{}) : run(float{});
}

void bind_control(py::module_& m);
void bind_conv(py::module_& m);
void bind_explain(py::module_& m);
void bind_gradients(py::module_& m);
void bind_layers(py::module_& m);
void bind_plan(py::module_& m);
void bind_pool(py::module_& m);

}  // namespace tapwise::python
