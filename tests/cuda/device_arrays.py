"""Arrays on a device for tests, and producers of every protocol for them, made by hand."""

import ctypes

import numpy as np

import tapwise._staging


def to_device(array):
    """A DeviceArray with the values and the axis order of a host array."""
    module = tapwise.cuda._module()
    with tapwise._staging._Buffers(module) as buffers:
        return buffers.upload(np.asarray(array))


def to_host(array):
    host = np.empty(array.shape, array.dtype)
    with tapwise._staging._Buffers(tapwise.cuda._module()) as buffers:
        buffers.download(array, host)
    return host


class Interface:
    """__cuda_array_interface__ alone, with any of its entries replaced, or left out by `missing`."""

    missing = object()

    def __init__(self, array, **entries):
        self.array, self.entries, self.asked = array, entries, 0

    @property
    def __cuda_array_interface__(self):
        self.asked += 1
        found = self.array.__cuda_array_interface__ | self.entries
        return {name: value for name, value in found.items() if value is not self.missing}


class DLDevice(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    pass


Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(Managed))
Managed._fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", Deleter)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


_new = ctypes.pythonapi.PyCapsule_New
_new.restype = ctypes.py_object
_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Producer:
    """__dlpack__ by a capsule made by hand: remembers which stream it was asked for, and which capsules still live.

    Options replace what the tensor says: device, dtype (code, bits, lanes), shape, strides (None: null), byte_offset,
    versioned, major, flags.
    """

    def __init__(self, array, **options):
        self.array, self.options = array, options
        self.streams, self.alive, self._kept = [], 0, []

    def __dlpack_device__(self):
        return self.options.get("device", (2, self.array.device))

    def __dlpack__(self, *, stream=None, **more):
        if more and not self.options.get("versioned", False):
            raise TypeError("this producer knows no versions")
        self.streams.append(stream)
        interface = self.array.__cuda_array_interface__
        shape = self.options.get("shape", self.array.shape)
        strides = self.options.get("strides", [s // self.array.dtype.itemsize for s in self.array.strides])
        sizes = (ctypes.c_int64 * len(shape))(*shape)
        steps = None if strides is None else (ctypes.c_int64 * len(strides))(*strides)
        tensor = DLTensor(
            interface["data"][0],
            DLDevice(*self.options.get("tensor_device", self.__dlpack_device__())),
            len(shape),
            DLDataType(*self.options.get("dtype", (2, 8 * self.array.dtype.itemsize, 1))),
            sizes,
            steps,
            self.options.get("byte_offset", 0),
        )
        if self.options.get("versioned", False):
            managed = Versioned(self.options.get("major", 1), 0, None, None, self.options.get("flags", 0), tensor)
        else:
            managed = Managed(tensor, None, Deleter(lambda _: None))

        def gone(_):
            self.alive -= 1

        destructor = Destructor(gone)
        self._kept.append((managed, sizes, steps, destructor))
        self.alive += 1
        name = b"dltensor_versioned" if self.options.get("versioned", False) else b"dltensor"
        return _new(ctypes.addressof(managed), name, ctypes.cast(destructor, ctypes.c_void_p))


def host_alias(array):
    """Memory of the emulated device as a NumPy array: the emulation keeps it on the host."""
    pointer = array.__cuda_array_interface__["data"][0]
    count = max(int(np.prod(array.shape)), 1)
    kind = ctypes.c_double if array.dtype == np.float64 else ctypes.c_float
    flat = np.ctypeslib.as_array((kind * count).from_address(pointer))
    return np.lib.stride_tricks.as_strided(flat, array.shape, array.strides)
