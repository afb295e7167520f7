"""Results that no machine measured, but might have: for tests of what reads them."""

import math

import numpy as np
from bench.results import Peaks, PeerInfo, Results, Row, Sample

LAYERS = (
    ("conv1", "mb8_ic3ih224_oc64oh112_kh7_sh2_ph3", 1, 1.9e9),
    ("layer1.0.conv2", "mb8_ic64ih56_oc64oh56_kh3_ph1", 3, 1.85e9),
    ("layer2.1.conv3", "mb8_ic128ih28_oc512oh28_kh1", 4, 8.2e8),
    ("layer4.2.conv2", "mb8_ic512ih7_oc512oh7_kh3_ph1", 2, 1.85e9),
)
DIRECTIONS = ("forward", "input_grad", "weight_grad")
LAYOUTS = ("NCHW", "NHWC")
PEERS = ("pytorch", "onnxruntime")
PEAK = 64e9
BANDWIDTH = 11e9


def results(*, seed=0, samples=20, layers=LAYERS, directions=DIRECTIONS, layouts=LAYOUTS, peers=PEERS, threads=(1,)):
    """A complete run; the same problems have the same speed for every seed, only the noise differs."""
    rng = np.random.default_rng(seed)
    rows = [
        row(rng, layer, direction, layout, count, peers=peers, samples=samples)
        for count in threads
        for direction in directions
        for layout in layouts
        for layer in layers
    ]
    return Results(
        command="tapwise-bench run",
        started="2025-01-31 12:00:00 UTC",
        seconds=83.0,
        complete=True,
        options={"layouts": list(layouts), "threads": list(threads)},
        machine={"cpu": "Example CPU @ 2.0 GHz", "cores": 8, "memory_bytes": 2**34, "isa": ["avx2", "avx512"]},
        peers=[PeerInfo(name, "1.2.3") for name in peers] + [PeerInfo("onednn", "", "not installed")],
        peaks=Peaks(
            fma=[{"dtype": "float32", "isa": "avx512", "threads": n, "flops": PEAK * n} for n in threads],
            read=[
                {"bytes": size, "threads": n, "rate": rate * n}
                for n in threads
                for size, rate in ((2**15, 120e9), (2**20, 60e9), (2**28, BANDWIDTH))
            ],
            triad=[{"bytes": 2**28, "threads": n, "rate": BANDWIDTH * 0.8 * n} for n in threads],
            call_overhead=2.3e-6,
        ),
        rows=rows,
    )


def row(rng, layer, direction="forward", layout="NCHW", threads=1, *, peers=PEERS, samples=20, suite="resnet50"):
    name, problem, count, flops = layer
    # A speed of its own for each implementation on each problem, the same in every run.
    own = np.random.default_rng(sum(map(ord, problem + direction + layout)))
    rate = PEAK * threads**0.9
    seconds = flops / (rate * own.uniform(0.4, 0.9))
    found = [Sample("tapwise", "", True, noisy(rng, seconds, samples), 2e-7, True, "direct", 1 << 16)]
    for peer in peers:
        if peer == "onnxruntime" and direction != "forward":
            continue
        theirs = flops / (rate * own.uniform(0.3, 0.8))
        found.append(Sample(peer, layout, True, noisy(rng, theirs, samples), 3e-7, True))
    return Row(
        suite, problem, name, count, direction, layout, "float32", threads, "warm", True,
        flops, flops / own.uniform(5, 60), PEAK * threads, BANDWIDTH * threads, found,
    )  # fmt: skip


def noisy(rng, seconds, count, spread=0.01):
    """Samples as timers give them: close to the least, with a tail of disturbances."""
    return [float(s) for s in seconds * (1 + spread * rng.gamma(2.0, 1.0, count))]


def drift(run, factors):
    """The same run on a machine slower by one factor per row: its peak and every sample alike."""
    for one, factor in zip(run.rows, factors, strict=True):
        one.peak_flops /= factor
        for sample in one.samples:
            scale(sample, factor)
    return run


def scale(sample, factor):
    sample.seconds = [s * factor for s in sample.seconds]
    sample.__dict__.pop("time", None)  # a median computed before


def own(row):
    return next(s for s in row.samples if s.who == "tapwise")


def lose(row, *, wrong=False):
    """Our own result of this row absent, or wrong."""
    sample = own(row)
    row.__dict__.pop("own", None)
    if wrong:
        sample.ok, sample.error = False, 0.1
    else:
        sample.seconds, sample.error = [], math.nan
    sample.__dict__.pop("time", None)
