"""Bad `out` arrays, in every function that takes one; and none is written to before an error."""

import re

import numpy as np
import pytest
from refusal import refused

import tapwise


def f32(*shape):
    return np.ones(shape, np.float32)


X, W, B, GRAD = f32(2, 6, 9, 10), f32(8, 6, 3, 3), f32(8), f32(2, 8, 7, 8)
ONE = f32(3, 3, 1, 1)
POOLED = f32(2, 6, 4, 5)
ROWS, DENSE, DENSE_GRAD = f32(4, 6), f32(8, 6), f32(4, 8)

# name -> the call and the inputs that out may not overlap
CALLS = {
    "conv": (lambda out: tapwise.conv(X, W, B, out=out), [X, W, B]),
    "plan": (lambda out: tapwise.Plan(X.shape, W, B)(X, out=out), [X]),
    "input_grad": (lambda out: tapwise.conv_input_grad(GRAD, W, X.shape, out=out), [GRAD, W]),
    "weight_grad": (lambda out: tapwise.conv_weight_grad(GRAD, X, (3, 3), out=out), [GRAD, X]),
    "bias_grad": (lambda out: tapwise.conv_bias_grad(GRAD, out=out), [GRAD]),
    "transpose": (lambda out: tapwise.conv_transpose(GRAD, W, out=out), [GRAD, W]),
    "backward-0": (lambda out: tapwise.conv_backward(GRAD, X, W, out=(out, None, None))[0], [X]),
    "backward-1": (lambda out: tapwise.conv_backward(GRAD, X, W, out=(None, out, None))[1], [W]),
    "backward-2": (lambda out: tapwise.conv_backward(GRAD, X, W, out=(None, None, out))[2], [X]),
    "max_pool": (lambda out: tapwise.max_pool(X, 2, out=out), [X]),
    "max_pool_grad": (lambda out: tapwise.max_pool_grad(POOLED, X, 2, out=out), [POOLED, X]),
    "dense": (lambda out: tapwise.dense(ROWS, DENSE, B, out=out), [ROWS, DENSE, B]),
    "dense_grad": (
        lambda out: tapwise.dense_grad(DENSE_GRAD, ROWS, DENSE, out=(out, None, None))[0],
        [DENSE_GRAD, DENSE],
    ),
}
EVERY = pytest.mark.parametrize("call, inputs", CALLS.values(), ids=CALLS)


@EVERY
def test_shape(call, inputs):
    right = call(None).shape
    for wrong in ((*right[:-1], right[-1] + 1), (*right, 1), right[1:]):
        out = np.full(wrong, 7, np.float32)
        pieces = [re.escape(str(shape)) for shape in (right, wrong)]
        refused(ValueError, lambda out=out: call(out), "out", *pieces)
        assert (out == 7).all()


@EVERY
def test_dtype(call, inputs):
    for dtype in (np.float64, np.int32, np.float16, ">f4"):
        out = np.full(call(None).shape, 7, dtype)
        refused(TypeError, lambda out=out: call(out), "out", "float32")
        assert (out == 7).all()


@EVERY
def test_not_writable(call, inputs):
    out = np.full(call(None).shape, 7, np.float32)
    out.flags.writeable = False
    refused(ValueError, lambda: call(out), "out", "writ|read-only")
    assert (out == 7).all()


@EVERY
def test_not_an_array(call, inputs):
    for out in (call(None).tolist(), 1.0, "out"):
        refused(TypeError, lambda out=out: call(out), "out")


def overlapping(shape, target):
    """A view of the result's shape whose last element is the target's first: one shared number."""
    size = int(np.prod(shape))
    buffer = np.ones(size - 1 + target.size, np.float32)
    moved = buffer[size - 1 :].reshape(target.shape)
    moved[...] = target
    return buffer[:size].reshape(shape), moved


@pytest.mark.parametrize("which", [0, 1, 2])
def test_conv_out_overlapping_one_number_of_an_input(which):
    shape = tapwise.conv(X, W, B).shape
    operands = [X, W, B]
    out, operands[which] = overlapping(shape, operands[which])
    before = out.copy()
    name = ("x", "weight", "bias")[which]
    refused(ValueError, lambda: tapwise.conv(*operands, out=out), "out", "overlap", rf"\b{name}\b")
    np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize(
    "name, call",
    [
        ("conv", lambda x, out: tapwise.conv(x, ONE, out=out)),
        ("reversed", lambda x, out: tapwise.conv(x, ONE, out=out[:, ::-1])),
        ("input_grad", lambda x, out: tapwise.conv_input_grad(x, ONE, x.shape, out=out)),
        ("transpose", lambda x, out: tapwise.conv_transpose(x, ONE, out=out)),
    ],
)
def test_in_place_is_refused(name, call):
    x = f32(1, 3, 5, 5)
    refused(ValueError, lambda: call(x, x), "out", "overlap")
    assert (x == 1).all()


def test_gradients_overlapping_their_inputs():
    grad, x, w = GRAD.copy(), X.copy(), W.copy()
    refused(
        ValueError,
        lambda: tapwise.conv_weight_grad(grad, x, (3, 3), out=grad.ravel()[:432].reshape(W.shape)),
        "out",
        "overlap",
        "grad",
    )
    refused(
        ValueError,
        lambda: tapwise.conv_backward(grad, x, w, out=(x, None, None)),
        "out",
        "overlap",
    )
    refused(
        ValueError,
        lambda: tapwise.conv_backward(grad, x, w, out=(None, w, None)),
        "out",
        "overlap",
    )
    refused(ValueError, lambda: tapwise.conv_bias_grad(grad, out=grad[0, :, 0, 0]), "out", "overlap")
    assert (grad == 1).all() and (x == 1).all() and (w == 1).all()


def test_two_outs_of_one_backward_may_not_overlap():
    both = np.full(X.size + W.size - 1, 7, np.float32)
    out = both[: X.size].reshape(X.shape), both[X.size - 1 :].reshape(W.shape), None
    refused(ValueError, lambda: tapwise.conv_backward(GRAD, X, W, out=out), "out", "overlap")
    assert (both == 7).all()


def test_backward_checks_every_out_before_it_writes_to_one():
    first, wrong = np.full_like(X, 7), np.full((8, 6, 3, 4), 7, np.float32)
    refused(ValueError, lambda: tapwise.conv_backward(GRAD, X, W, out=(first, wrong, None)), "out")
    assert (first == 7).all() and (wrong == 7).all()


@pytest.mark.parametrize(
    "options",
    [
        dict(stride=0),
        dict(padding=-1),
        dict(dilation=2**62),
        dict(groups=5),
        dict(layout="NHWC"),
        dict(weight_layout="HWIO"),
        dict(padding="middle"),
        dict(threads=0),
        dict(algorithm="fft"),
        dict(stride=2),
    ],
    ids=str,
)
def test_out_is_untouched_after_any_other_error(options):
    out, dx, dw = (np.full_like(a, 7) for a in (GRAD, X, W))
    refused(ValueError, lambda: tapwise.conv(X, W, out=out, **options))
    refused(ValueError, lambda: tapwise.conv_input_grad(GRAD, W, X.shape, out=dx, **options))
    refused(ValueError, lambda: tapwise.conv_weight_grad(GRAD, X, (3, 3), out=dw, **options))
    refused(ValueError, lambda: tapwise.conv_backward(GRAD, X, W, out=(dx, dw, None), **options))
    for array in (out, dx, dw):
        assert (array == 7).all()


def test_a_bad_bias_is_found_before_out_is_written():
    out = np.full_like(GRAD, 7)
    refused(ValueError, lambda: tapwise.conv(X, W, f32(9), out=out), "bias")
    refused(TypeError, lambda: tapwise.conv(X, W, B.astype(float), out=out), "bias")
    assert (out == 7).all()
