"""JAX: XLA's CPU back end, compiled for each row, in both dimension orders."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..case import RESULTS, Array, Case, Contestant, Unsupported
from ..descriptor import Problem

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def contestants(case: Case) -> list[Contestant]:
    if case.threads != len(os.sched_getaffinity(0)):
        raise Unsupported("its thread pool has one thread per CPU, whatever is asked for")
    return [_contestant(case, channels_last) for channels_last in (False, True)]


def _contestant(case: Case, channels_last: bool) -> Contestant:
    x, grad = (jnp.asarray(case.copied(a, channels_last)) for a in (case.x, case.grad))
    weight = np.moveaxis(case.weight, (0, 1), (-1, -2)) if channels_last else case.weight
    operands = (x, jnp.asarray(np.ascontiguousarray(weight)), jnp.asarray(case.bias), grad)
    run = _compiled(case.problem, case.direction, case.dtype, channels_last)
    last: list[Any] = []

    def call() -> None:
        last[:] = jax.block_until_ready(run(*operands))

    def fetch() -> tuple[Array, ...]:
        kinds = RESULTS[case.direction]
        return tuple(_canonical(np.asarray(r), channels_last, kind) for r, kind in zip(last, kinds, strict=True))

    name = "channels_last" if channels_last else "channels_first"
    return Contestant("jax", name, call, fetch, charged=channels_last == case.channels_last)


@functools.lru_cache(maxsize=4)  # both layouts of a row need both
def _compiled(p: Problem, direction: str, dtype: str, channels_last: bool) -> Callable[..., Any]:
    space = "DHW"[3 - p.rank :]
    names = (f"N{space}C", f"{space}IO") if channels_last else (f"NC{space}", f"OI{space}")
    shapes = [p.src_shape, p.weight_shape, (p.out_channels,), p.dst_shape]
    if channels_last:
        shapes = [
            (p.batch, *p.src, p.in_channels), (*p.kernel, p.in_channels // p.groups, p.out_channels),
            (p.out_channels,), (p.batch, *p.dst, p.out_channels),
        ]  # fmt: skip
    dimensions = lax.conv_dimension_numbers(shapes[0], shapes[1], (*names, names[0]))

    def conv(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(
            x, w, p.stride, p.pad, rhs_dilation=p.dilation, dimension_numbers=dimensions, feature_group_count=p.groups
        )

    per_channel = (p.out_channels,) if channels_last else (p.out_channels, *(1,) * p.rank)
    sums = tuple(a for a in range(p.rank + 2) if a != (p.rank + 1 if channels_last else 1))
    forms: dict[str, Callable[..., tuple[Any, ...]]] = {
        "fwd": lambda x, w, b, g: (conv(x, w),),
        "fwd_relu": lambda x, w, b, g: (jnp.maximum(conv(x, w) + b.reshape(per_channel), 0),),
        "bwd_d": lambda x, w, b, g: jax.linear_transpose(lambda x: conv(x, w), x)(g),
        "bwd_w": lambda x, w, b, g: jax.linear_transpose(lambda w: conv(x, w), w)(g),
        "bwd_b": lambda x, w, b, g: (g.sum(sums),),
        "bwd": lambda x, w, b, g: (
            *jax.linear_transpose(lambda x: conv(x, w), x)(g),
            *jax.linear_transpose(lambda w: conv(x, w), w)(g),
            g.sum(sums),
        ),
    }
    compiled: Callable[..., Any] = (
        jax.jit(forms[direction], keep_unused=True)
        .lower(*(jax.ShapeDtypeStruct(shape, np.dtype(dtype)) for shape in shapes))
        .compile()
    )
    return compiled


def _canonical(array: Array, channels_last: bool, kind: str) -> Array:
    if not channels_last or kind == "bias":
        return array
    return np.moveaxis(array, (-1, -2), (0, 1)) if kind == "weights" else np.moveaxis(array, -1, 1)
