"""conv_backward through a fused ReLU, and conv_transpose_backward: against finite differences and the oracle."""

import layouts
import numpy as np
import oracle
import problems
import pytest
from geometries import CASES, COMPACT

import tapwise

EXACT = np.testing.assert_array_equal


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_through_relu_is_the_gradient_of_what_relu_lets_pass(case, dtype):
    p = problems.integer_problem(case)
    x, w, b, grad = (a.astype(dtype) for a in (p.x, p.w, p.b, p.grad))
    y = tapwise.conv(x, w, b, activation="relu", **case.options)
    passed = np.where(y > 0, grad, 0)
    right = (
        oracle.conv_input_grad(passed, w, x.shape[2:], **case.options),
        oracle.conv_weight_grad(passed, x, w.shape[2:], **case.options),
        oracle.conv_bias_grad(passed),
    )
    for layout in layouts.activation_layouts(case.rank):
        x_, grad_, y_ = (layouts.stored_as(a, layout) for a in (x, grad, y))
        # y lies as the result of the forward pass does, or in another order.
        for y__ in (y_, np.asfortranarray(y_)):
            dx, dw, db = tapwise.conv_backward(grad_, x_, w, activation="relu", y=y__, layout=layout, **case.options)
            for got, expected in zip((layouts.to_canonical(dx, layout), dw, db), right, strict=True):
                EXACT(got, expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_loss_goes_down_the_gradient(rng, threads):
    """What the README's readers would write, against finite differences."""
    x, w, b = rng.standard_normal((2, 3, 8, 7)), rng.standard_normal((5, 3, 3, 3)), rng.standard_normal(5)
    probe = rng.standard_normal((2, 5, 8, 7))

    def loss(x, w, b):
        return (tapwise.conv2d(x, w, b, padding="same", activation="relu") * probe).sum()

    y = tapwise.conv2d(x, w, b, padding="same", activation="relu")
    gradients = tapwise.conv_backward(probe, x, w, padding="same", activation="relu", y=y, threads=threads)
    for i, gradient in enumerate(gradients):
        for _ in range(10):
            step = np.zeros_like((x, w, b)[i])
            at = rng.integers(step.size)
            step.flat[at] = 1e-6
            ahead, behind = ([a + s * step if j == i else a for j, a in enumerate((x, w, b))] for s in (1, -1))
            np.testing.assert_allclose(gradient.flat[at], (loss(*ahead) - loss(*behind)) / 2e-6, rtol=1e-5, atol=1e-5)


def test_through_relu_into_out_and_onto_it(rng):
    x, w, grad, y = (rng.integers(-3, 4, s).astype("f") for s in ((2, 3, 9), (20, 3, 3), (2, 20, 7), (2, 20, 7)))
    right = tapwise.conv_backward(np.where(y > 0, grad, 0), x, w)
    out = tuple(np.ones_like(g) for g in right)
    got = tapwise.conv_backward(grad, x, w, activation="relu", y=y, out=out, accumulate=True)
    for given, result, expected in zip(out, got, right, strict=True):
        assert given is result
        EXACT(result, expected + 1)
    (dw,) = (
        g
        for g in tapwise.conv_backward(grad, x, w, activation="relu", y=y, needs=(False, True, False))
        if g is not None
    )
    EXACT(dw, right[1])


def test_a_gradient_passes_where_y_is_nan():
    nan = np.nan
    y, grad = np.array([[[nan, 0, 2, -0.0]]], "f"), np.array([[[1, 2, 4, 8]]], "f")
    dx, dw, db = tapwise.conv_backward(grad, np.ones_like(grad), np.ones((1, 1, 1), "f"), activation="relu", y=y)
    EXACT(dx, [[[1, 0, 4, 0]]])
    assert dw == db == 5


def test_nothing_large_is_allocated_through_relu():
    import tracemalloc

    x, w = np.ones((4, 16, 64, 64), "f"), np.ones((16, 16, 3, 3), "f")
    y = tapwise.conv(x, w, padding=1, activation="relu")
    out = np.empty_like(x), np.empty_like(w), np.empty(16, "f")
    tracemalloc.start()
    tapwise.conv_backward(y, x, w, padding=1, activation="relu", y=y.copy(), out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * y.nbytes  # the copy, made here


@pytest.mark.parametrize(
    "options, message",
    [
        ({"activation": "relu"}, "needs y"),
        ({"y": "y"}, "activation is None"),
        ({"activation": "gelu", "y": "y"}, 'activation must be None or "relu"'),
        ({"activation": "relu", "y": "wrong"}, r"y must have the shape of grad, \(1, 2, 4\), got \(1, 2, 5\)"),
        ({"activation": "relu", "y": "y", "out": "y"}, r"out\[0\] must not overlap y"),
    ],
)
def test_what_does_not_fit(options, message):
    grad = np.ones((1, 2, 4), "f")
    arrays = {"y": np.ones((1, 2, 4), "f"), "wrong": np.ones((1, 2, 5), "f")}
    given = {k: arrays.get(v, v) for k, v in options.items()}
    if "out" in given:
        given["out"] = (arrays["y"], None, None)
    with pytest.raises(ValueError, match=message):
        tapwise.conv_backward(grad, np.ones((1, 2, 4), "f"), np.ones((2, 2, 1), "f"), **given)


TRANSPOSED = [c for c in COMPACT if not isinstance(c.options.get("padding", 0), str)]


@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_transposed_is_linear_in_each_operand(case, last, rng):
    """<conv_transpose(x, w) + b, g> = <x, dx> + <b, db> = <w, dw> + <b, db>, in integers to the bit."""
    layout = layouts.activation_layouts(case.rank)[last]
    p = problems.integer_problem(case)
    x, w = p.grad.astype("f"), p.w.astype("f")
    options = case.options | {"layout": layout}
    x = layouts.stored_as(x, layout)
    y = tapwise.conv_transpose(x, w, **options)
    g = rng.integers(-3, 4, y.shape).astype("f")
    dx, dw, db = tapwise.conv_transpose_backward(g, x, w, **options)
    assert dx.shape == x.shape and dw.shape == w.shape
    left = (y * g).sum(dtype=float)
    assert left == (x * dx).sum(dtype=float) == (w * dw).sum(dtype=float)
    EXACT(db, layouts.to_canonical(g, layout).sum((0, *range(2, g.ndim))))


def test_output_padding_beyond_the_stride():
    """Outputs that only positions past the end of x would reach: no weight gradient of conv says what theirs is."""
    torch = pytest.importorskip("torch")
    geometry = dict(stride=(3, 2), padding=(1, 1), dilation=4, output_padding=(2, 3), groups=2)
    x, w, b = (np.random.default_rng(0).integers(-3, 4, s).astype("f") for s in ((2, 4, 5, 6), (4, 3, 3, 2), (6,)))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = torch.nn.functional.conv_transpose2d(*tensors, **geometry)
    EXACT(tapwise.conv_transpose(x, w, b, **geometry), y.detach())
    grad = np.random.default_rng(1).integers(-3, 4, y.shape).astype("f")
    y.backward(torch.tensor(grad))
    for got, tensor in zip(tapwise.conv_transpose_backward(grad, x, w, **geometry), tensors, strict=True):
        EXACT(got, tensor.grad)


def test_transposed_gradients_one_by_one(rng):
    x, w = rng.integers(-3, 4, (2, 3, 5)).astype("f"), rng.integers(-3, 4, (3, 2, 4)).astype("f")
    grad = rng.integers(-3, 4, tapwise.conv_transpose(x, w, stride=2).shape).astype("f")
    together = tapwise.conv_transpose_backward(grad, x, w, stride=2)
    for i in range(3):
        needs = tuple(j == i for j in range(3))
        out = tuple(np.ones_like(g) if n else None for g, n in zip(together, needs, strict=True))
        alone = tapwise.conv_transpose_backward(grad, x, w, stride=2, needs=needs, out=out, accumulate=True)
        assert alone[i] is out[i] and [g is None for g in alone].count(True) == 2
        EXACT(alone[i], together[i] + 1)
    with pytest.raises(ValueError, match=r"grad must have the shape of the output, \(2, 2, 12\)"):
        tapwise.conv_transpose_backward(grad[..., 1:], x, w, stride=2)
