"""Independent implementations: PyTorch over the table, SciPy and NumPy by their own definitions."""

import numpy as np
import problems
import pytest
from geometries import CASES

import tapwise

RTOL = {np.float32: 2e-4, np.float64: 1e-11}


def close(ours, theirs, scale):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=RTOL[ours.dtype.type] * scale)


def symmetric_padding(case):
    padding = case.options.get("padding", 0)
    if isinstance(padding, str):
        return padding == "valid"
    return isinstance(padding, int) or all(isinstance(p, int) for p in padding)


def shared_with_torch(case):
    return symmetric_padding(case) and not case.options.get("flip")


@pytest.mark.parametrize("case", [c for c in CASES if shared_with_torch(c)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_torch(case, dtype, rng):
    torch = pytest.importorskip("torch")
    p = problems.integer_problem(case)
    x, w, g = (rng.standard_normal(a.shape).astype(dtype) for a in (p.x, p.w, p.grad))
    b = rng.standard_normal(len(w)).astype(dtype)
    tensors = [torch.from_numpy(a).requires_grad_() for a in (x, w, b)]
    y = getattr(torch.nn.functional, f"conv{case.rank}d")(*tensors, **case.options)
    y.backward(torch.from_numpy(g))
    size = max(p.products(name) for name in ("forward", "input_grad")) ** 0.5
    close(tapwise.conv(x, w, b, **case.options), y.detach().numpy(), size)
    ours = tapwise.conv_backward(g, x, w, **case.options)
    close(ours[0], tensors[0].grad.numpy(), size)
    close(ours[1], tensors[1].grad.numpy(), p.products("weight_grad") ** 0.5)
    close(ours[2], tensors[2].grad.numpy(), p.products("bias_grad") ** 0.5)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(stride=2, padding=1, output_padding=1),
        dict(stride=3, padding=2, dilation=2),
        dict(groups=2, stride=2),
        dict(dilation=3, output_padding=2),
    ],
    ids=str,
)
def test_torch_transposed(rng, rank, options):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 6, *(5, 6, 4)[:rank])).astype(np.float32)
    w = rng.standard_normal((6, 8 // options.get("groups", 1), *(3, 4, 3)[:rank]))
    w, b = w.astype(np.float32), rng.standard_normal(8).astype(np.float32)
    theirs = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    expected = theirs(*map(torch.from_numpy, (x, w, b)), **options).numpy()
    close(tapwise.conv_transpose(x, w, b, **options), expected, 10)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, (2, 5)])
def test_torch_same_padding(rng, dilation, kernel):
    """PyTorch too puts the odd one of "same" at the end."""
    torch = pytest.importorskip("torch")
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    x = rng.standard_normal((1, 2, 9, 10)).astype(np.float32)
    w = rng.standard_normal((3, 2, *kernel)).astype(np.float32)
    options = dict(padding="same", dilation=dilation)
    expected = torch.nn.functional.conv2d(*map(torch.from_numpy, (x, w)), **options).numpy()
    close(tapwise.conv(x, w, **options), expected, 4)


@pytest.mark.parametrize("mode, padding", [("valid", "valid"), ("full", "full")])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_scipy_signal(rng, mode, padding, rank, flip):
    signal = pytest.importorskip("scipy.signal")
    a, v = rng.standard_normal((9, 8, 7)[:rank]), rng.standard_normal((3, 4, 2)[:rank])
    theirs = (signal.convolve if flip else signal.correlate)(a, v, mode, method="direct")
    ours = tapwise.conv(a[None, None], v[None, None], padding=padding, flip=flip)
    close(ours[0, 0], theirs, 4)


def test_numpy_multiplies_the_windows(rng):
    x, w = rng.standard_normal((2, 5, 9, 10)), rng.standard_normal((6, 5, 3, 4))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 4), axis=(2, 3))
    expected = np.einsum("ncijuv,ocuv->noij", windows, w)
    close(tapwise.conv(x, w), expected, 8)
    close(tapwise.conv(x, w, stride=(2, 3)), expected[:, :, ::2, ::3], 8)


def test_numpy_convolve_and_correlate(rng):
    a, v = rng.standard_normal(50), rng.standard_normal(7)
    ours = tapwise.conv(a[None, None], v[None, None], padding="full", flip=True)
    close(ours[0, 0], np.convolve(a, v), 3)
    close(tapwise.conv(a[None, None], v[None, None])[0, 0], np.correlate(a, v), 3)
