"""Layers in a row."""

from __future__ import annotations

from collections.abc import Iterator

from ..types import Array
from .layer import Layer, Shape


class Sequential(Layer):
    """A network in which each layer takes the result of the one before: ``Sequential(a, b, c)``.

    `params` and `grads` hold the arrays of all layers, under names such as "0.weight": the
    position of the layer, then its own name. They are collected afresh on each access, so change
    the arrays in place: ``model.params["0.weight"][...] = w``.

    ``model[i]``, ``len(model)`` and iteration give the layers. ``backward(grad,
    needs_input_grad=False)`` spares the first layer the gradient for the network's input.

    Raises TypeError for anything but layers, and ValueError for a layer that occurs twice: its
    second `forward` would overwrite what `backward` needs of the first.
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layer {i} expects a tapwise.nn layer, got {layer!r}")
        self._layers = layers
        seen: set[int] = set()
        for layer in self._walk():
            if id(layer) in seen:
                raise ValueError(f"the same {layer!r} object occurs twice; make one layer for each place")
            seen.add(id(layer))

    @property
    def params(self) -> dict[str, Array]:
        return {f"{i}.{k}": v for i, layer in enumerate(self) for k, v in layer.params.items()}

    @property
    def grads(self) -> dict[str, Array]:
        return {f"{i}.{k}": v for i, layer in enumerate(self) for k, v in layer.grads.items()}

    def __getitem__(self, index: int) -> Layer:
        return self._layers[index]

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers)

    def _forward(self, x: Array) -> tuple[Array, tuple[Array, ...]]:
        for layer in self:
            x = layer.forward(x)
        return x, ()  # each layer remembers its own

    def _backward(self, grad: Array, saved: tuple[Array, ...], needs_input_grad: bool) -> Array | None:
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

    def _walk(self) -> Iterator[Layer]:
        yield self
        for layer in self._layers:
            yield from layer._walk()

    def _batched_ndim(self) -> int | None:
        known = (layer._batched_ndim() for layer in self)
        return next((ndim for ndim in known if ndim is not None), None)

    def _untied_count(self, input_shape: Shape) -> int:
        count = 0
        for layer in self:
            count += layer._untied_count(input_shape)
            input_shape = layer.output_shape(input_shape)
        return count

    def __repr__(self) -> str:
        lines = []
        for i, layer in enumerate(self):
            count = f"  # {layer.num_params:,} parameters" if layer.num_params else ""
            text = f"({i}) {layer!r}".replace("\n", "\n    ")
            lines.append(f"    {text}{count}\n")
        return "Sequential(\n" + "".join(lines) + ")" if lines else "Sequential()"
