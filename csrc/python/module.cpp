// The extension module tapwise._core. Its functions take every argument by position; python/tapwise/ gives them their
// signatures, defaults and documentation.
#include "python/common.hpp"

// Of the main interpreter: pybind11's entry point takes the GIL in a way that waits for ever in any other.
PYBIND11_MODULE(_main_core, m, pybind11::mod_gil_not_used(), pybind11::multiple_interpreters::not_supported()) {
  using namespace tapwise::python;
  bind_control(m);
  bind_conv(m);
  bind_explain(m);
  bind_gradients(m);
  bind_layers(m);
  bind_plan(m);
  bind_pool(m);
}

extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__main_core();
  PyErr_SetString(PyExc_ImportError,
                  "tapwise cannot be imported in a subinterpreter, which NumPy does not support either; import it in "
                  "the main interpreter, or in a process of its own");
  return nullptr;
}
