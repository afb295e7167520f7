"""dense, relu, max_pool, softmax_cross_entropy and their gradients."""

import itertools

import layouts
import numpy as np
import pytest
from odd_memory import KINDS, Placed, place

import tapwise

EXACT = np.testing.assert_array_equal
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
MEMORY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def integers(rng, shape, dtype=np.float32):
    return rng.integers(-3, 4, shape).astype(dtype)


@DTYPES
@pytest.mark.parametrize("rows, inputs, outputs", [(1, 1, 1), (3, 17, 5), (32, 70, 33), (0, 4, 6)])
def test_dense(rng, dtype, rows, inputs, outputs):
    x, w = integers(rng, (rows, inputs), dtype), integers(rng, (outputs, inputs), dtype)
    b, g = integers(rng, outputs, dtype), integers(rng, (rows, outputs), dtype)
    EXACT(tapwise.dense(x, w), x @ w.T)
    y = tapwise.dense(x, w, b)
    assert y.dtype == dtype and y.shape == (rows, outputs)
    EXACT(y, x @ w.T + b)
    gx, gw, gb = tapwise.dense_grad(g, x, w)
    EXACT(gx, g @ w)
    EXACT(gw, g.T @ x)
    EXACT(gb, g.sum(0))


def test_dense_control(rng):
    x, w, g = integers(rng, (5, 7)), integers(rng, (4, 7)), integers(rng, (5, 4))
    full = tapwise.dense_grad(g, x, w)
    for needs in itertools.product([False, True], repeat=3):
        for needed, one, other in zip(needs, tapwise.dense_grad(g, x, w, needs=needs), full, strict=True):
            assert one is None if not needed else (one == other).all()
    out = tuple(np.ones_like(a) for a in full)
    result = tapwise.dense_grad(g, x, w, needs=(False, True, True), out=(None, *out[1:]), accumulate=True)
    assert result[0] is None and result[1] is out[1] and result[2] is out[2]
    EXACT(out[1], full[1] + 1)
    EXACT(out[2], full[2] + 1)


@MEMORY
def test_dense_reads_any_memory(rng, kind):
    x, w, g = integers(rng, (5, 7)), integers(rng, (4, 7)), integers(rng, (5, 4))
    odd = [place(a, kind(2)) for a in (x, w, g)]
    EXACT(tapwise.dense(odd[0], odd[1]), x @ w.T)
    for one, other in zip(tapwise.dense_grad(odd[2], odd[0], odd[1]), tapwise.dense_grad(g, x, w), strict=True):
        EXACT(one, other)


@DTYPES
@pytest.mark.parametrize("shape", [(1,), (0,), (1000,), (3, 5), (2, 3, 4, 5), (2, 1, 3, 2, 2)])
def test_relu(rng, dtype, shape):
    x, g = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)
    y = tapwise.relu(x)
    assert y.dtype == dtype and y.shape == shape
    EXACT(y, np.maximum(x, 0))
    EXACT(tapwise.relu_grad(g, x), np.where(x > 0, g, 0))


def test_relu_at_zero_and_nan():
    x = np.array([-1, -0.0, 0.0, 1, np.nan, np.inf, -np.inf])
    EXACT(tapwise.relu(x), np.maximum(x, 0))
    EXACT(tapwise.relu_grad(np.full(7, 5.0), x)[:4], [0, 0, 0, 5])


@MEMORY
def test_relu_in_any_memory(rng, kind):
    x, g = integers(rng, (4, 5, 6)), integers(rng, (4, 5, 6))
    odd_x, odd_g = place(x, kind(3)), place(g, kind(3))
    EXACT(tapwise.relu(odd_x), np.maximum(x, 0))
    EXACT(tapwise.relu_grad(odd_g, odd_x), np.where(x > 0, g, 0))
    poison = np.full_like(x, np.nan)
    out = Placed(poison, kind(3))
    assert tapwise.relu(x, out=out.view) is out.view
    EXACT(out.view, np.maximum(x, 0))
    out.restore_and_check(poison)


def pool_by_hand(x, kernel, stride, padding, dilation):
    """Values and, for the gradient, the flat index of the first maximum of every window."""
    rank = x.ndim - 2
    out = [
        (n + 2 * p - (k - 1) * d - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    y = np.empty((*x.shape[:2], *out), x.dtype)
    where = np.empty(y.shape, int)
    for index in np.ndindex(y.shape):
        best = None
        for tap in np.ndindex(*kernel):
            at = tuple(index[2 + i] * stride[i] + tap[i] * dilation[i] - padding[i] for i in range(rank))
            inside = all(0 <= a < n for a, n in zip(at, x.shape[2:], strict=True))
            if inside and (best is None or x[index[:2] + at] > x[best]):
                best = index[:2] + at
        y[index], where[index] = x[best], np.ravel_multi_index(best, x.shape)
    return y, where


POOLS = [
    ((2, 3, 8, 9), 2, {}),
    ((1, 17, 7, 7), 3, dict(stride=2, padding=1)),
    ((1, 2, 7, 8), (3, 2), dict(stride=1)),
    ((1, 2, 7, 8), (2, 3), dict(stride=(3, 1), padding=(1, 0))),
    ((1, 4, 11, 10), 3, dict(dilation=2, stride=1)),
    ((1, 2, 9, 8), 2, dict(stride=4)),
    ((2, 5, 13), 4, {}),
    ((1, 2, 5, 6, 7), 2, {}),
    ((0, 3, 4, 4), 2, {}),
]


def per_axis(value, rank):
    return (value,) * rank if isinstance(value, int) else value


@pytest.mark.parametrize("shape, kernel, options", POOLS, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@DTYPES
def test_max_pool(rng, shape, kernel, options, last, dtype):
    rank = len(shape) - 2
    x = rng.integers(-4, 5, shape).astype(dtype)
    geometry = [
        per_axis(options.get(name, default), rank)
        for name, default in [("stride", kernel), ("padding", 0), ("dilation", 1)]
    ]
    expected, where = pool_by_hand(x, per_axis(kernel, rank), *geometry)
    layout = layouts.activation_layouts(rank)[last]
    stored = layouts.stored_as(x, layout)
    y = tapwise.max_pool(stored, kernel, layout=layout, **options)
    assert y.dtype == dtype
    EXACT(layouts.to_canonical(y, layout), expected)

    grad = rng.integers(-4, 5, expected.shape).astype(dtype)
    dx = np.zeros(x.size, dtype)
    np.add.at(dx, where.ravel(), grad.ravel())
    result = tapwise.max_pool_grad(layouts.stored_as(grad, layout), stored, kernel, layout=layout, **options)
    EXACT(layouts.to_canonical(result, layout), dx.reshape(shape))


@MEMORY
def test_max_pool_in_any_memory(rng, kind):
    x, g = integers(rng, (2, 3, 8, 9)), integers(rng, (2, 3, 4, 4))
    odd_x, odd_g = place(x, kind(4)), place(g, kind(4))
    expected = tapwise.max_pool(x, 2)
    EXACT(tapwise.max_pool(odd_x, 2), expected)
    EXACT(tapwise.max_pool_grad(odd_g, odd_x, 2), tapwise.max_pool_grad(g, x, 2))
    poison = np.full_like(expected, np.nan)
    out = Placed(poison, kind(4))
    assert tapwise.max_pool(x, 2, out=out.view) is out.view
    EXACT(out.view, expected)
    out.restore_and_check(poison)
    poison = np.full_like(x, np.nan)
    out = Placed(poison, kind(4))
    assert tapwise.max_pool_grad(g, x, 2, out=out.view) is out.view
    EXACT(out.view, tapwise.max_pool_grad(g, x, 2))
    out.restore_and_check(poison)


def test_max_pool_all_negative_and_nan():
    x = np.full((1, 1, 2, 2), -np.inf, np.float32)
    EXACT(tapwise.max_pool(x, 2, padding=1, stride=2), np.full((1, 1, 2, 2), -np.inf))
    x[0, 0, 0, 1] = np.nan
    assert np.isnan(tapwise.max_pool(x, 2)).all()


@DTYPES
def test_softmax_cross_entropy(rng, dtype):
    logits = rng.standard_normal((6, 5)).astype(dtype) * 5
    labels = np.array([0, 4, 2, 2, 1, 3])
    loss, grad = tapwise.softmax_cross_entropy(logits, labels)
    p = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    assert isinstance(loss, float)
    assert loss == pytest.approx(-np.log(p[range(6), labels]).mean(), rel=rtol)
    p[range(6), labels] -= 1
    assert grad.dtype == dtype
    np.testing.assert_allclose(grad, p / 6, rtol=0, atol=rtol)


def test_softmax_cross_entropy_of_huge_logits():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    loss, grad = tapwise.softmax_cross_entropy(logits, np.array([0, 1]))
    assert loss == 0 and not grad.any()
    loss, grad = tapwise.softmax_cross_entropy(logits, np.array([1, 0]))
    assert loss == pytest.approx(2e4)
    assert np.isfinite(grad).all()


class Foreign(np.ndarray):
    """A subclass that computes otherwise."""

    def __array_ufunc__(self, *arguments, **options):
        return None


def test_dense_computes_with_the_numbers_of_a_subclass(rng):
    x, w, grad = rng.standard_normal((3, 4)), rng.standard_normal((5, 4)), rng.standard_normal((3, 5))
    out = np.zeros((3, 5)).view(Foreign)
    EXACT(np.asarray(tapwise.dense(x.view(Foreign), w, out=out)), tapwise.dense(x, w))
    for got, expected in zip(tapwise.dense_grad(grad.view(Foreign), x, w), tapwise.dense_grad(grad, x, w), strict=True):
        EXACT(np.asarray(got), expected)


def test_dense_is_silent_about_infinities():
    x, w = np.array([[np.inf, -np.inf]], "f"), np.full((2, 2), 3e38, "f")
    with np.errstate(all="raise"):
        assert np.isnan(tapwise.dense(x, w)).all()
        assert np.isinf(tapwise.dense_grad(w, w, w)[0]).all()
