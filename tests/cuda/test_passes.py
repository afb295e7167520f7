"""Every pass on a device against the oracle: host arrays by device="cuda", and arrays that lie on the device."""

import layouts
import numpy as np
import problems
import pytest
from device_arrays import to_device, to_host
from geometries import CASES

import tapwise

CHANNELS_LAST = pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
# The emulated device computes some ten million products a second.
SMALL = [case for case in CASES if np.prod(case.w) * np.prod(case.x[2:]) * case.x[0] < 3e6]
FORWARD_OPTIONS = ("stride", "padding", "dilation", "groups", "flip")


@pytest.mark.parametrize("case", SMALL, ids=str)
@CHANNELS_LAST
def test_integers_to_the_bit(backend, case, last):
    layout = layouts.activation_layouts(case.rank)[last]
    weight_layout = layouts.weight_layouts(case.rank)[last]
    dtype = np.float64 if len(case.name) % 4 == 0 else np.float32
    for name in problems.PASSES:
        control = {} if name == "bias_grad" else {"weight_layout": weight_layout}
        problem = problems.integer_problem(case)
        result = problem.run(name, layout, dtype, device="cuda", **control)
        np.testing.assert_array_equal(result, problem.expected(name), name)


@pytest.mark.parametrize("case", SMALL[::3], ids=str)
def test_real_numbers_within_the_bound(backend, case):
    layout = layouts.activation_layouts(case.rank)[len(case.name) % 2]
    problems.check_accuracy(case, problems.PASSES, layout, np.float32, device="cuda")


@pytest.mark.parametrize("case", SMALL[::5], ids=str)
@CHANNELS_LAST
def test_arrays_on_the_device(backend, case, last):
    layout = layouts.activation_layouts(case.rank)[last]
    problem = problems.integer_problem(case)
    x, grad = (to_device(layouts.stored_as(a.astype(np.float32), layout)) for a in (problem.x, problem.grad))
    w, b = to_device(problem.w.astype(np.float32)), to_device(problem.b.astype(np.float32))
    options = case.options | {"layout": layout}

    y = tapwise.cuda.conv(x, w, b, **options)
    assert y.shape == tapwise.conv_output_shape(x.shape, w.shape, **options)
    np.testing.assert_array_equal(layouts.to_canonical(to_host(y), layout), problem.expected("forward"))
    relu = tapwise.cuda.conv(x, w, b, activation="relu", **options)
    np.testing.assert_array_equal(to_host(relu), np.maximum(to_host(y), 0))

    dx, dw, db = tapwise.cuda.conv_backward(grad, x, w, **options)
    np.testing.assert_array_equal(layouts.to_canonical(to_host(dx), layout), problem.expected("input_grad"))
    np.testing.assert_array_equal(to_host(dw), problem.expected("weight_grad"))
    np.testing.assert_array_equal(to_host(db), problem.expected("bias_grad"))

    for found, made in (
        (dx, lambda **o: tapwise.cuda.conv_input_grad(grad, w, x.shape, **options, **o)),
        (dw, lambda **o: tapwise.cuda.conv_weight_grad(grad, x, case.w[2:], **options, **o)),
        (db, lambda **o: tapwise.cuda.conv_bias_grad(grad, layout=layout, **o)),
    ):
        out = to_device(np.ones(found.shape, np.float32))
        assert made(out=out) is out
        np.testing.assert_array_equal(to_host(out), to_host(found))
        made(out=out, accumulate=True)
        np.testing.assert_array_equal(to_host(out), 2 * to_host(found))


def test_transposed_convolution(backend):
    rng = np.random.default_rng(3)
    x, w, b = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((2, 4, 5, 6), (4, 3, 3, 3), (3,)))
    options = {"stride": 2, "padding": 1, "output_padding": 1}
    expected = tapwise.conv_transpose(x, w, b, **options)
    np.testing.assert_array_equal(tapwise.conv_transpose(x, w, b, device="cuda", **options), expected)
    on_device = tapwise.cuda.conv_transpose(to_device(x), to_device(w), to_device(b), **options)
    np.testing.assert_array_equal(to_host(on_device), expected)


def test_tf32_rounds_operands_and_nothing_else(backend):
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((2, 9, 9, 32), np.float32), rng.standard_normal((64, 32, 3, 3), np.float32)

    def rounded(a):  # to the nearest with ten bits behind the point, ties away from zero
        return ((a.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32).astype(np.float64)

    exact = tapwise.conv(rounded(x), rounded(w), layout="NHWC")
    dx, dw = to_device(x), to_device(w)
    for tf32, reference in ((True, exact), (False, tapwise.conv(x.astype(float), w.astype(float), layout="NHWC"))):
        result = to_host(tapwise.cuda.conv(dx, dw, layout="NHWC", tf32=tf32))
        np.testing.assert_allclose(result, reference, rtol=0, atol=2e-5 * np.abs(reference).max())
    assert np.abs(exact - reference).max() > 1e-3


def test_the_same_call_gives_the_same_bits(backend):
    rng = np.random.default_rng(6)
    grad, x = (to_device(rng.standard_normal(s, np.float32)) for s in ((8, 12, 12, 8), (8, 14, 14, 8)))
    first = to_host(tapwise.cuda.conv_weight_grad(grad, x, 3, layout="NHWC"))
    for _ in range(3):
        assert to_host(tapwise.cuda.conv_weight_grad(grad, x, 3, layout="NHWC")).tobytes() == first.tobytes()


def test_empty_batches(backend):
    x, w, grad = (to_device(np.zeros(s, np.float32)) for s in ((0, 2, 5, 5), (3, 2, 3, 3), (0, 3, 3, 3)))
    assert tapwise.cuda.conv(x, w).shape == (0, 3, 3, 3)
    dx, dw, db = tapwise.cuda.conv_backward(grad, x, w)
    assert dx.shape == x.shape
    assert not to_host(dw).any() and not to_host(db).any()
    assert tapwise.conv(np.zeros((0, 2, 5, 5), "f"), np.zeros((3, 2, 3, 3), "f"), device="cuda").shape == (0, 3, 3, 3)


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv3d"])
def test_ranks(backend, name):
    rank = int(name[4])
    rng = np.random.default_rng(rank)
    x, w = (rng.integers(-3, 4, (2, 3, *[n] * rank)).astype(np.float32) for n in (6, 3))
    expected = getattr(tapwise, name)(x, w)
    np.testing.assert_array_equal(getattr(tapwise, name)(x, w, device="cuda"), expected)
    np.testing.assert_array_equal(to_host(getattr(tapwise.cuda, name)(to_device(x), to_device(w))), expected)
    with pytest.raises(ValueError, match="axes"):
        getattr(tapwise.cuda, name)(to_device(x[0]), to_device(w))


def test_host_arrays_of_every_kind(backend):
    """Views, reversed and broadcast arrays, outs and accumulation: what the CPU takes, the copies take."""
    rng = np.random.default_rng(8)
    base = rng.integers(-3, 4, (4, 12, 10, 6)).astype(np.float32)
    w = rng.integers(-3, 4, (5, 6, 3, 3)).astype(np.float32)
    for x in (
        base.transpose(0, 3, 1, 2),
        base.transpose(0, 3, 1, 2)[::2, :, ::-1, 1:],
        np.broadcast_to(base[:1, :, :, :1].transpose(0, 3, 1, 2), (3, 6, 12, 10)),
    ):
        expected = tapwise.conv(x, w, padding=1)
        found = tapwise.conv(x, w, padding=1, device="cuda")
        np.testing.assert_array_equal(found, expected)
        assert found.strides == expected.strides
        big = np.full((expected.shape[0], 5, 2 * expected.shape[2], expected.shape[3]), 7, np.float32)
        out = big[:, :, ::2]
        assert tapwise.conv(x, w, padding=1, out=out, device="cuda") is out
        np.testing.assert_array_equal(out, expected)
        assert (big[:, :, 1::2] == 7).all()
        grad = tapwise.conv_input_grad(expected, w, x.shape, padding=1)
        total = grad.copy()
        tapwise.conv_input_grad(expected, w, x.shape, padding=1, out=total, accumulate=True, device="cuda")
        np.testing.assert_array_equal(total, 2 * grad)
        for a, b in zip(
            tapwise.conv_backward(expected, x, w, padding=1, device="cuda"),
            tapwise.conv_backward(expected, x, w, padding=1),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
            assert a.strides == b.strides


def test_arrays_larger_than_the_pinned_buffers(backend, monkeypatch):
    monkeypatch.setattr(tapwise._staging, "_BUFFER_BYTES", 64)
    rng = np.random.default_rng(9)
    x, w = rng.integers(-3, 4, (2, 3, 9, 11)).astype(np.float32), rng.integers(-3, 4, (4, 3, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(tapwise.conv(x, w, device="cuda"), tapwise.conv(x, w))
