"""NumPy: correlate on one 1-D channel, and sum for the gradient by the bias."""

from __future__ import annotations

import numpy as np

from ..case import Array, Case, Contestant, Unsupported

_MOST_DIRECT = 2e9


def contestants(case: Case) -> list[Contestant]:
    p = case.problem
    last: list[Array] = []
    if case.direction == "bwd_b":
        axes = tuple(a for a in range(case.grad.ndim) if a != (case.grad.ndim - 1 if case.channels_last else 1))

        def add() -> None:
            last[:] = [case.grad.sum(axis=axes)]

        return [Contestant("numpy", "sum", add, lambda: (last[0],))]
    if case.direction != "fwd" or (p.batch, p.in_channels, p.out_channels, p.rank) != (1, 1, 1, 1):
        raise Unsupported("filters one 1-D channel")
    if p.stride != (1,) or p.dilation != (1,):
        raise Unsupported("has neither stride nor dilation")
    if p.dst[0] * p.kernel[0] > _MOST_DIRECT:
        raise Unsupported("would take too long")
    x, weight = case.first(case.x)[0, 0], case.weight[0, 0]

    def call() -> None:
        last[:] = [np.correlate(np.pad(x, p.pad[0]), weight, "valid")]

    return [Contestant("numpy", "correlate", call, lambda: (last[0][None, None],))]
