"""What every layer has in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias, overload

from ..types import Array

Shape: TypeAlias = tuple[int, ...]


class Layer:
    """One step of a network: a function of an array, and the gradient of that function.

    A subclass writes two methods: `_forward` returns the result and whatever the gradient will
    need again, and `_backward` is handed that back. In between, `Layer` remembers it.

    Arrays are remembered, not copied, until the next `forward`: don't change the input or the
    result in place before `backward`.
    """

    def __init__(self) -> None:
        self._saved: tuple[Array, ...] | None = None

    def forward(self, x: Array) -> Array:
        """Apply the layer to `x` and remember what `backward` needs."""
        y, self._saved = self._forward(x)
        return y

    def __call__(self, x: Array) -> Array:
        """The same as `forward`."""
        return self.forward(x)

    @overload
    def backward(self, grad: Array, *, needs_input_grad: Literal[True] = ...) -> Array: ...
    @overload
    def backward(self, grad: Array, *, needs_input_grad: bool) -> Array | None: ...

    def backward(self, grad: Array, *, needs_input_grad: bool = True) -> Array | None:
        """Carry the gradient of the loss from the result of the last `forward` to its input.

        `grad` has the shape of the result. `grads` is overwritten with the gradients of `params`;
        it does not accumulate over calls. Returns the gradient for the input, in its shape, or
        None with ``needs_input_grad=False``, which skips the work: training has no use for the
        gradient of the images that enter a network.

        Raises RuntimeError before the first `forward`.
        """
        if self._saved is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward was called before forward: there is no input "
                "to differentiate at; call forward(x) first"
            )
        return self._backward(grad, self._saved, needs_input_grad)

    @property
    def params(self) -> dict[str, Array]:
        """The learned arrays by name, those that the layer works with; empty where it has none."""
        return {}

    @property
    def grads(self) -> dict[str, Array]:
        """The gradients of the last `backward`, under the names of `params`; zero before it."""
        return {}

    @property
    def num_params(self) -> int:
        """How many numbers the layer learns, biases included."""
        return sum(p.size for p in self.params.values())

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the result for an input of `input_shape`, without computing anything."""
        return tuple(input_shape)

    # What subclasses fill in.

    def _forward(self, x: Array) -> tuple[Array, tuple[Array, ...]]:
        raise NotImplementedError

    def _backward(self, grad: Array, saved: tuple[Array, ...], needs_input_grad: bool) -> Array | None:
        raise NotImplementedError

    def _describe(self) -> str:
        """The constructor's arguments, for `repr`."""
        return ""

    def _walk(self) -> Iterator[Layer]:
        """Yield the layer itself, then the layers inside it."""
        yield self

    def _batched_ndim(self) -> int | None:
        """The number of axes of a batched input; None if it has no batch or any shape will do."""
        return None

    def _untied_count(self, input_shape: Shape) -> int:
        """See `untied_param_count`; `input_shape` has a batch axis of length 1 where it has one."""
        self.output_shape(input_shape)  # refuses a shape that does not fit
        return self.num_params

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._describe()})"
