"""Which outputs the modes full, same and valid stand for, as NumPy aligns them, axis by axis."""

from functools import lru_cache
from typing import NamedTuple

Shape = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


class Alignment(NamedTuple):
    """How `v` goes along the axes of `a`."""

    v_shape: Shape
    """That of `v` with the rank of `a`."""
    windows: Pairs
    """Along each axis, the first of the outputs of mode full that is wanted, and how many are."""
    shape: Shape
    """How many are wanted."""
    swap: bool
    """`v` is the larger, which is filtered by the smaller."""
    pads: Pairs
    """Zeros before and after the larger."""
    terms: int
    """How many products an output sums at most; 0 if there are no outputs."""


@lru_cache(maxsize=512)
def align(a_shape: Shape, v_shape: Shape, axis: int | None, mode: str, flip: bool) -> Alignment:
    """From the shapes, the axis of `a` along which a 1-D `v` goes (None: they have one rank), and the mode.

    With `flip`, for a convolution; else, a correlation.
    """
    axes = _axes(a_shape, v_shape, axis)
    if axis is not None:
        v_shape = tuple(v_shape[0] if i in axes else 1 for i in range(len(a_shape)))
    sizes = tuple(zip(a_shape, v_shape, strict=True))
    windows = tuple(_window(m, n, mode, flip) if i in axes else (0, m) for i, (m, n) in enumerate(sizes))
    swap = v_shape != a_shape and all(n >= m for m, n in sizes)
    if sum(n > 1 for n in (a_shape if swap else v_shape)) > 3:
        raise ValueError(f"a and v may be longer than 1 along 3 axes at most, got shapes {a_shape} and {v_shape}")
    pads = []
    terms = 1
    for (m, n), (first, count) in zip(sizes, windows, strict=True):
        source, taps = (n, m) if swap else (m, n)
        pads.append((taps - 1 - first, count - source + first))
        terms *= min(m, n)
    return Alignment(v_shape, windows, tuple(count for _, count in windows), swap, tuple(pads), terms)


def _axes(a_shape: Shape, v_shape: Shape, axis: int | None) -> range:
    """Those of `a` that `v` goes along."""
    if axis is None:
        axes = range(len(a_shape))
        if len(a_shape) != len(v_shape):
            hint = "; axis= names the axis of a that a 1-D v goes along" if len(v_shape) == 1 else ""
            raise ValueError(f"v must have as many axes as a, {len(a_shape)}, got shape {v_shape}{hint}")
    else:
        if not -len(a_shape) <= axis < len(a_shape):
            raise ValueError(f"axis must be one of those of a, got {axis} for shape {a_shape}")
        first = axis % len(a_shape)
        axes = range(first, first + 1)
        if len(v_shape) != 1:
            raise ValueError(f"v must have one axis to go along axis {axis} of a, got shape {v_shape}")
    if any(a_shape[i] == 0 for i in axes):
        raise ValueError(f"a cannot be empty, got shape {a_shape}")
    if 0 in v_shape:
        raise ValueError(f"v cannot be empty, got shape {v_shape}")
    return axes


def _window(m: int, n: int, mode: str, flip: bool) -> tuple[int, int]:
    """The first output and how many, for lengths m of `a` and n of `v`."""
    short, long = min(m, n), max(m, n)
    if mode == "full":
        return 0, m + n - 1
    if mode == "same":
        # NumPy correlates the longer with the shorter, and reverses the result if that is v with a.
        return (short if n > m and not flip else short - 1) // 2, long
    return short - 1, long - short + 1
