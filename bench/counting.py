"""How many operations and bytes a problem stands for, whoever computes it."""

import math

import numpy as np

from .descriptor import Problem

DIRECTIONS = {
    "fwd": "forward",
    "fwd_relu": "forward with bias and ReLU",
    "bwd_d": "gradient by the input",
    "bwd_w": "gradient by the weights",
    "bwd_b": "gradient by the bias",
    "bwd": "all three gradients",
}


def real_pairs(size: int, outputs: int, taps: int, stride: int, dilation: int, low: int) -> int:
    """Pairs of output and tap along one axis that meet an input, not padding."""
    shift = np.arange(taps, dtype=np.int64) * dilation - low
    first = np.maximum(0, -(shift // stride))
    last = np.minimum(outputs, -((shift - size) // stride))
    return int(np.maximum(0, last - first).sum())


def products(problem: Problem) -> int:
    """Products with real input: what forward, input gradient and weight gradient all have to compute."""
    axes = zip(
        problem.src, problem.dst, problem.kernel, problem.stride, problem.dilation, problem.pad, strict=True
    )  # fmt: skip
    space = math.prod(real_pairs(n, q, k, s, d, low) for n, q, k, s, d, (low, _) in axes)
    return problem.batch * problem.out_channels * (problem.in_channels // problem.groups) * space


def flops(problem: Problem, direction: str) -> int:
    """Two per product with real input; of a bias gradient, one per addition. Bias and ReLU of a forward pass count
    nothing."""
    additions = math.prod(problem.dst_shape)
    if direction == "bwd_b":
        return additions
    if direction == "bwd":
        return 4 * products(problem) + additions
    return 2 * products(problem)


def moved_bytes(problem: Problem, direction: str, itemsize: int) -> int:
    """Every operand read once and every result written once."""
    src, weights, dst, bias = (
        math.prod(problem.src_shape), math.prod(problem.weight_shape), math.prod(problem.dst_shape),
        problem.out_channels,
    )  # fmt: skip
    numbers = {
        "fwd": src + weights + dst,
        "fwd_relu": src + weights + bias + dst,
        "bwd_d": dst + weights + src,
        "bwd_w": dst + src + weights,
        "bwd_b": dst + bias,
        "bwd": dst + 2 * src + 2 * weights + bias,
    }
    return numbers[direction] * itemsize


def longest_sum(problem: Problem, direction: str) -> int:
    """The most products or additions that one result sums over."""
    positions = problem.batch * math.prod(problem.dst)
    per_output = problem.in_channels // problem.groups * math.prod(problem.kernel)
    per_input = problem.out_channels // problem.groups * math.prod(problem.kernel)
    return {"fwd": per_output, "fwd_relu": per_output, "bwd_d": per_input}.get(direction, max(positions, per_input))
