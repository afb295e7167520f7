"""The rectified linear unit as a layer."""

from __future__ import annotations

from .. import layers
from ..types import Array
from .layer import Layer


class ReLU(Layer):
    """``max(x, 0)``, element by element, in any shape. It has no parameters.

    After a convolution or dense layer, their ``activation="relu"`` gives the same numbers and
    saves one pass over memory.
    """

    def _forward(self, x: Array) -> tuple[Array, tuple[Array, ...]]:
        return layers.relu(x), (x,)

    def _backward(self, grad: Array, saved: tuple[Array, ...], needs_input_grad: bool) -> Array | None:
        return layers.relu_grad(grad, saved[0]) if needs_input_grad else None
