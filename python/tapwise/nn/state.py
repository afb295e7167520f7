"""Copying arrays into a layer by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..types import Array


def copy_into(state: Mapping[str, Array], values: Mapping[str, Any], *, strict: bool) -> None:
    """Copy `values` into the arrays of `state` of the same names, once all of them are known to fit."""
    if not isinstance(values, Mapping):
        raise TypeError(
            f"load expects a mapping from names to arrays, got {values!r}; nn.load(path) reads one from a file"
        )
    if strict:
        _check_names(state, values)
    # Copied, because `values` may be views of the arrays that are about to change.
    checked = {name: _checked(name, array, values[name]) for name, array in state.items() if name in values}
    for name, value in checked.items():
        state[name][...] = value


def _check_names(state: Mapping[str, Array], values: Mapping[str, Any]) -> None:
    wrong = {
        "missing": [name for name in state if name not in values],
        "unexpected": [name for name in values if name not in state],
    }
    if any(wrong.values()):
        lists = " and ".join(f"{what} {', '.join(map(repr, names))}" for what, names in wrong.items() if names)
        raise ValueError(
            f"load expects the names of the layer's state, got {lists}; strict=False takes the names that match"
        )


def _checked(name: str, array: Array, given: Any) -> Array:
    value: Array = np.asarray(given).copy()
    if value.shape != array.shape:
        raise ValueError(f"{name} expects shape {array.shape}, got {value.shape}")
    if value.dtype.newbyteorder("=") != array.dtype:
        raise TypeError(f"{name} expects {array.dtype}, got {value.dtype}; value.astype(numpy.{array.dtype}) casts")
    return value
