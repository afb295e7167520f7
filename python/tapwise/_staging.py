"""``device="cuda"`` of the ordinary functions: host arrays to the device and results back, through pinned memory.

Only memory that the driver has pinned can be copied while the processor works; two such buffers take turns, one being
filled (or emptied) while the other travels. Each call that copies at the same time as others has two of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, cuda
from .explanation import Explanation
from .types import Array

if TYPE_CHECKING:
    from types import ModuleType

    from ._cuda import DeviceArray, Mark

_BUFFER_BYTES = 4 << 20
_free: list[tuple[Array, Array]] = []
_lock = threading.Lock()


def run(
    function: str, operands: dict[str, Any], out: Any, order: str | None, accumulate: bool = False, **options: Any
) -> Array:
    """That function of :mod:`tapwise.cuda` on host operands, into `out` or a new array.

    A new array has the memory order of the operand called `order`; None: C order.
    """
    result = run_all(function, operands, {"out": out}, (order,), accumulate, **options)[0]
    assert result is not None
    return result


def run_all(
    function: str,
    operands: dict[str, Any],
    outs: dict[str, Any],
    orders: Sequence[str | None],
    accumulate: bool = False,
    **options: Any,
) -> list[Array | None]:
    """The same for a function of several results."""
    cuda._require_device()
    module = cuda._checked(options.get("algorithm", "auto"), options.get("threads"))
    hosts = {name: _core.as_array(o, name) for name, o in operands.items() if o is not None or name != "bias"}
    if not isinstance(accumulate, bool | np.bool_):
        raise TypeError(f"accumulate must be a bool, got {accumulate!r}")
    with _Buffers(module) as buffers:
        given = [
            buffers.upload(_core.as_array(o, n)) if accumulate and o is not None else None for n, o in outs.items()
        ]
        devices = [buffers.upload(hosts[name]) if name in hosts else None for name in operands]
        if accumulate:
            options["accumulate"] = True
        several = len(outs) > 1
        made = getattr(cuda, function)(*devices, out=tuple(given) if several else given[0], **options)
        results = made if several else (made,)
        landing: list[Array | None] = []
        apart = dict(hosts)
        for result, (name, out), order in zip(results, outs.items(), orders, strict=True):
            host = None
            if result is not None:
                model = hosts[order or next(iter(hosts))]
                host = _core.result(out, name, result.shape, model, order is None, apart)
                apart |= {} if out is None else {name: host}
            elif out is not None:
                raise ValueError(f"{name} was given, but not asked for")
            landing.append(host)
        for result, host in zip(results, landing, strict=True):
            if host is not None:
                buffers.download(result, host)
    return landing


def explain(*shapes: Any, **options: Any) -> Explanation:
    """What tapwise.cuda would do, and the copies around it."""
    found = cuda.explain(*shapes, **options)
    copies = f"{found.bytes_moved:,} bytes between host and device, through pinned memory: operands there, result back"
    return replace(found, copies=(copies,))


class _Buffers:
    """A pair of pinned buffers, used in turn."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __enter__(self) -> _Buffers:
        with _lock:
            pair = _free.pop() if _free else None
        self._pair = pair or (self._module.pinned(_BUFFER_BYTES), self._module.pinned(_BUFFER_BYTES))
        self._marks: list[Mark | None] = [None, None]
        return self

    def __exit__(self, *error: object) -> None:
        for mark in self._marks:
            if mark is not None:
                mark.wait()
        with _lock:
            _free.append(self._pair)

    def upload(self, host: Array) -> DeviceArray:
        """A dense array on the device whose axes are nested as in `host`."""
        order = _nesting(host.strides, host.shape)
        nested = host.transpose(order)
        device = self._module.empty(nested.shape, host.dtype == np.float64, None)
        first = 0
        for turn, piece in enumerate(_pieces(nested)):
            buffer = self._take(turn % 2)
            np.copyto(buffer[: piece.nbytes].view(host.dtype).reshape(piece.shape), piece)
            self._module.upload(device, first, buffer, piece.nbytes)
            self._marks[turn % 2] = self._module.Mark(device)
            first += piece.nbytes
        array: DeviceArray = self._module.transposed(device, np.argsort(order).tolist())
        return array

    def download(self, device: DeviceArray, host: Array) -> None:
        """A dense array of the device into `host`."""
        pieces = list(_pieces(host.transpose(_nesting(device.strides, device.shape))))
        first = 0
        for turn in range(len(pieces) + 1):
            if turn < len(pieces):
                buffer, piece = self._take(turn % 2), pieces[turn]
                self._module.download(device, first, buffer, piece.nbytes)
                self._marks[turn % 2] = self._module.Mark(device)
                first += piece.nbytes
            if turn > 0:
                buffer, piece = self._take((turn - 1) % 2), pieces[turn - 1]
                np.copyto(piece, buffer[: piece.nbytes].view(piece.dtype).reshape(piece.shape))

    def _take(self, index: int) -> Array:
        """A buffer whose last copy has landed."""
        mark, self._marks[index] = self._marks[index], None
        if mark is not None:
            mark.wait()
        return self._pair[index]


def _nesting(strides: Sequence[int], shape: Sequence[int]) -> list[int]:
    """The axes from the outermost to the innermost; broadcast axes and those of one position stay in their order."""
    known = [axis for axis, stride in enumerate(strides) if shape[axis] > 1 and stride != 0]
    ordered = iter(sorted(known, key=lambda axis: -abs(strides[axis])))
    return [next(ordered) if axis in known else axis for axis in range(len(shape))]


def _pieces(nested: Array) -> Iterator[Array]:
    """Views that follow each other in C order, each of at most a buffer."""
    if nested.nbytes <= _BUFFER_BYTES:
        if nested.size:
            yield nested
        return
    rows = _BUFFER_BYTES // (nested.nbytes // len(nested))
    if rows == 0:
        for row in nested:
            yield from _pieces(row)
        return
    for first in range(0, len(nested), rows):
        yield nested[first : first + rows]
