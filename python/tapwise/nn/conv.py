"""Convolution layers."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import numpy as np

from .. import functions, gradients
from ..types import Activation, Array, DType, IntOrInts, Layout, Padding
from .checks import per_axis, positive_int
from .describe import kernel, method_of, options
from .layer import Shape
from .weighted import Gradients, Needs, Seed, WeightedLayer

_DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "flip": False,
    "layout": None,
}


class _Conv(WeightedLayer):
    _rank: ClassVar[int]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" not in vars(cls):
            cls.__init__ = method_of(cls.__qualname__, cls.__init__)  # type: ignore[method-assign]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrInts,
        *,
        stride: IntOrInts = 1,
        padding: Padding = 0,
        dilation: IntOrInts = 1,
        groups: int = 1,
        bias: bool = True,
        flip: bool = False,
        layout: Layout | None = None,
        activation: Activation = None,
        dtype: DType = np.float32,
        seed: Seed = None,
    ) -> None:
        self.in_channels = positive_int("in_channels", in_channels)
        self.out_channels = positive_int("out_channels", out_channels)
        self.kernel_size = per_axis("kernel_size", kernel_size, self._rank)
        groups = positive_int("groups", groups)
        for name in ("in_channels", "out_channels"):
            channels = getattr(self, name)
            if channels % groups:
                raise ValueError(f"{name} expects a multiple of groups={groups}, got {channels}")
        # Passed on as it came: the functions check it, and name the operand, better than we could.
        self.geometry: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "flip": flip,
            "layout": layout,
        }
        weight_shape = (self.out_channels, self.in_channels // groups, *self.kernel_size)
        super().__init__(weight_shape, bias=bias, activation=activation, dtype=dtype, seed=seed)

    def _linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        conv = (functions.conv1d, functions.conv2d, functions.conv3d)[self._rank - 1]
        return conv(x, weight, bias, activation=self.activation, **self.geometry)

    def _linear_grad(self, grad: Array, x: Array, weight: Array, y: Array, needs: Needs) -> Gradients:
        result = y if self.activation else None
        return gradients.conv_backward(
            grad, x, weight, needs=needs, activation=self.activation, y=result, **self.geometry
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        return functions.conv_output_shape(input_shape, self._params["weight"].shape, **self.geometry)

    def _batched_ndim(self) -> int | None:
        layout = self.geometry["layout"]
        return self._rank + 2 if layout is None or layout.startswith("N") else None

    def _untied_count(self, input_shape: Shape) -> int:
        # Every neuron of the output gets a filter (and a bias) of its own.
        neurons = prod(self.output_shape(input_shape))
        return neurons * (self.num_params // self.out_channels)

    def _describe(self) -> str:
        head = f"{self.in_channels}, {self.out_channels}, {kernel(self.kernel_size)}"
        return head + options(self.geometry, _DEFAULTS) + super()._describe()


class Conv1d(_Conv):
    """Convolution along one axis: :func:`tapwise.conv1d` with a weight of its own.

    params   weight (out_channels, in_channels / groups, kernel_size), bias (out_channels,)
    forward  x (N, C, W) -> y (N, O, W'), or in the named `layout`, e.g. "NWC"

    Arguments and errors are those of `Conv2d`; padding may be "causal", too.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> layer = nn.Conv1d(1, 1, 2, padding="causal", bias=False)
    >>> layer.params["weight"][...] = [[[10, 1]]]
    >>> layer.forward(np.array([[[1, 2, 3]]], np.float32))
    array([[[ 1., 12., 23.]]], dtype=float32)
    """

    _rank = 1


class Conv2d(_Conv):
    """Convolution over images: :func:`tapwise.conv2d` with a weight of its own.

    Each of the `out_channels` filters spans all input channels of its group and slides over the
    image; its responses are one feature map. All positions of a map share one filter and one
    bias, so the number of parameters does not depend on the size of the image.

    params   weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,)
    forward  x (N, C, H, W) -> y (N, O, H', W'), or in the named `layout`, e.g. "NHWC"

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or one per axis
    padding, groups, flip, layout
        As in :func:`tapwise.conv2d`; flip=True is true convolution, flip=False correlation.
    bias : bool
    activation : None or "relu"
        Fused into the store.
    dtype : float32 or float64
        Inputs must have it.
    seed : int, numpy.random.Generator or None
        The weight is drawn from ``numpy.random.default_rng(seed)`` for ReLU networks, by the method of He et al.,
        "Delving Deep into Rectifiers", ICCV 2015 (see `he_normal`); biases start at zero.

    Raises
    ------
    ValueError, TypeError
        Sizes below 1, groups that don't divide the channels, a kernel_size of the wrong length, or an unknown
        activation or dtype; the rest of the geometry is checked against the data by `forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> layer = nn.Conv2d(3, 8, 5, padding="same", activation="relu", seed=0)
    >>> images = np.zeros((2, 3, 32, 32), np.float32)
    >>> y = layer.forward(images)
    >>> y.shape
    (2, 8, 32, 32)
    >>> layer.backward(np.ones_like(y)).shape, layer.grads["weight"].shape
    ((2, 3, 32, 32), (8, 3, 5, 5))
    """

    _rank = 2


class Conv3d(_Conv):
    """Convolution over volumes: :func:`tapwise.conv3d` with a weight of its own.

    params   weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,)
    forward  x (N, C, D, H, W) -> y (N, O, D', H', W'), or in the named `layout`, e.g. "NDHWC"

    Arguments and errors are those of `Conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> nn.Conv3d(1, 4, (1, 3, 3)).forward(np.zeros((2, 1, 5, 8, 8), np.float32)).shape
    (2, 4, 5, 6, 6)
    """

    _rank = 3
