"""Summaries against their definitions, and formats that read back to what they were given."""

import math
import re
import statistics

import pytest
from bench import stats
from hypothesis import given
from hypothesis import strategies as st

times = st.floats(1e-9, 1e4)
samples = st.lists(times, min_size=1, max_size=50)
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@given(samples)
def test_a_summary_is_ordered_and_central(values):
    found = stats.summary(values)
    assert found.count == len(values)
    assert found.low == min(values) <= found.median <= max(values)
    assert found.median == pytest.approx(statistics.median(values))
    assert found.median * (1 - 1e-12) <= found.p95 <= max(values)
    assert found.mad == pytest.approx(statistics.median(abs(v - found.median) for v in values), abs=1e-15)


def test_a_summary_of_known_numbers():
    found = stats.summary([5.0, 1.0, 2.0, 100.0, 3.0])
    assert (found.median, found.low, found.mad) == (3.0, 1.0, 2.0)
    assert found.p95 == pytest.approx(81.0)


def test_a_summary_of_nothing_is_nan():
    found = stats.summary([])
    assert found.count == 0
    assert all(map(math.isnan, (found.median, found.low, found.p95, found.mad)))


@given(samples, st.floats(1e-3, 1e3))
def test_a_geometric_mean_lies_between_and_scales(values, factor):
    mean = stats.geometric_mean(values)
    assert min(values) * (1 - 1e-9) <= mean <= max(values) * (1 + 1e-9)
    assert stats.geometric_mean([v * factor for v in values]) == pytest.approx(mean * factor)
    assert stats.geometric_mean([1 / v for v in values]) == pytest.approx(1 / mean)
    assert stats.geometric_mean([*values, math.nan]) == mean


def test_a_geometric_mean_of_known_numbers():
    assert stats.geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert stats.geometric_mean([1.0, math.nan, 9.0]) == pytest.approx(3.0)
    assert stats.geometric_mean([0.0, 2.0]) == 0.0
    assert math.isnan(stats.geometric_mean([math.nan]))
    assert math.isnan(stats.geometric_mean([]))
    with pytest.raises(ValueError, match="-1"):
        stats.geometric_mean([2.0, -1.0])


@given(st.floats(1e-9, 119.0))
def test_a_duration_reads_back(value):
    number, unit = stats.seconds(value).split()
    assert float(number) * UNITS[unit] == pytest.approx(value, rel=0.0051)
    assert 1 <= float(number) < 1000
    assert len(re.sub(r"\D", "", number)) == 3 or float(number) >= 100


@given(st.integers(1, 2**50))
def test_a_size_reads_back(value):
    number, unit = stats.size(value).split()
    assert float(number) * UNITS[unit] == pytest.approx(value, rel=0.0051)
    assert float(number) < 1024 or unit == "GiB"


@given(st.floats(1e-2, 1e6))
def test_a_ratio_stays_on_its_side_of_one(value):
    text = stats.ratio(value)
    assert text.endswith("x")
    shown = float(text[:-1])
    assert (shown < 1) == (value < 1)
    assert shown == pytest.approx(value, rel=0.006, abs=0.0051)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (stats.seconds(0.00123), "1.23 ms"),
        (stats.seconds(9.996e-4), "1.00 ms"),
        (stats.seconds(9.994e-4), "999 µs"),
        (stats.seconds(83), "83.0 s"),
        (stats.seconds(125.4), "2 min 5 s"),
        (stats.seconds(0), "0 ns"),
        (stats.flops(64e9), "64.0 GFLOP/s"),
        (stats.flops(1.2345e12), "1234 GFLOP/s"),
        (stats.flops(2.5e6), "0.00250 GFLOP/s"),
        (stats.gigaflops(9.996e9), "10.0"),
        (stats.rate(11.04e9), "11.0 GB/s"),
        (stats.size(0), "0 B"),
        (stats.size(1536), "1.50 KiB"),
        (stats.percent(0.4532), "45.3%"),
        (stats.change(0.1), "+10.0%"),
        (stats.change(-0.034), "-3.4%"),
        (stats.ratio(1.234), "1.23x"),
        (stats.ratio(0.996), "0.996x"),
        (stats.ratio(0.99999), "0.999x"),
        (stats.ratio(1.0), "1.00x"),
        (stats.ratio(123.4), "123x"),
    ],
)
def test_known_formats(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    "of",
    [stats.seconds, stats.flops, stats.gigaflops, stats.rate, stats.size, stats.percent, stats.change, stats.ratio],
)
def test_nan_is_a_dash_everywhere(of):
    assert of(math.nan) == stats.NONE
    assert "inf" in of(math.inf)
