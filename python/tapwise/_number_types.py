"""The dtypes that results are computed in, where they follow NumPy's rules and not those of :func:`tapwise.conv`."""

from typing import Any, TypeAlias

import numpy as np

from .types import Array

Number: TypeAlias = np.dtype[Any]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

# By the dtype of the result, which is numpy's. A sum of bools is a count, and only whether it is 0 matters.
_COMPUTED_IN: dict[Number, Number] = {
    np.dtype(np.bool_): _FLOAT32,
    np.dtype(np.float16): _FLOAT32,
    _FLOAT32: _FLOAT32,
    _FLOAT64: _FLOAT64,
    np.dtype(np.complex64): np.dtype(np.complex64),
    np.dtype(np.complex128): np.dtype(np.complex128),
}

# Integers below the bound are exact in the float; on the way back, they are first of the integer type beside it.
_EXACT_BELOW = ((2**24, _FLOAT32), (2**53, _FLOAT64))
_INTEGER_BESIDE = {_FLOAT32: np.int32, _FLOAT64: np.int64}


def computed_in(dtype: Number, a: Array, v: Array, terms: int) -> Number | None:
    """What sums of `terms` products of `a` and `v` are computed in; None: no kernel computes them."""
    if dtype.kind in "iu":
        largest = _magnitude(a) * _magnitude(v) * terms
        return next((number for bound, number in _EXACT_BELOW if largest < bound), None)
    return _COMPUTED_IN.get(dtype)


def converted(a: Array, v: Array, number: Number) -> tuple[Array, Array]:
    """Both in `number`, which is complex, or in its real counterpart if they are real.

    NumPy gives a real operand imaginary parts of 0 if the other is complex. They can be left out unless they meet a NaN
    or Inf.
    """
    if number.kind != "c":
        return a.astype(number, copy=False), v.astype(number, copy=False)
    real = np.dtype(number.char.lower())
    types = [number if x.dtype.kind == "c" or not np.isfinite(y).all() else real for x, y in ((a, v), (v, a))]
    return a.astype(types[0], copy=False), v.astype(types[1], copy=False)


def store(y: Array, result: Array) -> None:
    """Bring `y`, of the dtype that it was computed in, to that of the result."""
    if result.dtype.kind in "iu":
        # A float that a narrow integer does not hold becomes anything; an integer wraps around, as NumPy's sums do.
        y = y.astype(_INTEGER_BESIDE[y.dtype])
        np.copyto(result, y, casting="unsafe")
    else:
        with np.errstate(over="ignore"):  # to the Inf of float16
            np.copyto(result, y, casting="unsafe")


def _magnitude(x: Array) -> int:
    return max(abs(int(x.min())), abs(int(x.max())))
