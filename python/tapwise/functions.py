"""Convolution and transposed convolution.

Operands are read where they lie, whatever their strides and alignment, and results are new arrays or ``out``. Beside
these there is only scratch, which holds the weights in the order of the kernel and at most a band of the activations a
thread; :func:`tapwise.explain` tells its size.
"""

from __future__ import annotations

from typing import SupportsIndex

from . import _core
from ._device import on_cuda
from .types import (
    Activation,
    Algorithm,
    Device,
    F,
    IntOrInts,
    Layout,
    Layout1d,
    Layout2d,
    Layout3d,
    NDArray,
    Operand,
    Padding,
    Padding2d,
    Shape,
    TransposedPadding,
    TransposedWeightLayout,
    WeightLayout,
    WeightLayout1d,
    WeightLayout2d,
    WeightLayout3d,
)


def conv(
    x: Operand[F],
    weight: Operand[F],
    bias: Operand[F] | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: WeightLayout | None = None,
    activation: Activation = None,
    out: NDArray[F] | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """Convolution over 1, 2 or 3 spatial axes, as many as `weight` has.

    ``y[n, o, q] = bias[o] + sum over c, k of x[n, c, q * stride + k * dilation - low] * weight[o, c, k]``, where q and
    k are positions along all spatial axes and `low` is the padding before `x`: the cross-correlation that deep learning
    calls convolution.

    Parameters
    ----------
    x : (N, C, *space) float32 or float64
        A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
    weight : (O, C / groups, *kernel), dtype of `x`
    bias : (O,), dtype of `x`, optional
    stride : int or one per axis
        Steps in `x` from one output to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`, which take no part in any sum. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs,
        the odd zero at the end (``"same_lower"``: at the start); ``"full"``: every position where kernel and input
        overlap; ``"causal"`` (one axis): an output sees no later input.
    dilation : int or one per axis
        Steps in `x` from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, e.g. ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.
    activation : None or "relu"
        Applied as the result is stored.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.

    Returns
    -------
    y : (N, O, *output) array in the layout of `x`, `out` if given
        A new array has the memory order of `x`. Along each axis there are ``(n + low + high - (kernel - 1) * dilation -
        1) // stride + 1`` outputs.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The result or the scratch cannot be allocated.

    Notes
    -----
    Padding takes no part in any sum of ``"direct"``: a NaN or Inf of `x` reaches exactly the outputs whose window holds
    it, and one of `weight` those where it meets `x`. Products that cancel sum to +0.0.

    `x` is read where it lies. The weights are packed into scratch, and where a stride or a layout does not suit the
    kernel so is a band of `x` at a time, in under 2 MB a thread; :func:`tapwise.explain` says what a call copies.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> weight = np.array([[[1.0, 10.0]]])
    >>> tapwise.conv(x, weight)
    array([[[21., 32., 43.]]])
    >>> tapwise.conv(x, weight, flip=True, padding="full")
    array([[[ 1., 12., 23., 34., 40.]]])
    >>> tapwise.conv(x, weight, stride=2, padding=[(1, 0)])
    array([[[10., 32.]]])

    A smoothed image, channels last:

    >>> image = np.zeros((1, 3, 3, 1), np.float32)
    >>> image[0, 1, 1, 0] = 9
    >>> tapwise.conv(image, np.full((1, 1, 3, 3), 1 / 9, np.float32), padding="same", layout="NHWC")[0, :, :, 0]
    array([[1., 1., 1.],
           [1., 1., 1.],
           [1., 1., 1.]], dtype=float32)
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv", {"x": x, "weight": weight, "bias": bias}, out, "x", activation=activation,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv(
        x, weight, bias, 0, stride, padding, dilation, groups, flip, layout, weight_layout,
        activation, out, algorithm, threads,
    )  # fmt: skip


def conv1d(
    x: Operand[F],
    weight: Operand[F],
    bias: Operand[F] | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout1d | None = None,
    weight_layout: WeightLayout1d | None = None,
    activation: Activation = None,
    out: NDArray[F] | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """Convolution along one spatial axis, such as time.

    ``y[n, o, q] = bias[o] + sum over c, k of x[n, c, q * stride + k * dilation - low] * weight[o, c, k]``, where `low`
    is the padding before `x`: the cross-correlation that deep learning calls convolution.

    Parameters
    ----------
    x : (N, C, W) float32 or float64
        A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
    weight : (O, C / groups, KW), dtype of `x`
    bias : (O,), dtype of `x`, optional
    stride : int or one per axis
        Steps in `x` from one output to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`, which take no part in any sum. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs,
        the odd zero at the end (``"same_lower"``: at the start); ``"full"``: every position where kernel and input
        overlap; ``"causal"``: an output sees no later input.
    dilation : int or one per axis
        Steps in `x` from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCW"`` (the default), ``"NWC"``, or without a batch ``"CW"``, ``"WC"``.
    weight_layout : str, optional
        ``"OIW"`` (the default), ``"OWI"`` (MLX, cuDNN) or ``"WIO"`` (TensorFlow, JAX). Independent of `layout`.
    activation : None or "relu"
        Applied as the result is stored.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.

    Returns
    -------
    y : (N, O, W') array in the layout of `x`, `out` if given
        A new array has the memory order of `x`. Along each axis there are ``(n + low + high - (kernel - 1) * dilation -
        1) // stride + 1`` outputs.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The result or the scratch cannot be allocated.

    Notes
    -----
    Padding takes no part in any sum of ``"direct"``: a NaN or Inf of `x` reaches exactly the outputs whose window holds
    it, and one of `weight` those where it meets `x`. Products that cancel sum to +0.0.

    `x` is read where it lies. The weights are packed into scratch, and where a stride or a layout does not suit the
    kernel so is a band of `x` at a time, in under 2 MB a thread; :func:`tapwise.explain` says what a call copies.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    >>> difference = np.array([[[-1.0, 1.0]]])
    >>> tapwise.conv1d(x, difference, padding="causal")
    array([[[1., 1., 1., 1.]]])
    >>> tapwise.conv1d(x[0], difference, stride=2, layout="CW")
    array([[1., 1.]])
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv1d", {"x": x, "weight": weight, "bias": bias}, out, "x", activation=activation,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv(
        x, weight, bias, 1, stride, padding, dilation, groups, flip, layout, weight_layout,
        activation, out, algorithm, threads,
    )  # fmt: skip


def conv2d(
    x: Operand[F],
    weight: Operand[F],
    bias: Operand[F] | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding2d = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout2d | None = None,
    weight_layout: WeightLayout2d | None = None,
    activation: Activation = None,
    out: NDArray[F] | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """Convolution over two spatial axes, such as those of images.

    ``y[n, o, q] = bias[o] + sum over c, k of x[n, c, q * stride + k * dilation - low] * weight[o, c, k]``, where q and
    k are positions along all spatial axes and `low` is the padding before `x`: the cross-correlation that deep learning
    calls convolution.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
        A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
    weight : (O, C / groups, KH, KW), dtype of `x`
    bias : (O,), dtype of `x`, optional
    stride : int or one per axis
        Steps in `x` from one output to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`, which take no part in any sum. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs,
        the odd zero at the end (``"same_lower"``: at the start); ``"full"``: every position where kernel and input
        overlap.
    dilation : int or one per axis
        Steps in `x` from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCHW"`` (the default), ``"NHWC"``, or without a batch ``"CHW"``, ``"HWC"``.
    weight_layout : str, optional
        ``"OIHW"`` (the default), ``"OHWI"`` (MLX, cuDNN) or ``"HWIO"`` (TensorFlow, JAX). Independent of `layout`.
    activation : None or "relu"
        Applied as the result is stored.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.

    Returns
    -------
    y : (N, O, H', W') array in the layout of `x`, `out` if given
        A new array has the memory order of `x`. Along each axis there are ``(n + low + high - (kernel - 1) * dilation -
        1) // stride + 1`` outputs.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The result or the scratch cannot be allocated.

    Notes
    -----
    Padding takes no part in any sum of ``"direct"``: a NaN or Inf of `x` reaches exactly the outputs whose window holds
    it, and one of `weight` those where it meets `x`. Products that cancel sum to +0.0.

    `x` is read where it lies. The weights are packed into scratch, and where a stride or a layout does not suit the
    kernel so is a band of `x` at a time, in under 2 MB a thread; :func:`tapwise.explain` says what a call copies.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> weight = np.array([[[[0.0, 1.0], [-1.0, 0.0]]]])
    >>> tapwise.conv2d(x, weight)
    array([[[[-2., -2.],
             [-2., -2.]]]])
    >>> tapwise.conv2d(x, weight, np.array([3.0]), padding=((1, 0), (0, 1)), activation="relu")
    array([[[[3., 2., 1.],
             [1., 1., 0.],
             [1., 1., 0.]]]])

    Two filters for three channels, with a stride, channels last:

    >>> images = np.ones((8, 32, 32, 3), np.float32)
    >>> tapwise.conv2d(images, np.ones((2, 3, 5, 5), np.float32), stride=2, padding="same", layout="NHWC").shape
    (8, 16, 16, 2)
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv2d", {"x": x, "weight": weight, "bias": bias}, out, "x", activation=activation,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv(
        x, weight, bias, 2, stride, padding, dilation, groups, flip, layout, weight_layout,
        activation, out, algorithm, threads,
    )  # fmt: skip


def conv3d(
    x: Operand[F],
    weight: Operand[F],
    bias: Operand[F] | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding2d = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout3d | None = None,
    weight_layout: WeightLayout3d | None = None,
    activation: Activation = None,
    out: NDArray[F] | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """Convolution over three spatial axes, such as those of volumes.

    ``y[n, o, q] = bias[o] + sum over c, k of x[n, c, q * stride + k * dilation - low] * weight[o, c, k]``, where q and
    k are positions along all spatial axes and `low` is the padding before `x`: the cross-correlation that deep learning
    calls convolution.

    Parameters
    ----------
    x : (N, C, D, H, W) float32 or float64
        A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
    weight : (O, C / groups, KD, KH, KW), dtype of `x`
    bias : (O,), dtype of `x`, optional
    stride : int or one per axis
        Steps in `x` from one output to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`, which take no part in any sum. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs,
        the odd zero at the end (``"same_lower"``: at the start); ``"full"``: every position where kernel and input
        overlap.
    dilation : int or one per axis
        Steps in `x` from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCDHW"`` (the default), ``"NDHWC"``, or without a batch ``"CDHW"``,
        ``"DHWC"``.
    weight_layout : str, optional
        ``"OIDHW"`` (the default), ``"ODHWI"`` (MLX, cuDNN) or ``"DHWIO"`` (TensorFlow, JAX). Independent of `layout`.
    activation : None or "relu"
        Applied as the result is stored.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.

    Returns
    -------
    y : (N, O, D', H', W') array in the layout of `x`, `out` if given
        A new array has the memory order of `x`. Along each axis there are ``(n + low + high - (kernel - 1) * dilation -
        1) // stride + 1`` outputs.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The result or the scratch cannot be allocated.

    Notes
    -----
    Padding takes no part in any sum of ``"direct"``: a NaN or Inf of `x` reaches exactly the outputs whose window holds
    it, and one of `weight` those where it meets `x`. Products that cancel sum to +0.0.

    `x` is read where it lies. The weights are packed into scratch, and where a stride or a layout does not suit the
    kernel so is a band of `x` at a time, in under 2 MB a thread; :func:`tapwise.explain` says what a call copies.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> tapwise.conv3d(x, np.ones((1, 1, 2, 1, 1)))
    array([[[[[ 4.,  6.],
              [ 8., 10.]]]]])
    >>> tapwise.conv3d(x, np.ones((4, 1, 3, 3, 3)), padding=1).shape
    (1, 4, 2, 2, 2)
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv3d", {"x": x, "weight": weight, "bias": bias}, out, "x", activation=activation,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv(
        x, weight, bias, 3, stride, padding, dilation, groups, flip, layout, weight_layout,
        activation, out, algorithm, threads,
    )  # fmt: skip


def conv_transpose(
    x: Operand[F],
    weight: Operand[F],
    bias: Operand[F] | None = None,
    *,
    stride: IntOrInts = 1,
    padding: TransposedPadding = 0,
    output_padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: TransposedWeightLayout | None = None,
    out: NDArray[F] | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """Transposed convolution: the gradient by its input of a convolution, as a layer of its own.

    ``y[n, o, p] = bias[o] + sum over i, q, k with q * stride + k * dilation - low = p of x[n, i, q] * weight[i, o,
    k]``: each number of `x` adds the kernel, times itself, to the result.

    Parameters
    ----------
    x : (N, I, *space) float32 or float64
        A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
    weight : (I, O / groups, *kernel), dtype of `x`
        As in PyTorch and ONNX.
    bias : (O,), dtype of `x`, optional
    stride : int or one per axis
        Steps in the result from one position of `x` to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        What the convolution would pad, and this one therefore crops. ``"valid"``: nothing; ``"same"``: so much that
        there are ``n * stride`` outputs, the odd one off the end (``"same_lower"``: off the start).
    output_padding : int or one per axis
        Outputs added at the end, fewer than `stride` or `dilation`; 0 where padding is ``"same"`` or ``"same_lower"``.
    dilation : int or one per axis
        Steps in the result from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of channels reaches its own group of outputs.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"IO"`` + space (the default, e.g. ``"IOHW"``), ``"I"`` + space + ``"O"``, space + ``"OI"``, or those with I
        and O exchanged. Independent of `layout`.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.

    Returns
    -------
    y : (N, O, *output) array in the layout of `x`, `out` if given
        A new array has the memory order of `x`. Along each axis there are ``(n - 1) * stride - low - high + (kernel -
        1) * dilation + 1 + output_padding`` outputs.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The result or the scratch cannot be allocated.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> tapwise.conv_transpose(x, np.array([[[1.0, 1.0]]]), stride=2)
    array([[[1., 1., 2., 2., 3., 3.]]])
    >>> tapwise.conv_transpose(np.ones((8, 16, 14, 14)), np.ones((16, 3, 4, 4)), stride=2, padding=1).shape
    (8, 3, 28, 28)
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv_transpose", {"x": x, "weight": weight, "bias": bias}, out, "x", output_padding=output_padding,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv_transpose(
        x, weight, bias, stride, padding, output_padding, dilation, groups, flip, layout,
        weight_layout, out, algorithm, threads,
    )  # fmt: skip


def conv_output_shape(
    x_shape: Shape,
    weight_shape: Shape,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: WeightLayout | None = None,
) -> tuple[int, ...]:
    """The shape of ``conv(x, weight, ...)``, with its errors; nothing is computed.

    Parameters
    ----------
    x_shape : (N, C, *space)
        The shape of `x`, in its layout.
    weight_shape : (O, C / groups, *kernel)
        The shape of `weight`, in its layout.
    stride : int or one per axis
        Steps in `x` from one output to the next, at least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`, which take no part in any sum. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs,
        the odd zero at the end (``"same_lower"``: at the start); ``"full"``: every position where kernel and input
        overlap; ``"causal"`` (one axis): an output sees no later input.
    dilation : int or one per axis
        Steps in `x` from one tap of the kernel to the next, at least 1.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, e.g. ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.

    Returns
    -------
    tuple of ints
        In the layout of `x`.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not a shape, or an argument of the wrong kind.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.conv_output_shape((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (8, 64, 112, 112)
    """
    return _core.conv_output_shape(
        x_shape, weight_shape, stride, padding, dilation, groups, flip, layout, weight_layout
    )
