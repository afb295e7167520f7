"""Finding the layers that a layer holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .layer import Layer

T = TypeVar("T")


def instances(kind: type[T], name: str, value: Any, outer: tuple[int, ...] = ()) -> Iterator[tuple[str, T]]:
    """Yield what `value` has of `kind`: itself, or in lists, tuples and dicts, with names such as "blocks.0"."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (Mapping, list, tuple)) and id(value) not in outer:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in list(items):
            yield from instances(kind, f"{name}.{key}", item, (*outer, id(value)))


def children(layer: Layer) -> list[tuple[str, Layer]]:
    """The layers that `layer` holds itself, by name, each once, in the order of definition."""
    found: dict[int, tuple[str, Layer]] = {}
    for name, child in layer._children():
        found.setdefault(id(child), (name, child))
    return list(found.values())


def walk(root: Layer) -> Iterator[tuple[str, Layer]]:
    """Yield `root` and all layers inside it, each once, with what comes before their arrays' names: "", "conv1."."""
    seen: set[int] = set()

    def visit(prefix: str, layer: Layer) -> Iterator[tuple[str, Layer]]:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        yield prefix, layer
        for name, child in layer._children():
            yield from visit(f"{prefix}{name}.", child)

    return visit("", root)
