"""What a small network needs beside convolution and pooling: dense layers, ReLU, and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex, overload

from . import _core
from .types import Activation, F, Gradients, NDArray, Needs, No, Operand, Outs, Yes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .types import DenseRest


def dense(
    x: Operand[F],
    weight: Operand[F],
    bias: Operand[F] | None = None,
    *,
    activation: Activation = None,
    out: NDArray[F] | None = None,
    threads: SupportsIndex | None = None,
) -> NDArray[F]:
    """A dense layer: ``x @ weight.T + bias``.

    The product is :func:`numpy.matmul`'s where the operands lie as BLAS takes them, without a copy: one axis dense, the
    other with a positive stride. Its threads are those of NumPy's BLAS, which threadpoolctl limits, whatever `threads`
    says. Other operands, read where they lie, are for the convolution that a dense layer is: 1x1, its pixels the batch.

    Parameters
    ----------
    x : (N, F) float32 or float64
    weight : (O, F), dtype of `x`
        As in PyTorch.
    bias : (O,), dtype of `x`, optional
    activation : None or "relu"
        Applied to the result.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    threads : int, optional
        As in :func:`tapwise.conv`, for what NumPy does not compute.

    Returns
    -------
    (N, O) array, `out` if given

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> x, weight = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
    >>> tapwise.dense(x, weight, np.array([0.5, -20.0]), activation="relu")
    array([[11.5,  0. ]])
    """
    return _core.dense(x, weight, bias, activation, out, threads)


@overload
def dense_grad(
    grad: Operand[F],
    x: Operand[F],
    weight: Operand[F],
    *,
    needs: tuple[Yes, Yes, Yes] = ...,
    **rest: Unpack[DenseRest[F]],
) -> tuple[NDArray[F], NDArray[F], NDArray[F]]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, Yes, No], **rest: Unpack[DenseRest[F]]
) -> tuple[NDArray[F], NDArray[F], None]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, No, Yes], **rest: Unpack[DenseRest[F]]
) -> tuple[NDArray[F], None, NDArray[F]]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[Yes, No, No], **rest: Unpack[DenseRest[F]]
) -> tuple[NDArray[F], None, None]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, Yes, Yes], **rest: Unpack[DenseRest[F]]
) -> tuple[None, NDArray[F], NDArray[F]]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, Yes, No], **rest: Unpack[DenseRest[F]]
) -> tuple[None, NDArray[F], None]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, No, Yes], **rest: Unpack[DenseRest[F]]
) -> tuple[None, None, NDArray[F]]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: tuple[No, No, No], **rest: Unpack[DenseRest[F]]
) -> tuple[None, None, None]: ...
@overload
def dense_grad(
    grad: Operand[F], x: Operand[F], weight: Operand[F], *, needs: Needs, **rest: Unpack[DenseRest[F]]
) -> Gradients[F]: ...
def dense_grad(
    grad: Operand[F],
    x: Operand[F],
    weight: Operand[F],
    *,
    needs: Needs = (True, True, True),
    out: Outs[F] = (None, None, None),
    accumulate: bool = False,
    threads: SupportsIndex | None = None,
) -> Gradients[F]:
    """The gradients of ``dense(x, weight, bias)``.

    The products are NumPy's as in :func:`dense`, but for those that are added into `out`.

    Parameters
    ----------
    grad : (N, O) float32 or float64
        The gradient by the result.
    x : (N, F), dtype of `grad`
    weight : (O, F), dtype of `grad`
    needs : three bools
        Which of the gradients by input, weight and bias to compute.
    out : three arrays or None
        Receive them. All are checked before the first is written.
    accumulate : bool
        Add into them; every needed one must then be given.
    threads : int, optional
        As in :func:`dense`.

    Returns
    -------
    (grad_input, grad_weight, grad_bias), None where not needed

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> x, weight = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
    >>> grad_input, grad_weight, grad_bias = tapwise.dense_grad(np.array([[1.0, 10.0]]), x, weight)
    >>> grad_input
    array([[53., 64.]])
    """
    return _core.dense_grad(grad, x, weight, needs, out, accumulate, threads)


def relu(x: Operand[F], *, out: NDArray[F] | None = None, threads: SupportsIndex | None = None) -> NDArray[F]:
    """``max(0, x)``, number by number. NaN stays NaN, and -0.0 stays -0.0, as in PyTorch.

    Parameters
    ----------
    x : array of any shape, float32 or float64
    out : array, optional
        Receives the result: writable, of x's shape and dtype; x itself works.
    threads : int, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    array of x's shape and memory order, `out` if given

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> tapwise.relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return _core.relu(x, out, threads)


def relu_grad(
    grad: Operand[F], x: Operand[F], *, out: NDArray[F] | None = None, threads: SupportsIndex | None = None
) -> NDArray[F]:
    """The gradient of ``relu(x)``: 0 where x <= 0, else grad; it passes at NaN, as in PyTorch.

    Parameters
    ----------
    grad : array of any shape, float32 or float64
    x : array of that shape and dtype
        The operand of relu, or its result.
    out : array, optional
        Receives the result: writable, of that shape and dtype; grad or x themselves work.
    threads : int, optional
        As in :func:`tapwise.conv`.

    Returns
    -------
    array of x's shape and memory order, `out` if given

    Raises
    ------
    ValueError, TypeError
        As in :func:`tapwise.conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tapwise
    >>> tapwise.relu_grad(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 5.0]))
    array([0., 0., 3.])
    """
    return _core.relu_grad(grad, x, out, threads)
