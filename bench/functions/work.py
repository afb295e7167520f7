"""One function on one shape: its arrays, the right result, and calls that compute it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..case import Array, Unsupported

if TYPE_CHECKING:
    from .contestants import Tensors

Result = npt.NDArray[Any]
Compute = Callable[[], Any]
"""Returns a result, or a tuple of them."""


@dataclass(frozen=True)
class Setting:
    """What a row fixes beside its shape."""

    channels_last: bool = False
    dtype: str = "float32"
    threads: int = 1
    use_out: bool = True


class Work:
    """A subclass is a function; an instance is that function on one shape, and states what the shape comes to."""

    function: ClassVar[str]
    meaning: ClassVar[str]
    needs: ClassVar[Mapping[str, tuple[str, ...]]]
    """What a build must have: names in tapwise, and keywords of each."""
    shapes: ClassVar[tuple[Any, ...]]
    """Their texts name the rows."""
    has_layout: ClassVar[bool] = False
    takes_out: ClassVar[bool] = False
    """Whether both tapwise and PyTorch can write into a given array, and then everyone who can does."""
    uses_blas: ClassVar[bool] = False
    """Whether NumPy's way is its BLAS, which has threads."""
    activations_first: ClassVar[int] = 0
    """How many of the results, from the first on, lie in the row's layout."""

    flops: int
    """Additions, multiplications, comparisons and elementary functions, on real input."""
    moved: int
    """Bytes: every operand read once and every result written once."""
    longest_sum: int = 1

    def __init__(self, shape: Any, setting: Setting) -> None:
        """With operands drawn; `shape` is one of `shapes`, or of their kind."""
        self.setting = setting
        self.itemsize = np.dtype(setting.dtype).itemsize
        self._rng = np.random.default_rng(20240607)

    def expected(self) -> tuple[Result, ...]:
        """In float64 by NumPy, activations as (N, C, *space); integers must be met exactly."""
        raise NotImplementedError

    def own(self) -> Compute:
        raise NotImplementedError

    def numpy(self) -> Compute:
        raise Unsupported("has nothing of the kind")

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        """By variant."""
        raise NotImplementedError

    def tolerance(self) -> float:
        """As for convolutions: roundings of random sign."""
        return float(np.finfo(self.setting.dtype).eps) / 2 * (4 * math.sqrt(self.longest_sum) + 100)

    # For subclasses.

    def draw(self, *shape: int) -> Array:
        """Normally distributed numbers, the same for every layout and run."""
        return self._rng.standard_normal(shape).astype(self.setting.dtype)

    @property
    def layout(self) -> str:
        return "NHWC" if self.setting.channels_last else "NCHW"

    def laid(self, array: Result) -> Result:
        """Activations (N, C, H, W) in the row's layout."""
        return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if self.setting.channels_last else array

    def first(self, array: Result) -> Result:
        """A view of activations in the row's layout with their channels as axis 1."""
        return np.moveaxis(array, -1, 1) if self.setting.channels_last else array

    def out(self, like: Result) -> Result | None:
        """A place for a result, where the row has one."""
        return np.empty_like(like) if self.setting.use_out else None
