#include "cuda/python/runtime.hpp"

#include "python/unlocked.hpp"

namespace tapwise::cuda {
namespace {

constexpr int kLeastMajor = 8;  // the first compute capability with asynchronous copies

std::string version_text(int version) { return text(version / 1000, ".", version % 1000 / 10); }

std::string words(cudaError_t error) { return text(cudaGetErrorName(error), ": ", cudaGetErrorString(error)); }

}  // namespace

void check(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  const std::string message = text(what, " failed: ", words(error));
  PyErr_SetString(error == cudaErrorMemoryAllocation ? PyExc_MemoryError : PyExc_RuntimeError, message.c_str());
  throw py::error_already_set();
}

std::string status() {
  std::string built = text("built with CUDA ", version_text(CUDART_VERSION), " for ", TAPWISE_CUDA_TARGETS, "; ");
  int driver = 0, devices = 0;
  if (const cudaError_t error = cudaDriverGetVersion(&driver); error != cudaSuccess || driver == 0)
    return built + "no NVIDIA driver was found on this machine (libcuda.so.1): install one to run on a device";
  if (driver / 1000 < CUDART_VERSION / 1000)
    return text(built, "the driver is for CUDA ", version_text(driver), ", older than this build needs (",
                version_text(CUDART_VERSION), "): update the driver");
  if (const cudaError_t error = cudaGetDeviceCount(&devices); error != cudaSuccess) {
    cudaGetLastError();
    return text(built, "the driver is for CUDA ", version_text(driver), " and says ", words(error));
  }
  built += text("the driver is for CUDA ", version_text(driver), " and has ", devices, " device(s)");
  for (int i = 0; i < devices; ++i) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) == cudaSuccess)
      built += text("; ", i, ": ", properties.name, ", compute capability ", properties.major, ".", properties.minor,
                    ", ", properties.multiProcessorCount, " multiprocessors, ", properties.totalGlobalMem >> 20, " MiB",
                    properties.major < kLeastMajor ? " (too old: 8.0 is needed)" : "");
  }
  return built;
}

int device_count() {
  int devices = 0, usable = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess) devices = 0;
  for (int i = 0; i < devices; ++i) {
    int major = 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i) == cudaSuccess && major >= kLeastMajor)
      ++usable;
  }
  cudaGetLastError();
  return usable;
}

OnDevice::OnDevice(int device) : before_(current_device()) { check(cudaSetDevice(device), "cudaSetDevice"); }

OnDevice::~OnDevice() { cudaSetDevice(before_); }

int current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

Device describe_device(int device) {
  const auto attribute = [device](cudaDeviceAttr name) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, name, device), "cudaDeviceGetAttribute");
    return value;
  };
  const int major = attribute(cudaDevAttrComputeCapabilityMajor), minor = attribute(cudaDevAttrComputeCapabilityMinor);
  if (major < kLeastMajor)
    throw std::runtime_error(
        text("CUDA device ", device, " has compute capability ", major, ".", minor, "; the kernels need 8.0 or later"));
  return {10 * major + minor, attribute(cudaDevAttrMultiProcessorCount),
          attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)};
}

Stream as_stream(py::handle object) {
  if (object.is_none()) return {};
  py::object number = py::reinterpret_borrow<py::object>(object), owner = py::none();
  if (py::hasattr(object, "__cuda_stream__")) {
    const py::object pair = object.attr("__cuda_stream__")();
    if (!py::isinstance<py::sequence>(pair) || py::len(pair) != 2)
      type_error("stream: __cuda_stream__ must give a version and a handle, got ", python::describe(pair));
    number = pair[py::int_(1)];
    owner = py::reinterpret_borrow<py::object>(object);
  }
  const std::int64_t handle = python::as_int(number, "stream");
  if (handle < 0)
    value_error("stream must be None, a cudaStream_t as an int, or an object with __cuda_stream__, got ", handle);
  Stream stream{handle == 1 ? nullptr : reinterpret_cast<cudaStream_t>(handle), owner, {}};
  if (stream.handle == cudaStreamPerThread) stream.thread = std::this_thread::get_id();
  return stream;
}

std::int64_t stream_number(cudaStream_t stream) {
  return stream == nullptr ? 1 : reinterpret_cast<std::int64_t>(stream);
}

void wait_for(const Stream& waiting, const Stream& first) {
  if (waiting == first) return;
  cudaEvent_t event = nullptr;
  cudaError_t error = cudaSuccess;
  if (!first.reachable()) {
    error = python::unlocked([] { return cudaDeviceSynchronize(); });
  } else {
    error = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (error == cudaSuccess) error = cudaEventRecord(event, first.handle);
    if (error == cudaSuccess) error = cudaStreamWaitEvent(waiting.handle, event, 0);
    if (event != nullptr) cudaEventDestroy(event);  // once it has happened
  }
  check(error, "waiting for another stream");
}

}  // namespace tapwise::cuda
