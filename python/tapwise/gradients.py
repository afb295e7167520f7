"""The gradients of convolution and of transposed convolution.

They read and return arrays as the functions of :mod:`tapwise.functions` do.
"""

# Overloads that differ in `needs` alone have results that fit each other; mypy compares float32's with float64's.
# mypy: disable-error-code="overload-overlap"

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex, overload

from . import _core
from ._device import on_cuda
from .types import (
    Activation,
    Algorithm,
    Device,
    F,
    Gradients,
    IntOrInts,
    Layout,
    NDArray,
    Needs,
    No,
    Operand,
    Outs,
    Padding,
    Shape,
    TransposedPadding,
    TransposedWeightLayout,
    WeightLayout,
    Yes,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .types import ConvRest, TransposeRest


def conv_input_grad(
    grad: Operand[F],
    weight: Operand[F],
    input_shape: Shape,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: WeightLayout | None = None,
    out: NDArray[F] | None = None,
    accumulate: bool = False,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """The gradient by the input of ``conv(x, weight, ...)``.

    Parameters
    ----------
    grad : (N, O, *output), float32 or float64
        The gradient by the result, of exactly its shape.
    weight : (O, C / groups, *kernel), dtype of `grad`
    input_shape : tuple of ints
        The shape of `x`, in its layout.
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
        The axes of `grad` and the result: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, e.g. ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    accumulate : bool
        Add into `out`, which must be given, instead of overwriting it.
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
    array of shape `input_shape`, `out` if given
        A new array has the memory order of `grad`.

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
    >>> grad = np.array([[[1.0, 2.0]]])
    >>> tapwise.conv_input_grad(grad, np.array([[[1.0, 10.0]]]), (1, 1, 3))
    array([[[ 1., 12., 20.]]])
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
    grad: Operand[F],
    x: Operand[F],
    kernel_size: IntOrInts,
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: WeightLayout | None = None,
    out: NDArray[F] | None = None,
    accumulate: bool = False,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """The gradient by the weight of ``conv(x, weight, ...)``, summed over batch and space.

    Parameters
    ----------
    grad : (N, O, *output), float32 or float64
        The gradient by the result, of exactly its shape.
    x : (N, C, *space), dtype of `grad`
        The input of the forward pass.
    kernel_size : int or one per axis
        The spatial part of the weight's shape, e.g. ``(3, 3)``.
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
        The axes of `grad` and `x`: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``, ``"NHWC"``,
        ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, e.g. ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    accumulate : bool
        Add into `out`, which must be given, instead of overwriting it.
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
    (O, C / groups, *kernel) array, or in `weight_layout`; `out` if given
        A new array is in C order.

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
    >>> grad, x = np.array([[[1.0, 2.0]]]), np.array([[[3.0, 4.0, 5.0]]])
    >>> tapwise.conv_weight_grad(grad, x, 2)
    array([[[11., 14.]]])
    >>> total = np.full((1, 1, 2), 100.0)
    >>> tapwise.conv_weight_grad(grad, x, 2, out=total, accumulate=True) is total
    True
    >>> total
    array([[[111., 114.]]])
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
    grad: Operand[F],
    *,
    layout: Layout | None = None,
    out: NDArray[F] | None = None,
    accumulate: bool = False,
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> NDArray[F]:
    """The gradient by the bias of ``conv(x, weight, bias, ...)``: the sum of `grad` over batch and space.

    Parameters
    ----------
    grad : (N, O, *output), float32 or float64
        The gradient by the result, of exactly its shape.
    layout : str, optional
        The axes of `grad`: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``, ``"NHWC"``,
        ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    accumulate : bool
        Add into `out`, which must be given, instead of overwriting it.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.
    device : "cpu" or "cuda"
        Where to compute. ``"cuda"`` copies the operands to the current CUDA device and the result back, through pinned
        memory; see :mod:`tapwise.cuda` for arrays that lie there.

    Returns
    -------
    (O,) array, `out` if given

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
    >>> tapwise.conv_bias_grad(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([3., 7.])
    >>> tapwise.conv_bias_grad(np.array([[[1.0, 2.0], [3.0, 4.0]]]), layout="NWC")
    array([4., 6.])
    """
    if on_cuda(device):
        from . import _staging

        return _staging.run("conv_bias_grad", {"grad": grad}, out, None, accumulate, layout=layout, threads=threads)
    return _core.conv_bias_grad(grad, layout, out, accumulate, threads)


@overload
def conv_backward(
    grad: Operand[F],
    x: Operand[F],
    weight: Operand[F],
    *,
    needs: tuple[Yes, Yes, Yes] = ...,
    **rest: Unpack[ConvRest[F]],
) -> tuple[NDArray[F], NDArray[F], NDArray[F]]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, Yes, No], **rest: Unpack[ConvRest[F]]
) -> tuple[NDArray[F], NDArray[F], None]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, No, Yes], **rest: Unpack[ConvRest[F]]
) -> tuple[NDArray[F], None, NDArray[F]]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, No, No], **rest: Unpack[ConvRest[F]]
) -> tuple[NDArray[F], None, None]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, Yes, Yes], **rest: Unpack[ConvRest[F]]
) -> tuple[None, NDArray[F], NDArray[F]]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, Yes, No], **rest: Unpack[ConvRest[F]]
) -> tuple[None, NDArray[F], None]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, No, Yes], **rest: Unpack[ConvRest[F]]
) -> tuple[None, None, NDArray[F]]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, No, No], **rest: Unpack[ConvRest[F]]
) -> tuple[None, None, None]: ...
@overload
def conv_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: Needs, **rest: Unpack[ConvRest[F]]
) -> Gradients[F]: ...
def conv_backward(
    grad: Operand[F],
    x: Operand[F],
    weight: Operand[F],
    *,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: WeightLayout | None = None,
    needs: Needs = (True, True, True),
    out: Outs[F] = (None, None, None),
    accumulate: bool = False,
    activation: Activation = None,
    y: Operand[F] | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    device: Device = "cpu",
) -> Gradients[F]:
    """All gradients of ``conv(x, weight, bias, ...)``.

    Parameters
    ----------
    grad : (N, O, *output), float32 or float64
        The gradient by the result, of exactly its shape.
    x : (N, C, *space), dtype of `grad`
        The input of the forward pass.
    weight : (O, C / groups, *kernel), dtype of `grad`
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
        The axes of `grad`, `x` and `y`: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``,
        ``"NHWC"``, ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"OI"`` + space (the default, e.g. ``"OIHW"``), ``"O"`` + space + ``"I"`` (MLX, cuDNN) or space + ``"IO"``
        (TensorFlow, JAX). Independent of `layout`.
    needs : three bools
        Which of the gradients by input, weight and bias to compute.
    out : three arrays or None
        Receive them: writable, each of its exact shape and dtype, not overlapping an operand or each other. All are
        checked before the first is written.
    accumulate : bool
        Add into them instead of overwriting them; every needed one must then be given.
    activation : None or "relu"
        What the forward pass was given. With ``"relu"``, `grad` is the gradient by the activated result, and ReLU's
        gradient is taken on the way: `grad` counts as zero where `y` is.
    y : (N, O, *output), dtype of `grad`, optional
        The result of that forward pass; needed with ``activation="relu"``, and only then.
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
    grad_input, grad_weight, grad_bias : arrays, None where not needed, those of `out` if given
        With the shapes of the input, the weight and the bias. New ones have the memory order of `x`, and C order.

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
    >>> rng = np.random.default_rng(0)
    >>> x, weight, bias = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)
    >>> grad = rng.standard_normal((2, 4, 8, 8))
    >>> def loss(x, weight, bias):
    ...     return (grad * tapwise.conv2d(x, weight, bias, padding="same", activation="relu")).sum()

    The gradient of this loss by the result is `grad`:

    >>> y = tapwise.conv2d(x, weight, bias, padding="same", activation="relu")
    >>> gradients = tapwise.conv_backward(grad, x, weight, padding="same", activation="relu", y=y)

    Finite differences along a direction for each operand say the same:

    >>> for i, found in enumerate(gradients):
    ...     there, back = [x, weight, bias], [x, weight, bias]
    ...     step = 1e-6 * rng.standard_normal(found.shape)
    ...     there[i], back[i] = there[i] + step, back[i] - step
    ...     print(np.isclose(loss(*there) - loss(*back), 2 * (found * step).sum(), rtol=1e-6))
    True
    True
    True
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


@overload
def conv_transpose_backward(
    grad: Operand[F],
    x: Operand[F],
    weight: Operand[F],
    *,
    needs: tuple[Yes, Yes, Yes] = ...,
    **rest: Unpack[TransposeRest[F]],
) -> tuple[NDArray[F], NDArray[F], NDArray[F]]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, Yes, No], **rest: Unpack[TransposeRest[F]]
) -> tuple[NDArray[F], NDArray[F], None]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, No, Yes], **rest: Unpack[TransposeRest[F]]
) -> tuple[NDArray[F], None, NDArray[F]]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, No, No], **rest: Unpack[TransposeRest[F]]
) -> tuple[NDArray[F], None, None]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, Yes, Yes], **rest: Unpack[TransposeRest[F]]
) -> tuple[None, NDArray[F], NDArray[F]]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, Yes, No], **rest: Unpack[TransposeRest[F]]
) -> tuple[None, NDArray[F], None]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, No, Yes], **rest: Unpack[TransposeRest[F]]
) -> tuple[None, None, NDArray[F]]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, No, No], **rest: Unpack[TransposeRest[F]]
) -> tuple[None, None, None]: ...
@overload
def conv_transpose_backward(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: Needs, **rest: Unpack[TransposeRest[F]]
) -> Gradients[F]: ...
def conv_transpose_backward(
    grad: Operand[F],
    x: Operand[F],
    weight: Operand[F],
    *,
    stride: IntOrInts = 1,
    padding: TransposedPadding = 0,
    output_padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    groups: SupportsIndex = 1,
    flip: bool = False,
    layout: Layout | None = None,
    weight_layout: TransposedWeightLayout | None = None,
    needs: Needs = (True, True, True),
    out: Outs[F] = (None, None, None),
    accumulate: bool = False,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
) -> Gradients[F]:
    """All gradients of ``conv_transpose(x, weight, bias, ...)``.

    Parameters
    ----------
    grad : (N, O, *output), float32 or float64
        The gradient by the result, of exactly its shape.
    x : (N, I, *space), dtype of `grad`
        The input of the forward pass.
    weight : (I, O / groups, *kernel), dtype of `grad`
        As in PyTorch and ONNX.
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
        The axes of `grad` and `x`: ``"NCW"``, ``"NCHW"``, ``"NCDHW"`` (the default, by rank), ``"NWC"``, ``"NHWC"``,
        ``"NDHWC"``, or without a batch ``"CW"``, ``"WC"``, ``"CHW"``, ``"HWC"``, ``"CDHW"``, ``"DHWC"``.
    weight_layout : str, optional
        ``"IO"`` + space (the default, e.g. ``"IOHW"``), ``"I"`` + space + ``"O"``, space + ``"OI"``, or those with I
        and O exchanged. Independent of `layout`.
    needs : three bools
        Which of the gradients by input, weight and bias to compute.
    out : three arrays or None
        Receive them: writable, each of its exact shape and dtype, not overlapping an operand or each other. All are
        checked before the first is written.
    accumulate : bool
        Add into them instead of overwriting them; every needed one must then be given.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.

    Returns
    -------
    grad_input, grad_weight, grad_bias : arrays, None where not needed, those of `out` if given
        With the shapes of the input, the weight and the bias. New ones have the memory order of `x`, and C order.

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
    >>> x, weight = np.array([[[1.0, 2.0]]]), np.array([[[3.0, 4.0]]])
    >>> tapwise.conv_transpose(x, weight, stride=2)
    array([[[3., 4., 6., 8.]]])
    >>> tapwise.conv_transpose_backward(np.array([[[1.0, 0.0, 0.0, 10.0]]]), x, weight, stride=2)
    (array([[[ 3., 40.]]]), array([[[ 1., 20.]]]), array([11.]))
    >>> grad_x, nothing, grad_bias = tapwise.conv_transpose_backward(
    ...     np.ones((1, 1, 4)), x, weight, stride=2, needs=(True, False, True)
    ... )
    >>> nothing is None
    True
    """
    return _core.conv_transpose_backward(
        grad, x, weight, stride, padding, output_padding, dilation, groups, flip, layout, weight_layout,
        needs, out, accumulate, algorithm, threads,
    )  # fmt: skip
