#include "python/arrays.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "core/check.hpp"
#include "core/overlap.hpp"
#include "python/dtypes.hpp"

namespace tapwise::python {
namespace {

bool overlap(const Operand& a, const Operand& b) {
  const auto memory = [](const Operand& o) { return MemoryView{o.data(), o.shape, o.strides, o.is_double ? 8 : 4}; };
  return share_memory(memory(a), memory(b));
}

// Reads the array; its dtype is the caller's to check.
Operand of_any_dtype(py::handle object, const char* name) {
  Operand o;
  o.name = name;
  o.given = object;
  o.array = import_array(object, name);
  o.shape.assign(o.array.shape(), o.array.shape() + o.array.ndim());
  o.strides.assign(o.array.strides(), o.array.strides() + o.array.ndim());
  return o;
}

}  // namespace

Operand as_operand(py::handle object, const char* name) {
  Operand o = of_any_dtype(object, name);
  const std::optional<bool> is_double = is_float64(o.array.dtype());
  if (!is_double) refuse_dtype(o.array.dtype(), object, name);
  o.is_double = *is_double;
  return o;
}

void check_same_dtype(const Operand& a, const Operand& b) {
  if (a.is_double == b.is_double) return;
  const Operand& narrow = a.is_double ? b : a;
  const std::string exact = Castable(narrow.given, narrow.name).to_float64() + " is exact";
  type_error(b.name, " must have the dtype of ", a.name, ", ", a.dtype(), ", got ", b.dtype(),
             "; dtypes are never mixed, ", exact,
             b.is_double ? ", " + Castable(b.given, b.name).to_float32() + " rounds" : "");
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
  if (is_masked(out))
    type_error(name, " must not be a masked array, whose mask no result would change; pass the array under it, ", name,
               ".data");
  r = of_any_dtype(out, name);
  r.is_double = like.is_double;
  if (is_float64(r.array.dtype()) != like.is_double)
    type_error(name, " must have the dtype of ", like.name, ", ", like.dtype(), ", got ",
               printable(py::str(r.array.dtype())));
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
