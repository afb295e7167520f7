"""Whose memory is read, written and returned."""

import itertools

import numpy as np
import oracle
import pytest
from odd_memory import KINDS, Placed, place

import tapwise

EXACT = np.testing.assert_array_equal
MEMORY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def integers(rng, *shape, dtype=np.float32):
    return rng.integers(-3, 4, shape).astype(dtype)


@pytest.fixture
def example(rng):
    x, w, b = integers(rng, 2, 5, 9, 8), integers(rng, 7, 5, 3, 3), integers(rng, 7)
    return x, w, b, integers(rng, 2, 7, 7, 6)


def calls(x, w, b, grad):
    """Every function that takes out=, as name -> f(**out)."""
    return {
        "conv": lambda **k: tapwise.conv(x, w, b, **k),
        "input_grad": lambda **k: tapwise.conv_input_grad(grad, w, x.shape, **k),
        "weight_grad": lambda **k: tapwise.conv_weight_grad(grad, x, (3, 3), **k),
        "bias_grad": lambda **k: tapwise.conv_bias_grad(grad, **k),
        "transpose": lambda **k: tapwise.conv_transpose(grad, w, **k),
        "relu": lambda **k: tapwise.relu(x, **k),
        "max_pool": lambda **k: tapwise.max_pool(x, 2, **k),
        "dense": lambda **k: tapwise.dense(x[0, 0], w[:, :, 0, 0].repeat(2, 1)[:, :8], b, **k),
    }


FUNCTIONS = pytest.mark.parametrize("name", calls(*[None] * 4))


@FUNCTIONS
def test_a_result_is_new_and_the_callers_own(example, name):
    call = calls(*example)[name]
    first = call()
    assert type(first) is np.ndarray and first.flags.writeable and first.flags.aligned
    assert not any(np.shares_memory(first, a) for a in example)
    kept = first.copy()
    second = call()
    assert not np.shares_memory(first, second)
    second[...] = -1
    EXACT(first, kept)


@FUNCTIONS
def test_out_is_returned_itself_and_fully_overwritten(example, name):
    call = calls(*example)[name]
    expected = call()
    out = np.full_like(expected, np.nan)
    assert call(out=out) is out
    EXACT(out, expected)


@FUNCTIONS
@MEMORY
def test_out_in_any_memory(example, name, kind):
    call = calls(*example)[name]
    expected = call()
    poison = np.full_like(expected, np.nan)
    out = Placed(poison, kind(expected.ndim))
    assert call(out=out.view) is out.view
    EXACT(out.view, expected)
    out.restore_and_check(poison)


@FUNCTIONS
@MEMORY
def test_inputs_in_any_memory(example, name, kind):
    odd = []
    for a in example:
        view = place(a, kind(a.ndim))
        view.flags.writeable = False
        odd.append(view)
    EXACT(calls(*odd)[name](), calls(*example)[name]())


@FUNCTIONS
def test_out_is_untouched_after_an_error(example, name):
    call = calls(*example)[name]
    wrong = np.full((*call().shape[:-1], call().shape[-1] + 1), 7, np.float32)
    with pytest.raises(ValueError, match="out"):
        call(out=wrong)
    assert (wrong == 7).all()
    right = np.full(call().shape, 7, np.float32)
    with pytest.raises(ValueError, match="threads"):
        call(out=right, threads=0)
    assert (right == 7).all()


def test_numpy_made_views(rng):
    x, w = integers(rng, 2, 6, 10, 12), integers(rng, 4, 6, 3, 3)
    record = np.zeros(x.shape, np.dtype([("tag", "u1"), ("value", "f4")]))
    record["value"] = x
    assert record["value"].strides[-1] == 5
    raw = np.zeros(x.nbytes + 1, np.uint8)
    shifted = raw[1:].view(np.float32).reshape(x.shape)
    shifted[...] = x
    assert not shifted.flags.aligned
    sliding = np.lib.stride_tricks.sliding_window_view(integers(rng, 2, 6, 40), 12, axis=2)
    views = [
        np.asfortranarray(x),
        x[::-1, ::-1, ::-1, ::-1],
        x[:, :, ::2, ::3],
        x.swapaxes(0, 1)[:, :1].swapaxes(0, 1),
        record["value"],
        shifted,
        np.broadcast_to(x[:, :1], x.shape),
        np.broadcast_to(x[0, 0, 0, 0], x.shape),
        np.broadcast_to(x[:, :, :, :1], x.shape),
        sliding,
    ]
    for view in views:
        y = oracle.conv(view, w, padding=1)
        grad = integers(rng, *y.shape)
        EXACT(tapwise.conv(view, w, padding=1), y)
        EXACT(
            tapwise.conv_weight_grad(grad, view, (3, 3), padding=1),
            oracle.conv_weight_grad(grad, view, (3, 3), padding=1),
        )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_the_result_has_the_memory_order_of_x(rng, order):
    x = np.ascontiguousarray(integers(rng, 2, 3, 6, 7).transpose(order)).transpose(np.argsort(order))
    w = integers(rng, 4, 3, 2, 3)
    for y in (tapwise.conv(x, w), tapwise.conv_transpose(x, w.swapaxes(0, 1))):
        assert tuple(np.argsort(y.strides)) == tuple(np.argsort(x.strides))
        assert y.transpose(order).flags.c_contiguous


def test_the_memory_order_of_a_view_that_is_not_dense(rng):
    channels_last = integers(rng, 2, 18, 20, 9)[:, ::2, 1:-2, ::-3].transpose(0, 3, 1, 2)
    y = tapwise.conv(channels_last, integers(rng, 4, 3, 3, 3))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_out_between_inputs_of_one_buffer(rng):
    """Neighbours that interleave without sharing a byte do not overlap."""
    both = np.zeros((1, 4, 6, 16), np.float32)
    x, out = both[..., ::2], both[..., 1::2]
    x[...] = integers(rng, *x.shape)
    w = integers(rng, 4, 4, 3, 3)
    expected = tapwise.conv(x.copy(), w, padding=1)
    tapwise.conv(x, w, padding=1, out=out)
    EXACT(out, expected)


def test_the_same_array_as_two_inputs(rng):
    a = integers(rng, 2, 2, 3, 3)
    EXACT(tapwise.conv(a, a, padding=1), oracle.conv(a, a, padding=1))


def test_an_input_may_die_before_its_result(rng):
    x, w = integers(rng, 2, 3, 6, 7), integers(rng, 4, 3, 2, 3)
    y = tapwise.conv(x, w)
    kept = y.copy()
    x[...] = np.nan
    del x, w
    EXACT(y, kept)


def test_what_cannot_be_allocated_is_a_memory_error():
    """2**48 bytes are beyond every address space, overcommitted or not."""
    far, x = 2**38, np.ones((1, 1, 3), np.float32)
    many, wide = np.ones((128, 1, 3), np.float32), np.ones((1, 128, 3), np.float32)
    for _ in range(3):
        with pytest.raises(MemoryError):
            tapwise.conv(x, many, padding=far)
        with pytest.raises(MemoryError):
            tapwise.conv_transpose(x, wide, stride=far)
        with pytest.raises(MemoryError):
            tapwise.conv_input_grad(x, wide, (1, 128, 2 * far + 3), stride=far)
    EXACT(tapwise.conv(x, x), [[[3]]])
