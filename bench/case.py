"""One row's arrays, and what an implementation has to hand over to be measured on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .descriptor import Problem

Array = npt.NDArray[np.floating]

RESULTS = {
    "fwd": ("activations",),
    "fwd_relu": ("activations",),
    "bwd_d": ("activations",),
    "bwd_w": ("weights",),
    "bwd_b": ("bias",),
    "bwd": ("activations", "weights", "bias"),
}
"""What a direction results in, in the order in which implementations hand it over."""


class Unsupported(Exception):
    """This implementation cannot do this row; the message says why in a few words."""


@dataclass(frozen=True)
class Case:
    """A problem with its operands in one layout. `x` and `grad` lie in that layout, `weight` as (O, I, *kernel)."""

    problem: Problem
    direction: str
    channels_last: bool
    dtype: str
    threads: int
    use_out: bool
    x: Array
    weight: Array
    bias: Array
    grad: Array

    @property
    def layout(self) -> str:
        space = "DHW"[3 - self.problem.rank :]
        return f"N{space}C" if self.channels_last else f"NC{space}"

    def first(self, array: Array) -> Array:
        """A view of activations in the row's layout with their channels as axis 1."""
        return np.moveaxis(array, -1, 1) if self.channels_last else array

    def copied(self, array: Array, channels_last: bool) -> Array:
        """Activations in a layout of choice: themselves if they lie so already, else a copy."""
        if channels_last == self.channels_last:
            return array
        return np.ascontiguousarray(np.moveaxis(self.first(array), 1, -1) if channels_last else self.first(array))


@dataclass
class Contestant:
    """A call that computes the row's result, and a way to get that result out for checking."""

    who: str
    variant: str
    call: Callable[[], object]
    fetch: Callable[[], tuple[Array, ...]]
    """The last call's results: activations as (N, C, *space), weights as (O, I, *kernel)."""
    charged: bool = True
    """False: it runs on copies in its own layout, made beforehand."""
    algorithm: str = ""
    workspace_bytes: int = 0
    note: str = ""
    lingers: bool = False
    """Its threads go on spinning after a call, for longer than OpenMP's do."""


def make_case(problem: Problem, direction: str, channels_last: bool, dtype: str, threads: int, use_out: bool) -> Case:
    """Normally distributed operands, the same for every layout and run."""
    rng = np.random.default_rng(20240607)

    def draw(shape: tuple[int, ...]) -> Array:
        return rng.standard_normal(shape, dtype=dtype)  # type: ignore[arg-type]

    x, weight = draw(problem.src_shape), draw(problem.weight_shape)
    bias, grad = draw((problem.out_channels,)), draw(problem.dst_shape)
    if channels_last:
        x, grad = (np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (x, grad))
    return Case(problem, direction, channels_last, dtype, threads, use_out, x, weight, bias, grad)
