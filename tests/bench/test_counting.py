"""Operations and bytes, against counting one by one."""

import itertools
import math

import pytest
from bench import counting
from bench.descriptor import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from test_descriptor import problems

import tapwise


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 30), st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.integers(0, 30), st.integers(0, 9)
)
def test_real_pairs_one_by_one(size, taps, stride, dilation, low, high):
    outputs = (size + low + high - (taps - 1) * dilation - 1) // stride + 1
    if outputs < 1:
        return
    pairs = itertools.product(range(outputs), range(taps))
    expected = sum(0 <= q * stride + k * dilation - low < size for q, k in pairs)
    assert counting.real_pairs(size, outputs, taps, stride, dilation, low) == expected


@settings(max_examples=200, deadline=None)
@given(problems())
def test_flops_are_those_that_explain_states(problem):
    expected = tapwise.explain(problem.src_shape, problem.weight_shape, **problem.geometry).flops
    for direction in ("fwd", "fwd_relu", "bwd_d", "bwd_w"):
        assert counting.flops(problem, direction) == expected
    assert counting.flops(problem, "bwd") == 2 * expected + math.prod(problem.dst_shape)


def test_padding_is_not_counted():
    """A 3-tap filter on one number: of its products two meet padding."""
    assert counting.flops(parse("mb1ic1iw1oc1ow1kw3"), "fwd") == 2


@pytest.mark.parametrize(
    "direction, numbers",
    [("fwd", 2 * 3 * 64 + 5 * 3 * 9 + 2 * 5 * 36), ("fwd_relu", 2 * 3 * 64 + 5 * 3 * 9 + 2 * 5 * 36 + 5),
     ("bwd_d", 2 * 3 * 64 + 5 * 3 * 9 + 2 * 5 * 36), ("bwd_w", 2 * 3 * 64 + 5 * 3 * 9 + 2 * 5 * 36),
     ("bwd_b", 2 * 5 * 36 + 5), ("bwd", 2 * (2 * 3 * 64 + 5 * 3 * 9) + 2 * 5 * 36 + 5)],
)  # fmt: skip
def test_bytes(direction, numbers):
    assert counting.moved_bytes(parse("mb2ic3ih8oc5kh3"), direction, 4) == 4 * numbers


def test_longest_sum():
    p = parse("g2mb3ic4ih8oc6kh3")
    assert counting.longest_sum(p, "fwd") == 2 * 9
    assert counting.longest_sum(p, "bwd_d") == 3 * 9
    assert counting.longest_sum(p, "bwd_w") == 3 * 36
