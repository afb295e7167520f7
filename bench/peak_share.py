"""Shares of the measured FMA peak: 3x3, 64 to 64 channels at 56x56, batch 8, every pass and both layouts.

    python bench/peak_share.py            # the best instruction set
    TAPWISE_ISA=avx2 python bench/peak_share.py

The peak is measured before every round, between the passes, on the same threads; medians of the rounds are printed.
"""

import statistics
import time

import numpy as np

import tapwise
from tapwise import _core

ROUNDS = 30
THREADS = None


def main() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((64, 64, 3, 3), dtype=np.float32)
    flops = tapwise.explain((8, 64, 56, 56), weight.shape, padding=1).flops
    rows = {}
    for layout, shape in (("NCHW", (8, 64, 56, 56)), ("NHWC", (8, 56, 56, 64))):
        x = rng.standard_normal(shape, dtype=np.float32)
        grad, y = rng.standard_normal(shape, dtype=np.float32), np.empty_like(x)
        grad_x, grad_w = np.empty_like(x), np.empty_like(weight)
        geometry = {"padding": 1, "layout": layout}
        rows[layout, "forward"] = lambda x=x, y=y, g=geometry: tapwise.conv2d(x, weight, out=y, **g)
        rows[layout, "input gradient"] = lambda grad=grad, o=grad_x, g=geometry: tapwise.conv_input_grad(
            grad, weight, o.shape, out=o, **g
        )
        rows[layout, "weight gradient"] = lambda grad=grad, x=x, o=grad_w, g=geometry: tapwise.conv_weight_grad(
            grad, x, 3, out=o, **g
        )
    share = {key: [] for key in rows}
    peaks = []
    for _ in range(ROUNDS):
        for key, run in rows.items():
            peak = _core.fma_peak(False, 0.01, THREADS)
            start = time.perf_counter()
            run()
            share[key].append(flops / (time.perf_counter() - start) / peak)
            peaks.append(peak)
    info = tapwise.build_info()
    print(f"{info['isa']}, {tapwise.get_num_threads()} threads, FMA peak {statistics.median(peaks) / 1e9:.0f} GFLOP/s")
    for (layout, name), values in share.items():
        print(f"  {layout} {name:16} {100 * statistics.median(values):5.1f}% of the peak")


if __name__ == "__main__":
    main()
