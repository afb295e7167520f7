"""Layers that users compose of layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any

from .modes import accumulating, switched_on


def with_keywords(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method `backward` that takes all that `Layer.backward` takes, around one that need not.

    The layers inside learn that they accumulate without being told, so ``backward(self, grad)`` is enough.
    """
    parameters = signature(backward).parameters
    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())

    @wraps(backward)
    def wrapper(self: Any, grad: Any, accumulate: bool = False, *, needs_input_grad: bool = True) -> Any:
        given = {"accumulate": accumulate, "needs_input_grad": needs_input_grad}
        with switched_on(accumulating, accumulate):
            result = backward(self, grad, **{k: v for k, v in given.items() if takes_any or k in parameters})
        return result if needs_input_grad else None

    return wrapper
