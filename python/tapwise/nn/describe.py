"""Pieces of the layers' `repr`."""

from __future__ import annotations

from collections.abc import Mapping


def kernel(sizes: tuple[int, ...]) -> str:
    """`3` for (3, 3), and ``(3, 5)`` as it is."""
    return str(sizes if len(set(sizes)) > 1 else sizes[0])


def options(values: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    """``, name=value`` for each value that is not the default."""
    return "".join(f", {k}={v!r}" for k, v in values.items() if v != defaults[k])
