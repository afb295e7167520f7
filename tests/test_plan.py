"""A Plan is the same convolution with the weights packed once."""

from concurrent.futures import ThreadPoolExecutor

import layouts
import numpy as np
import problems
import pytest
from geometries import COMPACT

import tapwise

CASES = pytest.mark.parametrize("case", COMPACT, ids=str)
EXACT = np.testing.assert_array_equal


def operands(case, dtype=np.float32):
    p = problems.integer_problem(case)
    return (a.astype(dtype) for a in (p.x, p.w, p.b))


@CASES
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_plan_is_conv(case, dtype, last):
    x, w, b = operands(case, dtype)
    layout = layouts.activation_layouts(case.rank)[last]
    x = layouts.stored_as(x, layout)
    expected = tapwise.conv(x, w, b, layout=layout, **case.options)
    plan = tapwise.Plan(x.shape, w, b, layout=layout, **case.options)
    for _ in range(2):
        EXACT(plan(x), expected)
    out = np.full_like(expected, np.nan)
    assert plan(x, out=out) is out
    EXACT(out, expected)


def test_plan_has_the_bits_of_conv_on_real_numbers(rng):
    x = rng.standard_normal((2, 17, 15, 16)).astype(np.float32)
    w = rng.standard_normal((33, 17, 3, 3)).astype(np.float32)
    EXACT(tapwise.Plan(x.shape, w, padding=1)(x), tapwise.conv(x, w, padding=1))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_plan_takes_weight_layouts_and_activation(rng, which):
    x = rng.integers(-3, 4, (1, 5, 8, 9)).astype(np.float32)
    w = rng.integers(-3, 4, (7, 5, 3, 3)).astype(np.float32)
    name = layouts.weight_layouts(2)[which]
    stored = layouts.weight_stored_as(w, name)
    plan = tapwise.Plan(x.shape, stored, weight_layout=name, activation="relu")
    EXACT(plan(x), tapwise.conv(x, w, activation="relu"))


def test_the_plan_keeps_its_own_weights(rng):
    x = rng.integers(-3, 4, (1, 5, 8, 9)).astype(np.float32)
    w, b = rng.integers(-3, 4, (7, 5, 3, 3)).astype(np.float32), np.ones(7, np.float32)
    expected = tapwise.conv(x, w, b)
    plan = tapwise.Plan(x.shape, w, b)
    w[...], b[...] = np.nan, np.nan
    EXACT(plan(x), expected)


@CASES
def test_update_replaces_weights_and_bias(case, rng):
    x, w, b = operands(case)
    plan = tapwise.Plan(x.shape, w, b, **case.options)
    w2, b2 = (rng.integers(-3, 4, a.shape).astype(np.float32) for a in (w, b))
    plan.update(w2, b2)
    EXACT(plan(x), tapwise.conv(x, w2, b2, **case.options))
    plan.update(w, b)
    EXACT(plan(x), tapwise.conv(x, w, b, **case.options))


def test_zero_size_batch():
    plan = tapwise.Plan((0, 16, 30, 30), np.ones((32, 16, 3, 3), np.float32))
    assert plan(np.zeros((0, 16, 30, 30), np.float32)).shape == (0, 32, 28, 28)


def test_attributes():
    plan = tapwise.Plan((1, 16, 30, 30), np.ones((32, 16, 3, 3), np.float32))
    assert plan.algorithm == "direct"
    assert isinstance(plan.workspace_bytes, int) and plan.workspace_bytes >= 0


@pytest.mark.parametrize(
    "shape, words",
    [
        ((1, 5, 8, 10), [r"x\b", r"8, 9", r"8, 10"]),
        ((2, 5, 8, 9), [r"x\b"]),
        ((1, 6, 8, 9), [r"x\b"]),
        ((5, 8, 9), [r"x\b"]),
    ],
)
def test_another_shape_is_an_error(shape, words):
    plan = tapwise.Plan((1, 5, 8, 9), np.ones((7, 5, 3, 3), np.float32))
    with pytest.raises(ValueError) as error:
        plan(np.zeros(shape, np.float32))
    for word in words:
        error.match(word)


def test_another_dtype_is_an_error():
    plan = tapwise.Plan((1, 5, 8, 9), np.ones((7, 5, 3, 3), np.float32))
    with pytest.raises(TypeError, match=r"x.*float32.*float64|x.*float64.*float32"):
        plan(np.zeros((1, 5, 8, 9)))
    with pytest.raises(TypeError, match="weight"):
        plan.update(np.ones((7, 5, 3, 3)))


def test_update_checks_shapes_and_keeps_the_old_weights(rng):
    x = rng.integers(-3, 4, (1, 5, 8, 9)).astype(np.float32)
    w, b = np.ones((7, 5, 3, 3), np.float32), np.ones(7, np.float32)
    plan = tapwise.Plan(x.shape, w, b)
    expected = plan(x)
    with pytest.raises(ValueError, match="weight"):
        plan.update(np.zeros((7, 5, 3, 4), np.float32), b)
    with pytest.raises(ValueError, match="bias"):
        plan.update(np.zeros_like(w), np.zeros(8, np.float32))
    EXACT(plan(x), expected)


def test_one_plan_from_eight_threads(rng):
    w = rng.integers(-3, 4, (33, 17, 3, 3)).astype(np.float32)
    xs = rng.integers(-3, 4, (16, 1, 17, 28, 29)).astype(np.float32)
    plan = tapwise.Plan(xs[0].shape, w, padding=1)
    expected = [tapwise.conv(x, w, padding=1) for x in xs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for y, right in zip(pool.map(plan, xs), expected, strict=True):
                EXACT(y, right)
