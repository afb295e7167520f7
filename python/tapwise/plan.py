"""A forward convolution prepared once and run many times."""

from __future__ import annotations

from typing import Generic, SupportsIndex

from . import _core
from .types import Activation, Algorithm, F, IntOrInts, Layout, NDArray, Operand, Padding, Shape, WeightLayout


class Plan(Generic[F]):
    """``conv(x, weight, bias, ...)`` for many `x` of one shape: the weights are packed once.

    ``plan(x)`` gives what :func:`tapwise.conv` gives, for `x` in C order to the bit. A plan may be called from several
    threads at once; a call that runs while :meth:`update` replaces the weights uses either the old or the new ones,
    never a mix.

    Parameters
    ----------
    x_shape : (N, C, *space)
        The shape that every `x` must have, in its layout.
    weight : (O, C / groups, *kernel) float32 or float64
        A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or ``__array_interface__``.
        It is read by this call alone.
    bias : (O,), dtype of `weight`, optional
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
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.

    Raises
    ------
    ValueError
        Shapes, sizes or names that do not fit together; the message names the operand and the likely fix.
    TypeError
        Not an array, or a dtype other than float32 and float64, or two different ones.
    MemoryError
        The packed weights cannot be allocated.

    Notes
    -----
    Padding takes no part in any sum of ``"direct"``: a NaN or Inf of `x` reaches exactly the outputs whose window holds
    it, and one of `weight` those where it meets `x`. Products that cancel sum to +0.0.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> plan = tapwise.Plan((1, 1, 4), np.array([[[1.0, 10.0]]]))
    >>> plan
    Plan((1, 1, 4) -> (1, 1, 3), direct)
    >>> plan(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    array([[[21., 32., 43.]]])
    """

    def __init__(
        self,
        x_shape: Shape,
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
        algorithm: Algorithm = "auto",
        threads: SupportsIndex | None = None,
    ) -> None:
        self._plan = _core.Plan(
            x_shape, weight, bias, stride, padding, dilation, groups, flip, layout, weight_layout,
            activation, algorithm, threads,
        )  # fmt: skip

    def __call__(self, x: Operand[F], out: NDArray[F] | None = None) -> NDArray[F]:
        """The convolution of `x`.

        Parameters
        ----------
        x : array of shape `x_shape`, dtype of the weight
            A NumPy array of any strides and alignment, or an object with ``__dlpack__`` (CPU) or
            ``__array_interface__``.
        out : array, optional
            Receives the result: writable, of its exact shape and dtype, not overlapping an operand.

        Returns
        -------
        y : array of shape `output_shape`, `out` if given
            A new array has the memory order of `x`.

        Raises
        ------
        ValueError
            Another shape, or an `out` that does not fit.
        TypeError
            Not an array, or of another dtype.
        MemoryError
            The result or the scratch cannot be allocated.

        Examples
        --------
        >>> import numpy as np, tapwise
        >>> plan = tapwise.Plan((1, 1, 3), np.array([[[1.0, 10.0]]]))
        >>> y = np.empty(plan.output_shape)
        >>> plan(np.array([[[1.0, 2.0, 3.0]]]), y) is y
        True
        >>> y
        array([[[21., 32.]]])
        """
        return self._plan.run(x, out)

    def update(self, weight: Operand[F], bias: Operand[F] | None = None) -> None:
        """Packs other weights.

        Parameters
        ----------
        weight : array
            Of the shape and dtype of the first.
        bias : (O,) array, optional
            Without one, the plan has none from now on.

        Raises
        ------
        ValueError
            Another shape.
        TypeError
            Not an array, or of another dtype.

        Examples
        --------
        >>> import numpy as np, tapwise
        >>> plan = tapwise.Plan((1, 1, 3), np.array([[[1.0, 10.0]]]))
        >>> plan.update(np.array([[[0.0, 2.0]]]), np.array([0.5]))
        >>> plan(np.array([[[1.0, 2.0, 3.0]]]))
        array([[[4.5, 6.5]]])
        """
        self._plan.update(weight, bias)

    @property
    def algorithm(self) -> str:
        """The algorithm chosen."""
        return self._plan.algorithm

    @property
    def workspace_bytes(self) -> int:
        """Packed weights, and the scratch of one call."""
        return self._plan.workspace_bytes

    @property
    def x_shape(self) -> tuple[int, ...]:
        """The shape that `x` must have."""
        return self._plan.x_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self._plan.output_shape

    def __repr__(self) -> str:
        return f"Plan({self.x_shape} -> {self.output_shape}, {self.algorithm})"
