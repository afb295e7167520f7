"""PyTorch on the CPU: plain and channels_last, forward and aten.convolution_backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..case import RESULTS, Array, Case, Contestant

# Of 1-D activations PyTorch has one order only.
_CHANNELS_LAST = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


def contestants(case: Case) -> list[Contestant]:
    torch.set_num_threads(case.threads)
    found = []
    for channels_last in (False, True) if case.problem.rank > 1 else (False,):
        own = channels_last == case.channels_last
        name = "channels_last" if channels_last else "plain"
        found.append(_contestant(case, channels_last, name, charged=own))
        if not own:
            found.append(_contestant(case, channels_last, f"{name}+convert", charged=True))
    return found


def _contestant(case: Case, channels_last: bool, name: str, charged: bool) -> Contestant:
    last_format = _CHANNELS_LAST[case.problem.rank]
    memory_format = last_format if channels_last else torch.contiguous_format
    row_format = last_format if case.channels_last else torch.contiguous_format

    def tensor(array: Array) -> torch.Tensor:
        return torch.from_numpy(np.asarray(case.first(array)))

    def prepared(array: Array) -> torch.Tensor:
        return tensor(array).contiguous(memory_format=memory_format)

    convert = charged and channels_last != case.channels_last
    x, grad = (tensor if charged else prepared)(case.x), (tensor if charged else prepared)(case.grad)
    weight, bias = torch.from_numpy(case.weight), torch.from_numpy(case.bias)
    if channels_last:
        weight = weight.contiguous(memory_format=memory_format)
    compute = _compute(case, weight, bias)
    activations = RESULTS[case.direction][0] == "activations"
    last: list[tuple[torch.Tensor | None, ...]] = []

    def call() -> None:
        a, b = (t.contiguous(memory_format=memory_format) if convert else t for t in (x, grad))
        with torch.inference_mode():
            result = compute(a, b)
        if convert:
            # The first of three gradients, and all that the other directions give but those of weights and bias.
            result = tuple(
                t.contiguous(memory_format=row_format) if t is not None and i == 0 and activations else t
                for i, t in enumerate(result)
            )
        last[:] = [result]

    def fetch() -> tuple[Array, ...]:
        return tuple(t.numpy() for t in last[0] if t is not None)

    return Contestant("pytorch", name, call, fetch, charged)


Compute = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor | None, ...]]


def _compute(case: Case, weight: torch.Tensor, bias: torch.Tensor) -> Compute:
    p, direction = case.problem, case.direction
    even = all(low == high for low, high in p.pad)
    padding = [low for low, _ in p.pad] if even else [0] * p.rank
    edges = [edge for pair in reversed(p.pad) for edge in pair]
    conv: Any = (F.conv1d, F.conv2d, F.conv3d)[p.rank - 1]

    def pad(x: torch.Tensor) -> torch.Tensor:
        # PyTorch pads both ends alike; anything else is an operation of its own.
        return x if even else F.pad(x, edges)

    def forward(x: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with_bias = bias if direction == "fwd_relu" else None
        y = conv(pad(x), weight, with_bias, p.stride, padding, p.dilation, p.groups)
        return (torch.relu_(y) if direction == "fwd_relu" else y,)

    mask = [direction in ("bwd", each) for each in ("bwd_d", "bwd_w", "bwd_b")]

    def backward(x: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = torch.ops.aten.convolution_backward(
            grad, pad(x), weight, [p.out_channels], p.stride, padding, p.dilation, False, [0] * p.rank, p.groups, mask
        )
        if not even and found[0] is not None:
            inner = tuple(slice(low, low + n) for n, (low, _) in zip(p.src, p.pad, strict=True))
            return (found[0][(slice(None), slice(None), *inner)], *found[1:])
        return tuple(found)

    def bias_gradient(_: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (grad.sum(dim=(0, *range(2, grad.ndim))),)

    if direction.startswith("fwd"):
        return forward
    return bias_gradient if direction == "bwd_b" else backward
