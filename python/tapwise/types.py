"""What the arguments of the functions may be."""

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""A float32 or float64 NumPy array."""

ArrayLike: TypeAlias = Any
"""An Array, or any object with ``__dlpack__`` (on the CPU) or ``__array_interface__``."""

IntOrInts: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""One int for all spatial axes, or one per axis."""

Padding: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | Sequence[SupportsIndex | tuple[int, int]] | str
"""Zeros around the input; see :func:`tapwise.conv`."""

Activation: TypeAlias = Literal["relu"] | None
Direction: TypeAlias = Literal["forward", "input_grad", "weight_grad", "bias_grad"]
DType: TypeAlias = npt.DTypeLike

__all__ = ["Activation", "Array", "ArrayLike", "DType", "Direction", "IntOrInts", "Padding"]
