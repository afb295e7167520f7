// The extension module tapwise._cuda. As _core's, its functions take every argument by position; tapwise/cuda.py gives
// them their signatures, and sees that there is a device.
#include "cuda/python/call.hpp"
#include "python/unlocked.hpp"

PYBIND11_MODULE(_cuda, m, pybind11::mod_gil_not_used()) {
  using namespace tapwise::cuda;
  m.def("status", status);
  m.def("device_count", device_count);
  m.def("synchronize", [](pybind11::handle stream) {
    const Stream s = as_stream(stream);
    const cudaError_t error = tapwise::python::unlocked([&] { return cudaStreamSynchronize(s.handle); });
    sweep();
    check(error, "running on the device");
  });
  m.def("drain", drain);
  bind_device_array(m);
  bind_calls(m);
  bind_explain(m);
  bind_staging(m);
}
