"""Filtering of arrays that have no channels: which of their axes become those of a convolution.

Axes along which the filter has one tap are a batch. The largest is taken as channels, each with the same filter, which
is the fastest; the next as the batch; the rest in a loop. A complex number is two channels.
"""

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from . import _core
from .types import Algorithm, Array

# The filter is packed once for each channel. A larger batch goes in several parts, which bounds the memory for that.
_PACKED_TAPS = 1 << 18


def correlate(
    signal: Array,
    taps: Array,
    pads: Sequence[tuple[int, int]],
    flip: bool,
    out: Array,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
) -> None:
    """``out[q] = sum over k of signal[q + k - low] * taps[k]``; with `flip`, the taps are taken in reverse.

    Parameters
    ----------
    signal, taps : arrays of one rank and precision, real or complex
        With more than one tap along at most 3 axes.
    pads : a (low, high) pair per axis
        Zeros around the signal.
    out : array apart from them, complex if one of them is
    """
    joint = taps.dtype.kind == "c"
    if signal.ndim == 1 and signal.dtype.kind == taps.dtype.kind == "f":
        one = (np.newaxis, np.newaxis)
        _core.conv(
            signal[one], taps[one], None, 1, 1, pads, 1, 1, flip, None, None, None, out[one], algorithm, threads
        )  # fmt: skip
        return
    if signal.dtype.kind == "c" and not joint:
        signal, taps, out, pads = _parts(signal), taps[..., np.newaxis], _parts(out), (*pads, (0, 0))
    moving = [axis for axis, n in enumerate(taps.shape) if n > 1] or [signal.ndim - 1]
    batch = sorted(set(range(signal.ndim)) - set(moving), key=lambda axis: signal.shape[axis])
    kernel = taps.transpose(batch + moving)[(0,) * len(batch)]
    padding = [pads[axis] for axis in moving]
    if joint:
        signal, out = _parts(signal), _parts(out)
        batch.append(signal.ndim - 1)
    lacking = (np.newaxis,) * (2 - len(batch))
    x, y = (array.transpose(batch + moving)[lacking] for array in (signal, out))  # (..., N, C, *space)

    *loops, _, channels = x.shape[: -kernel.ndim]
    together = 2 if joint else max(1, _PACKED_TAPS // kernel.size)
    for index in np.ndindex(*loops):
        for first in range(0, channels, together):
            some: tuple[Any, ...] = (*index, slice(None), slice(first, first + together))
            source = x[some]
            groups = 1 if joint else source.shape[1]
            weight = _two_channels(kernel, channels) if joint else np.broadcast_to(kernel, (groups, 1, *kernel.shape))
            _core.conv(
                source, weight, None, kernel.ndim, 1, padding, 1, groups, flip, None, None, None, y[some],
                algorithm, threads,
            )  # fmt: skip


def _parts(array: Array) -> Array:
    """Real and imaginary parts along one more axis, the last; of a real array, that axis has size 1."""
    return array[..., np.newaxis].view(array.real.dtype)


def _two_channels(kernel: Array, parts: int) -> Array:
    """Weights that multiply by complex numbers what has those parts."""
    re, im = kernel.real, kernel.imag
    return np.array([[re], [im]] if parts == 1 else [[re, -im], [im, re]])
