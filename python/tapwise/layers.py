"""What a small network needs beside convolution: dense layers, ReLU, max pooling, and their gradients."""

from . import _core
from .types import Activation, Array, ArrayLike, IntOrInts


def dense(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    activation: Activation = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """``x @ weight.T + bias``: a dense layer, which is a 1x1 convolution whose pixels are the batch.

    x is (N, F), weight (O, F) as in PyTorch, bias (O,), the result (N, O). dtypes, `activation`, `out`, `threads` and
    errors as in :func:`tapwise.conv`.
    """
    return _core.dense(x, weight, bias, activation, out, threads)


def dense_grad(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    needs: tuple[bool, bool, bool] = (True, True, True),
    out: tuple[Array | None, Array | None, Array | None] = (None, None, None),
    accumulate: bool = False,
    threads: int | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of ``dense(x, weight, bias)`` by x (N, F), weight (O, F) and bias (O,) from grad (N, O).

    `needs`, `out` and `accumulate` as in :func:`tapwise.conv_backward`.
    """
    return _core.dense_grad(grad, x, weight, needs, out, accumulate, threads)


def relu(x: ArrayLike, *, out: Array | None = None, threads: int | None = None) -> Array:
    """``max(0, x)`` of an array of any shape. NaN stays NaN."""
    return _core.relu(x, out, threads)


def relu_grad(grad: ArrayLike, x: ArrayLike, *, out: Array | None = None, threads: int | None = None) -> Array:
    """The gradient of ``relu(x)``: grad where x > 0, else 0. x may be the result of relu as well."""
    return _core.relu_grad(grad, x, out, threads)


def max_pool(
    x: ArrayLike,
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    layout: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """The maximum of each window of x (N, C, \\*space), over 1, 2 or 3 spatial axes.

    Parameters
    ----------
    kernel_size : int or one per axis
    stride : int or one per axis, optional
        `kernel_size` by default: windows side by side.
    padding : int or one per axis
        At most half of `kernel_size`, on both sides. Padding never is the maximum; a NaN always is.
    layout : str, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    (N, C, \\*output) with ``output = (n + 2 * padding - (kernel - 1) * dilation - 1) // stride + 1``
    """
    return _core.max_pool(x, kernel_size, stride, padding, dilation, layout, out, threads)


def max_pool_grad(
    grad: ArrayLike,
    x: ArrayLike,
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    layout: str | None = None,
    out: Array | None = None,
    threads: int | None = None,
) -> Array:
    """The gradient of ``max_pool(x, ...)``: each number of grad goes to the first maximum of its window."""
    return _core.max_pool_grad(grad, x, kernel_size, stride, padding, dilation, layout, out, threads)
