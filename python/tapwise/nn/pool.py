"""Max pooling over images."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functions, layers
from ..types import Array, IntOrInts
from .checks import per_axis
from .describe import kernel, options
from .layer import Layer, Shape


class MaxPool2d(Layer):
    """The largest value of each window of each channel. It has no parameters.

    forward  x (N, C, H, W) -> y (N, C, H', W'), or in the named `layout`, e.g. "NHWC"

    stride is the kernel_size unless given, so that windows don't overlap; padding, dilation and
    layout are as in :func:`tapwise.max_pool`. The gradient of an output goes to the input that won.
    """

    def __init__(
        self,
        kernel_size: IntOrInts,
        *,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        dilation: IntOrInts = 1,
        layout: str | None = None,
    ) -> None:
        super().__init__()
        # Two entries, even for an int: the functions then refuse inputs that aren't images.
        self.kernel_size = per_axis("kernel_size", kernel_size, 2)
        self.geometry: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "layout": layout,
        }

    def _forward(self, x: Array) -> tuple[Array, tuple[Array, ...]]:
        layout = self.geometry["layout"] or "NCHW"
        if np.ndim(x) != len(layout):
            raise ValueError(
                f'x must have {len(layout)} axes in layout "{layout}", got shape {np.shape(x)}'
                + ('; without a batch axis, pass layout="CHW"' if np.ndim(x) == 3 and len(layout) == 4 else "")
            )
        return layers.max_pool(x, self.kernel_size, **self.geometry), (x,)

    def _backward(self, grad: Array, saved: tuple[Array, ...], needs_input_grad: bool) -> Array | None:
        if not needs_input_grad:
            return None
        return layers.max_pool_grad(grad, saved[0], self.kernel_size, **self.geometry)

    def output_shape(self, input_shape: Shape) -> Shape:
        # Pooling visits the positions of a convolution with one filter per channel.
        layout = self.geometry["layout"] or "NCHW"
        if len(input_shape) != len(layout):
            raise ValueError(f'input_shape expects {len(layout)} sizes for layout "{layout}", got {tuple(input_shape)}')
        channels = input_shape[layout.find("C")]  # an unknown layout is refused below
        stride = self.geometry["stride"]
        geometry = self.geometry | {"stride": self.kernel_size if stride is None else stride}
        return functions.conv_output_shape(input_shape, (channels, 1, *self.kernel_size), groups=channels, **geometry)

    def _batched_ndim(self) -> int | None:
        return 4 if (self.geometry["layout"] or "NCHW").startswith("N") else None

    def _describe(self) -> str:
        defaults = {"stride": None, "padding": 0, "dilation": 1, "layout": None}
        return kernel(self.kernel_size) + options(self.geometry, defaults)
