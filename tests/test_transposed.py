"""Transposed convolution against the oracle's scatter, and as the gradient that it is."""

import layouts
import numpy as np
import oracle
import pytest

import tapwise

# name, batch, in channels, out channels, spatial, kernel, options
TABLE = [
    ("plain", 2, 3, 5, (6, 7), (3, 3), {}),
    ("upsample-2", 1, 16, 17, (7, 8), (2, 2), dict(stride=2)),
    ("upsample-4x4", 2, 33, 20, (5, 6), (4, 4), dict(stride=2, padding=1)),
    ("gaps", 1, 4, 6, (5, 4), (2, 3), dict(stride=(4, 5))),
    ("output-padding", 1, 5, 6, (5, 6), (3, 3), dict(stride=2, padding=1, output_padding=1)),
    ("output-padding-axes", 1, 2, 3, (4, 5), (3, 3), dict(stride=(3, 2), output_padding=(2, 1))),
    ("output-padding-dilation", 1, 2, 3, (7,), (2,), dict(dilation=3, output_padding=2)),
    ("same", 1, 3, 4, (5, 6), (3, 4), dict(stride=(2, 3), padding="same")),
    ("same-stride-over-kernel", 1, 3, 4, (5, 6), (2, 1), dict(stride=(5, 3), padding="same")),
    ("valid", 1, 3, 4, (5, 6), (3, 4), dict(stride=2, padding="valid")),
    ("asymmetric", 1, 3, 4, (6, 5), (3, 4), dict(padding=((2, 0), (1, 3)), stride=2)),
    ("dilation", 1, 6, 5, (6, 7), (3, 2), dict(dilation=(2, 3), padding=1)),
    ("dilation-stride", 1, 6, 5, (6, 7), (3, 2), dict(dilation=3, stride=2, padding=(1, 2))),
    ("groups", 2, 8, 12, (6, 5), (3, 3), dict(groups=4, stride=2)),
    ("depthwise", 1, 18, 18, (6, 9), (3, 3), dict(groups=18, padding=1)),
    ("depthwise-multiplier", 1, 6, 12, (5, 6), (2, 2), dict(groups=6, stride=2)),
    ("1x1", 1, 17, 34, (6, 7), (1, 1), {}),
    ("1x1-stride", 1, 5, 6, (4, 5), (1, 1), dict(stride=3)),
    ("one-point", 1, 70, 64, (1, 1), (4, 4), {}),
    ("to-one-channel", 1, 64, 1, (9, 17), (3, 3), dict(stride=2, padding=1)),
    ("flip", 1, 4, 5, (6, 7), (3, 4), dict(flip=True, stride=2)),
    ("1d", 2, 5, 6, (19,), (4,), dict(stride=3, padding=1)),
    ("1d-long", 1, 1, 1, (300,), (401,), {}),
    ("3d", 1, 4, 5, (3, 4, 5), (2, 3, 3), dict(stride=(1, 2, 2), padding=(0, 1, 1))),
]
CASES = pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
CHANNELS_LAST = pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def integers(rng, shape, dtype):
    return rng.integers(-3, 4, shape).astype(dtype)


def operands(rng, row, dtype):
    _, batch, channels, filters, spatial, kernel, options = row
    x = integers(rng, (batch, channels, *spatial), dtype)
    w = integers(rng, (channels, filters // options.get("groups", 1), *kernel), dtype)
    return x, w, integers(rng, filters, dtype), options


@CASES
@CHANNELS_LAST
@DTYPES
def test_integers_to_the_bit(rng, row, last, dtype):
    x, w, b, options = operands(rng, row, dtype)
    layout = layouts.activation_layouts(x.ndim - 2)[last]
    expected = oracle.conv_transpose(x, w, b, **options)
    stored = layouts.stored_as(x, layout)
    for threads in (1, 2, 3):
        y = tapwise.conv_transpose(stored, w, b, layout=layout, threads=threads, **options)
        assert y.dtype == dtype
        np.testing.assert_array_equal(layouts.to_canonical(y, layout), expected)


@CASES
@DTYPES
def test_real_numbers_within_the_bound(rng, row, dtype):
    shaped = operands(rng, row, dtype)
    x, w, b = (rng.standard_normal(a.shape).astype(dtype) for a in shaped[:3])
    options = shaped[3] | {"dtype": np.float64 if dtype == np.float32 else np.longdouble}
    exact = oracle.conv_transpose(x, w, b, **options)
    absolute = oracle.conv_transpose(*map(np.abs, (x, w, b)), **options)
    products = x.shape[1] // options.get("groups", 1) * int(np.prod(w.shape[2:]))
    y = tapwise.conv_transpose(x, w, b, algorithm="direct", **shaped[3])
    assert (np.abs(y - exact) <= oracle.accuracy_bound(dtype, products, absolute)).all()


@CASES
@CHANNELS_LAST
def test_unbatched_is_a_batch_of_one(rng, row, last):
    x, w, b, options = operands(rng, row, np.float32)
    layout = layouts.unbatched_layouts(x.ndim - 2)[last]
    y = tapwise.conv_transpose(layouts.stored_as(x[:1], layout), w, b, layout=layout, **options)
    expected = tapwise.conv_transpose(x[:1], w, b, **options)
    np.testing.assert_array_equal(layouts.to_canonical(y, layout), expected)


SYMMETRIC = pytest.mark.parametrize(
    "row",
    [row for row in TABLE if row[6].get("padding") not in ("same", "valid") and "output_padding" not in row[6]],
    ids=lambda row: row[0],
)


@SYMMETRIC
def test_it_is_the_input_gradient_of_a_convolution(rng, row):
    x, w, _, options = operands(rng, row, np.float32)
    y = tapwise.conv_transpose(x, w, **options)
    dx = tapwise.conv_input_grad(x, w, y.shape, **options)
    np.testing.assert_array_equal(y, dx)


@SYMMETRIC
def test_its_own_input_gradient_is_a_convolution(rng, row):
    """<conv_transpose(x), g> = <x, conv(g)>, in integers, to the bit."""
    x, w, _, options = operands(rng, row, np.float64)
    y = tapwise.conv_transpose(x, w, **options)
    g = integers(rng, y.shape, np.float64)
    assert (y * g).sum() == (x * tapwise.conv(g, w, **options)).sum()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_multiplies_the_size_by_the_stride(rng, stride, kernel):
    x, w = integers(rng, (1, 2, 7), np.float32), integers(rng, (2, 3, kernel), np.float32)
    y = tapwise.conv_transpose(x, w, stride=stride, padding="same")
    assert y.shape == (1, 3, 7 * stride)
    np.testing.assert_array_equal(y, oracle.conv_transpose(x, w, stride=stride, padding="same"))


@pytest.mark.parametrize("name", ["IOHW", "IHWO", "HWOI", "OIHW", "OHWI", "HWIO"])
@CHANNELS_LAST
def test_weight_layouts(rng, name, last):
    x, w = integers(rng, (1, 6, 4, 5), np.float32), integers(rng, (6, 4, 3, 2), np.float32)
    expected = oracle.conv_transpose(x, w, stride=2, groups=2)
    stored = np.ascontiguousarray(layouts.permute(w, "IOHW", name))
    layout = layouts.activation_layouts(2)[last]
    y = tapwise.conv_transpose(
        layouts.stored_as(x, layout), stored, stride=2, groups=2, layout=layout, weight_layout=name
    )
    np.testing.assert_array_equal(layouts.to_canonical(y, layout), expected)


def test_out_is_filled_and_returned(rng):
    x, w = integers(rng, (1, 2, 4, 5), np.float32), integers(rng, (2, 3, 3, 3), np.float32)
    expected = tapwise.conv_transpose(x, w, stride=2)
    out = np.full(expected.shape, np.nan, np.float32)
    assert tapwise.conv_transpose(x, w, stride=2, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_zero_size_batch():
    x, w = np.zeros((0, 2, 4, 5), np.float32), np.zeros((2, 3, 3, 3), np.float32)
    assert tapwise.conv_transpose(x, w, stride=2).shape == (0, 3, 9, 11)
