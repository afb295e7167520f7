"""The reference: convolution written to be read, in float64 unless told otherwise.

Arrays are (N, C, *spatial); weights are (O, C / groups, *kernel), and (I, O / groups, *kernel) for
the transposed convolution. A pass walks the taps and, for each, multiplies the strided window of
the input that it meets: padding takes no part in any sum. `seven_loops` is the same thing with
every loop spelt out; test_oracle.py holds the two together.
"""

import itertools
import math

import numpy as np


def per_axis(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def pad_pairs(padding, spatial, kernel, stride, dilation):
    """(low, high) per axis, from any padding that a caller may write."""
    rank = len(spatial)
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    if padding == "valid":
        return [(0, 0)] * rank
    if padding == "full":
        return [(r, r) for r in reach]
    if padding == "causal":
        return [(r, 0) for r in reach]
    if padding in ("same", "same_lower"):
        pairs = []
        for n, s, r in zip(spatial, stride, reach, strict=True):
            total = max((-(-n // s) - 1) * s + r + 1 - n, 0)
            less, more = total // 2, total - total // 2
            pairs.append((less, more) if padding == "same" else (more, less))
        return pairs
    return [(p, p) if isinstance(p, int) else tuple(p) for p in per_axis(padding, rank)]


def output_size(spatial, kernel, stride, dilation, pads):
    return tuple(
        (n + low + high - ((k - 1) * d + 1)) // s + 1
        for n, k, s, d, (low, high) in zip(spatial, kernel, stride, dilation, pads, strict=True)
    )


def reversed_taps(weight):
    return np.flip(weight, axis=tuple(range(2, weight.ndim)))


def group_slices(count, groups):
    size = count // groups
    return [slice(g * size, (g + 1) * size) for g in range(groups)]


def flat_positions(a):
    return a.reshape(*a.shape[:2], math.prod(a.shape[2:]))


class Geometry:
    """One problem's numbers, with the outputs at which each tap meets input, and where it does."""

    def __init__(self, spatial, kernel, stride, padding, dilation):
        rank = len(spatial)
        self.spatial, self.kernel = tuple(spatial), tuple(kernel)
        self.stride, self.dilation = per_axis(stride, rank), per_axis(dilation, rank)
        self.pads = pad_pairs(padding, spatial, kernel, self.stride, self.dilation)
        self.out = output_size(spatial, kernel, self.stride, self.dilation, self.pads)

    def taps(self):
        return itertools.product(*map(range, self.kernel))

    def meeting(self, tap):
        """Slices of the outputs at which `tap` meets input, and of that input."""
        outs, ins = [], []
        for axis, t in enumerate(tap):
            start, s = t * self.dilation[axis] - self.pads[axis][0], self.stride[axis]
            first = max(0, -(start // s))
            last = max(first, min(self.out[axis], (self.spatial[axis] - 1 - start) // s + 1))
            outs.append(slice(first, last))
            ins.append(
                slice(first * s + start, first * s + start + (last - first) * s, s) if last > first else slice(0)
            )
        return tuple(outs), tuple(ins)


def conv(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1, flip=False, dtype=np.float64):
    x, w = np.asarray(x, dtype), np.asarray(w, dtype)
    w = reversed_taps(w) if flip else w
    geometry = Geometry(x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = np.zeros((x.shape[0], w.shape[0], *geometry.out), dtype)
    filters, channels = group_slices(w.shape[0], groups), group_slices(x.shape[1], groups)
    for o, c in zip(filters, channels, strict=True):
        for tap in geometry.taps():
            outs, ins = geometry.meeting(tap)
            seen = x[(slice(None), c, *ins)]
            y[(slice(None), o, *outs)] += np.einsum("oc,nc...->no...", w[(o, slice(None), *tap)], seen, optimize=True)
    return y if b is None else y + np.asarray(b, dtype).reshape(-1, *[1] * (y.ndim - 2))


def conv_input_grad(grad, w, spatial, *, stride=1, padding=0, dilation=1, groups=1, flip=False, dtype=np.float64):
    """Every output adds its gradient, times the weight, to each input that it saw."""
    grad, w = np.asarray(grad, dtype), np.asarray(w, dtype)
    w = reversed_taps(w) if flip else w
    geometry = Geometry(spatial, w.shape[2:], stride, padding, dilation)
    dx = np.zeros((grad.shape[0], w.shape[1] * groups, *geometry.spatial), dtype)
    filters, channels = group_slices(w.shape[0], groups), group_slices(dx.shape[1], groups)
    for o, c in zip(filters, channels, strict=True):
        for tap in geometry.taps():
            outs, ins = geometry.meeting(tap)
            seen = grad[(slice(None), o, *outs)]
            dx[(slice(None), c, *ins)] += np.einsum("oc,no...->nc...", w[(o, slice(None), *tap)], seen, optimize=True)
    return dx


def conv_weight_grad(grad, x, kernel, *, stride=1, padding=0, dilation=1, groups=1, flip=False, dtype=np.float64):
    """Every use of a weight adds its gradient: the sum over the batch and all output positions."""
    grad, x = np.asarray(grad, dtype), np.asarray(x, dtype)
    geometry = Geometry(x.shape[2:], kernel, stride, padding, dilation)
    dw = np.zeros((grad.shape[1], x.shape[1] // groups, *geometry.kernel), dtype)
    filters, channels = group_slices(grad.shape[1], groups), group_slices(x.shape[1], groups)
    for o, c in zip(filters, channels, strict=True):
        for tap in geometry.taps():
            outs, ins = geometry.meeting(tap)
            dw[(o, slice(None), *tap)] = np.einsum(
                "nop,ncp->oc",
                flat_positions(grad[(slice(None), o, *outs)]),
                flat_positions(x[(slice(None), c, *ins)]),
                optimize=True,
            )
    return reversed_taps(dw) if flip else dw


def conv_bias_grad(grad, *, dtype=np.float64):
    return np.asarray(grad, dtype).sum(axis=(0, *range(2, np.ndim(grad))))


def conv_transpose(
    x,
    w,
    b=None,
    *,
    stride=1,
    padding=0,
    output_padding=0,
    dilation=1,
    groups=1,
    flip=False,
    dtype=np.float64,
):
    """Every input adds itself, times the kernel, at its stride; then the edges are cut or extended."""
    x_spatial, rank, kernel = np.shape(x)[2:], np.ndim(x) - 2, np.shape(w)[2:]
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    span = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(x_spatial, kernel, stride, dilation, strict=True)]
    geometry = dict(stride=stride, dilation=dilation, groups=groups, flip=flip)
    y = conv_input_grad(x, w, span, dtype=dtype, **geometry)
    if padding == "same":
        surplus = [size - n * s for size, n, s in zip(span, x_spatial, stride, strict=True)]
        extra = [max(-size, 0) for size in surplus]
        pads = [(max(size, 0) // 2, max(size, 0) - max(size, 0) // 2) for size in surplus]
    else:
        extra = per_axis(output_padding, rank)
        pads = pad_pairs(padding, span, kernel, stride, dilation)
    y = np.pad(y, [(0, 0), (0, 0), *[(0, e) for e in extra]])
    inside = [slice(low, size + e - high) for size, e, (low, high) in zip(span, extra, pads, strict=True)]
    y = y[(slice(None), slice(None), *inside)]
    return y if b is None else y + np.asarray(b, dtype).reshape(-1, *[1] * rank)


def seven_loops(x, w, *, stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    """2-D, one number at a time: image, filter, row, column, channel, tap row, tap column."""
    batch, _, height, width = x.shape
    filters, depth, taps_y, taps_x = w.shape
    rows, columns = output_size((height, width), (taps_y, taps_x), stride, dilation, pads)
    y = np.zeros((batch, filters, rows, columns))
    for n in range(batch):
        for o in range(filters):
            for i in range(rows):
                for j in range(columns):
                    for c in range(depth):
                        for u in range(taps_y):
                            for v in range(taps_x):
                                row = i * stride[0] + u * dilation[0] - pads[0][0]
                                column = j * stride[1] + v * dilation[1] - pads[1][0]
                                if 0 <= row < height and 0 <= column < width:
                                    channel = o // (filters // groups) * depth + c
                                    y[n, o, i, j] += x[n, channel, row, column] * w[o, c, u, v]
    return y


def accuracy_bound(dtype, products, absolute):
    """How far off "direct" may be: 2 K u (|x| * |w| + |b|), that sum being `absolute`."""
    unit_roundoff = np.finfo(dtype).eps / 2
    return 2 * products * unit_roundoff * absolute
