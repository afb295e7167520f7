"""The oracle against the seven loops, and its gradients against its own forward pass."""

import numpy as np
import oracle
import pytest

GEOMETRIES = [
    dict(),
    dict(stride=(2, 1)),
    dict(stride=(2, 3), pads=((1, 2), (0, 3))),
    dict(dilation=(2, 1), pads=((2, 0), (1, 1))),
    dict(groups=2, pads=((1, 1), (1, 1))),
    dict(groups=4, stride=(2, 2), dilation=(1, 2), pads=((1, 0), (3, 1))),
]


def as_padding(geometry):
    geometry = dict(geometry)
    geometry["padding"] = geometry.pop("pads", 0)
    return geometry


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_taps_and_windows_equal_the_seven_loops(rng, geometry):
    groups = geometry.get("groups", 1)
    x = rng.integers(-5, 6, (2, 4, 7, 6)).astype(float)
    w = rng.integers(-5, 6, (8, 4 // groups, 3, 2)).astype(float)
    expected = oracle.seven_loops(x, w, **geometry)
    np.testing.assert_array_equal(oracle.conv(x, w, **as_padding(geometry)), expected)


def test_flip_reverses_every_spatial_axis(rng):
    x, w = rng.integers(-5, 6, (1, 2, 6, 6)), rng.integers(-5, 6, (3, 2, 2, 3))
    expected = oracle.seven_loops(x.astype(float), w[:, :, ::-1, ::-1].astype(float))
    np.testing.assert_array_equal(oracle.conv(x, w, flip=True), expected)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("flip", [False, True])
def test_gradients_are_the_coefficients_of_the_forward_pass(rng, geometry, flip):
    """<conv(x, w), g> is linear in each of x and w: unit vectors read off each gradient exactly."""
    options = as_padding(geometry) | {"flip": flip}
    groups = options.get("groups", 1)
    x = rng.integers(-5, 6, (1, 4, 7, 6)).astype(float)
    w = rng.integers(-5, 6, (4, 4 // groups, 3, 2)).astype(float)
    grad = rng.integers(-5, 6, oracle.conv(x, w, **options).shape).astype(float)
    dx = oracle.conv_input_grad(grad, w, x.shape[2:], **options)
    dw = oracle.conv_weight_grad(grad, x, w.shape[2:], **options)
    for index in np.ndindex(w.shape):
        unit = np.zeros_like(w)
        unit[index] = 1
        assert (oracle.conv(x, unit, **options) * grad).sum() == dw[index]
    for index in list(np.ndindex(x.shape))[::5]:
        unit = np.zeros_like(x)
        unit[index] = 1
        assert (oracle.conv(unit, w, **options) * grad).sum() == dx[index]


def test_transposed_scatters_one_point_as_the_kernel():
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 2] = 2
    w = np.arange(1.0, 7).reshape(1, 1, 2, 3)
    y = oracle.conv_transpose(x, w, stride=(3, 2))
    assert y.shape == (1, 1, 8, 7)
    np.testing.assert_array_equal(y[0, 0, 3:5, 4:7], 2 * w[0, 0])
    assert np.count_nonzero(y) == 6
