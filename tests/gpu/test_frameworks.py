"""Arrays of PyTorch, CuPy and Numba on the device, there and back, on their streams."""

import numpy as np
import pytest
import real_device  # noqa: F401

import tapwise

X = np.random.default_rng(1).integers(-3, 4, (4, 16, 40, 40)).astype(np.float32)
W = np.random.default_rng(2).integers(-3, 4, (24, 16, 3, 3)).astype(np.float32)
EXPECTED = tapwise.conv(X, W, padding=1)


@pytest.mark.parametrize("own_stream", [False, True])
@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels_last"])
def test_torch(backend, own_stream, last):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    stream = torch.cuda.Stream() if own_stream else torch.cuda.current_stream()
    with torch.cuda.stream(stream):
        x, w = torch.from_numpy(X).cuda(non_blocking=True), torch.from_numpy(W).cuda(non_blocking=True)
        if last:
            x = x.to(memory_format=torch.channels_last)
        y = torch.from_dlpack(tapwise.cuda.conv(x, w, padding=1, stream=stream.cuda_stream))
        again = y * 1
        del x, w, y
    np.testing.assert_array_equal(again.cpu().numpy(), EXPECTED)


@pytest.mark.parametrize("own_stream", [False, True])
def test_cupy(backend, own_stream):
    cupy = pytest.importorskip("cupy")
    stream = cupy.cuda.Stream(non_blocking=True) if own_stream else cupy.cuda.Stream.null
    with stream:
        x, w = cupy.asarray(X), cupy.asarray(W)
        y = cupy.from_dlpack(tapwise.cuda.conv(x, w, padding=1, stream=stream.ptr))
        z = cupy.asarray(tapwise.cuda.conv(x, w, padding=1, stream=stream.ptr))
        np.testing.assert_array_equal(cupy.asnumpy(y), EXPECTED)
        np.testing.assert_array_equal(cupy.asnumpy(z), EXPECTED)


def test_numba(backend):
    cuda = pytest.importorskip("numba.cuda")
    x, w, out = cuda.to_device(X), cuda.to_device(W), cuda.device_array(EXPECTED.shape, np.float32)
    assert tapwise.cuda.conv(x, w, padding=1, out=out) is out
    np.testing.assert_array_equal(out.copy_to_host(), EXPECTED)
