#include "cuda/python/call.hpp"

namespace tapwise::cuda {

Call::Call(py::handle stream_object, py::handle tf32_object) {
  sweep();
  stream = as_stream(stream_object);
  tf32 = python::as_bool(tf32_object, "tf32");
}

template <class T>
void Call::run(Pass<T> pass, int device, std::initializer_list<const DeviceOperand*> operands) const {
  const Plan<T> chosen = plan(std::move(pass), describe_device(device), tf32);
  void* const workspace =
      chosen.workspace_bytes > 0 ? allocate(chosen.workspace_bytes, stream.handle, "of workspace ") : nullptr;
  const cudaError_t error = cuda::run(chosen, workspace, stream.handle);
  if (workspace != nullptr) release(workspace, stream.handle);
  std::vector<py::object> objects{stream.owner};
  for (const DeviceOperand* operand : operands)
    if (operand != nullptr && !py::isinstance<DeviceArray>(operand->owner))  // which wait for their readers themselves
      objects.push_back(operand->owner);
  keep_until_done(stream.handle, std::move(objects));
  check(error, "starting a kernel");
}

template void Call::run(Pass<float>, int, std::initializer_list<const DeviceOperand*>) const;
template void Call::run(Pass<double>, int, std::initializer_list<const DeviceOperand*>) const;

python::GeometryArguments as_geometry(const py::tuple& a) { return {a[0], a[1], a[2], a[3], a[4], a[5], a[6]}; }

}  // namespace tapwise::cuda
