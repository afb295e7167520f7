"""The forward pass over the whole table: integers to the bit, real numbers within the bound."""

import layouts
import numpy as np
import oracle
import problems
import pytest
from geometries import CASES, COMPACT, OTHER_RANKS

import tapwise

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
REAL = [
    pytest.param(case, dtype, id=f"{case}-{np.dtype(dtype)}")
    for case in CASES
    for dtype in (np.float32, np.float64)
    if problems.affordable(case, dtype)
]
CHANNELS_LAST = pytest.mark.parametrize("last", [False, True], ids=["first", "last"])


@pytest.mark.parametrize("case", CASES, ids=str)
@CHANNELS_LAST
@DTYPES
def test_integers_to_the_bit(case, last, dtype):
    layout = layouts.activation_layouts(case.rank)[last]
    problems.check_exact(case, ["forward"], layout, dtype)


@pytest.mark.parametrize("case, dtype", REAL)
def test_real_numbers_within_the_bound(case, dtype):
    layout = layouts.activation_layouts(case.rank)[len(case.name) % 2]
    problems.check_accuracy(case, ["forward"], layout, dtype)


@pytest.mark.parametrize("case", COMPACT, ids=str)
@CHANNELS_LAST
@pytest.mark.parametrize("which", [0, 1, 2])
def test_weight_layouts(case, last, which):
    layout = layouts.activation_layouts(case.rank)[last]
    name = layouts.weight_layouts(case.rank)[which]
    problems.check_exact(case, ["forward"], layout, np.float32, [2], weight_layout=name)


@pytest.mark.parametrize("case", COMPACT, ids=str)
@CHANNELS_LAST
def test_unbatched_is_a_batch_of_one(case, last):
    batched = layouts.activation_layouts(case.rank)[last]
    unbatched = layouts.unbatched_layouts(case.rank)[last]
    problem = problems.integer_problem(case)
    x = layouts.stored_as(problem.x[:1].astype(np.float32), unbatched)
    w = problem.w.astype(np.float32)
    y = tapwise.conv(x, w, layout=unbatched, **case.options)
    expected = tapwise.conv(x[None], w, layout=batched, **case.options)
    np.testing.assert_array_equal(y, expected[0])


@pytest.mark.parametrize("case", COMPACT, ids=str)
@CHANNELS_LAST
@DTYPES
def test_fused_relu(case, last, dtype):
    layout = layouts.activation_layouts(case.rank)[last]
    problem = problems.integer_problem(case)
    y = problem.run("forward", layout, dtype)
    x = layouts.stored_as(problem.x.astype(dtype), layout)
    w, b = problem.w.astype(dtype), problem.b.astype(dtype)
    fused = tapwise.conv(x, w, b, layout=layout, activation="relu", **case.options)
    np.testing.assert_array_equal(layouts.to_canonical(fused, layout), np.maximum(y, 0))


def test_no_bias_is_a_zero_bias(rng):
    x = rng.standard_normal((2, 3, 8, 9)).astype(np.float32)
    w = rng.standard_normal((5, 3, 3, 3)).astype(np.float32)
    zero = tapwise.conv(x, w, np.zeros(5, np.float32))
    np.testing.assert_array_equal(tapwise.conv(x, w), zero)
    np.testing.assert_array_equal(tapwise.conv(x, w, None), zero)


@pytest.mark.parametrize("case", [c for c in OTHER_RANKS if c.rank != 2] + COMPACT[:3], ids=str)
def test_ranked_names_are_conv(case):
    problem = problems.integer_problem(case)
    x, w = problem.x.astype(np.float32), problem.w.astype(np.float32)
    ranked = getattr(tapwise, f"conv{case.rank}d")
    np.testing.assert_array_equal(ranked(x, w, **case.options), tapwise.conv(x, w, **case.options))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_output_shape_without_computing(case):
    shape = problems.integer_problem(case).forward_shape
    assert tapwise.conv_output_shape(case.x, case.w, **case.options) == shape


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower", "full", "causal"])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_names(rng, padding, stride, dilation):
    for length in (9, 10, 11):
        for taps in (1, 2, 3, 4):
            x = rng.integers(-3, 4, (1, 2, length)).astype(np.float32)
            w = rng.integers(-3, 4, (3, 2, taps)).astype(np.float32)
            options = dict(stride=stride, padding=padding, dilation=dilation)
            y = tapwise.conv(x, w, **options)
            np.testing.assert_array_equal(y, oracle.conv(x, w, **options))
            if padding.startswith("same"):
                assert y.shape[2] == -(-length // stride)


@CHANNELS_LAST
def test_zero_size_batch(last):
    layout = layouts.activation_layouts(2)[last]
    x = layouts.stored_as(np.zeros((0, 3, 8, 9), np.float32), layout)
    y = tapwise.conv(x, np.ones((5, 3, 3, 3), np.float32), layout=layout, padding=1)
    assert layouts.to_canonical(y, layout).shape == (0, 5, 8, 9)
    assert y.dtype == np.float32


@CHANNELS_LAST
@DTYPES
def test_nan_and_inf_reach_the_outputs_that_see_them(rng, last, dtype):
    """Where a tap meets padding it may be left out or multiplied by zero, which only an infinite weight tells apart."""
    layout = layouts.activation_layouts(2)[last]
    x = rng.integers(1, 4, (1, 17, 20, 21)).astype(dtype)
    w = rng.integers(1, 4, (18, 17, 3, 3)).astype(dtype)
    x[0, 3, 5, 6], x[0, 16, 19, 20], x[0, 0, 0, 0] = np.nan, np.inf, -np.inf
    w[4, 2, 0, 0], w[17, 0, 1, 1] = np.inf, np.nan
    with np.errstate(invalid="ignore"):
        expected = oracle.conv(x, w, padding=1)
    stored = layouts.stored_as(x, layout)
    y = layouts.to_canonical(tapwise.conv(stored, w, padding=1, layout=layout, algorithm="direct"), layout)
    # The infinite weight meets padding in the first row and the first column of channel 4.
    without = w.copy()
    without[4, 2, 0, 0] = 0
    with np.errstate(invalid="ignore"):
        left_out = oracle.conv(x, without, padding=1)
    for border in (np.s_[:, 4, 0, :], np.s_[:, 4, :, 0]):
        is_left_out = np.isclose(y[border], left_out[border], equal_nan=True)
        expected[border] = np.where(is_left_out, left_out[border], expected[border])
    np.testing.assert_array_equal(y, expected)


def test_subnormal_and_huge_values_survive():
    x = np.full((1, 1, 1, 4), 1e-42, np.float32)
    y = tapwise.conv(x, np.ones((1, 1, 1, 2), np.float32))
    np.testing.assert_array_equal(y.ravel(), x[0, 0, 0, :3] + x[0, 0, 0, 1:])
    x = np.full((1, 1, 1, 4), 3e38, np.float32)
    assert np.isposinf(tapwise.conv(x, np.ones((1, 1, 1, 2), np.float32))).all()
