"""What must hold between the functions, whatever the numbers: checked without the oracle."""

import layouts
import numpy as np
import problems
import pytest
from geometries import CASES, COMPACT

import tapwise

EXACT = np.testing.assert_array_equal


def data(case, dtype=np.float64):
    p = problems.integer_problem(case)
    return (a.astype(dtype) for a in (p.x, p.w, p.b, p.grad))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_adjoint(case):
    """<conv(x, w) + b, g> = <x, dx> + <b, db> = <w, dw> + <b, db>, in integers to the bit."""
    x, w, b, g = data(case)
    dx, dw, db = tapwise.conv_backward(g, x, w, **case.options)
    y = tapwise.conv(x, w, b, **case.options)
    left = (y * g).sum() - (b * db).sum()
    assert left == (x * dx).sum() == (w * dw).sum()


@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_linear_in_each_operand(case, rng):
    x, w, b, _ = data(case)
    x2, w2 = (rng.integers(-3, 4, a.shape).astype(float) for a in (x, w))
    options = case.options
    y = tapwise.conv(x, w, **options)
    EXACT(tapwise.conv(2 * x - 3 * x2, w, **options), 2 * y - 3 * tapwise.conv(x2, w, **options))
    EXACT(tapwise.conv(x, 2 * w - 3 * w2, **options), 2 * y - 3 * tapwise.conv(x, w2, **options))
    EXACT(tapwise.conv(x, w, b, **options), y + b.reshape(-1, *[1] * case.rank))
    EXACT(tapwise.conv(0 * x, w, b, **options)[0].reshape(len(b), -1)[:, 0], b)


GROUPED = [c for c in CASES if "groups" in c.options]


@pytest.mark.parametrize("case", GROUPED, ids=str)
def test_grouped_is_split_and_concatenated(case):
    x, w, b, g = data(case, np.float32)
    groups = case.options["groups"]
    plain = {k: v for k, v in case.options.items() if k != "groups"}
    parts = zip(
        np.split(x, groups, 1),
        np.split(w, groups),
        np.split(b, groups),
        np.split(g, groups, 1),
        strict=True,
    )
    ys, dxs, dws, dbs = [], [], [], []
    for xi, wi, bi, gi in parts:
        ys.append(tapwise.conv(xi, wi, bi, **plain))
        dx, dw, db = tapwise.conv_backward(gi, xi, wi, **plain)
        dxs.append(dx), dws.append(dw), dbs.append(db)
    EXACT(tapwise.conv(x, w, b, **case.options), np.concatenate(ys, 1))
    dx, dw, db = tapwise.conv_backward(g, x, w, **case.options)
    EXACT(dx, np.concatenate(dxs, 1))
    EXACT(dw, np.concatenate(dws))
    EXACT(db, np.concatenate(dbs))


@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_flip_is_the_reversed_kernel(case):
    x, w, b, g = data(case, np.float32)
    spatial = tuple(range(2, w.ndim))
    turned = case.options | {"flip": not case.options.get("flip", False)}
    back = np.flip(w, spatial)
    EXACT(tapwise.conv(x, w, b, **turned), tapwise.conv(x, back, b, **case.options))
    dx, dw, db = tapwise.conv_backward(g, x, w, **turned)
    dx2, dw2, db2 = tapwise.conv_backward(g, x, back, **case.options)
    EXACT(dx, dx2)
    EXACT(dw, np.flip(dw2, spatial))
    EXACT(db, db2)


@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_batch_items_are_independent(case, rng):
    x, w, b, _ = data(case, np.float32)
    x = np.concatenate([x, rng.integers(-3, 4, x.shape).astype(np.float32)])
    whole = tapwise.conv(x, w, b, **case.options)
    for n in range(len(x)):
        EXACT(tapwise.conv(x[n : n + 1], w, b, **case.options)[0], whole[n])


@pytest.mark.parametrize("axis", [2, 3])
def test_translation_moves_the_output(rng, axis):
    x = rng.integers(-3, 4, (1, 5, 20, 21)).astype(np.float32)
    w = rng.integers(-3, 4, (6, 5, 3, 3)).astype(np.float32)
    for shift in (1, 4):
        y = tapwise.conv(np.roll(x, shift * 2, axis), w, stride=2, dilation=2)
        expected = tapwise.conv(x, w, stride=2, dilation=2)
        inside = [slice(None)] * 4
        inside[axis] = slice(shift, None)
        EXACT(y[tuple(inside)], np.roll(expected, shift, axis)[tuple(inside)])


@pytest.mark.parametrize("case", COMPACT, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_backward_is_the_three_gradients(case, last):
    layout = layouts.activation_layouts(case.rank)[last]
    x, w, _, g = data(case, np.float32)
    x, g = layouts.stored_as(x, layout), layouts.stored_as(g, layout)
    options = case.options | {"layout": layout}
    alone = (
        tapwise.conv_input_grad(g, w, x.shape, **options),
        tapwise.conv_weight_grad(g, x, w.shape[2:], **options),
        tapwise.conv_bias_grad(g, layout=layout),
    )
    for bits in range(8):
        needs = tuple(bool(bits >> i & 1) for i in range(3))
        together = tapwise.conv_backward(g, x, w, needs=needs, **options)
        assert isinstance(together, tuple) and len(together) == 3
        for needed, one, other in zip(needs, together, alone, strict=True):
            if needed:
                EXACT(one, other)
            else:
                assert one is None


@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_accumulate_adds_into_out(case, rng):
    x, w, b, g = data(case, np.float32)
    _, dw, db = tapwise.conv_backward(g, x, w, **case.options)
    start_w, start_b = (rng.integers(-9, 10, a.shape).astype(np.float32) for a in (w, b))
    out_w, out_b = start_w.copy(), start_b.copy()
    result = tapwise.conv_weight_grad(g, x, w.shape[2:], out=out_w, accumulate=True, **case.options)
    assert result is out_w
    EXACT(out_w, start_w + dw)
    assert tapwise.conv_bias_grad(g, out=out_b, accumulate=True) is out_b
    EXACT(out_b, start_b + db)
    out_w[...], out_b[...] = start_w, start_b
    together = tapwise.conv_backward(
        g,
        x,
        w,
        needs=(False, True, True),
        out=(None, out_w, out_b),
        accumulate=True,
        **case.options,
    )
    assert together[0] is None and together[1] is out_w and together[2] is out_b
    EXACT(out_w, start_w + dw)
    EXACT(out_b, start_b + db)


@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_backward_accumulates_all_three(case, rng):
    x, w, b, g = data(case, np.float32)
    grads = tapwise.conv_backward(g, x, w, **case.options)
    starts = [rng.integers(-9, 10, a.shape).astype(np.float32) for a in (x, w, b)]
    out = tuple(start.copy() for start in starts)
    tapwise.conv_backward(g, x, w, out=out, accumulate=True, **case.options)
    for one, start, grad in zip(out, starts, grads, strict=True):
        EXACT(one, start + grad)


@pytest.mark.parametrize("case", COMPACT, ids=str)
def test_backward_into_out(case):
    x, w, b, g = data(case, np.float32)
    expected = tapwise.conv_backward(g, x, w, **case.options)
    out = tuple(np.full_like(a, np.nan) for a in (x, w, b))
    result = tapwise.conv_backward(g, x, w, out=out, **case.options)
    for one, other, value in zip(result, out, expected, strict=True):
        assert one is other
        EXACT(one, value)
