"""Pooling: against PyTorch where it has the same, against plain loops where it has not."""

import itertools
from math import prod

import layouts
import numpy as np
import pytest

import tapwise

EXACT = np.testing.assert_array_equal
torch = pytest.importorskip("torch")

CASES = [
    # x, kernel, stride, padding, dilation, ceil_mode
    ((2, 3, 8, 9), 2, None, 0, 1, False),
    ((2, 5, 9, 11), 3, 2, 1, 1, False),
    ((2, 5, 9, 11), 3, 2, 1, 1, True),
    ((1, 17, 10, 12), (3, 2), (2, 3), (1, 0), 1, True),
    ((2, 4, 7, 7), 3, 1, 1, 2, False),
    ((1, 2, 20, 21), (13, 11), 1, 5, 1, False),
    ((2, 3, 23), 4, 3, 2, 1, True),
    ((1, 1, 600), 5, 1, 2, 1, False),
    ((1, 130, 5, 4), 2, 2, 1, 1, True),
    ((2, 3, 5, 6, 7), 2, 2, 1, 1, True),
    ((1, 9, 4, 6, 5), (1, 3, 2), (1, 2, 2), (0, 1, 1), 1, False),
]


def tensor(a):
    return torch.tensor(np.ascontiguousarray(a))


def data(shape, dtype, seed=0):
    """Few different numbers, so that there are many equals; some NaN and infinities."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(dtype)
    x.flat[rng.integers(x.size, size=3)] = -np.inf, np.inf, np.nan
    return x


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_max_pool(case, dtype, last):
    shape, kernel, stride, padding, dilation, ceil_mode = case
    rank = len(shape) - 2
    layout = layouts.activation_layouts(rank)[last]
    pool = getattr(torch.nn.functional, f"max_pool{rank}d")
    x = data(shape, dtype)  # with one NaN: of several in a window, PyTorch takes the last
    x_ = tensor(x).requires_grad_()
    y, indices = pool(x_, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    options = dict(stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode, layout=layout)
    given = layouts.stored_as(x, layout)
    EXACT(layouts.to_canonical(tapwise.max_pool(given, kernel, **options), layout), y.detach())
    got, where = tapwise.max_pool(given, kernel, return_indices=True, **options)
    EXACT(layouts.to_canonical(got, layout), y.detach())
    EXACT(layouts.to_canonical(where, layout), indices)
    assert where.dtype == np.int64 and np.argsort(where.strides).tolist() == np.argsort(got.strides).tolist()
    grad = np.random.default_rng(1).integers(-3, 4, y.shape).astype(dtype)
    y.backward(tensor(grad))
    grad = layouts.stored_as(grad, layout)
    for extra in ({}, {"indices": where}, {"threads": 3}):
        EXACT(layouts.to_canonical(tapwise.max_pool_grad(grad, given, kernel, **options, **extra), layout), x_.grad)
    EXACT(
        tapwise.max_pool_grad(grad, given.shape, kernel, indices=where, **options),
        tapwise.max_pool_grad(grad, given, kernel, **options),
    )


@pytest.mark.parametrize("case", [c for c in CASES if c[4] == 1], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_avg_pool(case, dtype, last, count_include_pad):
    shape, kernel, stride, padding, _, ceil_mode = case
    rank = len(shape) - 2
    layout = layouts.activation_layouts(rank)[last]
    pool = getattr(torch.nn.functional, f"avg_pool{rank}d")
    x = np.random.default_rng(0).integers(-9, 10, shape).astype(dtype)
    x_ = tensor(x).requires_grad_()
    y = pool(x_, kernel, stride, padding, ceil_mode, count_include_pad)
    options = dict(
        stride=stride, padding=padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad, layout=layout
    )
    given = layouts.stored_as(x, layout)
    tolerance = 4 * np.finfo(dtype).eps * 9
    got = layouts.to_canonical(tapwise.avg_pool(given, kernel, **options), layout)
    np.testing.assert_allclose(got, y.detach(), rtol=tolerance, atol=tolerance)
    grad = np.random.default_rng(1).integers(-9, 10, y.shape).astype(dtype)
    y.backward(tensor(grad))
    grad = layouts.stored_as(grad, layout)
    for x_or_shape in (given, given.shape):
        dx = layouts.to_canonical(tapwise.avg_pool_grad(grad, x_or_shape, kernel, **options), layout)
        np.testing.assert_allclose(dx, x_.grad, rtol=tolerance, atol=tolerance)


def plain(x, kernel, stride, pads, size, function):
    """One window after the other, of an (N, C, H, W) array."""
    y = np.empty((*x.shape[:2], *size), x.dtype)
    for i, j in itertools.product(*map(range, size)):
        window = [
            slice(max(0, q * s - low), q * s - low + k)
            for q, k, s, (low, _) in zip((i, j), kernel, stride, pads, strict=True)
        ]
        y[:, :, i, j] = function(x[(..., *window)].reshape(*x.shape[:2], -1), axis=-1)
    return y


@pytest.mark.parametrize(
    "padding, pads, size",
    [
        (((0, 1), (1, 0)), ((0, 1), (1, 0)), (4, 3)),
        ("same", ((0, 1), (0, 1)), (4, 3)),
        ("same_lower", ((1, 0), (1, 0)), (4, 3)),
        ("valid", ((0, 0), (0, 0)), (3, 2)),
    ],
)
def test_paddings_that_pytorch_has_not(rng, padding, pads, size):
    x = rng.integers(-9, 10, (2, 3, 8, 6)).astype("f")
    geometry = (3, 3), (2, 2), pads, size
    EXACT(tapwise.max_pool(x, 3, stride=2, padding=padding), plain(x, *geometry, np.max))
    mean = tapwise.avg_pool(x, 3, stride=2, padding=padding, count_include_pad=False)
    np.testing.assert_allclose(mean, plain(x, *geometry, np.mean), rtol=1e-6)
    y, indices = tapwise.max_pool(x, 3, stride=2, padding=padding, return_indices=True)
    dx = tapwise.max_pool_grad(np.ones_like(y), x, 3, stride=2, padding=padding, indices=indices)
    assert dx.sum() == y.size


def test_the_same_bits_for_any_number_of_threads(rng):
    x = rng.standard_normal((3, 70, 33, 34)).astype("f")
    for layout in ("NCHW", "NHWC"):
        results = []
        for threads in (1, 2, 3):
            y, indices = tapwise.max_pool(x, 3, stride=2, layout=layout, return_indices=True, threads=threads)
            a = tapwise.avg_pool(x, 3, stride=2, layout=layout, threads=threads)
            dx = tapwise.avg_pool_grad(a, x, 3, stride=2, layout=layout, threads=threads)
            results.append([y, indices, a, dx])
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                EXACT(one, two)


def test_odd_strides_and_out(rng):
    wide = rng.standard_normal((2, 10, 12, 30))
    x = wide[::-1, ::2, 1:, ::3]
    expected, where = tapwise.max_pool(np.ascontiguousarray(x), 3, stride=2, return_indices=True)
    out = np.empty((2, 5, 5, 4, 2))[..., 0]
    assert tapwise.max_pool(x, 3, stride=2, out=out) is out
    EXACT(out, expected)
    grad = rng.standard_normal(expected.shape)
    dx = tapwise.max_pool_grad(grad, np.ascontiguousarray(x), 3, stride=2)
    into = np.ones((2, 5, 11, 11)[::-1]).T
    EXACT(tapwise.max_pool_grad(grad[::-1][::-1], x, 3, stride=2, out=into[:, :, :, :10], indices=where[::1]), dx)
    EXACT(into[..., 10], 1)


def test_nothing_is_written_for_indices_outside_of_a_plane():
    x = np.ones((1, 2, 4, 4), "f")
    y, indices = tapwise.max_pool(x, 2, return_indices=True)
    for wrong in (-1, 16, 2**62):
        indices[0, 1, 0, 0] = wrong
        out = np.full_like(x, 7)
        with pytest.raises(ValueError, match="an index lies outside of its plane"):
            tapwise.max_pool_grad(y, x, 2, indices=indices, out=out)
        EXACT(out, 7)
    with pytest.raises(TypeError, match="indices must be what max_pool.*int64"):
        tapwise.max_pool_grad(y, x, 2, indices=indices.astype(np.int32))
    with pytest.raises(ValueError, match=r"of shape \(1, 2, 2, 2\), got shape \(1, 1, 2, 2\)"):
        tapwise.max_pool_grad(y, x, 2, indices=indices[:, :1])


def test_huge_windows_are_refused_or_pooled_at_once():
    x = np.broadcast_to(np.float32(1), (1, 1, 2**31))
    with pytest.raises(MemoryError):
        tapwise.max_pool(np.broadcast_to(np.float32(1), (1, 2**17, 2**31)), 2, stride=1, padding=1, dilation=2)
    assert tapwise.max_pool(x, 2, stride=2**31, padding=1, dilation=2) == 1
    with pytest.raises(ValueError, match="window 0 along width see padding alone"):
        tapwise.max_pool(np.ones((1, 1, 1), "f"), 2, padding=1, dilation=2, stride=1)
    with pytest.raises(ValueError, match="at most half of kernel_size 2, got 2"):
        tapwise.max_pool(np.ones((1, 1, 4), "f"), 2, padding=((0, 2),))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "CHW", "HWC"])
def test_global_average(rng, layout):
    x = rng.integers(-9, 10, tuple(dict(N=2, C=3, H=4, W=5)[a] for a in layout)).astype("f")
    axes = tuple(layout.index(a) for a in "HW")
    y = tapwise.global_avg_pool(x, layout=layout)
    np.testing.assert_allclose(y, x.mean(axes), rtol=1e-6)
    out = np.empty_like(y)
    assert tapwise.global_avg_pool(x, layout=layout, out=out) is out
    dx = tapwise.global_avg_pool_grad(y, x.shape, layout=layout)
    EXACT(dx, np.broadcast_to(np.expand_dims(y, axes), x.shape) / np.float32(20))
    with pytest.raises(ValueError, match="layout must be one of"):
        tapwise.global_avg_pool(x, layout="HWCN")
    with pytest.raises(ValueError, match="grad must have shape"):
        tapwise.global_avg_pool_grad(y[..., :2], x.shape, layout=layout)
    assert tapwise.global_avg_pool(np.empty((0, 3, 2), "f")).shape == (0, 3)
    assert prod(dx.shape) == x.size


def test_windows_larger_than_the_input():
    """With ceil_mode, one that begins within the input is enough."""
    x = np.arange(3, dtype="f").reshape(1, 1, 3)
    assert tapwise.max_pool(x, 4, stride=4, ceil_mode=True) == 2
    assert tapwise.avg_pool(x, 4, stride=4, ceil_mode=True) == 1
    with pytest.raises(ValueError, match="no output positions"):
        tapwise.max_pool(x, 4, stride=4)
    with pytest.raises(ValueError, match="no output positions"):
        tapwise.max_pool(x, 9, stride=1, ceil_mode=True)


def test_indices_are_operands():
    x = np.arange(16, dtype=float).reshape(1, 1, 4, 4)
    y, indices = tapwise.max_pool(x, 2, return_indices=True)
    room = np.zeros((1, 1, 4, 4))
    inside = room.view(np.int64)[..., :2, :2]
    inside[...] = indices
    with pytest.raises(ValueError, match="out must not overlap indices"):
        tapwise.max_pool_grad(y, x, 2, indices=inside, out=room)
    with pytest.raises(TypeError, match="indices must be what"):
        tapwise.max_pool_grad(y, x, 2, indices=np.ma.masked_array(indices))


def test_empty_batches():
    x = np.empty((0, 3, 4, 4), "f")
    y, indices = tapwise.max_pool(x, 2, return_indices=True)
    assert y.shape == indices.shape == (0, 3, 2, 2)
    assert tapwise.max_pool_grad(y, x, 2, indices=indices).shape == x.shape
    assert tapwise.avg_pool_grad(tapwise.avg_pool(x, 2), x, 2).shape == x.shape
