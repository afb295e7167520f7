"""The rectified linear unit as a layer."""

from __future__ import annotations

from .. import layers
from ..types import Array
from .layer import Layer, Saved


class ReLU(Layer):
    """``max(x, 0)``, element by element, in any shape. It has no parameters.

    After a convolution or dense layer, their ``activation="relu"`` gives the same numbers and
    saves one pass over memory. NaN stays NaN; the gradient at zero is zero.

    `forward` takes x of any shape, float32 or float64; TypeError for other dtypes.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> layer = nn.ReLU()
    >>> layer.forward(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> layer.backward(np.array([10.0, 20.0, 30.0]))
    array([ 0.,  0., 30.])
    """

    def _forward(self, x: Array) -> tuple[Array, Saved]:
        return layers.relu(x), (x,)

    def _backward(self, grad: Array, saved: Saved, needs_input_grad: bool) -> Array | None:
        return layers.relu_grad(grad, saved[0]) if needs_input_grad else None
