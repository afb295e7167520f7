"""Pooling over 1, 2 or 3 spatial axes, and its gradients."""

from __future__ import annotations

import operator
from math import prod
from typing import Literal, SupportsIndex, overload

import numpy as np

from . import _core
from .types import F, IntOrInts, Layout, NDArray, Operand, Padding, Shape


@overload
def max_pool(
    x: Operand[F],
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = ...,
    padding: Padding = ...,
    dilation: IntOrInts = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
    layout: Layout | None = ...,
    out: NDArray[F] | None = ...,
    threads: SupportsIndex | None = ...,
) -> NDArray[F]: ...
@overload
def max_pool(
    x: Operand[F],
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = ...,
    padding: Padding = ...,
    dilation: IntOrInts = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[True],
    layout: Layout | None = ...,
    out: NDArray[F] | None = ...,
    threads: SupportsIndex | None = ...,
) -> tuple[NDArray[F], NDArray[np.int64]]: ...
def max_pool(
    x: Operand[F],
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = None,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: Layout | None = None,
    out: NDArray[F] | None = None,
    threads: SupportsIndex | None = None,
) -> NDArray[F] | tuple[NDArray[F], NDArray[np.int64]]:
    """The maximum of each window of x, over 1, 2 or 3 spatial axes.

    Parameters
    ----------
    x : (N, C, \\*space) float32 or float64
    kernel_size : int or one per axis
    stride : int or one per axis, optional
        `kernel_size` by default: windows side by side.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        At most half of `kernel_size` at each end. Padding never is the maximum; a NaN always is. The names are those
        of :func:`tapwise.conv`: ``"same"`` gives ``ceil(n / stride)`` outputs.
    dilation : int or one per axis
    ceil_mode : bool
        Round the size of the output up instead of down: a last window may reach beyond the padding, if it begins within
        x or the padding before it.
    return_indices : bool
        Return also where each maximum was found, the first of equals, for :func:`max_pool_grad`.
    layout : str, optional
        As in :func:`tapwise.conv`.
    out : array, optional
        Receives the maxima: writable, of their shape and dtype, not overlapping x.
    threads : int, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    y : (N, C, \\*output) array in the layout of x
        ``output = (n + low + high - (kernel - 1) * dilation - 1) // stride + 1``
    indices : int64 array of the same shape, with ``return_indices=True``
        Positions in the plane of x, counted as PyTorch does: ``h * W + w``, or ``(d * H + h) * W + w``.

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`; a window that would see padding alone.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> x = np.array([[[[1.0, 7, 2, 3], [5, 4, 9, 8]]]])
    >>> tapwise.max_pool(x, 2)
    array([[[[7., 9.]]]])
    >>> y, indices = tapwise.max_pool(x, 2, return_indices=True)
    >>> indices
    array([[[[1, 6]]]])
    """
    pooled: NDArray[F] | tuple[NDArray[F], NDArray[np.int64]] = _core.max_pool(
        x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, threads
    )
    return pooled


def max_pool_grad(
    grad: Operand[F],
    x: Operand[F] | Shape,
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = None,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    indices: NDArray[np.int64] | None = None,
    layout: Layout | None = None,
    out: NDArray[F] | None = None,
    threads: SupportsIndex | None = None,
) -> NDArray[F]:
    """The gradient of ``max_pool(x, ...)``: each number of grad goes to the maximum of its window, the first of equals.

    Parameters
    ----------
    grad : (N, C, \\*output)
        The gradient by the result, of exactly its shape.
    x : (N, C, \\*space), dtype of `grad`
        What was pooled; its shape, a tuple, is enough with `indices`.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        As in :func:`max_pool`.
    indices : int64 array of grad's shape, optional
        What ``max_pool(..., return_indices=True)`` gave. Without them each window is searched again.
    out : array, optional
        Receives the result: writable, of x's shape and dtype, not overlapping another operand.
    threads : int, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    (N, C, \\*space) array

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`; an index outside of its plane.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> x = np.array([[[[1.0, 7, 2, 3], [5, 4, 9, 8]]]])
    >>> y, indices = tapwise.max_pool(x, 2, return_indices=True)
    >>> tapwise.max_pool_grad(np.array([[[[10.0, 20]]]]), x.shape, 2, indices=indices)
    array([[[[ 0., 10.,  0.,  0.],
             [ 0.,  0., 20.,  0.]]]])
    """
    return _core.max_pool_grad(
        grad, x, kernel_size, stride, padding, dilation, ceil_mode, indices, layout, out, threads
    )


def avg_pool(
    x: Operand[F],
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout | None = None,
    out: NDArray[F] | None = None,
    threads: SupportsIndex | None = None,
) -> NDArray[F]:
    """The mean of each window of x, over 1, 2 or 3 spatial axes.

    Parameters
    ----------
    x : (N, C, \\*space) float32 or float64
    kernel_size, stride, padding, ceil_mode, layout
        As in :func:`max_pool`.
    count_include_pad : bool
        Whether zeros of the padding count as numbers of a window. What ``ceil_mode`` adds never does.
    out : array, optional
        Receives the result: writable, of its shape and dtype, not overlapping x.
    threads : int, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    (N, C, \\*output) array in the layout of x, of the size that :func:`max_pool` gives

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`; a window that would see padding alone.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> tapwise.avg_pool(np.array([[[1.0, 3, 5]]]), 2, stride=1, padding=1)
    array([[[0.5, 2. , 4. , 2.5]]])
    >>> tapwise.avg_pool(np.array([[[1.0, 3, 5]]]), 2, stride=1, padding=1, count_include_pad=False)
    array([[[1., 2., 4., 5.]]])
    """
    return _core.avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, layout, out, threads)


def avg_pool_grad(
    grad: Operand[F],
    x: Operand[F] | Shape,
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout | None = None,
    out: NDArray[F] | None = None,
    threads: SupportsIndex | None = None,
) -> NDArray[F]:
    """The gradient of ``avg_pool(x, ...)``: each number of grad, shared out evenly over its window.

    Parameters
    ----------
    grad : (N, C, \\*output)
        The gradient by the result, of exactly its shape.
    x : (N, C, \\*space), or that shape as a tuple
        What was pooled; only its shape matters.
    kernel_size, stride, padding, ceil_mode, count_include_pad, layout
        As in :func:`avg_pool`.
    out : array, optional
        Receives the result: writable, of x's shape and grad's dtype, not overlapping grad.
    threads : int, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    (N, C, \\*space) array

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> tapwise.avg_pool_grad(np.array([[[2.0, 4.0]]]), (1, 1, 4), 2)
    array([[[1., 1., 2., 2.]]])
    """
    return _core.avg_pool_grad(
        grad, x, kernel_size, stride, padding, ceil_mode, count_include_pad, layout, out, threads
    )


def global_avg_pool(x: Operand[F], *, layout: Layout | None = None, out: NDArray[F] | None = None) -> NDArray[F]:
    """The mean of each channel over all of its space, of shape (N, C).

    Parameters
    ----------
    x : (N, C, \\*space) float32 or float64
    layout : str, optional
        As in :func:`tapwise.conv`; without a batch axis the result is (C,).
    out : array, optional
        Receives the result: writable, of its shape and dtype, not overlapping x.

    Returns
    -------
    (N, C) array, `out` if given

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> tapwise.global_avg_pool(np.array([[[[1.0, 2], [3, 6]]]]))
    array([[3.]])
    """
    source = _core.as_array(x, "x")
    axes = _spatial_axes(source.ndim, layout)
    shape = tuple(n for a, n in enumerate(source.shape) if a not in axes)
    if not all(source.shape[a] for a in axes):
        raise ValueError(f"x must have at least one element along every axis of space, got shape {source.shape}")
    result = _core.result(out, "out", shape, source, True, {"x": source})
    np.mean(source, axis=axes, out=result)
    return result if out is None else out


def global_avg_pool_grad(
    grad: Operand[F], input_shape: Shape, *, layout: Layout | None = None, out: NDArray[F] | None = None
) -> NDArray[F]:
    """The gradient of ``global_avg_pool(x)``: each number of grad, shared out evenly over its channel's space.

    Parameters
    ----------
    grad : (N, C) float32 or float64
    input_shape : tuple of ints
        The shape of x, in its layout.
    layout : str, optional
        As in :func:`tapwise.conv`.
    out : array, optional
        Receives the result: writable, of its shape and dtype, not overlapping grad.

    Returns
    -------
    array of shape `input_shape`, `out` if given

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> tapwise.global_avg_pool_grad(np.array([[8.0]]), (1, 1, 2, 2))
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    source = _core.as_array(grad, "grad")
    shape = tuple(operator.index(n) for n in input_shape)
    axes = _spatial_axes(len(shape), layout)
    expected = tuple(n for a, n in enumerate(shape) if a not in axes)
    if source.shape != expected:
        raise ValueError(f"grad must have shape {expected}, one number a channel of {shape}, got {source.shape}")
    result = _core.result(out, "out", shape, source, True, {"grad": source})
    np.divide(np.expand_dims(source, axes), prod(shape[a] for a in axes), out=result)
    return result if out is None else out


_LAYOUTS = tuple(pattern.replace("*", space) for space in ("W", "HW", "DHW") for pattern in ("NC*", "N*C", "C*", "*C"))


def _spatial_axes(ndim: int, layout: str | None) -> tuple[int, ...]:
    if layout is None:
        if not 3 <= ndim <= 5:
            raise ValueError(f"x must have 1 to 3 spatial axes beside batch and channels, got {ndim} axes")
        return tuple(range(2, ndim))
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(map(repr, _LAYOUTS))}, got {layout!r}")
    if len(layout) != ndim:
        raise ValueError(f'x must have {len(layout)} axes in layout "{layout}", got {ndim}')
    return tuple(axis for axis, name in enumerate(layout) if name in "DHW")
