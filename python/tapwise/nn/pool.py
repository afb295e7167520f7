"""Max pooling over images."""

from __future__ import annotations

from typing import Any

from .. import functions, pooling
from ..types import Array, IntOrInts, Layout2d
from .checks import per_axis
from .describe import kernel, options
from .layer import Layer, Saved, Shape
from .modes import predicting


class MaxPool2d(Layer):
    """The largest value of each window of each channel. It has no parameters.

    forward  x (N, C, H, W) -> y (N, C, H', W'), or in the named `layout`, e.g. "NHWC"

    The gradient of an output goes to the input that won, the first of equals.

    Parameters
    ----------
    kernel_size : int or one per axis
    stride : int or one per axis, optional
        The kernel_size unless given, so that windows don't overlap.
    padding, dilation, layout
        As in :func:`tapwise.max_pool`, and checked against the data by `forward`.

    Raises
    ------
    ValueError, TypeError
        A kernel_size below 1 or of the wrong length.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> layer = nn.MaxPool2d(2)
    >>> layer.forward(np.array([[[[1.0, 7, 2, 3], [5, 4, 9, 8]]]]))
    array([[[[7., 9.]]]])
    >>> layer.backward(np.array([[[[10.0, 20]]]]))
    array([[[[ 0., 10.,  0.,  0.],
             [ 0.,  0., 20.,  0.]]]])
    """

    def __init__(
        self,
        kernel_size: IntOrInts,
        *,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        dilation: IntOrInts = 1,
        layout: Layout2d | None = None,
    ) -> None:
        # Two entries, even for an int: the functions then refuse inputs that aren't images.
        self.kernel_size = per_axis("kernel_size", kernel_size, 2)
        self.geometry: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "layout": layout,
        }

    def _forward(self, x: Array) -> tuple[Array, Saved]:
        layout = self.geometry["layout"] or "NCHW"
        if x.ndim != len(layout):
            raise ValueError(
                f'x must have {len(layout)} axes in layout "{layout}", got shape {x.shape}'
                + ('; without a batch axis, pass layout="CHW"' if x.ndim == 3 and len(layout) == 4 else "")
            )
        if predicting.get():
            return pooling.max_pool(x, self.kernel_size, **self.geometry), ()
        y, indices = pooling.max_pool(x, self.kernel_size, return_indices=True, **self.geometry)
        return y, (indices, x.shape)

    def _backward(self, grad: Array, saved: Saved, needs_input_grad: bool) -> Array | None:
        if not needs_input_grad:
            return None
        indices, shape = saved
        return pooling.max_pool_grad(grad, shape, self.kernel_size, indices=indices, **self.geometry)

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
