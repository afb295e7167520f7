"""What the machine can do, measured: multiply-adds, bandwidth by footprint, and the cost of a call."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

import numpy as np

import tapwise
from tapwise import _core

from .machine import last_level_bytes
from .results import Peaks

_FMA_SECONDS = 0.2
_PASS_SECONDS = 0.08


def measure(threads: Sequence[int], dtypes: Sequence[str]) -> Peaks:
    """Both roofs for these thread counts on the active instruction set, in a few seconds."""
    found = Peaks(call_overhead=call_overhead())
    for n in threads:
        for dtype in dtypes:
            flops = fma(dtype, n, _FMA_SECONDS)
            found.fma.append({"dtype": dtype, "isa": tapwise.build_info()["isa"], "threads": n, "flops": flops})
        for size in footprints():
            found.read.append({"bytes": size, "threads": n, "rate": _core.read_bandwidth(size, _PASS_SECONDS, n)})
            found.triad.append({"bytes": size, "threads": n, "rate": _core.triad_bandwidth(size, _PASS_SECONDS, n)})
    return found


def fma(dtype: str, threads: int, seconds: float) -> float:
    """FLOP/s of multiply-adds that stay in registers."""
    return _core.fma_peak(dtype == "float64", seconds, threads)


def read(size: float, threads: int) -> float:
    """Bytes a second of reading an array of `size` bytes: the better of two passes."""
    return _core.read_bandwidth(int(size), 0.0, threads)


def fma_by_isa(dtype: str, threads: int) -> dict[str, float]:
    """The same for every usable instruction set, each in a process of its own, since one is chosen per process."""
    script = f"from tapwise import _core; print(_core.fma_peak({dtype == 'float64'}, {_FMA_SECONDS}, {threads}))"
    found = {}
    for isa in tapwise.available_isas():
        environment = {**os.environ, "TAPWISE_ISA": isa}
        command = [sys.executable, "-c", script]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found[isa] = float(run.stdout)
    return found


def footprints() -> list[int]:
    """Bytes from what a first-level cache holds to what no cache does."""
    largest = max(4 * last_level_bytes(), 64 << 20)
    sizes = [32 << 10]
    while sizes[-1] < largest:
        sizes.append(sizes[-1] * 4)
    return sizes


def bandwidth(peaks: Peaks, size: float, threads: int, cold: bool) -> float:
    """Bytes a second for a footprint of `size` bytes: between the two nearest measured ones, or of the largest if the
    caches are cold."""
    points = sorted((math.log(p["bytes"]), p["rate"]) for p in peaks.read if p["threads"] == threads)
    if cold:
        return float(points[-1][1])
    return float(np.interp(math.log(max(size, 1)), [x for x, _ in points], [rate for _, rate in points]))


def call_overhead() -> float:
    """Seconds for the smallest convolution there is: one product."""
    x, w, out = (np.ones((1, 1, 1), np.float32) for _ in range(3))
    samples = []
    for _ in range(200):
        start = time.perf_counter()
        tapwise.conv(x, w, out=out)
        samples.append(time.perf_counter() - start)
    return median(samples)
