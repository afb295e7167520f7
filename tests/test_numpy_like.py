"""convolve and correlate against NumPy's, along one axis, and along several."""

import doctest
import importlib
import tracemalloc
import warnings
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_memory import KINDS, memories, place
from refusal import refused

import tapwise
from tapwise import _one_channel

PAIRS = [(tapwise.convolve, np.convolve), (tapwise.correlate, np.correlate)]
BOTH = pytest.mark.parametrize("ours, theirs", PAIRS, ids=["convolve", "correlate"])
CALLS = pytest.mark.parametrize("call", [ours for ours, _ in PAIRS], ids=["convolve", "correlate"])
NAMES = ("full", "same", "valid")
MODES = pytest.mark.parametrize("mode", NAMES)
DTYPES = "? i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 g F D G O >f4 >f8 >i2 >i8 >c8 >c16".split()


def integers(rng, *shape, dtype=np.float64):
    """Small enough that sums are exact in every dtype, and for 8 bits wrap around now and then."""
    values = rng.integers(0 if np.dtype(dtype).kind == "u" else -9, 10, shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.integers(-9, 10, shape)
    return values.astype(dtype)


def equal(ours, theirs, note=""):
    """To the bit, in dtype and byte order; NaN where there is NaN."""
    assert ours.dtype == theirs.dtype, note
    np.testing.assert_array_equal(ours, theirs, note)
    assert ours.shape == theirs.shape, note


@BOTH
@MODES
def test_all_small_lengths(rng, ours, theirs, mode):
    for m in range(1, 8):
        for n in range(1, 8):
            a, v = integers(rng, m), integers(rng, n)
            equal(ours(a, v, mode), theirs(a, v, mode), f"{m} by {n}")


@BOTH
def test_every_pair_of_dtypes(rng, ours, theirs):
    for a_type in DTYPES:
        for v_type in DTYPES:
            a, v = integers(rng, 9, dtype=a_type), integers(rng, 4, dtype=v_type)
            for mode in NAMES:
                equal(ours(a, v, mode), theirs(a, v, mode), f"{a_type} {v_type} {mode}")
            equal(ours(v, a, "same"), theirs(v, a, "same"), f"{v_type} {a_type} swapped")


@given(st.data())
@BOTH
def test_any_memory(ours, theirs, data):
    dtypes = st.sampled_from(DTYPES)
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    a, v = (integers(rng, data.draw(st.integers(1, 20)), dtype=data.draw(dtypes)) for _ in range(2))
    if "O" not in (a.dtype.char, v.dtype.char):
        a, v = place(a, data.draw(memories(1))), place(v, data.draw(memories(1)))
    a.flags.writeable = v.flags.writeable = False
    mode = data.draw(st.sampled_from(NAMES))
    equal(ours(a, v, mode), theirs(a, v, mode))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.int32])
@pytest.mark.parametrize("m, n", [(1500, 401), (401, 1500), (4000, 16), (70, 64), (5000, 1)])
@MODES
def test_long_signals(rng, dtype, m, n, mode):
    a, v = integers(rng, m, dtype=dtype), integers(rng, n, dtype=dtype)
    for ours, theirs in PAIRS:
        y = ours(a, v, mode)
        assert y.dtype == dtype and y.flags.owndata and y.flags.c_contiguous
        np.testing.assert_array_equal(y, theirs(a.astype(np.complex128), v.astype(np.complex128), mode))


def test_by_hand():
    equal(tapwise.convolve(np.array([1.0, 2, 3]), np.array([0, 1, 0.5]), "same"), np.array([1, 2.5, 4]))
    equal(tapwise.convolve([1, 2, 3], [0, 1, 0.5]), np.array([0, 1, 2.5, 4, 1.5]))
    equal(tapwise.correlate([1, 2, 3], [0, 1, 0.5]), np.array([3.5]))
    equal(tapwise.correlate([1j, 2], [1 + 1j]), np.array([1 + 1j, 2 - 2j]))
    equal(tapwise.convolve([1j, 2], [1 + 1j]), np.array([-1 + 1j, 2 + 2j]))
    equal(tapwise.convolve(3, 4), np.array([12]))
    equal(tapwise.convolve(np.float32(2), [[1, 2]][0]), np.array([2.0, 4.0]))


@pytest.mark.parametrize(
    "dtype, a, v, expected",
    [
        ("i1", [100], [2], [-56]),
        ("u1", [200, 1], [2], [144, 2]),
        ("i4", [4097], [4097], [2**24 + 2 * 4096 + 1]),  # odd, above 2**24: not a float32
        ("i8", [94906267], [94906267], [9007199515875289]),  # odd, above 2**53: not a float64
        ("i8", [-(2**62), 1], [2, 1], [-(2**63), 2 - 2**62, 1]),
        ("i4", [2**30, 1], [5], [2**30, 5]),
        ("u8", [2**63], [3], [2**63]),
        ("i2", [300] * 4, [300] * 4, [24464, -16608, 7856, 32320, 7856, -16608, 24464]),
        ("?", [True, False], [True, True], [True, True, False]),
        ("f2", [300], [300], [np.inf]),
        ("f2", [2048, 1], [1, 1], [2048, 2048, 1]),  # 2049, rounded once
    ],
)
def test_exact_integers_and_rounding(dtype, a, v, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        equal(tapwise.convolve(np.array(a, dtype), np.array(v, dtype)), np.array(expected, dtype))


def test_bools_are_counted_without_rounding_to_none(rng):
    a = np.zeros(3000, bool)
    a[1700] = True
    equal(tapwise.convolve(a, np.ones(301, bool), "same"), np.convolve(a, np.ones(301, bool), "same"))


def special(rng, dtype, *shape):
    """Integers, now and then a NaN or Inf."""
    values = integers(rng, *shape, dtype=dtype)
    if values.dtype.kind in "fc":
        for part in (values.real, values.imag)[: 1 + (values.dtype.kind == "c")]:
            rare = rng.random(shape) < rng.choice([0, 0.02, 0.1])
            part[rare] = rng.choice([np.nan, np.inf, -np.inf], rare.sum())
    return values


def by_parts(theirs, a, v, *args):
    """NumPy's complex sums from its real ones. Its complex ones are the BLAS's, and some BLAS's that have an imaginary
    part of Inf add 0 times that to the real part."""
    dtype = np.result_type(a, v)
    if dtype.kind != "c":
        return theirs(a, v, *args)
    a, v = a.astype(dtype), v.astype(dtype)
    result = np.empty(theirs(a, v, *args).shape, dtype)
    if theirs is np.correlate:
        v = v.conj()
    result.real = theirs(a.real, v.real, *args) - theirs(a.imag, v.imag, *args)
    result.imag = theirs(a.real, v.imag, *args) + theirs(a.imag, v.real, *args)
    return result


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
@pytest.mark.parametrize("types", ["dd", "ff", "ee", "DD", "FF", "dD", "Dd", "Df", "fF", "iD", "Di", "fd", "de"])
@BOTH
def test_nan_and_inf_reach_what_they_reach_in_numpy(rng, ours, theirs, types):
    for _ in range(60):
        a, v = (special(rng, dtype, length) for dtype, length in zip(types, rng.integers(1, 24, 2), strict=True))
        for mode in NAMES:
            y, expected = ours(a, v, mode), theirs(a, v, mode)
            np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected), f"{a} {v} {mode}")
            equal(y, by_parts(theirs, a, v, mode), f"{a} {v} {mode}")


# What a mode may be besides its name, and what it may not, depends on NumPy's version.
@pytest.mark.parametrize(
    "mode",
    ["v", "s", "F", "Same", "fullest", "", "circular", "é", 0, 1, 2, 3, -1, np.int64(2), np.array(1), 2**70]
    + [True, 1.0, None, b"full", [2], np.str_("same")],
    ids=repr,
)
@BOTH
def test_modes_are_numpys(ours, theirs, mode):
    def outcome(call):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = call([1, 2, 3, 4], [5, 6, 7], mode).tolist()
            except (TypeError, ValueError) as error:
                result = repr(error)
        return result, [(w.category, str(w.message)) for w in caught]

    assert outcome(ours) == outcome(theirs)


def test_default_modes():
    assert tapwise.convolve([1, 2, 3], [1, 1]).shape == (4,)
    assert tapwise.correlate([1, 2, 3], [1, 1]).shape == (2,)


@pytest.mark.parametrize("dtype", ["f4", "i8", "c8"])
def test_array_likes(dtype):
    class WithDLPack:
        def __dlpack__(self, **options):
            return a.__dlpack__(**options)

        def __dlpack_device__(self):
            return a.__dlpack_device__()

    class WithArray:
        def __array__(self, dtype=None, copy=None):
            return a

    class WithInterface:
        __array_interface__ = property(lambda self: a.__array_interface__)

    a = np.array([1, 2, 3], dtype)
    for other in (a, memoryview(a), WithDLPack(), WithArray(), WithInterface()):
        equal(tapwise.convolve(other, other), np.convolve(a, a))
        equal(tapwise.correlate(other, a, "full"), np.correlate(a, a, "full"))
    for other in (a.tolist(), tuple(a)):
        np.testing.assert_array_equal(tapwise.convolve(other, a), np.convolve(a, a))
    equal(tapwise.convolve(range(3), [1]), np.arange(3))


def test_what_is_not_array_like():
    class Elsewhere:
        def __dlpack_device__(self):
            return (2, 0)

        def __dlpack__(self, **options):
            raise BufferError("not on this device")

    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise ValueError("no values")

    refused(ValueError, lambda: tapwise.convolve(Elsewhere(), [1]), "^a lies on DLPack device type 2", "tapwise.cuda")
    refused(ValueError, lambda: tapwise.correlate([1], Broken()), "^v: no values")


def test_tensors_of_pytorch_without_copies():
    torch = pytest.importorskip("torch")
    t = torch.arange(12).reshape(3, 4).T
    equal(tapwise.convolve(t[0], t[1]), np.convolve(t[0], t[1]))
    big = torch.ones(2**18, dtype=torch.float64)
    out = np.empty(2**18)
    assert peak(lambda: tapwise.convolve(big, [1.0, 2.0, 3.0], "same", out=out)) < 2**18
    refused(TypeError, lambda: tapwise.convolve(torch.ones(3, requires_grad=True), [1]), r"^a\b", "grad")


def peak(call):
    """Bytes that NumPy allocates at most."""
    call()
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning")
def test_numpys_own_tests(monkeypatch):
    for module in ("numpy._core.tests.test_numeric", "numpy.core.tests.test_numeric"):
        try:
            tests = importlib.import_module(module)
            break
        except ImportError:
            continue
    else:
        pytest.skip("NumPy's tests are not installed")
    called = []

    def recorded(call):
        return lambda *args, **kwargs: called.append(call) or call(*args, **kwargs)

    monkeypatch.setattr(np, "convolve", recorded(tapwise.convolve))
    monkeypatch.setattr(np, "correlate", recorded(tapwise.correlate))
    methods = [(case, name) for case in (tests.TestCorrelate, tests.TestConvolve) for name in dir(case)]
    for case, name in methods:
        if name.startswith("test"):
            instance = case()
            getattr(instance, "setup_method", lambda: None)()
            getattr(instance, name)()
    assert {*called} == {tapwise.convolve, tapwise.correlate} and len(called) >= 20


# Along one axis: row by row what NumPy gives.
def rows(theirs, a, v, mode, axis):
    return np.apply_along_axis(lambda row: theirs(row, v, mode), axis, a)


@pytest.mark.parametrize("shape", [(7,), (5, 7), (4, 3, 6), (2, 3, 4, 5), (2, 1, 3, 2, 4)], ids=str)
@BOTH
def test_along_each_axis(rng, ours, theirs, shape):
    for axis in range(-len(shape), len(shape)):
        for dtype, taps in [("f8", 3), ("f4", 4), ("D", 2), ("i4", 3), ("f8", 9), ("F", 8), ("u1", 1), ("O", 2)]:
            a, v = integers(rng, *shape, dtype=dtype), integers(rng, taps, dtype=dtype)
            for mode in NAMES:
                equal(ours(a, v, mode, axis=axis), rows(theirs, a, v, mode, axis), f"{axis} {dtype} {taps} {mode}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_along_an_axis_of_any_memory(rng, kind):
    for dtypes in ("dd", "FF", "Dd", "dD", "id"):
        a, v = (integers(rng, *shape, dtype=dtype) for shape, dtype in zip([(3, 8, 5), (3,)], dtypes, strict=True))
        a_placed, v_placed = place(a, kind(3)), place(v, kind(1))
        for ours, theirs in PAIRS:
            equal(ours(a_placed, v_placed, "same", axis=1), rows(theirs, a, v, "same", 1), dtypes)


@pytest.mark.filterwarnings("ignore:invalid value")
@BOTH
def test_nan_and_inf_along_an_axis(rng, ours, theirs):
    for types in ("dd", "Dd", "dD", "DD") * 3:
        a, v = special(rng, types[0], 4, 9, 3), special(rng, types[1], 4)
        expected = np.apply_along_axis(lambda row, v=v: by_parts(theirs, row, v, "full"), 1, a)
        equal(ours(a, v, "full", axis=1), expected, types)


def test_a_batch_in_parts(rng, monkeypatch):
    a, v = integers(rng, 11, 6, 7), integers(rng, 3)
    expected = rows(np.convolve, a, v, "full", 1)
    for together in (1, 3, 9, 12, 33, 34):
        monkeypatch.setattr(_one_channel, "_PACKED_TAPS", together)
        equal(tapwise.convolve(a, v, axis=1), expected, str(together))


def test_an_empty_batch():
    for dtype in ("f4", "i8", "O", "D"):
        y = tapwise.convolve(np.ones((0, 5), dtype), np.ones(3, dtype), axis=1)
        assert y.shape == (0, 7) and y.dtype == dtype


def test_a_batch_is_read_where_it_lies():
    a = np.ones((96, 5, 2000), np.float32)[::2, :, ::-2].transpose(2, 0, 1)
    out = np.empty_like(a)
    for axis in range(3):
        assert peak(lambda axis=axis: tapwise.convolve(a, np.ones(3, "f"), "same", axis=axis, out=out)) < a.nbytes / 10
    y = tapwise.convolve(a, np.ones(3, "f"), "same", axis=0)
    assert y.flags.owndata and np.argsort(y.strides).tolist() == [0, 2, 1], "not in the memory order of a"


# Along all axes: outer products are filtered axis by axis, also where a is longer along one and v along another.
@pytest.mark.parametrize("dtype", ["f8", "F", "i4", "i8", "O", "g", "G", "Dd", "dD"])
@BOTH
def test_axis_by_axis(rng, ours, theirs, dtype):
    a_type, v_type = (dtype, dtype) if len(dtype) < 2 or dtype[1].isdigit() else dtype
    scale = 2**28 if dtype == "i8" else 1  # too large for float64, and with three axes for int64
    for rank in (2, 3):
        for _ in range(25):
            lengths = rng.integers(1, 6, (2, rank))
            a, v = ([integers(rng, n, dtype=t) for n in row] for row, t in zip(lengths, (a_type, v_type), strict=True))
            a[0] *= scale
            for mode in NAMES:
                y = ours(outer(a), outer(v), mode)
                equal(y, outer([theirs(*pair, mode) for pair in zip(a, v, strict=True)]), f"{lengths} {mode}")


def outer(factors):
    product = factors[0]
    for factor in factors[1:]:
        product = np.multiply.outer(product, factor)
    return product


def test_more_axes_than_three_if_the_filter_has_no_more(rng):
    a, v = integers(rng, 2, 5, 1, 4, 3), integers(rng, 2, 3)
    y = tapwise.convolve(a, v[None, :, None, None, :])
    for i in range(2):
        for j in range(4):
            equal(y[i, :, 0, j], tapwise.convolve(a[i, :, 0, j], v))
    equal(tapwise.convolve(np.ones((1,) * 5), a), a)


@MODES
@pytest.mark.parametrize(
    "a_shape, v_shape",
    [((9, 8), (3, 3)), ((9, 8), (2, 4)), ((9, 8), (1, 5)), ((4, 5), (4, 5)), ((6, 1), (3, 1)), ((40, 37), (11, 10))]
    + [((6, 7, 8), (3, 2, 4)), ((5, 5, 5), (1, 1, 1))],
    ids=str,
)
def test_scipy_in_two_and_three_dimensions(rng, mode, a_shape, v_shape):
    signal = pytest.importorskip("scipy.signal")
    for dtype in ("f8", "D"):
        a, v = integers(rng, *a_shape, dtype=dtype), integers(rng, *v_shape, dtype=dtype)
        for name in ("convolve", "correlate"):
            theirs = getattr(signal, name)(a, v, mode, method="direct")
            np.testing.assert_array_equal(getattr(tapwise, name)(a, v, mode), theirs, name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_two_axes_of_any_memory(rng, kind):
    a, v = integers(rng, 9, 8), integers(rng, 3, 4)
    equal(tapwise.correlate(place(a, kind(2)), place(v, kind(2))), tapwise.correlate(a, v))


# One for each way to compute.
OUTS = ["f4", "f8", "f2", "i4", "?", "F", "D", "g", "O", "u8"]


@pytest.mark.parametrize("dtype", OUTS)
@CALLS
def test_out(rng, call, dtype):
    large = 2**40 if dtype == "u8" else 1
    cases = [((6,), (3,), None), ((5, 6), (3,), 0), ((5, 6), (2, 2), None)]
    for a_shape, v_shape, axis in cases:
        a, v = integers(rng, *a_shape, dtype=dtype) * np.array(large, dtype), integers(rng, *v_shape, dtype=dtype)
        expected = call(a, v, axis=axis)
        buffer = np.zeros([2 * n + 1 for n in expected.shape], dtype)
        out = buffer[(slice(-1, 0, -2),) * buffer.ndim]
        assert call(a, v, axis=axis, out=out) is out
        equal(out, expected)
        out[...] = 0
        assert not buffer.any(), "written outside of out"


@pytest.mark.parametrize("dtype", OUTS)
@CALLS
def test_out_refused(call, dtype):
    a, v = np.ones(6, dtype), np.ones(3, dtype)
    size = call(a, v).size
    wrong = np.zeros(size, "f4" if dtype != "f4" else "f8")
    fixed = np.zeros(size, dtype)
    fixed.flags.writeable = False
    refused(TypeError, lambda: call(a, v, out=wrong), "out must have the dtype of the result", f"got {wrong.dtype}")
    refused(ValueError, lambda: call(a, v, out=np.zeros(size + 1, dtype)), rf"out must have shape \({size},\)")
    refused(ValueError, lambda: call(a, v, out=fixed), "out must be writable")
    refused(TypeError, lambda: call(a, v, out=[0] * size), "out must be a NumPy array")
    refused(TypeError, lambda: call(a, v, out=np.ma.zeros(size, dtype)), "out must not be a masked array")
    if fixed.itemsize > 1 and dtype != "O":
        swapped = np.zeros(size, fixed.dtype.newbyteorder())
        refused(
            TypeError, lambda: call(a, v, out=swapped), "out must have the dtype of the result", f"got {swapped.dtype}"
        )
    both = np.ones(12, dtype)
    refused(ValueError, lambda: call(both[:6], v, "same", out=both[5:11]), "out must not overlap a")
    refused(ValueError, lambda: call(a, both[:3], "same", out=both[2:8]), "out must not overlap v")
    expected = call(both[::2].copy(), v, "same")
    equal(call(both[::2], v, "same", out=both[1::2]), expected, "interleaved, but apart")


@CALLS
def test_errors(call):
    a, v = np.ones(5), np.ones(3)
    refused(ValueError, lambda: call(a, np.ones((3, 3))), r"^v must have as many axes as a, 1", r"\(3, 3\)")
    refused(ValueError, lambda: call(np.ones((3, 3)), v), r"^v must have as many axes as a, 2", "axis=")
    refused(ValueError, lambda: call(np.ones((2,) * 4), np.ones((2,) * 4)), "a and v", "3 axes at most")
    refused(ValueError, lambda: call(np.ones(0), v), r"^a cannot be empty")
    refused(ValueError, lambda: call([], []), r"^a cannot be empty")
    refused(ValueError, lambda: call(a, np.ones(0)), r"^v cannot be empty")
    refused(ValueError, lambda: call(np.ones((3, 0)), v, axis=1), r"^a cannot be empty")
    refused(ValueError, lambda: call(a, [], axis=0), r"^v cannot be empty")
    refused(ValueError, lambda: call(a, v, axis=1), "^axis must be one of those of a, got 1")
    refused(ValueError, lambda: call(a, v, axis=-2), "^axis must be one of those of a, got -2")
    refused(ValueError, lambda: call(np.ones((3, 3)), np.ones((3, 3)), axis=0), "^v must have one axis")
    refused(TypeError, lambda: call(a, v, axis=True), "^axis must be an int")
    refused(TypeError, lambda: call(a, v, axis=1.0), "^axis must be an int")
    refused(TypeError, lambda: call(a, np.ones(3, "M8[s]")), "a and v must have dtypes with a common one", "datetime64")
    for dtype in ("f8", "i8", "O"):
        x = np.ones(3, dtype)
        refused(ValueError, lambda x=x: call(x, x, algorithm="quick"), "algorithm", "quick")
        refused(ValueError, lambda x=x: call(x, x, threads=0), "threads")


@CALLS
def test_masks_are_not_ignored(call):
    masked = np.ma.masked_array([1.0, 2, 3], [False, True, False])
    refused(TypeError, lambda: call(masked, [1.0]), r"^a must not be a masked array", r"a\.filled\(value\)")
    refused(TypeError, lambda: call([1.0], masked), r"^v must not be a masked array", r"v\.filled\(value\)")


def test_numbers_are_refused_by_correlate_as_by_numpys():
    refused(ValueError, lambda: tapwise.correlate(3, [1]), "^a must have at least one axis")
    refused(ValueError, lambda: tapwise.correlate([1], 3), "^v must have at least one axis")
    with pytest.raises(ValueError):
        np.correlate(3, [1])


def test_objects_keep_their_type():
    a = np.array([Decimal("0.1"), Decimal("0.2")])
    assert tapwise.convolve(a, a).tolist() == [Decimal("0.01"), Decimal("0.04"), Decimal("0.04")]
    assert tapwise.convolve(a[None], a, axis=1).tolist() == [[Decimal("0.01"), Decimal("0.04"), Decimal("0.04")]]


def test_the_examples_of_the_docstrings():
    done = doctest.testmod(importlib.import_module("tapwise.numpy_like"))
    assert done.attempted >= 5 and not done.failed
