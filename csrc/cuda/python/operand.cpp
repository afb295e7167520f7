#include "cuda/python/operand.hpp"

#include "core/check.hpp"
#include "core/overlap.hpp"
#include "cuda/python/dlpack.hpp"
#include "python/geometry.hpp"

namespace tapwise::cuda {
namespace {

using python::describe;
using python::tuple_text;

[[noreturn]] void wrong_dtype(const char* name, const std::string& got) {
  type_error(name, " must be float32 or float64, got ", got, "; nothing is cast silently");
}

python::Shape c_order(const python::Shape& shape, std::int64_t element) {
  python::Shape strides(shape.size());
  for (std::size_t i = shape.size(); i-- > 0; element *= shape[i]) strides[i] = element;
  return strides;
}

DeviceOperand from_ours(py::handle object, const char* name, const Stream& stream) {
  const auto& array = object.cast<const DeviceArray&>();
  DeviceOperand o;
  o.name = name;
  o.is_double = array.is_double;
  o.shape = array.shape;
  o.strides = array.strides;
  o.device_data = static_cast<char*>(array.memory->data());
  o.device = array.memory->device();
  const OnDevice here(o.device);
  wait_for(stream, array.stream);
  array.memory->lend(stream);
  return o;
}

// The capsule of this stream; producers from before DLPack 1 know no versions.
py::object capsule_of(py::handle object, std::int64_t stream) {
  try {
    return object.attr("__dlpack__")(py::arg("stream") = stream, py::arg("max_version") = py::make_tuple(1, 1));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
  }
  return object.attr("__dlpack__")(py::arg("stream") = stream);
}

DeviceOperand from_dlpack(py::handle object, const char* name, const Stream& stream) {
  DeviceOperand o;
  o.name = name;
  const auto [type, id] = object.attr("__dlpack_device__")().cast<std::pair<int, int>>();
  if (type != dlpack::kCuda && type != dlpack::kCudaManaged)
    type_error(name, " must lie on a CUDA device, got ", py::type::of(object).attr("__name__").cast<std::string>(),
               " on DLPack device type ", type, "; tapwise's functions outside of tapwise.cuda take host arrays");
  const OnDevice here(id);  // producers look at the streams of the current device
  o.owner = capsule_of(object, stream_number(stream.handle));
  const dlpack::Tensor* tensor = nullptr;
  if (PyCapsule_IsValid(o.owner.ptr(), "dltensor_versioned") != 0) {
    const auto* managed =
        static_cast<const dlpack::Versioned*>(PyCapsule_GetPointer(o.owner.ptr(), "dltensor_versioned"));
    if (managed->major != 1) type_error(name, ": DLPack version ", managed->major, " is not known, only 1");
    tensor = &managed->tensor;
    o.read_only = (managed->flags & dlpack::kReadOnly) != 0;
  } else if (PyCapsule_IsValid(o.owner.ptr(), "dltensor") != 0) {
    tensor = &static_cast<const dlpack::Managed*>(PyCapsule_GetPointer(o.owner.ptr(), "dltensor"))->tensor;
  } else {
    type_error(name, ": __dlpack__ must give an unused DLPack capsule, got ", describe(o.owner));
  }
  if (tensor->device.type != dlpack::kCuda && tensor->device.type != dlpack::kCudaManaged)
    type_error(name, ": __dlpack__ gave memory of DLPack device type ", tensor->device.type, ", not of a CUDA device");
  const dlpack::DataType dtype = tensor->dtype;
  if (dtype.code != dlpack::kFloat || dtype.lanes != 1 || (dtype.bits != 32 && dtype.bits != 64))
    wrong_dtype(name, text("DLPack type code ", int{dtype.code}, " with ", int{dtype.bits}, " bits and ", dtype.lanes,
                           " lane(s)"));
  o.is_double = dtype.bits == 64;
  o.device = tensor->device.id;
  o.shape.assign(tensor->shape, tensor->shape + tensor->ndim);
  o.strides = c_order(o.shape, dtype.bits / 8);
  if (tensor->strides != nullptr)
    for (std::size_t i = 0; i < o.shape.size(); ++i)
      if (__builtin_mul_overflow(tensor->strides[i], std::int64_t{dtype.bits / 8}, &o.strides[i]))
        value_error(name, ": a stride of ", tensor->strides[i], " elements reaches too far");
  o.device_data = static_cast<char*>(tensor->data) + tensor->byte_offset;
  return o;
}

// A key of the dictionary; None where it may be missing.
py::object entry(const py::dict& d, const char* key, const char* name, bool required) {
  if (d.contains(key)) return d[key];
  if (required) type_error(name, ": __cuda_array_interface__ lacks \"", key, "\"");
  return py::none();
}

DeviceOperand from_cuda_array_interface(py::handle object, const char* name, const Stream& stream) {
  const py::object interface = object.attr("__cuda_array_interface__");
  if (!py::isinstance<py::dict>(interface))
    type_error(name, ": __cuda_array_interface__ must be a dict, got ", describe(interface));
  const auto d = py::reinterpret_borrow<py::dict>(interface);
  DeviceOperand o;
  o.name = name;
  const auto typestr = python::as_text(entry(d, "typestr", name, true));
  if (typestr != "<f4" && typestr != "<f8") wrong_dtype(name, "\"" + typestr + "\"");
  if (!entry(d, "mask", name, false).is_none()) type_error(name, " must not be a masked array");
  o.is_double = typestr == "<f8";
  o.shape = python::as_shape(entry(d, "shape", name, true), name);
  o.strides = c_order(o.shape, o.is_double ? 8 : 4);
  if (const py::object strides = entry(d, "strides", name, false); !strides.is_none()) {
    if (py::len(strides) != o.shape.size())
      value_error(name, ": __cuda_array_interface__ has ", py::len(strides), " strides for shape ",
                  tuple_text(o.shape));
    for (std::size_t i = 0; i < o.shape.size(); ++i) o.strides[i] = python::as_int(strides[py::int_(i)], "strides");
  }
  const auto data = entry(d, "data", name, true).cast<std::pair<std::uintptr_t, bool>>();
  o.device_data = reinterpret_cast<char*>(data.first);
  o.read_only = data.second;
  o.device = current_device();
  if (data.first != 0) {
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, o.device_data), text("asking where ", name, " lies"));
    if (attributes.type != cudaMemoryTypeDevice && attributes.type != cudaMemoryTypeManaged)
      type_error(name, " must lie on a CUDA device, but its __cuda_array_interface__ points to other memory");
    o.device = attributes.device;
  }
  const py::object producer = entry(d, "stream", name, false);
  if (!producer.is_none()) {
    if (python::as_int(producer, "stream") == 0)
      value_error(name, ": stream 0 is ambiguous in __cuda_array_interface__; 1 is the default stream");
    const OnDevice here(o.device);
    wait_for(stream, as_stream(producer));
  }
  o.owner = py::reinterpret_borrow<py::object>(object);
  return o;
}

MemoryView memory_of(const DeviceOperand& o) { return {o.device_data, o.shape, o.strides, o.is_double ? 8 : 4}; }

}  // namespace

DeviceOperand as_device_operand(py::handle object, const char* name, const Stream& stream) {
  DeviceOperand o;
  try {
    if (py::isinstance<DeviceArray>(object))
      o = from_ours(object, name, stream);
    else if (py::hasattr(object, "__dlpack__") && py::hasattr(object, "__dlpack_device__"))
      o = from_dlpack(object, name, stream);
    else if (py::hasattr(object, "__cuda_array_interface__"))
      o = from_cuda_array_interface(object, name, stream);
    else
      type_error(name, " must be an array on a CUDA device, with __dlpack__ or __cuda_array_interface__, got ",
                 describe(object));
  } catch (const py::cast_error&) {
    type_error(name, ": ", describe(object), " gives something else than its protocol says");
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_BufferError)) throw;
    type_error(name, ": __dlpack__ of ", describe(object), " failed: ", py::str(error.value()).cast<std::string>());
  }
  const std::int64_t element = o.is_double ? 8 : 4;
  bool whole = reinterpret_cast<std::uintptr_t>(o.device_data) % static_cast<std::uintptr_t>(element) == 0;
  for (std::size_t i = 0; i < o.shape.size(); ++i) {
    if (o.shape[i] < 0) value_error(name, " must not have negative sizes, got shape ", tuple_text(o.shape));
    whole = whole && (o.shape[i] <= 1 || o.strides[i] % element == 0);
  }
  if (!whole)
    value_error(name, " must be aligned to its elements of ", element,
                " bytes, with strides that are multiples of them, got address ",
                reinterpret_cast<std::uintptr_t>(o.device_data), " and strides ", tuple_text(o.strides));
  if (!o.owner) o.owner = py::reinterpret_borrow<py::object>(object);
  o.given = object;
  return o;
}

void check_same_device(const DeviceOperand& a, const DeviceOperand& b) {
  if (a.device != b.device)
    value_error(b.name, " must lie on the device of ", a.name, ", CUDA device ", a.device, ", got device ", b.device);
}

DeviceOperand device_result(py::handle out, const char* name, const python::Shape& shape, const python::Operand& like,
                            const DeviceOperand& beside, std::initializer_list<const DeviceOperand*> inputs,
                            const Stream& stream) {
  if (out.is_none()) {
    DeviceArray fresh;
    fresh.is_double = like.is_double;
    fresh.shape = shape;
    fresh.strides = python::strides_like(shape, like);
    fresh.stream = stream;
    fresh.memory = std::make_shared<DeviceMemory>(fresh.bytes(), beside.device, stream);
    const py::object array = py::cast(std::move(fresh));
    return as_device_operand(array, name, stream);
  }
  DeviceOperand r = as_device_operand(out, name, stream);
  check_same_device(beside, r);
  if (r.is_double != like.is_double)
    type_error(name, " must have the dtype of ", like.name, ", ", like.dtype(), ", got ", r.dtype());
  if (r.shape != shape) value_error(name, " must have shape ", tuple_text(shape), ", got ", tuple_text(r.shape));
  if (r.read_only) value_error(name, " must be writable, got a read-only array");
  if (overlaps_itself(r.shape, r.strides, r.is_double ? 8 : 4))
    value_error(name, " must not overlap itself, got strides ", tuple_text(r.strides), " for shape ",
                tuple_text(r.shape));
  for (const DeviceOperand* input : inputs)
    if (input != nullptr && share_memory(memory_of(r), memory_of(*input)))
      value_error(name, " must not overlap ", input->name, ", got memory that both share; pass a separate array");
  if (py::isinstance<DeviceArray>(out)) {
    auto& array = out.cast<DeviceArray&>();
    array.memory->wait_for_readers(stream);
    array.stream = stream;
  }
  return r;
}

}  // namespace tapwise::cuda
