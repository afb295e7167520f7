"""From feature maps to the vectors that dense layers take."""

from __future__ import annotations

from math import prod

from ..types import Array
from .layer import Layer, Saved, Shape


class Flatten(Layer):
    """Join all axes but the first: (N, C, H, W) -> (N, C * H * W). It has no parameters.

    `forward` takes x of any shape with a batch axis, and dtype; ValueError without axes.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> nn.Flatten().forward(np.zeros((5, 3, 2, 2))).shape
    (5, 12)
    """

    def _forward(self, x: Array) -> tuple[Array, Saved]:
        return x.reshape(self.output_shape(x.shape)), x.shape

    def _backward(self, grad: Array, saved: Saved, needs_input_grad: bool) -> Array | None:
        return grad.reshape(saved) if needs_input_grad else None

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError("Flatten expects a batch axis, got an array of shape ()")
        # Spelled out rather than -1, which NumPy cannot work out for an empty batch.
        return (input_shape[0], prod(input_shape[1:]))
