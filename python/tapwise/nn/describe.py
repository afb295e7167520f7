"""How layers call themselves: in `repr`, and in what Python says about their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any


def kernel(sizes: tuple[int, ...]) -> str:
    """`3` for (3, 3), and ``(3, 5)`` as it is."""
    return str(sizes if len(set(sizes)) > 1 else sizes[0])


def options(values: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    """``, name=value`` for each value that is not the default."""
    return "".join(f", {k}={v!r}" for k, v in values.items() if v != defaults[k])


def method_of(owner: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of `method` that errors attribute to the class `owner`, not to the private one that defines it."""
    assert isinstance(method, FunctionType)
    copy = FunctionType(method.__code__, method.__globals__, method.__name__, method.__defaults__, method.__closure__)
    copy.__kwdefaults__ = method.__kwdefaults__
    copy.__annotations__ = method.__annotations__
    copy.__module__, copy.__doc__ = method.__module__, method.__doc__
    copy.__qualname__ = f"{owner}.{method.__name__}"
    return copy
