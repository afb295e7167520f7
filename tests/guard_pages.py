"""Arrays that end exactly where, or start exactly after where, a touch is a segmentation fault."""

import ctypes
import mmap

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_PROT_NONE = 0


class Pages:
    """Memory of whole pages between two that nobody may touch; freed with the last array on it."""

    def __init__(self, size):
        self.size = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        self.total = self.size + 2 * mmap.PAGESIZE
        access, private = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.base = _libc.mmap(None, self.total, access, private, -1, 0)
        assert self.base != ctypes.c_void_p(-1).value
        self.start = self.base + mmap.PAGESIZE
        for guard in (self.base, self.start + self.size):
            assert _libc.mprotect(guard, mmap.PAGESIZE, _PROT_NONE) == 0

    def __del__(self):
        _libc.munmap(self.base, self.total)


class _Window:
    def __init__(self, pages, address, shape, dtype):
        self.pages = pages
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "data": (address, False),
        }


def guarded(values, side):
    """A C-contiguous copy of values, "before" the guard page behind it or "after" the one ahead."""
    pages = Pages(values.nbytes)
    address = pages.start if side == "after" else pages.start + pages.size - values.nbytes
    array = np.asarray(_Window(pages, address, values.shape, values.dtype))
    array[...] = values
    return array


def guarded_along(values, side, order):
    """The same with the axes in any memory order, slowest first."""
    return guarded(values.transpose(order), side).transpose(np.argsort(order))
