"""Filtering with the call signatures of NumPy and SciPy: one channel, N axes, the modes full, same and valid."""

from typing import Literal, TypeAlias

import numpy as np

from . import _core
from .types import Array, ArrayLike

Mode: TypeAlias = Literal["full", "same", "valid"]


def convolve(
    a: ArrayLike,
    v: ArrayLike,
    mode: Mode = "full",
    *,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
) -> Array:
    """The convolution of two arrays of 1 to 3 axes.

    In one dimension this is :func:`numpy.convolve`, in more :func:`scipy.signal.convolve`, except that the operands
    swap places as NumPy's do in every mode.

    Parameters
    ----------
    a, v : arrays of one rank (1 to 3) and dtype (float32 or float64)
        They swap places if v is larger, so that the longer one is filtered by the shorter.
    mode : "full", "same" or "valid"
        ``"full"``: every position where they overlap, ``m + n - 1`` along each axis. ``"same"``: the central part, of
        the size of the larger. ``"valid"``: positions where they overlap completely, ``m - n + 1``.
    out, algorithm, threads
        As in :func:`tapwise.conv`.

    Raises
    ------
    ValueError
        Ranks differ, are 0 or above 3, an array is empty, the mode is unknown, or ``"valid"`` with neither operand at
        least as large as the other along every axis.
    TypeError
        As in :func:`tapwise.conv`.
    """
    a, v, _ = _operands(a, v, mode)
    return _filter(a, v, mode, True, out, algorithm, threads)


def correlate(
    a: ArrayLike,
    v: ArrayLike,
    mode: Mode = "valid",
    *,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
) -> Array:
    """The cross-correlation of two arrays of 1 to 3 axes.

    In one dimension this is :func:`numpy.correlate`, in more :func:`scipy.signal.correlate`. Arguments and errors are
    those of :func:`convolve`. Correlation is not commutative: if v is larger and they swap places, the result is
    reversed, as NumPy's is.
    """
    a, v, swapped = _operands(a, v, mode)
    if swapped:
        # The result is to be reversed: reverse both operands, and the padding with them.
        backwards = (slice(None, None, -1),) * a.ndim
        a, v = a[backwards], v[backwards]
    return _filter(a, v, mode, False, out, algorithm, threads, swapped)


def _operands(a: ArrayLike, v: ArrayLike, mode: str) -> tuple[Array, Array, bool]:
    """Both as arrays, the larger first, and whether they swapped places."""
    if mode not in ("full", "same", "valid"):
        raise ValueError(f'mode must be one of "full", "same", "valid", got {mode!r}')
    a, v = _core.as_array(a, "a"), _core.as_array(v, "v")
    for name, array in (("a", a), ("v", v)):
        if not 1 <= array.ndim <= 3:
            raise ValueError(f"{name} must have 1 to 3 axes, got shape {array.shape}")
        if array.size == 0:
            raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if a.dtype != v.dtype:
        raise TypeError(
            f"v must have the dtype of a, {a.dtype}, got {v.dtype}; dtypes are never mixed, "
            f"v.astype(numpy.{a.dtype}) casts"
        )
    if a.ndim != v.ndim:
        raise ValueError(f"v must have as many axes as a, {a.ndim}, got shape {v.shape}")
    larger = [n > m for m, n in zip(a.shape, v.shape, strict=True)]
    smaller = [n < m for m, n in zip(a.shape, v.shape, strict=True)]
    if any(larger) and not any(smaller):
        return v, a, True
    if mode == "valid" and any(larger):
        raise ValueError(
            'mode "valid" needs one operand at least as large as the other along every axis, '
            f"got shapes {a.shape} and {v.shape}"
        )
    return a, v, False


def _filter(
    a: Array,
    v: Array,
    mode: Mode,
    flip: bool,
    out: Array | None,
    algorithm: str,
    threads: int | None,
    mirrored: bool = False,
) -> Array:
    pads = tuple(_pads(n, mode, mirrored) for n in v.shape)
    shape = tuple(m + sum(pad) - n + 1 for m, n, pad in zip(a.shape, v.shape, pads, strict=True))
    result = np.empty(shape, a.dtype) if out is None else _core.as_array(out, "out")
    if result.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {result.shape}")
    channel = (np.newaxis, np.newaxis)
    _core.conv(
        a[channel], v[channel], None, a.ndim, 1, pads, 1, 1, flip, None, None, None, result[channel],
        algorithm, threads,
    )  # fmt: skip
    return result if out is None else out


def _pads(n: int, mode: Mode, mirrored: bool) -> tuple[int, int]:
    """Zeros before and after an axis, for a filter of n taps."""
    if mode == "full":
        return n - 1, n - 1
    if mode == "same":
        # Of the outputs of "full", those from (n - 1) // 2 on.
        return ((n - 1) // 2, n // 2) if mirrored else (n // 2, (n - 1) // 2)
    return 0, 0
