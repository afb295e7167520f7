"""What convolution and dense layers have in common: a weight, a bias, an activation."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ..types import Activation, Array, DType
from .checks import float_dtype, same_dtype
from .describe import options
from .initializers import he_normal
from .layer import Layer, Saved, Shape

Seed: TypeAlias = "int | np.random.Generator | None"
Needs: TypeAlias = tuple[bool, bool, bool]
Gradients: TypeAlias = tuple[Array | None, Array | None, Array | None]


class WeightedLayer(Layer):
    """``y = activation(linear(x, weight) + bias)``, where a subclass says what `linear` is.

    weight  (outputs, inputs, ...), drawn by `he_normal`
    bias    (outputs,), zero at first; absent with ``bias=False``
    """

    def __init__(
        self,
        weight_shape: Shape,
        *,
        bias: bool,
        activation: Activation,
        dtype: DType,
        seed: Seed,
    ) -> None:
        if activation not in (None, "relu"):
            raise ValueError(f'activation expects None or "relu", got {activation!r}')
        dtype = float_dtype(dtype)
        self.activation: Activation = activation
        self.add_param("weight", he_normal(weight_shape, dtype=dtype, seed=seed))
        if bias:
            self.add_param("bias", np.zeros(weight_shape[0], dtype))

    def _linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """The layer's function, its activation fused into the store."""
        raise NotImplementedError

    def _linear_grad(self, grad: Array, x: Array, weight: Array, y: Array, needs: Needs) -> Gradients:
        """The gradients for x, weight and bias, from that for the result y, activation included.

        The sum before the activation was never stored, and isn't needed: it is positive exactly where y is.
        """
        raise NotImplementedError

    def _forward(self, x: Array) -> tuple[Array, Saved]:
        weight = self._params["weight"]
        same_dtype(type(self).__name__, "x", x, weight.dtype)
        y = self._linear(x, weight, self._params.get("bias"))
        return y, (x, y)

    def _backward(self, grad: Array, saved: Saved, needs_input_grad: bool) -> Array | None:
        x, y = saved
        same_dtype(type(self).__name__, "grad", grad, x.dtype)
        needs = (needs_input_grad, True, "bias" in self._params)
        grad_input, *grads = self._linear_grad(grad, x, self._params["weight"], y, needs)
        for name, g in zip(("weight", "bias"), grads, strict=True):
            if g is not None:
                self.set_grad(name, g)
        return grad_input

    def _describe(self) -> str:
        values = {
            "bias": "bias" in self._params,
            "activation": self.activation,
            "dtype": self._params["weight"].dtype.name,
        }
        return options(values, {"bias": True, "activation": None, "dtype": "float32"})
