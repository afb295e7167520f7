#include "cuda/python/device_array.hpp"

#include <utility>

#include "cuda/python/dlpack.hpp"

namespace tapwise::cuda {
namespace {

// What a consumer of DLPack owns: the array's memory, and the sizes that the tensor points to.
template <class ManagedTensor>
struct Export {
  ManagedTensor managed{};
  std::shared_ptr<DeviceMemory> memory;
  python::Shape shape, strides;
};

template <class ManagedTensor>
py::capsule exported(const DeviceArray& a, const char* name) {
  auto owned = std::make_unique<Export<ManagedTensor>>();
  const std::int64_t element = a.is_double ? 8 : 4;
  owned->memory = a.memory;
  owned->shape = a.shape;
  for (const std::int64_t stride : a.strides) owned->strides.push_back(stride / element);
  owned->managed.context = owned.get();
  // A consumer may call this from any thread, with or without the GIL.
  owned->managed.deleter = [](ManagedTensor* m) {
    if (m == nullptr || Py_IsInitialized() == 0) return;  // the end of the process frees what is left
    const py::gil_scoped_acquire locked;
    delete static_cast<Export<ManagedTensor>*>(m->context);
  };
  owned->managed.tensor = {a.memory->data(),
                           {dlpack::kCuda, a.memory->device()},
                           static_cast<std::int32_t>(a.shape.size()),
                           {dlpack::kFloat, static_cast<std::uint8_t>(8 * element), 1},
                           owned->shape.data(),
                           owned->strides.data(),
                           0};
  if constexpr (std::is_same_v<ManagedTensor, dlpack::Versioned>) owned->managed.major = 1;
  const auto destroy = [](PyObject* capsule) {  // a consumer renames the capsule; then the tensor is its own
    for (const char* mine : {"dltensor", "dltensor_versioned"})
      if (PyCapsule_IsValid(capsule, mine) != 0) {
        auto* const managed = static_cast<ManagedTensor*>(PyCapsule_GetPointer(capsule, mine));
        managed->deleter(managed);
      }
  };
  py::object capsule = py::reinterpret_steal<py::object>(PyCapsule_New(&owned->managed, name, destroy));
  if (!capsule) throw py::error_already_set();
  owned.release();
  return py::reinterpret_borrow<py::capsule>(capsule);
}

[[noreturn]] void buffer_error(const std::string& message) {
  PyErr_SetString(PyExc_BufferError, message.c_str());
  throw py::error_already_set();
}

py::capsule to_dlpack(const DeviceArray& a, py::handle stream, py::handle max_version, py::handle dl_device,
                      py::handle copy) {
  if (!dl_device.is_none() && dl_device.cast<std::pair<int, int>>() != std::pair{dlpack::kCuda, a.memory->device()})
    buffer_error(text("the array lies on DLPack device (2, ", a.memory->device(), ") and is not moved, got dl_device ",
                      python::describe(dl_device)));
  if (!copy.is_none() && copy.cast<bool>()) buffer_error("the array is not copied; pass copy=False or None");
  const std::int64_t consumer = stream.is_none() ? 1 : python::as_int(stream, "stream");
  if (consumer == 0 || consumer < -1)
    value_error("stream must be None, -1, 1, 2 or a cudaStream_t; 0 is ambiguous in DLPack, got ", consumer);
  const OnDevice here(a.memory->device());
  if (consumer == -1) {
    a.memory->lend_anywhere();
  } else {
    const Stream to = as_stream(py::int_(consumer));
    wait_for(to, a.stream);
    a.memory->lend(to);
  }
  const bool versioned = !max_version.is_none() && max_version.cast<std::pair<int, int>>().first >= 1;
  return versioned ? exported<dlpack::Versioned>(a, "dltensor_versioned") : exported<dlpack::Managed>(a, "dltensor");
}

py::dict cuda_array_interface(const DeviceArray& a) {
  a.memory->lend_anywhere();
  py::dict d;
  d["version"] = 3;
  d["shape"] = python::as_tuple(a.shape);
  d["strides"] = python::as_tuple(a.strides);
  d["typestr"] = a.is_double ? "<f8" : "<f4";
  d["data"] = py::make_tuple(reinterpret_cast<std::uintptr_t>(a.memory->data()), false);
  d["stream"] = stream_number(a.stream.handle);
  return d;
}

std::string repr(const DeviceArray& a) {
  return text("tapwise.cuda.DeviceArray(shape=", python::tuple_text(a.shape), ", dtype=", a.dtype(),
              ", device=", a.memory->device(), ")");
}

}  // namespace

std::int64_t DeviceArray::bytes() const {
  std::int64_t bytes = is_double ? 8 : 4;
  for (const std::int64_t size : shape) bytes *= size;
  return bytes;
}

void bind_device_array(py::module_& m) {
  py::class_<DeviceArray>(m, "DeviceArray", py::module_local())
      .def_property_readonly("shape", [](const DeviceArray& a) { return python::as_tuple(a.shape); })
      .def_property_readonly("strides", [](const DeviceArray& a) { return python::as_tuple(a.strides); })
      .def_property_readonly("dtype", [](const DeviceArray& a) { return py::dtype(a.dtype()); })
      .def_property_readonly("ndim", [](const DeviceArray& a) { return a.shape.size(); })
      .def_property_readonly("nbytes", &DeviceArray::bytes)
      .def_property_readonly("device", [](const DeviceArray& a) { return a.memory->device(); })
      .def_property_readonly("stream", [](const DeviceArray& a) { return stream_number(a.stream.handle); })
      .def_property_readonly("__cuda_array_interface__", cuda_array_interface)
      .def("__dlpack_device__", [](const DeviceArray& a) { return std::pair(dlpack::kCuda, a.memory->device()); })
      .def("__dlpack__", to_dlpack, py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
           py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
      .def("__repr__", repr);
}

}  // namespace tapwise::cuda
