"""The dense (fully connected) layer."""

from __future__ import annotations

import numpy as np

from .. import layers
from ..types import Activation, Array, DType
from .checks import positive_int
from .layer import Shape
from .weighted import Gradients, Needs, Seed, WeightedLayer


class Dense(WeightedLayer):
    """Every output sees every input through a weight of its own: ``y = activation(x W^T + b)``.

    params   weight (out_features, in_features), bias (out_features,)
    forward  x (N, in_features) -> y (N, out_features)

    Parameters
    ----------
    in_features, out_features : int
    bias, activation, dtype, seed
        As in `Conv2d`.

    Raises
    ------
    ValueError, TypeError
        Sizes below 1, or an unknown activation or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> layer = nn.Dense(3, 2, dtype=np.float64)
    >>> layer.params["weight"][...] = [[1, 2, 3], [4, 5, 6]]
    >>> layer.forward(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
    array([[ 1.,  4.],
           [ 5., 11.]])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        activation: Activation = None,
        dtype: DType = np.float32,
        seed: Seed = None,
    ) -> None:
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        weight_shape = (self.out_features, self.in_features)
        super().__init__(weight_shape, bias=bias, activation=activation, dtype=dtype, seed=seed)

    def _linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        return layers.dense(x, weight, bias, activation=self.activation)

    def _linear_grad(self, grad: Array, x: Array, weight: Array, y: Array, needs: Needs) -> Gradients:
        if self.activation == "relu":
            grad = layers.relu_grad(grad, y)
        return layers.dense_grad(grad, x, weight, needs=needs)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.in_features:
            raise ValueError(
                f"input_shape expects (N, {self.in_features}) for {self!r}, got "
                f"{tuple(input_shape)}; a Flatten layer goes between images and Dense"
            )
        return (input_shape[0], self.out_features)

    def _batched_ndim(self) -> int | None:
        return 2

    def _describe(self) -> str:
        return f"{self.in_features}, {self.out_features}" + super()._describe()
