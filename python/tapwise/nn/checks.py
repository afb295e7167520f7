"""Checks of the layers' arguments. What depends on the shape of the data is checked by the functions."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..types import Array, DType, IntOrInts


def as_array(layer: str, name: str, value: Any) -> Array:
    """Return `value` as the NumPy array that it is, or whose memory it shows; nothing is copied."""
    if hasattr(value, "__array_interface__"):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    raise TypeError(f"{layer} expects {name} to be an array, got {type(value).__name__}; numpy.asarray makes one")


def same_dtype(layer: str, name: str, value: Array, dtype: np.dtype[Any]) -> None:
    """Refuse data of another dtype than the layer's parameters."""
    if value.dtype != dtype:
        fix = f"pass {name}.astype(numpy.{dtype})"
        if value.dtype in (np.float32, np.float64):
            fix += f", or make the layer with dtype=numpy.{value.dtype}"
        raise TypeError(f"{layer} expects {name} of {dtype}, got {value.dtype}: {fix}")


def positive_int(name: str, value: Any) -> int:
    """Return `value` as an int of at least 1."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} expects an integer, got {value!r}") from None
    if number < 1:
        raise ValueError(f"{name} expects an integer of at least 1, got {number}")
    return number


def per_axis(name: str, value: IntOrInts, rank: int) -> tuple[int, ...]:
    """Return `value`, one integer or one per axis, as a tuple of `rank` integers."""
    values = tuple(value) if isinstance(value, Iterable) else (value,) * rank
    if len(values) != rank:
        raise ValueError(f"{name} expects an integer or {rank} of them, one per spatial axis, got {value!r}")
    return tuple(positive_int(name, v) for v in values)


def float_dtype(dtype: DType) -> np.dtype[Any]:
    """Return `dtype` if the functions can work in it."""
    result = np.dtype(dtype)
    if result not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"dtype expects float32 or float64, got {result}")
    return result


def non_negative(name: str, value: float) -> float:
    """Return `value` as a finite float of at least 0."""
    number = float(value)
    if not 0.0 <= number < float("inf"):
        raise ValueError(f"{name} expects a finite number of at least 0, got {value!r}")
    return number


def fraction(name: str, value: float) -> float:
    """Return `value` as a float with 0 <= value < 1."""
    number = float(value)
    if not 0.0 <= number < 1.0:
        raise ValueError(f"{name} expects a number in [0, 1), got {value!r}")
    return number
