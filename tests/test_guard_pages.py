"""No pass reads or writes one byte beside its arrays: the neighbouring pages are off limits."""

import sys

import layouts
import numpy as np
import oracle
import problems
import pytest
from geometries import CASES
from guard_pages import guarded, guarded_along

import tapwise

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses Linux's mmap and mprotect")

AFFORDABLE = [c for c in CASES if np.prod(c.x) * np.prod(c.w[2:]) < 3e5]
SIDES = pytest.mark.parametrize("side", ["before", "after"])


def guarded_operands(case, side, last, dtype):
    p = problems.integer_problem(case)
    layout = layouts.activation_layouts(case.rank)[last]
    x, grad = (guarded(layouts.stored_as(a.astype(dtype), layout), side) for a in (p.x, p.grad))
    return p, layout, x, guarded(p.w.astype(dtype), side), guarded(p.b.astype(dtype), side), grad


def like(array, side):
    return guarded(np.full(array.shape, np.nan, array.dtype), side)


@pytest.mark.parametrize("case", AFFORDABLE, ids=str)
@SIDES
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_every_pass(case, side, last, dtype):
    p, layout, x, w, b, grad = guarded_operands(case, side, last, dtype)
    options = case.options | {"layout": layout, "threads": 2}
    y = tapwise.conv(x, w, b, out=like(grad, side), **options)
    np.testing.assert_array_equal(layouts.to_canonical(y, layout), p.expected("forward"))
    dx = tapwise.conv_input_grad(grad, w, x.shape, out=like(x, side), **options)
    np.testing.assert_array_equal(layouts.to_canonical(dx, layout), p.expected("input_grad"))
    dw = tapwise.conv_weight_grad(grad, x, case.w[2:], out=like(w, side), **options)
    np.testing.assert_array_equal(dw, p.expected("weight_grad"))
    db = tapwise.conv_bias_grad(grad, layout=layout, out=like(b, side), threads=2)
    np.testing.assert_array_equal(db, p.expected("bias_grad"))
    outs = like(x, side), like(w, side), like(b, side)
    tapwise.conv_backward(grad, x, w, out=outs, **options)
    np.testing.assert_array_equal(layouts.to_canonical(outs[0], layout), p.expected("input_grad"))


@SIDES
@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1), (0, 3, 1, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_memory_order(rng, side, order, stride):
    def integers(*shape):
        return rng.integers(-3, 4, shape).astype(np.float32)

    x, w, options = integers(2, 5, 9, 11), integers(7, 5, 3, 2), dict(stride=stride, padding=1)
    y = oracle.conv(x, w, **options)
    grad = integers(*y.shape)
    gx, gw, gg = (guarded_along(a, side, order) for a in (x, w, grad))
    poison = [guarded_along(np.full_like(a, np.nan), side, order) for a in (grad, x, w)]
    np.testing.assert_array_equal(tapwise.conv(gx, gw, out=poison[0], **options), y)
    tapwise.conv_input_grad(gg, gw, x.shape, out=poison[1], **options)
    np.testing.assert_array_equal(poison[1], oracle.conv_input_grad(grad, w, x.shape[2:], **options))
    tapwise.conv_weight_grad(gg, gx, (3, 2), out=poison[2], **options)
    np.testing.assert_array_equal(poison[2], oracle.conv_weight_grad(grad, x, (3, 2), **options))


@SIDES
def test_reversed_views(rng, side):
    x = rng.integers(-3, 4, (1, 4, 8, 9)).astype(np.float32)
    w = rng.integers(-3, 4, (5, 4, 3, 3)).astype(np.float32)
    back = (slice(None, None, -1),) * 4
    y = tapwise.conv(guarded(x, side)[back], guarded(w, side)[back], padding=1)
    np.testing.assert_array_equal(y, oracle.conv(x[back], w[back], padding=1))


@SIDES
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed(rng, side, stride):
    x = rng.integers(-3, 4, (2, 5, 6, 7)).astype(np.float32)
    w = rng.integers(-3, 4, (5, 9, 3, 3)).astype(np.float32)
    expected = oracle.conv_transpose(x, w, stride=stride)
    out = like(expected.astype(np.float32), side)
    tapwise.conv_transpose(guarded(x, side), guarded(w, side), stride=stride, out=out)
    np.testing.assert_array_equal(out, expected)


@SIDES
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 33])
def test_layer_functions(rng, side, size):
    def integers(*shape):
        return guarded(rng.integers(-3, 4, shape).astype(np.float32), side)

    x, w, g = integers(3, size), integers(5, size), integers(3, 5)
    np.testing.assert_array_equal(tapwise.dense(x, w, out=like(g, side)), x @ w.T)
    grads = tapwise.dense_grad(g, x, w, out=(like(x, side), like(w, side), integers(5)))
    np.testing.assert_array_equal(grads[1], g.T @ x)
    np.testing.assert_array_equal(tapwise.relu(x, out=like(x, side)), np.maximum(x, 0))
    image, grad = integers(1, 2, 2, size + 1), integers(1, 2, 1, (size + 1) // 2)
    pooled = tapwise.max_pool(image, 2, out=like(grad, side))
    assert pooled.max() == image[..., : (size + 1) // 2 * 2].max()
    dx = tapwise.max_pool_grad(grad, image, 2, out=like(image, side))
    assert dx.sum() == grad.sum()


@SIDES
@pytest.mark.parametrize("taps", [1, 5, 16, 33])
def test_signals(rng, side, taps):
    a = guarded(rng.integers(-3, 4, 50).astype(np.float32), side)
    v = guarded(rng.integers(-3, 4, taps).astype(np.float32), side)
    np.testing.assert_array_equal(tapwise.convolve(a, v), np.convolve(a, v))
    np.testing.assert_array_equal(tapwise.correlate(a, v), np.correlate(a, v))
