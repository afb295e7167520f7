"""Objects that are not NumPy arrays but say where their numbers are."""

import gc
import weakref

import numpy as np
import pytest
from refusal import refused

import tapwise

EXACT = np.testing.assert_array_equal


class OnlyDLPack:
    """Hands out a capsule and nothing else; refuses to be turned into an array in any other way."""

    def __init__(self, array):
        self.array, self.taken = array, 0

    def __dlpack__(self, **options):
        self.taken += 1
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __array__(self, *args, **kwargs):
        raise AssertionError("asked for a copy")


class OldDLPack(OnlyDLPack):
    """A producer from before versions were negotiated: no keyword arguments but stream."""

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()


class OnlyInterface:
    def __init__(self, array):
        self.array, self.asked = array, 0

    @property
    def __array_interface__(self):
        self.asked += 1
        return self.array.__array_interface__

    def __array__(self, *args, **kwargs):
        raise AssertionError("asked for a copy")


class Subclass(np.ndarray):
    def __array_finalize__(self, _):
        self.tag = "kept"


@pytest.fixture
def operands(rng):
    x = rng.integers(-3, 4, (2, 3, 8, 9)).astype(np.float32)
    w = rng.integers(-3, 4, (5, 3, 3, 3)).astype(np.float32)
    return x, w, rng.integers(-3, 4, 5).astype(np.float32)


@pytest.mark.parametrize("wrap", [OnlyDLPack, OldDLPack, OnlyInterface])
def test_wrapped_operands(operands, wrap):
    x, w, b = operands
    y = tapwise.conv(*map(wrap, operands), padding=1)
    assert type(y) is np.ndarray
    EXACT(y, tapwise.conv(x, w, b, padding=1))
    grads = tapwise.conv_backward(wrap(y), wrap(x), wrap(w), padding=1)
    for one, other in zip(grads, tapwise.conv_backward(y, x, w, padding=1), strict=True):
        EXACT(one, other)
    EXACT(tapwise.Plan(x.shape, wrap(w))(wrap(x)), tapwise.conv(x, w))
    EXACT(tapwise.relu(wrap(x)), tapwise.relu(x))


@pytest.mark.parametrize("wrap", [OnlyDLPack, OnlyInterface])
def test_wrapped_views_with_strides(operands, wrap):
    x, w, _ = operands
    view = x[::-1, :, ::2, ::-1]
    EXACT(tapwise.conv(wrap(view), wrap(w[..., ::-1])), tapwise.conv(view, w[..., ::-1]))


@pytest.mark.parametrize("wrap", [OnlyDLPack, OnlyInterface])
def test_the_producer_is_let_go(operands, wrap):
    x, w, _ = operands
    owner = x.copy().view(Subclass)
    gone = weakref.ref(owner)
    tapwise.conv(wrap(owner), w)
    with pytest.raises(ValueError):
        tapwise.conv(wrap(owner), w[:, :2])
    del owner
    gc.collect()
    assert gone() is None


def test_a_subclass_gives_a_plain_array(operands):
    x, w, b = operands
    y = tapwise.conv(x.view(Subclass), w.view(Subclass), b)
    assert type(y) is np.ndarray
    EXACT(y, tapwise.conv(x, w, b))


def test_a_memory_map(operands, tmp_path):
    x, w, _ = operands
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    EXACT(tapwise.conv(mapped, w), tapwise.conv(x, w))


def test_a_device_that_is_not_the_cpu(operands):
    class Elsewhere(OnlyDLPack):
        def __dlpack_device__(self):
            return (2, 0)

    with pytest.raises((TypeError, ValueError), match=r"(?i)x.*(device|cuda|cpu)"):
        tapwise.conv(Elsewhere(operands[0]), operands[1])


def test_torch_tensors(operands):
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(a) for a in operands]
    EXACT(tapwise.conv(*tensors), tapwise.conv(*operands))
    last = tensors[0].to(memory_format=torch.channels_last)
    y = tapwise.conv(last, tensors[1])
    EXACT(y, tapwise.conv(*operands[:2]))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    turned = tensors[0].permute(3, 0, 2, 1).contiguous().permute(1, 3, 2, 0)
    EXACT(tapwise.conv(turned, tensors[1]), y)


def test_a_tensor_that_wants_gradients_says_what_to_do(operands):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(operands[0]).requires_grad_()
    with pytest.raises((TypeError, ValueError), match=r"x.*detach\(\)") as error:
        tapwise.conv(x, operands[1])
    assert "\n" not in str(error.value)


def test_torch_tensor_as_out(operands):
    torch = pytest.importorskip("torch")
    expected = tapwise.conv(*operands)
    out = torch.full(expected.shape, torch.nan)
    assert tapwise.conv(*operands, out=out) is out
    EXACT(out.numpy(), expected)


@pytest.mark.parametrize("wrap", [OnlyDLPack, OnlyInterface])
def test_wrapped_out(operands, wrap):
    expected = tapwise.conv(*operands)
    out = wrap(np.full_like(expected, np.nan))
    assert tapwise.conv(*operands, out=out) is out
    EXACT(out.array, expected)


def test_torch_numbers_of_another_kind(operands):
    torch = pytest.importorskip("torch")
    x, w, _ = operands
    with pytest.raises(TypeError, match="x"):
        tapwise.conv(torch.from_numpy(x).to(torch.bfloat16), w)
    with pytest.raises(TypeError, match="x"):
        tapwise.conv(torch.from_numpy(x).to(torch.int32), w)


@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_read_only_interfaces(operands, name):
    operands = dict(zip(("x", "weight", "bias"), operands, strict=True))
    expected = tapwise.conv(*operands.values())
    operands[name].flags.writeable = False
    operands[name] = OnlyInterface(operands[name])
    EXACT(tapwise.conv(*operands.values()), expected)


def test_out_that_says_it_is_read_only(operands):
    out = np.zeros((2, 5, 6, 7), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match=r"out.*(writ|read)"):
        tapwise.conv(*operands, out=OnlyInterface(out))
    assert not out.any()


@pytest.mark.parametrize(
    "interface",
    [
        {"version": 3, "shape": (1, 1, 4)},
        {"version": 3, "shape": (1, 1, -4), "typestr": "<f4", "data": (64, False)},
        "nonsense",
    ],
    ids=["incomplete", "negative", "nonsense"],
)
def test_a_broken_interface_is_an_error(interface):
    class Broken:
        __array_interface__ = interface

    with pytest.raises((TypeError, ValueError)):
        tapwise.conv(Broken(), np.ones((1, 1, 2), np.float32))


def test_a_producer_that_raises():
    class Failing:
        def __dlpack__(self, **_):
            raise BufferError("the tensor is somewhere else")

        def __dlpack_device__(self):
            return (1, 0)

    with pytest.raises((BufferError, TypeError, ValueError), match=r"somewhere else|x"):
        tapwise.conv(Failing(), np.ones((1, 1, 2), np.float32))


@pytest.mark.parametrize("mask", [False, True], ids=["nothing-masked", "masked"])
def test_masks_are_not_dropped(operands, mask):
    """By type: whether anything is masked may change from call to call."""
    x, w, b = operands
    y = tapwise.conv(x, w)

    def masked(array):
        return np.ma.masked_array(array, np.full(array.shape, mask))

    for name, call in {
        "x": lambda: tapwise.conv(masked(x), w),
        "weight": lambda: tapwise.conv(x, masked(w)),
        "bias": lambda: tapwise.conv(x, w, masked(b)),
        "grad": lambda: tapwise.conv_bias_grad(masked(y)),
        "a": lambda: tapwise.convolve(masked(b), b),
    }.items():
        refused(TypeError, call, rf"^{name} must not be a masked array.*{name}\.filled\(value\).*mask of your own")
    kept = np.full_like(y, 7)
    for name, call in {
        "out": lambda: tapwise.conv(x, w, out=masked(kept)),
        r"out\[0\]": lambda: tapwise.conv_backward(y, x, w, out=(masked(kept), None, None)),
    }.items():
        refused(TypeError, call, rf"^{name} must not be a masked array.*{name}\.data")
    assert (kept == 7).all()


def test_lazy_signs_and_conjugates_are_not_dropped(operands):
    torch = pytest.importorskip("torch")
    x, w, b = map(torch.from_numpy, operands)
    refused(TypeError, lambda: tapwise.conv(x, w._neg_view()), r"^weight .* weight.resolve_neg\(\)")
    refused(TypeError, lambda: tapwise.conv(x, w, b._neg_view()), r"^bias .* bias.resolve_neg\(\)")
    turned = torch.complex(x, x).conj()
    refused(TypeError, lambda: tapwise.conv(turned, w), r"^x .* x.resolve_conj\(\)")
    refused(TypeError, lambda: tapwise.conv(turned.imag, w), r"^x .* x.resolve_neg\(\)")
    EXACT(tapwise.conv(turned.imag.resolve_neg(), w), -tapwise.conv(x, w))
    out = torch.zeros(tapwise.conv(x, w).shape)._neg_view()
    refused(TypeError, lambda: tapwise.conv(x, w, out=out), r"^out .* out.resolve_neg\(\)")


def test_arrays_are_not_asked_for_attributes(operands):
    """What is asked of foreign objects costs time in every call; arrays are known by their type."""
    asked = []

    class Watched(np.ndarray):
        def __getattribute__(self, name):
            asked.append(name)
            return super().__getattribute__(name)

    x, w, _ = operands
    tapwise.conv(x.view(Watched), w)
    assert not {"is_neg", "is_conj", "__dlpack__", "__array_interface__"} & set(asked)
