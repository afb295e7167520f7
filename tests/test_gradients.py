"""Input, weight and bias gradients over the whole table."""

import layouts
import numpy as np
import oracle
import problems
import pytest
from geometries import CASES, COMPACT

import tapwise

GRADIENTS = ["input_grad", "weight_grad", "bias_grad"]
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
@pytest.mark.parametrize("name", GRADIENTS)
def test_integers_to_the_bit(case, last, dtype, name):
    layout = layouts.activation_layouts(case.rank)[last]
    problems.check_exact(case, [name], layout, dtype)


@pytest.mark.parametrize("case, dtype", REAL)
@pytest.mark.parametrize("name", GRADIENTS)
def test_real_numbers_within_the_bound(case, dtype, name):
    layout = layouts.activation_layouts(case.rank)[len(case.name) % 2]
    problems.check_accuracy(case, [name], layout, dtype)


@pytest.mark.parametrize("case", COMPACT, ids=str)
@CHANNELS_LAST
@pytest.mark.parametrize("which", [0, 1, 2])
def test_weight_layouts(case, last, which):
    layout = layouts.activation_layouts(case.rank)[last]
    name = layouts.weight_layouts(case.rank)[which]
    problems.check_exact(case, GRADIENTS[:2], layout, np.float32, [2], weight_layout=name)


@pytest.mark.parametrize("case", COMPACT, ids=str)
@CHANNELS_LAST
def test_unbatched_is_a_batch_of_one(case, last):
    batched = layouts.activation_layouts(case.rank)[last]
    unbatched = layouts.unbatched_layouts(case.rank)[last]
    problem = problems.integer_problem(case)
    x, grad = (layouts.stored_as(a[:1].astype(np.float32), unbatched) for a in (problem.x, problem.grad))
    w, kernel = problem.w.astype(np.float32), case.w[2:]
    np.testing.assert_array_equal(
        tapwise.conv_input_grad(grad, w, x.shape, layout=unbatched, **case.options),
        tapwise.conv_input_grad(grad[None], w, (1, *x.shape), layout=batched, **case.options)[0],
    )
    np.testing.assert_array_equal(
        tapwise.conv_weight_grad(grad, x, kernel, layout=unbatched, **case.options),
        tapwise.conv_weight_grad(grad[None], x[None], kernel, layout=batched, **case.options),
    )
    np.testing.assert_array_equal(
        tapwise.conv_bias_grad(grad, layout=unbatched),
        tapwise.conv_bias_grad(grad[None], layout=batched),
    )


def test_kernel_size_may_be_one_number(rng):
    x, grad = rng.integers(-3, 4, (1, 2, 7, 8)), rng.integers(-3, 4, (1, 3, 5, 6))
    x, grad = x.astype(np.float32), grad.astype(np.float32)
    np.testing.assert_array_equal(tapwise.conv_weight_grad(grad, x, 3), tapwise.conv_weight_grad(grad, x, (3, 3)))


@CHANNELS_LAST
def test_inputs_that_no_output_saw_get_exact_zeros(rng, last):
    layout = layouts.activation_layouts(2)[last]
    w = rng.standard_normal((5, 4, 2, 2)).astype(np.float32)
    grad = layouts.stored_as(rng.standard_normal((1, 5, 4, 4)).astype(np.float32), layout)
    shape = layouts.stored_as(np.empty((1, 4, 12, 13)), layout).shape
    dx = tapwise.conv_input_grad(grad, w, shape, stride=3, layout=layout)
    dx = layouts.to_canonical(dx, layout)
    assert not dx[:, :, 2::3].any() and not dx[:, :, :, 2::3].any() and not dx[..., 11:].any()


@CHANNELS_LAST
def test_zero_size_batch(last):
    layout = layouts.activation_layouts(2)[last]
    x = layouts.stored_as(np.zeros((0, 3, 8, 9), np.float32), layout)
    grad = layouts.stored_as(np.zeros((0, 5, 6, 7), np.float32), layout)
    w = np.ones((5, 3, 3, 3), np.float32)
    assert tapwise.conv_input_grad(grad, w, x.shape, layout=layout).shape == x.shape
    dw, db = np.full_like(w, np.nan), np.full(5, np.nan, np.float32)
    tapwise.conv_weight_grad(grad, x, (3, 3), layout=layout, out=dw)
    tapwise.conv_bias_grad(grad, layout=layout, out=db)
    assert not dw.any() and not db.any()
    dw[...], db[...] = 2, 3
    tapwise.conv_weight_grad(grad, x, (3, 3), layout=layout, out=dw, accumulate=True)
    tapwise.conv_bias_grad(grad, layout=layout, out=db, accumulate=True)
    assert (dw == 2).all() and (db == 3).all()


@CHANNELS_LAST
@pytest.mark.parametrize("stride", [1, 2])
def test_a_nan_in_grad_reaches_the_inputs_that_fed_it(rng, last, stride):
    layout = layouts.activation_layouts(2)[last]
    options = dict(stride=stride, padding=1)
    w = rng.integers(1, 4, (18, 17, 3, 3)).astype(np.float32)
    out = oracle.conv(np.zeros((1, 17, 16, 19)), w, **options).shape
    grad = rng.integers(1, 4, out).astype(np.float32)
    grad[0, 5, 3, 4], grad[0, 17, -1, -1] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = oracle.conv_input_grad(grad, w, (16, 19), **options)
    stored = layouts.stored_as(grad, layout)
    shape = layouts.stored_as(np.empty((1, 17, 16, 19)), layout).shape
    dx = tapwise.conv_input_grad(stored, w, shape, layout=layout, algorithm="direct", **options)
    np.testing.assert_array_equal(layouts.to_canonical(dx, layout), expected)


@CHANNELS_LAST
def test_a_nan_in_x_reaches_the_weights_that_met_it(rng, last):
    layout = layouts.activation_layouts(2)[last]
    x = rng.integers(1, 4, (2, 17, 9, 10)).astype(np.float32)
    grad = rng.integers(1, 4, (2, 18, 4, 4)).astype(np.float32)
    x[1, 6, 0, 0], grad[0, 9, 2, 2] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = oracle.conv_weight_grad(grad, x, (3, 3), stride=2)
    stored = [layouts.stored_as(a, layout) for a in (grad, x)]
    dw = tapwise.conv_weight_grad(*stored, (3, 3), stride=2, layout=layout, algorithm="direct")
    np.testing.assert_array_equal(dw, expected)
