"""Layers in a row."""

from __future__ import annotations

from collections.abc import Iterator

from ..types import Array
from .layer import Layer, Saved, Shape
from .tree import walk


class Sequential(Layer):
    """A network in which each layer takes the result of the one before: ``Sequential(a, b, c)``.

    `params`, `grads` and `state` hold the arrays of all layers, under names such as "0.weight": the
    position of the layer, then its own name, as in PyTorch.

    ``model[i]``, ``len(model)`` and iteration give the layers. ``backward(grad,
    needs_input_grad=False)`` spares the first layer the gradient for the network's input.

    Parameters
    ----------
    *layers : Layer

    Raises
    ------
    TypeError
        Anything but layers.
    ValueError
        A layer that occurs twice: its second `forward` would overwrite what `backward` needs of the first.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Dense(32, 10))
    >>> model.predict(np.zeros((5, 1, 4, 4), np.float32)).shape
    (5, 10)
    >>> model
    Sequential(
        (0) Conv2d(1, 8, 3)  # 80 parameters
        (1) Flatten()
        (2) Dense(32, 10)  # 330 parameters
    )
    """

    def __init__(self, *layers: Layer) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layer {i} expects a tapwise.nn layer, got {layer!r}")
        self._layers = layers
        seen: set[int] = set()
        for branch in layers:
            for _, layer in walk(branch):
                if id(layer) in seen:
                    raise ValueError(f"the same {layer!r} object occurs twice; make one layer for each place")
                seen.add(id(layer))

    def __getitem__(self, index: int) -> Layer:
        return self._layers[index]

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers)

    def _forward(self, x: Array) -> tuple[Array, Saved]:
        for layer in self:
            x = layer.forward(x)
        return x, ()  # each layer remembers its own

    def _backward(self, grad: Array, saved: Saved, needs_input_grad: bool) -> Array | None:
        if not self._layers:
            return grad if needs_input_grad else None
        first, *rest = self._layers
        for layer in reversed(rest):
            grad = layer.backward(grad)
        return first.backward(grad, needs_input_grad=needs_input_grad)

    def output_shape(self, input_shape: Shape) -> Shape:
        for layer in self:
            input_shape = layer.output_shape(input_shape)
        return tuple(input_shape)

    def _children(self) -> Iterator[tuple[str, Layer]]:
        for i, layer in enumerate(self):
            yield str(i), layer
        yield from super()._children()  # a subclass may hold more

    def _batched_ndim(self) -> int | None:
        known = (layer._batched_ndim() for layer in self)
        return next((ndim for ndim in known if ndim is not None), None)

    def _untied_count(self, input_shape: Shape) -> int:
        count = 0
        for layer in self:
            count += layer._untied_count(input_shape)
            input_shape = layer.output_shape(input_shape)
        return count
