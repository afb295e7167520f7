#include "python/blas.hpp"

namespace tapwise::python {

bool blas_takes(const Operand& m) {
  const int64_t element = m.is_double ? 8 : 4;
  const auto dense_along = [&](std::size_t a) {
    const std::size_t other = 1 - a;
    const bool dense = m.strides[a] == element || m.shape[a] == 1;
    const int64_t line = m.strides[other];
    return dense && (m.shape[other] == 1 || (line % element == 0 && line >= m.shape[a] * element));
  };
  const bool aligned = reinterpret_cast<std::uintptr_t>(m.data()) % static_cast<std::uintptr_t>(element) == 0;
  return m.shape[0] > 0 && m.shape[1] > 0 && aligned && (dense_along(0) || dense_along(1));
}

void matrix_product(const Operand& a, bool transpose_a, const Operand& b, bool transpose_b, const Operand& out) {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
  const py::object& product =
      storage
          .call_once_and_store_result([] { return py::object(py::module_::import("tapwise._blas").attr("product")); })
          .get_stored();
  product(a.array, transpose_a, b.array, transpose_b, out.array);
}

}  // namespace tapwise::python
