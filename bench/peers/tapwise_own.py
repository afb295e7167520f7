"""tapwise itself: the row's arrays, one contestant per algorithm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tapwise

from ..case import RESULTS, Array, Case, Contestant, Unsupported
from ..results import OWN

_EXPLAINED = {"fwd": "forward", "fwd_relu": "forward", "bwd_d": "input_grad", "bwd_w": "weight_grad",
              "bwd_b": "bias_grad"}  # fmt: skip


def contestants(case: Case, algorithms: Sequence[str]) -> list[Contestant]:
    """One for each algorithm that can do the case."""
    # The default for all calls, as a user sets it: threads= on each would wake a team for the smallest problems too.
    tapwise.set_num_threads(case.threads)
    found = []
    for name in algorithms:
        try:
            found.append(_contestant(case, name))
        except (NotImplementedError, ValueError) as error:
            if len(algorithms) == 1:
                raise Unsupported(str(error)) from None
    return found


def _contestant(case: Case, algorithm: str) -> Contestant:
    p = case.problem
    shared: dict[str, Any] = {**p.geometry, "layout": case.layout, "algorithm": algorithm}
    x_shape = case.x.shape
    results: dict[str, Callable[[], Array]] = {
        "y": lambda: np.empty_like(case.grad),
        "x": lambda: np.empty_like(case.x),
        "w": lambda: np.empty_like(case.weight),
        "b": lambda: np.empty_like(case.bias),
    }

    def outs(keys: str) -> list[Any]:
        return [results[key]() if case.use_out else None for key in keys]

    last: list[Any] = []
    call: Callable[[], object]
    if case.direction in ("fwd", "fwd_relu"):
        (out,) = outs("y")
        more: dict[str, Any] = {"activation": "relu"} if case.direction == "fwd_relu" else {}
        bias = case.bias if case.direction == "fwd_relu" else None

        def call() -> None:
            last[:] = [tapwise.conv(case.x, case.weight, bias, out=out, **shared, **more)]

    elif case.direction == "bwd_d":
        (out,) = outs("x")

        def call() -> None:
            last[:] = [tapwise.conv_input_grad(case.grad, case.weight, x_shape, out=out, **shared)]

    elif case.direction == "bwd_w":
        (out,) = outs("w")

        def call() -> None:
            last[:] = [tapwise.conv_weight_grad(case.grad, case.x, p.kernel, out=out, **shared)]

    elif case.direction == "bwd_b":
        (out,) = outs("b")

        def call() -> None:
            last[:] = [tapwise.conv_bias_grad(case.grad, layout=case.layout, out=out)]

    else:
        three = tuple(outs("xwb"))

        def call() -> None:
            last[:] = tapwise.conv_backward(case.grad, case.x, case.weight, out=three, **shared)

    def fetch() -> tuple[Array, ...]:
        kinds = RESULTS[case.direction]
        return tuple(case.first(a) if kind == "activations" else a for a, kind in zip(last, kinds, strict=True))

    directions = [_EXPLAINED[case.direction]] if case.direction != "bwd" else ["input_grad", "weight_grad"]
    plans = [
        tapwise.explain(x_shape, case.weight.shape, direction=d, dtype=case.dtype, **shared)  # type: ignore[arg-type]
        for d in directions
    ]
    return Contestant(
        OWN,
        algorithm,
        call,
        fetch,
        algorithm=" / ".join(dict.fromkeys(f"{e.algorithm}: {e.lanes}" if e.lanes else e.algorithm for e in plans)),
        workspace_bytes=max(e.workspace_bytes for e in plans),
    )
