"""Convolution and its gradients.

Every function shares the geometry arguments that :func:`conv` describes. Arrays are read where they lie, whatever their
strides and alignment, and results are new arrays or ``out``; nothing else is allocated but bounded scratch, whose size
:func:`tapwise.explain` tells.
"""

from collections.abc import Sequence

from . import _core
from ._device import on_cuda
from .types import Activation, Array, ArrayLike, IntOrInts, Padding


def conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    activation: Activation = None,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """Convolution over 1, 2 or 3 spatial axes, as many as `weight` has.

    ``y[n, o, q] = bias[o] + sum over c, k of x[n, c, q * stride + k * dilation - padding] * weight[o, c, k]``: the
    cross-correlation that deep learning calls convolution.

    Parameters
    ----------
    x : (N, C, \\*space) float32 or float64
        A NumPy array, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
    weight : (O, C / groups, \\*kernel), dtype of `x`
    bias : (O,), dtype of `x`, optional
    stride, dilation : int or one per axis
        At least 1.
    padding : int, one per axis, a (low, high) pair per axis, or a name
        Zeros around `x`. ``"valid"``: none; ``"same"``: ``ceil(n / stride)`` outputs, the odd zero at the end
        (``"same_lower"``: at the start); ``"full"``: every position where kernel and input overlap; ``"causal"`` (one
        axis): an output sees no later input.
    groups : int
        Divides the channels of `x` and the outputs; each group of outputs sees its own group of channels.
    flip : bool
        True reverses the kernel: the convolution of mathematics.
    layout : str, optional
        The axes of `x` and the result: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.
    activation : None or "relu"
        Applied as the result is stored.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : str
        ``"auto"`` or ``"direct"``; see :func:`tapwise.set_algorithm`.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.

    Returns
    -------
    (N, O, \\*output) array in the layout of `x`, `out` if given
        A new array has the memory order of `x`.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The result or the scratch cannot be allocated.
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
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    activation: Activation = None,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """:func:`conv` of x (N, C, W) with weight (O, C / groups, KW); another rank is a ValueError."""
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
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    activation: Activation = None,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """:func:`conv` of x (N, C, H, W) with weight (O, C / groups, KH, KW); another rank is a ValueError."""
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
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    activation: Activation = None,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """:func:`conv` of x (N, C, D, H, W) with weight (O, C / groups, KD, KH, KW); another rank is a ValueError."""
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
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    output_padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    out: Array | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """Transposed convolution: the gradient by its input of a convolution, as a layer of its own.

    Parameters
    ----------
    x : (N, I, \\*space)
    weight : (I, O / groups, \\*kernel)
        As in PyTorch and ONNX; `weight_layout` names other orders (default ``"IO"`` + space).
    bias : (O,), optional
    padding : as in :func:`conv`
        What the convolution would pad, and this one therefore crops. Of the names, ``"valid"`` crops nothing and
        ``"same"`` and ``"same_lower"`` give ``n * stride`` outputs.
    output_padding : int or one per axis
        Outputs added at the end, fewer than `stride` (or `dilation`).

    The other arguments and the errors are those of :func:`conv`.

    Returns
    -------
    (N, O, \\*output) with ``output = (n - 1) * stride - low - high + (kernel - 1) * dilation + 1 + output_padding``
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


def conv_input_grad(
    grad: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    out: Array | None = None,
    accumulate: bool = False,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """The gradient by the input of ``conv(x, weight, ...)``.

    Parameters
    ----------
    grad : (N, O, \\*output)
        The gradient by the result, of exactly its shape.
    weight : as in :func:`conv`
    input_shape : tuple of ints
        The shape of `x`, in its layout.
    accumulate : bool
        Add into `out` instead of overwriting it.

    The other arguments and the errors are those of :func:`conv`.

    Returns
    -------
    array of shape `input_shape`, with the memory order of `grad`
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv_input_grad", {"grad": grad, "weight": weight}, out, "grad", accumulate, input_shape=input_shape,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv_input_grad(
        grad, weight, input_shape, stride, padding, dilation, groups, flip, layout, weight_layout,
        out, accumulate, algorithm, threads,
    )  # fmt: skip


def conv_weight_grad(
    grad: ArrayLike,
    x: ArrayLike,
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    out: Array | None = None,
    accumulate: bool = False,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """The gradient by the weight of ``conv(x, weight, ...)``, summed over batch and space.

    Parameters
    ----------
    grad : (N, O, \\*output)
    x : (N, C, \\*space)
    kernel_size : int or one per axis
        The spatial part of the weight's shape, e.g. ``(3, 3)``.
    accumulate : bool
        Add into `out` instead of overwriting it.

    The other arguments and the errors are those of :func:`conv`.

    Returns
    -------
    (O, C / groups, \\*kernel) array, or in `weight_layout`; a new one is in C order
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run(
            "conv_weight_grad", {"grad": grad, "x": x}, out, None, accumulate, kernel_size=kernel_size,
            stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
    return _core.conv_weight_grad(
        grad, x, kernel_size, stride, padding, dilation, groups, flip, layout, weight_layout,
        out, accumulate, algorithm, threads,
    )  # fmt: skip


def conv_bias_grad(
    grad: ArrayLike,
    *,
    layout: str | None = None,
    out: Array | None = None,
    accumulate: bool = False,
    threads: int | None = None,
    device: str = "cpu",
) -> Array:
    """The gradient by the bias: the sum of grad (N, O, \\*output) over batch and space, of shape (O,)."""
    if on_cuda(device):
        from . import _staging

        return _staging.run("conv_bias_grad", {"grad": grad}, out, None, accumulate, layout=layout, threads=threads)
    return _core.conv_bias_grad(grad, layout, out, accumulate, threads)


def conv_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    needs: tuple[bool, bool, bool] = (True, True, True),
    out: tuple[Array | None, Array | None, Array | None] = (None, None, None),
    accumulate: bool = False,
    activation: Activation = None,
    y: ArrayLike | None = None,
    algorithm: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
) -> tuple[Array | None, Array | None, Array | None]:
    """All gradients of ``conv(x, weight, bias, ...)``.

    Parameters
    ----------
    grad : (N, O, \\*output)
        The gradient by the result, of exactly its shape.
    activation : None or "relu"
        What the forward pass was given. With ``"relu"``, `grad` is the gradient by the activated result, and ReLU's
        gradient is taken on the way: `grad` counts as zero where `y` is.
    y : (N, O, \\*output), optional
        The result of that forward pass; needed with ``activation="relu"``, and only then.
    needs : three bools
        Which of the gradients by input, weight and bias to compute.
    out : three arrays or None
        Receive them. All are checked before the first is written.
    accumulate : bool
        Add into them; every needed one must then be given.

    The other arguments and the errors are those of :func:`conv`.

    Returns
    -------
    (grad_input, grad_weight, grad_bias), None where not needed
    """
    if on_cuda(device):
        from . import _staging

        if not isinstance(out, tuple | list) or len(out) != 3:
            raise ValueError(f"out must be a tuple of three, for the input, the weight and the bias, got {out!r}")
        if activation == "relu" and y is not None:
            grad = _core.relu_grad(grad, y, None, threads)
        elif activation is not None or y is not None:
            raise ValueError(f'activation and y must be None, or "relu" and the result, got {activation!r} and {y!r}')
        outs = dict(zip(("out[0]", "out[1]", "out[2]"), out, strict=True))
        gradients = _staging.run_all(
            "conv_backward", {"grad": grad, "x": x, "weight": weight}, outs, ("x", None, None),
            accumulate, needs=needs, stride=stride, padding=padding, dilation=dilation, groups=groups, flip=flip,
            layout=layout, weight_layout=weight_layout, algorithm=algorithm, threads=threads,
        )  # fmt: skip
        return gradients[0], gradients[1], gradients[2]
    return _core.conv_backward(
        grad, x, weight, stride, padding, dilation, groups, flip, layout, weight_layout, needs,
        out, accumulate, activation, y, algorithm, threads,
    )  # fmt: skip


def conv_transpose_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    output_padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
    needs: tuple[bool, bool, bool] = (True, True, True),
    out: tuple[Array | None, Array | None, Array | None] = (None, None, None),
    accumulate: bool = False,
    algorithm: str = "auto",
    threads: int | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """All gradients of ``conv_transpose(x, weight, bias, ...)``.

    Parameters
    ----------
    grad : (N, O, \\*output)
        The gradient by the result, of exactly its shape.
    x : (N, I, \\*space)
    weight : (I, O / groups, \\*kernel)
    needs, out, accumulate : as in :func:`conv_backward`

    The other arguments and the errors are those of :func:`conv_transpose`.

    Returns
    -------
    (grad_input, grad_weight, grad_bias), None where not needed
    """
    return _core.conv_transpose_backward(
        grad, x, weight, stride, padding, output_padding, dilation, groups, flip, layout, weight_layout,
        needs, out, accumulate, algorithm, threads,
    )  # fmt: skip


def conv_output_shape(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    flip: bool = False,
    layout: str | None = None,
    weight_layout: str | None = None,
) -> tuple[int, ...]:
    """The shape of ``conv(x, weight, ...)``; its errors, too."""
    return _core.conv_output_shape(
        x_shape, weight_shape, stride, padding, dilation, groups, flip, layout, weight_layout
    )
