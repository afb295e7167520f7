"""Summaries of samples, and numbers as people read them.

Every format takes NaN and gives a dash: a figure that was not measured looks the same in all reports.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

NONE = "–"


@dataclass(frozen=True)
class Summary:
    """A list of samples in five figures, in the samples' unit; NaN without samples."""

    count: int
    median: float
    low: float
    """The least: what the code needs when nothing disturbs it."""
    p95: float
    mad: float
    """The median absolute deviation from the median, unscaled."""


def summary(samples: Sequence[float]) -> Summary:
    if not len(samples):
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    values = np.asarray(samples, dtype=np.float64)
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle)))
    return Summary(len(values), middle, float(values.min()), float(np.quantile(values, 0.95)), spread)


def geometric_mean(values: Iterable[float]) -> float:
    """Of what is not NaN; NaN if nothing is. The values must not be negative."""
    present = [value for value in values if not math.isnan(value)]
    if not present:
        return math.nan
    if min(present) <= 0:
        if min(present) < 0:
            raise ValueError(f"a geometric mean needs values of at least 0, not {min(present)}")
        return 0.0
    return math.exp(math.fsum(map(math.log, present)) / len(present))


def seconds(value: float) -> str:
    """A duration: "1.23 ms". From two minutes on "2 min 5 s"."""
    if value >= 120 and math.isfinite(value):
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest} s"
    return _scaled(value, 1e3, (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))


def flops(value: float) -> str:
    """FLOP/s, always in GFLOP/s so that a column compares at a glance: "1230 GFLOP/s"."""
    return _with_unit(value / 1e9, "GFLOP/s")


def gigaflops(value: float) -> str:
    """FLOP/s in GFLOP/s, for a column whose head has the unit: "1230"."""
    return NONE if math.isnan(value) else _digits(value / 1e9)


def rate(value: float) -> str:
    """Bytes a second: "12.3 GB/s"."""
    return _with_unit(value / 1e9, "GB/s")


def size(value: float) -> str:
    """Bytes: "1.5 MiB"."""
    units = (("B", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30))
    return "0 B" if value == 0 else _scaled(value, 2.0**10, units)


def percent(value: float) -> str:
    """A share: 0.4532 is "45.3%"."""
    return NONE if math.isnan(value) else f"{100 * value:.1f}%"


def change(value: float) -> str:
    """A relative change with its sign: 0.1 is "+10.0%"."""
    return NONE if math.isnan(value) else f"{100 * value:+.1f}%"


def ratio(value: float) -> str:
    """ "1.23x". What is below 1 never reads as 1.00x."""
    if math.isnan(value):
        return NONE
    if value < 1 and f"{value:.2f}" == "1.00":
        return f"{min(value, 0.999):.3f}x"
    return f"{value:.2f}x" if value < 99.95 else f"{_digits(value)}x"


def _with_unit(value: float, unit: str) -> str:
    return NONE if math.isnan(value) else f"{_digits(value)} {unit}"


def _scaled(value: float, step: float, units: tuple[tuple[str, float], ...]) -> str:
    """In the largest unit that leaves at least 1 before the point, after rounding."""
    if not math.isfinite(value):
        return NONE if math.isnan(value) else f"{value}"
    for unit, factor in units[:-1]:
        if float(_digits(value / factor)) < step:
            return f"{_digits(value / factor)} {unit}"
    unit, factor = units[-1]
    return f"{_digits(value / factor)} {unit}"


def _digits(value: float) -> str:
    """Three significant digits without an exponent; all digits before the point."""
    if not math.isfinite(value) or value == 0:
        return f"{value:.0f}"
    # Rounded first, so that 9.996 has the digits of 10.0.
    rounded = float(f"{value:.2e}")
    places = min(max(2 - math.floor(math.log10(abs(rounded))), 0), 6)
    return f"{value:.{places}f}"
