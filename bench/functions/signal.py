"""convolve and correlate, in one dimension and along an axis."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

import tapwise

from ..counting import real_pairs
from .contestants import Tensors
from .work import Compute, Result, Setting, Work


class Filter(NamedTuple):
    """A filter of `taps` over a 1-D signal, or over every line of a 2-D one along `axis`."""

    shape: tuple[int, ...]
    taps: int
    mode: str
    axis: int | None = None

    def __str__(self) -> str:
        text = f"{'x'.join(map(str, self.shape))}*{self.taps}_{self.mode}"
        return text if self.axis is None else f"{text}_axis{self.axis}"

    @property
    def padding(self) -> int:
        return {"full": self.taps - 1, "same": self.taps // 2, "valid": 0}[self.mode]


class Convolve(Work):
    function = "convolve"
    meaning = "numpy.convolve, along an axis too"
    needs = {"convolve": ("axis",)}
    shapes: ClassVar[tuple[Filter, ...]] = (
        Filter((1000,), 31, "full"), Filter((48_000,), 401, "same"), Filter((65_536,), 1025, "full"),
        Filter((1_000_000,), 31, "full"), Filter((64, 16_000), 101, "same", 1), Filter((16_000, 64), 101, "same", 0),
    )  # fmt: skip
    flip = True

    def __init__(self, shape: Filter, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.filter = shape
        self.a, self.v = self.draw(*shape.shape), self.draw(shape.taps)
        length = shape.shape[shape.axis or 0]
        lines = self.a.size // length
        outputs = length + 2 * shape.padding - shape.taps + 1
        self.flops = 2 * lines * real_pairs(length, outputs, shape.taps, 1, 1, shape.padding)
        self.moved = (self.a.size + shape.taps + lines * outputs) * self.itemsize
        self.longest_sum = shape.taps

    def expected(self) -> tuple[Result, ...]:
        return (self._by_numpy(self.a.astype(np.float64), self.v.astype(np.float64)),)

    def own(self) -> Compute:
        function = tapwise.convolve if self.flip else tapwise.correlate
        return lambda: function(self.a, self.v, self.filter.mode, axis=self.filter.axis)

    def numpy(self) -> Compute:
        return lambda: self._by_numpy(self.a, self.v)

    def _by_numpy(self, a: Result, v: Result) -> Result:
        function: Any = np.convolve if self.flip else np.correlate
        if self.filter.axis is None:
            return np.asarray(function(a, v, self.filter.mode))
        return np.apply_along_axis(function, self.filter.axis, a, v, self.filter.mode)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        a, v = t(self.a), t(self.v[::-1].copy() if self.flip else self.v)[None, None]
        padding, axis = self.filter.padding, self.filter.axis
        if axis is None:
            return {"": lambda: t.F.conv1d(a[None, None], v, padding=padding)[0, 0]}
        if axis == 1:
            return {"": lambda: t.F.conv1d(a[:, None], v, padding=padding)[:, 0]}
        return {
            "": lambda: t.F.conv1d(a.t()[:, None], v, padding=padding)[:, 0].t(),
            "conv2d": lambda: t.F.conv2d(a[None, None], v[..., None], padding=(padding, 0))[0, 0],
        }


class Correlate(Convolve):
    function = "correlate"
    meaning = "numpy.correlate, along an axis too"
    needs = {"correlate": ("axis",)}
    shapes = (
        Filter((48_000,), 401, "valid"), Filter((1_000_000,), 31, "valid"), Filter((64, 16_000), 101, "valid", 1),
    )  # fmt: skip
    flip = False
