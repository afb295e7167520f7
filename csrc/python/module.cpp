// The extension module tapwise._core. Its functions take every argument by position; python/tapwise/ gives them their
// signatures, defaults and documentation.
#include "python/common.hpp"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  using namespace tapwise::python;
  bind_control(m);
  bind_conv(m);
  bind_explain(m);
  bind_gradients(m);
  bind_layers(m);
  bind_plan(m);
}
