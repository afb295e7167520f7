// Copies between NumPy arrays and a device, through memory that the driver has pinned: only such memory can be copied
// while the processor does something else, here filling the other half.
#include <pybind11/stl.h>

#include "cuda/python/call.hpp"
#include "python/unlocked.hpp"

namespace tapwise::cuda {
namespace {

/// Pinned host memory as bytes. Freed with the array.
py::array pinned(std::int64_t bytes) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, static_cast<std::size_t>(bytes)), text("pinning ", bytes, " bytes of host memory"));
  const py::capsule owner(memory, [](void* m) { cudaFreeHost(m); });
  return py::array(py::dtype::of<std::uint8_t>(), {bytes}, {std::int64_t{1}}, memory, owner);
}

/// A new array on the current device, in C order of `shape`.
DeviceArray empty(py::handle shape, bool is_double, py::handle stream) {
  DeviceArray a;
  a.is_double = is_double;
  a.shape = python::as_shape(shape, "shape");
  python::Operand like;
  like.is_double = is_double;
  a.strides = python::strides_like(a.shape, like);
  a.stream = as_stream(stream);
  a.memory = std::make_shared<DeviceMemory>(a.bytes(), current_device(), a.stream);
  return a;
}

/// The same memory with its axes in another order.
DeviceArray transposed(const DeviceArray& a, const std::vector<std::size_t>& axes) {
  DeviceArray t = a;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    t.shape[i] = a.shape.at(axes[i]);
    t.strides[i] = a.strides.at(axes[i]);
  }
  return t;
}

char* at(const DeviceArray& a, std::int64_t first, std::int64_t bytes) {
  if (first < 0 || bytes < 0 || first > a.bytes() - bytes) value_error("bytes outside of the array");
  return static_cast<char*>(a.memory->data()) + first;
}

/// Starts a copy of `bytes` bytes of pinned memory to the array, from its byte `first` on.
void upload(const DeviceArray& a, std::int64_t first, const py::array& from, std::int64_t bytes) {
  if (bytes > from.nbytes()) value_error("bytes outside of the buffer");
  check(cudaMemcpyAsync(at(a, first, bytes), from.data(), static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice,
                        a.stream.handle),
        "copying to the device");
}

void download(const DeviceArray& a, std::int64_t first, py::array& to, std::int64_t bytes) {
  if (bytes > to.nbytes()) value_error("bytes outside of the buffer");
  check(cudaMemcpyAsync(to.mutable_data(), at(a, first, bytes), static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost,
                        a.stream.handle),
        "copying from the device");
}

/// What a stream had been given when it was made.
class Mark {
 public:
  explicit Mark(const DeviceArray& a) {
    check(cudaEventCreateWithFlags(&event_, cudaEventDefault), "cudaEventCreate");
    check(cudaEventRecord(event_, a.stream.handle), "cudaEventRecord");
  }
  ~Mark() { cudaEventDestroy(event_); }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

  void wait() const {
    check(python::unlocked([&] { return cudaEventSynchronize(event_); }), "running on the device");
  }

  /// Between two moments of the device, both past.
  float milliseconds_since(const Mark& earlier) const {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_), "cudaEventElapsedTime");
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

void bind_staging(py::module_& m) {
  m.def("pinned", pinned);
  m.def("empty", empty);
  m.def("transposed", transposed);
  m.def("upload", upload);
  m.def("download", download);
  py::class_<Mark>(m, "Mark", py::module_local())
      .def(py::init<const DeviceArray&>())
      .def("wait", &Mark::wait)
      .def("milliseconds_since", &Mark::milliseconds_since);
}

}  // namespace tapwise::cuda
