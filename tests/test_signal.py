"""convolve and correlate against the functions whose shape they have."""

import numpy as np
import pytest
from odd_memory import KINDS, place

import tapwise

MODES = pytest.mark.parametrize("mode", ["full", "same", "valid"])
PAIRS = [("convolve", np.convolve), ("correlate", np.correlate)]


def integers(rng, *shape):
    return rng.integers(-9, 10, shape).astype(np.float64)


@pytest.mark.parametrize("name, theirs", PAIRS, ids=lambda p: p if isinstance(p, str) else "")
@MODES
def test_numpy_over_all_small_lengths(rng, name, theirs, mode):
    ours = getattr(tapwise, name)
    for n in range(1, 8):
        for m in range(1, 8):
            a, v = integers(rng, n), integers(rng, m)
            y = ours(a, v, mode)
            assert y.shape == theirs(a, v, mode).shape
            np.testing.assert_array_equal(y, theirs(a, v, mode), f"{n} by {m}")
            np.testing.assert_array_equal(ours(a, v, mode=mode), y)


@pytest.mark.parametrize("name, theirs", PAIRS, ids=lambda p: p if isinstance(p, str) else "")
def test_default_modes_are_numpys(rng, name, theirs):
    a, v = integers(rng, 12), integers(rng, 5)
    np.testing.assert_array_equal(getattr(tapwise, name)(a, v), theirs(a, v))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n, m", [(1500, 401), (401, 1500), (4000, 16), (70, 64), (5000, 1)])
@MODES
def test_long_signals(rng, dtype, n, m, mode):
    a, v = integers(rng, n).astype(dtype), integers(rng, m).astype(dtype)
    for name, theirs in PAIRS:
        y = getattr(tapwise, name)(a, v, mode)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, theirs(a.astype(float), v.astype(float), mode))


@MODES
@pytest.mark.parametrize(
    "a_shape, v_shape",
    [
        ((9, 8), (3, 3)),
        ((9, 8), (2, 4)),
        ((9, 8), (1, 5)),
        ((4, 5), (4, 5)),
        ((6, 1), (3, 1)),
        ((40, 37), (11, 10)),
        ((6, 7, 8), (3, 2, 4)),
        ((5, 5, 5), (1, 1, 1)),
    ],
    ids=str,
)
def test_scipy_in_two_and_three_dimensions(rng, mode, a_shape, v_shape):
    signal = pytest.importorskip("scipy.signal")
    a, v = integers(rng, *a_shape), integers(rng, *v_shape)
    for name in ("convolve", "correlate"):
        theirs = getattr(signal, name)(a, v, mode, method="direct")
        np.testing.assert_array_equal(getattr(tapwise, name)(a, v, mode), theirs, name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_memory(rng, kind):
    a, v = integers(rng, 20), integers(rng, 6)
    odd = place(a, kind(1)), place(v, kind(1))
    np.testing.assert_array_equal(tapwise.convolve(*odd), np.convolve(a, v))
    a, v = integers(rng, 9, 8), integers(rng, 3, 4)
    odd = place(a, kind(2)), place(v, kind(2))
    np.testing.assert_array_equal(tapwise.correlate(*odd), tapwise.correlate(a, v))


def test_a_smoothing_example_by_hand():
    y = tapwise.convolve(np.array([1.0, 2, 3]), np.array([0, 1, 0.5]), "same")
    np.testing.assert_array_equal(y, [1, 2.5, 4])


@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_errors(name):
    call, a, v = getattr(tapwise, name), np.ones(5), np.ones(3)
    with pytest.raises(ValueError, match=r"mode.*full.*same.*valid|mode.*valid.*same.*full"):
        call(a, v, "circular")
    with pytest.raises(ValueError, match=r"\bv\b"):
        call(a, np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"\ba\b"):
        call(np.ones((2, 2, 2, 2)), np.ones((2, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"\ba\b.*empty|empty.*\ba\b|\ba\b.*\(0,\)"):
        call(np.ones(0), v)
    with pytest.raises(ValueError, match=r"\bv\b.*empty|empty.*\bv\b|\bv\b.*\(0,\)"):
        call(a, np.ones(0))
    with pytest.raises(TypeError, match="float32"):
        call(a, v.astype(np.float32))
    with pytest.raises(TypeError, match=r"\ba\b"):
        call([1.0, 2.0], v)
    with pytest.raises(TypeError, match=r"int64"):
        call(np.arange(5), np.arange(3))
