"""No driver, an old one, no device, no memory: one clear exception each, and the next call works."""

import gc

import numpy as np
import pytest
from device_arrays import to_device, to_host

import tapwise

X, W = np.ones((1, 2, 6, 6), np.float32), np.ones((3, 2, 3, 3), np.float32)

CALLS = {
    "conv": lambda: tapwise.cuda.conv(X, W),
    "conv_transpose": lambda: tapwise.cuda.conv_transpose(X, W),
    "conv_input_grad": lambda: tapwise.cuda.conv_input_grad(X, W, X.shape),
    "conv_weight_grad": lambda: tapwise.cuda.conv_weight_grad(X, X, 3),
    "conv_bias_grad": lambda: tapwise.cuda.conv_bias_grad(X),
    "conv_backward": lambda: tapwise.cuda.conv_backward(X, X, W),
    "explain": lambda: tapwise.cuda.explain(X.shape, W.shape),
    "synchronize": lambda: tapwise.cuda.synchronize(),
    "relu": lambda: tapwise.cuda.relu(X),
    "staged conv": lambda: tapwise.conv(X, W, device="cuda"),
    "staged backward": lambda: tapwise.conv_backward(X, X, W, device="cuda"),
    "staged explain": lambda: tapwise.explain(X.shape, W.shape, device="cuda"),
}
MISSING = {
    "no driver": ({"driver": 0}, "no NVIDIA driver"),
    "an old driver": ({"driver": 12040}, r"driver is for CUDA 12\.4, older than"),
    "no device": ({"devices": 0}, "cudaErrorNoDevice"),
}


@pytest.mark.parametrize("what", MISSING)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_to_run_on(emulation, what, call):
    settings, words = MISSING[what]
    emulation.set(**settings)
    assert not tapwise.cuda.is_available()
    assert tapwise.cuda.device_count() == 0
    with pytest.raises(RuntimeError, match=words):
        CALLS[call]()
    emulation.restore()
    assert tapwise.cuda.is_available()
    np.testing.assert_array_equal(tapwise.conv(X, W, device="cuda"), tapwise.conv(X, W))


def test_a_device_that_is_too_old(emulation):
    emulation.set(arch=75)
    assert not tapwise.cuda.is_available()
    with pytest.raises(RuntimeError, match=r"too old: 8\.0 is needed"):
        tapwise.cuda.conv(X, W)


def test_status_names_the_devices(emulation):
    emulation.set(devices=2, arch=90)
    assert tapwise.cuda.device_count() == 2
    assert "2 device(s)" in tapwise.cuda.status() and "compute capability 9.0" in tapwise.cuda.status()


def test_out_of_memory(emulation):
    x, w = to_device(np.ones((1, 4, 40, 40), np.float32)), to_device(np.ones((4, 4, 3, 3), np.float32))
    expected = to_host(tapwise.cuda.conv(x, w))
    gc.collect()
    tapwise.cuda.synchronize()  # lets go of what the call kept
    in_use = emulation.bytes_in_use
    emulation.set(memory=in_use + 1000)
    for call in (
        lambda: tapwise.cuda.conv(x, w),
        lambda: tapwise.conv(np.ones((1, 4, 40, 40), np.float32), np.ones((4, 4, 3, 3), np.float32), device="cuda"),
    ):
        with pytest.raises(MemoryError, match="bytes.*cudaErrorMemoryAllocation"):
            call()
    gc.collect()
    assert emulation.bytes_in_use <= in_use + 1000
    emulation.set(memory=1 << 32)
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, w)), expected)


def test_a_workspace_that_does_not_fit(emulation):
    grad, x = (to_device(np.ones((8, 16, 16, 16), np.float32)) for _ in range(2))
    out = to_device(np.zeros((16, 16, 1, 1), np.float32))
    assert tapwise.cuda.explain(x.shape, out.shape, direction="weight_grad").workspace_bytes > 1000
    tapwise.cuda.synchronize()
    emulation.set(memory=emulation.bytes_in_use + 1000)
    with pytest.raises(MemoryError, match="workspace"):
        tapwise.cuda.conv_weight_grad(grad, x, 1, out=out)
    assert not to_host(out).any()
    emulation.set(memory=1 << 32)
    assert (to_host(tapwise.cuda.conv_weight_grad(grad, x, 1, out=out)) == 8 * 16 * 16).all()


def test_a_device_with_little_shared_memory(emulation):
    """The large tiles do not fit; the planner takes others."""
    x, w = to_device(np.ones((2, 64, 20, 20), np.float32)), to_device(np.ones((64, 64, 3, 3), np.float32))
    expected = to_host(tapwise.cuda.conv(x, w))
    emulation.set(shared_optin=49152)
    np.testing.assert_array_equal(to_host(tapwise.cuda.conv(x, w)), expected)


def test_without_stream_ordered_memory(emulation):
    emulation.set(pools=0)
    np.testing.assert_array_equal(tapwise.conv(X, W, device="cuda"), tapwise.conv(X, W))


def test_device_names_are_checked():
    with pytest.raises(ValueError, match="device must be"):
        tapwise.conv(X, W, device="gpu")


@pytest.mark.parametrize("settings", [{"order": "reverse", "land": "wait"}, {"order": "shuffled", "streams": "lazy"}])
def test_any_order_of_threads(emulation, settings):
    emulation.set(**settings)
    rng = np.random.default_rng(1)
    x, w = rng.integers(-3, 4, (2, 8, 9, 9)).astype(np.float32), rng.integers(-3, 4, (12, 8, 3, 3)).astype(np.float32)
    for padding, stride in ((1, 1), (0, 2)):
        options = {"padding": padding, "stride": stride}
        y = tapwise.conv(x, w, **options)
        np.testing.assert_array_equal(tapwise.conv(x, w, device="cuda", **options), y)
        for found, expected in zip(
            tapwise.conv_backward(y, x, w, device="cuda", **options),
            tapwise.conv_backward(y, x, w, **options),
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)
