"""scipy.signal on one channel: direct, FFT and overlap-add, forward."""

from __future__ import annotations

import numpy as np
from scipy import signal

from ..case import Array, Case, Contestant, Unsupported

# The direct method is hopeless beyond this many products; measuring that once would take minutes.
_MOST_DIRECT = 2e9


def contestants(case: Case) -> list[Contestant]:
    p = case.problem
    if case.direction != "fwd" or (p.batch, p.in_channels, p.out_channels) != (1, 1, 1):
        raise Unsupported("filters one channel")
    if p.stride != (1,) * p.rank or p.dilation != (1,) * p.rank:
        raise Unsupported("has neither stride nor dilation")
    x, weight = case.first(case.x)[0, 0], case.weight[0, 0]
    flipped = weight[(slice(None, None, -1),) * p.rank]
    padded = any(low or high for low, high in p.pad)

    def source() -> Array:
        return np.pad(x, p.pad) if padded else x

    methods = {
        "fft": lambda: signal.fftconvolve(source(), flipped, "valid"),
        "overlap-add": lambda: signal.oaconvolve(source(), flipped, "valid"),
    }
    if float(np.prod(p.dst)) * weight.size < _MOST_DIRECT:
        methods["direct"] = lambda: signal.correlate(source(), weight, "valid", "direct")

    def contestant(name: str) -> Contestant:
        last: list[Array] = []

        def call() -> None:
            last[:] = [methods[name]()]

        return Contestant("scipy", name, call, lambda: (last[0][None, None],))

    return [contestant(name) for name in methods]
