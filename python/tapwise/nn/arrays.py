"""The arrays of a layer by name, to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from ..types import Array


class Arrays(Mapping[str, Array]):
    """A read-only mapping from names to the arrays that a layer works with.

    The names are fixed, the arrays are not: ``layer.params["weight"][...] = w`` changes the layer.
    `kind` says which arrays they are, for messages: "params", "grads" or "state".
    """

    def __init__(self, kind: str, items: Iterable[tuple[str, Array]]) -> None:
        self._kind = kind
        self._arrays: dict[str, Array] = {}
        for name, array in items:
            if name in self._arrays:
                raise ValueError(f"two arrays of {kind} are named {name!r}; give the layers that hold them other names")
            self._arrays[name] = array

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._kind!r}, {self._arrays!r})"

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        given = next(iter(args[0]), None) if args and isinstance(args[0], Mapping) else next(iter(args), None)
        name = given if isinstance(given, str) else next(iter(self._arrays), "weight")
        load = "" if self._kind == "grads" else f'; layer.load({{"{name}": value}}, strict=False) checks it first'
        raise TypeError(f'{self._kind} is read-only; layer.{self._kind}["{name}"][...] = value writes into it{load}')

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse
