"""Operands that may be anything array-like, and the results of functions that take them."""

from typing import Any

import numpy as np

from . import _core
from .types import Array, ArrayLike

_DLPACK_CPU = 1


def as_array(operand: ArrayLike, name: str) -> Array:
    """What :func:`numpy.asarray` makes of it, or :func:`numpy.from_dlpack`, with errors that name the operand."""
    if type(operand) is np.ndarray:
        return operand
    if isinstance(operand, np.ma.MaskedArray):
        return _core.as_array(operand, name)  # refuses it, and says what else there is
    try:
        if not hasattr(operand, "__dlpack__") or hasattr(operand, "__array__"):
            return np.asarray(operand)
        device = operand.__dlpack_device__()[0]
        if device == _DLPACK_CPU:
            return np.from_dlpack(operand)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    except (TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"{name}: {error}") from error
    raise ValueError(f"{name} lies on DLPack device type {device}, not in CPU memory (1); see tapwise.cuda")


def as_result(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], **operands: Array) -> Array:
    """The caller's `out` as an array that may be written, of that shape and dtype and apart from the operands."""
    if isinstance(out, np.ma.MaskedArray):
        raise TypeError("out must not be a masked array; out.data is a plain one")
    result: Array = out if isinstance(out, np.ndarray) else _core.as_array(out, "out")
    if result.dtype != dtype:
        raise TypeError(f"out must have the dtype of the result, {dtype}, got {result.dtype}")
    if result.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {result.shape}")
    if not result.flags.writeable:
        raise ValueError("out must be writable, got a read-only array")
    for name, operand in operands.items():
        # Slices that interleave are told apart; for strides so odd that this would take too long, they share.
        if np.may_share_memory(result, operand, max_work=20_000):  # type: ignore[arg-type]  # any number is fine
            raise ValueError(f"out must not overlap {name}, got memory that both share; pass a separate array")
    return result
