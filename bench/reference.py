"""The float64 result that every implementation is checked against: one matrix product per tap, by NumPy alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from .case import Array, Case
from .counting import longest_sum

Double = npt.NDArray[np.float64]


def reference(case: Case) -> tuple[Double, ...]:
    """The results of the case's direction: activations as (N, C, *space), weights as (O, I, *kernel)."""
    forms = {
        "fwd": lambda: (_forward(case),),
        "fwd_relu": lambda: (_relu(_forward(case) + _per_channel(case.bias, case.problem.rank)),),
        "bwd_d": lambda: (_backward_data(case),),
        "bwd_w": lambda: (_backward_weights(case),),
        "bwd_b": lambda: (_backward_bias(case),),
        "bwd": lambda: (_backward_data(case), _backward_weights(case), _backward_bias(case)),
    }
    return forms[case.direction]()


def distance(got: tuple[Array, ...], expected: tuple[npt.NDArray[Any], ...]) -> float:
    """Relative L2 distance, the largest over the results; infinite where a shape is wrong, a number is not finite, or
    integers differ at all."""
    worst = 0.0
    for g, e in zip(got, expected, strict=True):
        if g.shape != e.shape:
            return float("inf")
        if e.dtype.kind == "i":
            worst = max(worst, 0.0 if np.array_equal(g, e) else float("inf"))
            continue
        # In g's own order in memory: a result with its channels last is not transposed for this.
        difference = np.subtract(g, e, order="K").ravel("K")
        error = float((np.vdot(difference, difference) / max(float(np.vdot(e, e)), 1e-300)) ** 0.5)
        worst = max(worst, error if np.isfinite(error) else float("inf"))
    return worst


def tolerance(case: Case) -> float:
    """What roundings may add up to: sums of K terms of random sign, in any order, stray by about sqrt(K) roundings.
    Winograd and FFT add a constant of their own."""
    roundoff = float(np.finfo(case.dtype).eps) / 2
    return roundoff * (4 * longest_sum(case.problem, case.direction) ** 0.5 + 100)


# Activations as (G, N, *space, C / G), weights as (G, *kernel, C / G, O / G): matrix products of the last two axes.


def _activations(case: Case, array: Array) -> Double:
    first = case.first(array)
    groups = case.problem.groups
    split = first.reshape(first.shape[0], groups, first.shape[1] // groups, *first.shape[2:])
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(split, 2, -1), 1, 0), dtype=np.float64)


def _joined(array: Double) -> Double:
    split = np.moveaxis(np.moveaxis(array, 0, 1), -1, 2)
    return split.reshape(split.shape[0], -1, *split.shape[3:])


def _padded(case: Case) -> Double:
    return np.pad(_activations(case, case.x), ((0, 0), (0, 0), *case.problem.pad, (0, 0)))


def _taps(case: Case) -> list[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each tap, and the padded inputs that it meets."""
    p = case.problem
    return [
        (tap, (slice(None), slice(None), *(
            slice(t * d, t * d + (q - 1) * s + 1, s)
            for t, d, q, s in zip(tap, p.dilation, p.dst, p.stride, strict=True)
        )))
        for tap in itertools.product(*(range(k) for k in p.kernel))
    ]  # fmt: skip


def _weights(case: Case) -> Double:
    p = case.problem
    split = case.weight.astype(np.float64).reshape(p.groups, p.out_channels // p.groups, *case.weight.shape[1:])
    return np.moveaxis(split, (2, 1), (-2, -1))


def _forward(case: Case) -> Double:
    p = case.problem
    if _one_long_filter(case):
        return _long_forward(case)
    x, w = _padded(case), _weights(case)
    y = np.zeros((p.groups, p.batch, *p.dst, p.out_channels // p.groups))
    for tap, where in _taps(case):
        y += _product(x[where], w[(slice(None), *tap)])
    return _joined(y)


def _backward_data(case: Case) -> Double:
    p = case.problem
    if _one_long_filter(case):
        return _long_backward_data(case)
    grad, w = _activations(case, case.grad), _weights(case).swapaxes(-1, -2)
    padded = np.zeros((
        p.groups, p.batch, *(n + low + high for n, (low, high) in zip(p.src, p.pad, strict=True)),
        p.in_channels // p.groups,
    ))  # fmt: skip
    for tap, where in _taps(case):
        padded[where] += _product(grad, w[(slice(None), *tap)])
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(p.src, p.pad, strict=True))
    return _joined(padded[(slice(None), slice(None), *inner)])


def _backward_weights(case: Case) -> Double:
    p = case.problem
    if _one_long_filter(case):
        return _long_backward_weights(case)
    x, grad = _padded(case), _activations(case, case.grad)
    rows = grad.reshape(p.groups, -1, p.out_channels // p.groups)
    result = np.empty((p.groups, p.out_channels // p.groups, p.in_channels // p.groups, *p.kernel))
    for tap, where in _taps(case):
        columns = x[where].reshape(p.groups, -1, p.in_channels // p.groups)
        result[(..., *tap)] = np.matmul(rows.swapaxes(1, 2), columns)
    return result.reshape(case.weight.shape)


def _backward_bias(case: Case) -> Double:
    grad = case.first(case.grad)
    return grad.sum(axis=(0, *range(2, grad.ndim)), dtype=np.float64)


def _product(activations: Double, weights: Double) -> Double:
    groups, channels = activations.shape[0], activations.shape[-1]
    if channels == 1 and weights.shape[-1] == 1:
        return activations * weights.reshape(groups, *(1,) * (activations.ndim - 1))
    flat = activations.reshape(groups, -1, channels)
    return np.matmul(flat, weights).reshape(*activations.shape[:-1], weights.shape[-1])


def _relu(array: Double) -> Double:
    return np.maximum(array, 0.0)


def _per_channel(bias: Array, rank: int) -> Double:
    return bias.astype(np.float64).reshape(-1, *(1,) * rank)


# A filter of thousands of taps on one channel: tap by tap would take minutes, and a float64 FFT is exact enough.


def _one_long_filter(case: Case) -> bool:
    p = case.problem
    plain = p.stride == p.dilation == (1,) * p.rank
    return plain and p.in_channels == p.out_channels == 1 and max(p.kernel) > 256


def _long_forward(case: Case) -> Double:
    x = _zero_padded(case)
    return _cut(_through_fft(x, case.weight.astype(np.float64), x.shape[2:], correlate=True), case.problem.dst)


def _long_backward_data(case: Case) -> Double:
    grad, padded = case.first(case.grad).astype(np.float64), _zero_padded(case)
    full = _through_fft(grad, case.weight.astype(np.float64), padded.shape[2:], correlate=False)
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(case.problem.src, case.problem.pad, strict=True))
    return np.ascontiguousarray(full[(slice(None), slice(None), *inner)])


def _long_backward_weights(case: Case) -> Double:
    x, grad = _zero_padded(case), case.first(case.grad).astype(np.float64)
    each = _through_fft(x, grad, x.shape[2:], correlate=True)
    return _cut(each.sum(axis=0, keepdims=True), case.problem.kernel)


def _zero_padded(case: Case) -> Double:
    return np.pad(case.first(case.x).astype(np.float64), ((0, 0), (0, 0), *case.problem.pad))


def _through_fft(a: Double, b: Double, lengths: tuple[int, ...], correlate: bool) -> Double:
    axes = tuple(range(2, a.ndim))
    spectrum = np.fft.rfftn(b, lengths, axes=axes)
    spectrum = np.fft.rfftn(a, lengths, axes=axes) * (np.conj(spectrum) if correlate else spectrum)
    return np.asarray(np.fft.irfftn(spectrum, lengths, axes=axes))


def _cut(array: Double, sizes: tuple[int, ...]) -> Double:
    return np.ascontiguousarray(array[(slice(None), slice(None), *(slice(0, n) for n in sizes))])
