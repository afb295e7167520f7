"""Arrays of others on a device, and ours in their hands: DLPack, __cuda_array_interface__, streams, lifetimes.

The producers are made by hand, so that the tests see which stream they were asked for, how long their memory was kept,
and that what they must not say is refused.
"""

import gc

import numpy as np
import pytest
from device_arrays import Interface, Producer, host_alias, to_device, to_host

import tapwise

X = np.arange(2 * 3 * 5 * 6, dtype=np.float32).reshape(2, 3, 5, 6) % 7 - 3
W = np.arange(4 * 3 * 3 * 3, dtype=np.float32).reshape(4, 3, 3, 3) % 5 - 2
EXPECTED = tapwise.conv(X, W)


class StreamObject:
    def __init__(self, handle, version=0):
        self.pair = (version, handle)

    def __cuda_stream__(self):
        return self.pair


@pytest.mark.parametrize("wrap", [Producer, lambda a: Producer(a, versioned=True), Interface])
def test_every_protocol_is_read(backend, wrap):
    x, w = wrap(to_device(X)), wrap(to_device(W))
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, w)), EXPECTED)


@pytest.mark.parametrize("wrap", [Producer, Interface])
def test_strides_are_taken_as_they_are(backend, wrap):
    x = to_device(np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    assert x.strides[1] == 4
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(wrap(x), to_device(W))), EXPECTED)


def test_dlpack_without_strides_is_in_c_order(backend):
    x = Producer(to_device(X), strides=None)
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, to_device(W))), EXPECTED)
    x = Interface(to_device(X), strides=None)
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, to_device(W))), EXPECTED)


def test_dlpack_byte_offset(backend):
    x = Producer(to_device(X), shape=(1, 3, 5, 6), strides=(90, 30, 6, 1), byte_offset=90 * 4)
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, to_device(W))), EXPECTED[1:])


@pytest.mark.parametrize("stream, asked", [(None, 1), (0, 1), (1, 1), (2, 2), (StreamObject(2), 2)])
def test_producers_are_asked_for_the_stream_that_works(backend, stream, asked):
    x, w, out = Producer(to_device(X)), Producer(to_device(W)), Producer(to_device(np.zeros_like(EXPECTED)))
    assert tapwise.cuda.conv(x, w, out=out, stream=stream) is out
    assert x.streams == w.streams == out.streams == [asked]
    tapwise.cuda.synchronize(stream)
    np.testing.assert_array_equal(to_host(out.array), EXPECTED)


@pytest.mark.parametrize(
    "stream, error",
    [("1", TypeError), (1.0, TypeError), (True, TypeError), (-1, ValueError), (StreamObject("x"), TypeError)],
)
def test_what_is_no_stream_is_refused(backend, stream, error):
    with pytest.raises(error, match="stream"):
        tapwise.cuda.conv(to_device(X), to_device(W), stream=stream)


def test_operands_live_until_the_work_is_done(backend):
    backend.set(streams="lazy")
    x, w = Producer(to_device(X)), Producer(to_device(W))
    launches = backend.launches
    y = tapwise.cuda.conv(x, w, stream=2)
    assert backend.launches > launches
    gc.collect()
    assert x.alive == w.alive == 1, "the kernel has not run yet"
    tapwise.cuda.synchronize(2)
    assert x.alive == w.alive == 0, "the kernel has run"
    np.testing.assert_array_equal(to_host(y), EXPECTED)


def test_our_own_operands_outlive_their_names(backend):
    backend.set(streams="lazy")
    y = tapwise.cuda.conv(to_device(X), to_device(W), stream=2)
    gc.collect()
    tapwise.cuda.synchronize(2)
    np.testing.assert_array_equal(host_alias(y), EXPECTED)


def test_results_wait_for_each_other_across_streams(backend):
    if backend is not None:
        backend.set(streams="lazy")
    y = tapwise.cuda.conv(to_device(X), to_device(W), stream=2)
    z = tapwise.cuda.conv(y, to_device(np.ones((1, 4, 1, 1), np.float32)))
    np.testing.assert_array_equal(to_host(z), EXPECTED.sum(axis=1, keepdims=True))


def test_memory_is_freed_after_its_readers(backend):
    """A result that another stream still reads, freed by its last name, with every operation as late as can be."""
    backend.set(streams="lazy")
    w1 = to_device(np.ones((1, 4, 1, 1), np.float32))
    y = tapwise.cuda.conv(to_device(X), to_device(W))
    capsule = y.__dlpack__(stream=2)
    z = tapwise.cuda.conv(y, w1, stream=2)
    del y, capsule
    gc.collect()
    np.testing.assert_array_equal(to_host(z), EXPECTED.sum(axis=1, keepdims=True))


def test_no_memory_is_left(backend):
    gc.collect()
    tapwise.cuda.synchronize()
    before = backend.bytes_in_use
    for _ in range(3):
        y = tapwise.cuda.conv(to_device(X), to_device(W))
        grads = tapwise.cuda.conv_backward(y, to_device(X), to_device(W))
        capsule = y.__dlpack__()
        interface = y.__cuda_array_interface__
    del y, grads, capsule, interface
    gc.collect()
    tapwise.cuda.synchronize()
    assert backend.bytes_in_use == before


def test_interface_streams(backend):
    x = to_device(X)
    for stream in (None, 1, 2, Interface.missing):
        np.testing.assert_array_equal(to_host(tapwise.cuda.conv(Interface(x, stream=stream), to_device(W))), EXPECTED)
    with pytest.raises(ValueError, match="x.*stream 0 is ambiguous"):
        tapwise.cuda.conv(Interface(x, stream=0), to_device(W))


REFUSED = {
    "host memory by DLPack": (lambda: Producer(to_device(X), device=(1, 0)), TypeError, "CUDA device.*device type 1"),
    "pinned host memory": (lambda: Producer(to_device(X), device=(3, 0)), TypeError, "device type 3"),
    "capsule of another device": (lambda: Producer(to_device(X), tensor_device=(1, 0)), TypeError, "device type 1"),
    "integers": (lambda: Producer(to_device(X), dtype=(0, 32, 1)), TypeError, "float32 or float64.*code 0"),
    "half precision": (lambda: Producer(to_device(X), dtype=(2, 16, 1)), TypeError, "float32 or float64.*16 bits"),
    "vectors": (lambda: Producer(to_device(X), dtype=(2, 32, 4)), TypeError, r"4 lane"),
    "an unknown DLPack": (lambda: Producer(to_device(X), versioned=True, major=2), TypeError, "version 2"),
    "misaligned": (lambda: Producer(to_device(X), shape=(1, 3, 5, 5), byte_offset=2), ValueError, "aligned"),
    "far strides": (lambda: Producer(to_device(X), strides=(2**62, 1, 1, 1)), ValueError, "too far"),
    "a dtype by name": (lambda: Interface(to_device(X), typestr="<i4"), TypeError, "float32 or float64.*<i4"),
    "big-endian": (lambda: Interface(to_device(X), typestr=">f4"), TypeError, "float32 or float64"),
    "a mask": (lambda: Interface(to_device(X), mask=Interface(None)), TypeError, "masked"),
    "odd strides": (lambda: Interface(to_device(X), strides=(4, 2, 4, 4)), ValueError, "multiples"),
    "too few strides": (lambda: Interface(to_device(X), strides=(4, 4)), ValueError, "2 strides"),
    "no data": (lambda: Interface(to_device(X), data=Interface.missing), TypeError, "lacks.*data"),
    "no typestr": (lambda: Interface(to_device(X), typestr=Interface.missing), TypeError, "lacks.*typestr"),
    "host memory by its address": (
        lambda: Interface(to_device(X), data=(X.__array_interface__["data"][0], False)),
        TypeError,
        "CUDA device",
    ),
    "a NumPy array": (lambda: X, TypeError, "CUDA device.*DLPack device type 1"),
    "a device that is a name": (lambda: Producer(to_device(X), device="gpu"), TypeError, "something else"),
    "data that is a number": (lambda: Interface(to_device(X), data=5), TypeError, "something else"),
    "a list": (lambda: [1.0, 2.0], TypeError, "__dlpack__ or __cuda_array_interface__.*list"),
    "None": (lambda: None, TypeError, "got None"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_and_the_next_call_works(backend, what):
    make, error, match = REFUSED[what]
    x, w, out = to_device(X), to_device(W), to_device(np.full_like(EXPECTED, 5))
    bad = make()
    launches = backend.launches
    with pytest.raises(error, match=match) as caught:
        tapwise.cuda.conv(bad, w, out=out)
    assert str(caught.value).startswith("x")
    assert backend.launches == launches
    assert (to_host(out) == 5).all()
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, w, out=out)), EXPECTED)


def test_operands_must_agree(backend):
    x, w = to_device(X), to_device(W)
    with pytest.raises(TypeError, match="weight must have the dtype of x"):
        tapwise.cuda.conv(x, to_device(W.astype(np.float64)))
    with pytest.raises(ValueError, match="bias must have shape"):
        tapwise.cuda.conv(x, w, to_device(np.ones(3, np.float32)))
    with pytest.raises(ValueError, match="out must have shape"):
        tapwise.cuda.conv(x, w, out=to_device(X))
    with pytest.raises(TypeError, match="out must have the dtype"):
        tapwise.cuda.conv(x, w, out=to_device(EXPECTED.astype(np.float64)))
    with pytest.raises(ValueError, match="out must not overlap x"):
        tapwise.cuda.conv(x, to_device(np.ones((3, 3, 1, 1), np.float32)), out=x)
    with pytest.raises(ValueError, match="read-only"):
        tapwise.cuda.conv(x, w, out=Producer(to_device(EXPECTED), versioned=True, flags=1))
    with pytest.raises(ValueError, match="read-only"):
        entry = to_device(EXPECTED)
        address = entry.__cuda_array_interface__["data"][0]
        tapwise.cuda.conv(x, w, out=Interface(entry, data=(address, True)))
    with pytest.raises(ValueError, match="accumulate"):
        tapwise.cuda.conv_bias_grad(x, accumulate=True)
    with pytest.raises(ValueError, match=r"out\[1\] must not overlap"):
        tapwise.cuda.conv_backward(to_device(EXPECTED), x, w, out=(None, w, None))
    with pytest.raises(TypeError, match="unexpected keyword argument 'strides'"):
        tapwise.cuda.conv(x, w, strides=2)
    with pytest.raises(ValueError, match="algorithm must be one of"):
        tapwise.cuda.conv(x, w, algorithm="fast")
    with pytest.raises(ValueError, match="channels"):
        tapwise.cuda.conv(x, w, layout="NHWC")


def test_operands_on_two_devices_are_refused(backend):
    backend.set(devices=2)
    x, w = Producer(to_device(X)), to_device(W)
    x.options |= {"device": (2, 1), "tensor_device": (2, 1)}
    with pytest.raises(ValueError, match="weight must lie on the device of x, CUDA device 1, got device 0"):
        tapwise.cuda.conv(x, w)


def test_what_we_give_to_others(backend):
    y = tapwise.cuda.conv(to_device(X), to_device(W))
    assert y.__dlpack_device__() == (2, 0)
    interface = y.__cuda_array_interface__
    assert interface["version"] == 3 and interface["typestr"] == "<f4" and interface["shape"] == EXPECTED.shape
    assert interface["stream"] == 1 and interface["data"][1] is False
    again = tapwise.cuda.conv(to_device(X), to_device(W), stream=2)
    assert again.__cuda_array_interface__["stream"] == again.stream == 2
    assert "dltensor" in repr(y.__dlpack__()) and "versioned" not in repr(y.__dlpack__())
    assert "dltensor_versioned" in repr(y.__dlpack__(max_version=(1, 0)))
    assert y.dtype == np.float32 and y.ndim == 4 and y.nbytes == EXPECTED.nbytes and y.device == 0
    assert "(2, 4, 3, 4)" in repr(y)
    with pytest.raises(ValueError, match="ambiguous"):
        y.__dlpack__(stream=0)
    with pytest.raises(BufferError, match="not moved"):
        y.__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match="not copied"):
        y.__dlpack__(copy=True)
    for stream in (None, -1, 1, 2):
        y.__dlpack__(stream=stream)


def test_torch_reads_the_capsule(backend):
    """A consumer of the real world, as far as it goes without a device: it knows what it is given."""
    torch = pytest.importorskip("torch")
    y = tapwise.cuda.conv(to_device(X), to_device(W))
    with pytest.raises((RuntimeError, AssertionError), match="(?i)cuda"):
        torch.from_dlpack(y)


def test_explain_says_what_happens(backend):
    shapes = (8, 64, 56, 56), (64, 64, 3, 3)
    found = tapwise.cuda.explain(*shapes, padding=1)
    assert found.algorithm == "implicit_gemm" and found.isa.startswith("sm_") and found.copies == ()
    assert any("single numbers" in choice for choice in found.choices)
    last = tapwise.cuda.explain((8, 56, 56, 64), (64, 3, 3, 64), padding=1, layout="NHWC", weight_layout="OHWI")
    assert any("16 bytes" in choice for choice in last.choices)
    assert any("TF32" in c for c in tapwise.cuda.explain(*shapes, padding=1, tf32=True).choices)
    depthwise = tapwise.cuda.explain((8, 64, 56, 56), (64, 1, 3, 3), padding=1, groups=64)
    assert depthwise.algorithm == "direct"
    phases = tapwise.cuda.explain(*shapes, padding=1, stride=2, direction="input_grad")
    assert any("4 phases" in choice for choice in phases.choices)
    gradient = tapwise.cuda.explain((8, 16, 16, 16), (16, 16, 3, 3), padding=1, direction="weight_grad")
    assert any("pieces" in choice for choice in gradient.choices) and gradient.workspace_bytes > 0
    assert tapwise.cuda.explain(*shapes, direction="bias_grad").algorithm == "sum_pixels"
    for direction in ("forward", "input_grad", "weight_grad", "bias_grad"):
        empty = tapwise.cuda.explain((0, 3, 8, 8), (4, 3, 3, 3), direction=direction)
        assert empty.flops == 0 and empty.choices
    staged = tapwise.explain(*shapes, padding=1, device="cuda")
    assert f"{found.bytes_moved:,} bytes" in staged.copies[0] and "pinned" in staged.copies[0]
    assert "sums a block" in str(staged)
