"""A forward convolution prepared once and run many times."""

from collections.abc import Sequence

from . import _core
from .types import Activation, Array, ArrayLike, IntOrInts, Padding


class Plan:
    """``conv(x, weight, bias, ...)`` for many x of one shape: the weights are packed once.

    ``plan(x, out=None)`` gives what :func:`tapwise.conv` gives, for x in C order to the bit. A plan may be called from
    several threads at once; a call that runs while :meth:`update` replaces the weights uses either the old or the new
    ones, never a mix. Arguments and errors are those of :func:`tapwise.conv`, with the shape of x in its place.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        stride: IntOrInts = 1,
        padding: Padding = 0,
        dilation: IntOrInts = 1,
        groups: int = 1,
        flip: bool = False,
        layout: str | None = None,
        weight_layout: str | None = None,
        activation: Activation = None,
        algorithm: str = "auto",
        threads: int | None = None,
    ) -> None:
        self._plan = _core.Plan(
            x_shape, weight, bias, stride, padding, dilation, groups, flip, layout, weight_layout,
            activation, algorithm, threads,
        )  # fmt: skip

    def __call__(self, x: ArrayLike, out: Array | None = None) -> Array:
        """The convolution of x, in a new array or in `out`."""
        return self._plan.run(x, out)

    def update(self, weight: ArrayLike, bias: ArrayLike | None = None) -> None:
        """Packs other weights of the same shape and dtype; without a bias, the plan has none from now on."""
        self._plan.update(weight, bias)

    @property
    def algorithm(self) -> str:
        """The algorithm chosen."""
        return self._plan.algorithm

    @property
    def workspace_bytes(self) -> int:
        """Packed weights, and the scratch of one call."""
        return self._plan.workspace_bytes

    @property
    def x_shape(self) -> tuple[int, ...]:
        """The shape that x must have."""
        return self._plan.x_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self._plan.output_shape

    def __repr__(self) -> str:
        return f"Plan({self.x_shape} -> {self.output_shape}, {self.algorithm})"
