"""Layers of every kind, each with the shape of an input for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tapwise import nn

Array = np.ndarray[Any, Any]


def normal(shape: tuple[int, ...], seed: int, dtype: Any = np.float64) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def lenet(dtype: Any = np.float64) -> nn.Sequential:
    """A small network of every kind of layer, for images (N, 2, 8, 8)."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding="same", dtype=dtype, seed=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, activation="relu", dtype=dtype, seed=2),
        nn.Flatten(),
        nn.Dense(6 * 2 * 2, 7, activation="relu", dtype=dtype, seed=3),
        nn.Dense(7, 5, dtype=dtype, seed=4),
    )


# Each layer with the shape of an input for it. The networks of the examples use the first kinds;
# the others are there because each option has a gradient of its own.
LAYERS: dict[str, tuple[Callable[[], nn.Layer], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 4, dtype=np.float64, seed=0), (2, 2, 9)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3, dtype=np.float64, seed=0), (2, 2, 5, 6)),
    "conv3d": (lambda: nn.Conv3d(1, 2, (1, 2, 3), dtype=np.float64, seed=0), (2, 1, 2, 3, 4)),
    "conv2d-strided": (
        lambda: nn.Conv2d(
            2,
            4,
            (3, 2),
            stride=(2, 1),
            padding=((0, 1), (2, 0)),
            dilation=(1, 2),
            groups=2,
            dtype=np.float64,
            seed=0,
        ),
        (2, 2, 6, 5),
    ),
    "conv2d-nhwc": (
        lambda: nn.Conv2d(3, 2, 3, padding="same", layout="NHWC", dtype=np.float64, seed=0),
        (2, 4, 5, 3),
    ),
    "conv2d-unbatched": (
        lambda: nn.Conv2d(3, 2, 3, layout="HWC", dtype=np.float64, seed=0),
        (4, 5, 3),
    ),
    "conv2d-flipped": (
        lambda: nn.Conv2d(2, 3, 3, flip=True, dtype=np.float64, seed=0),
        (1, 2, 5, 5),
    ),
    "conv2d-no-bias": (
        lambda: nn.Conv2d(2, 3, 3, bias=False, dtype=np.float64, seed=0),
        (1, 2, 4, 4),
    ),
    "conv2d-relu": (
        lambda: nn.Conv2d(2, 3, 3, activation="relu", dtype=np.float64, seed=0),
        (2, 2, 5, 5),
    ),
    "dense": (lambda: nn.Dense(4, 3, dtype=np.float64, seed=0), (5, 4)),
    "dense-relu": (lambda: nn.Dense(4, 3, activation="relu", dtype=np.float64, seed=0), (5, 4)),
    "dense-no-bias": (lambda: nn.Dense(4, 3, bias=False, dtype=np.float64, seed=0), (5, 4)),
    "relu": (nn.ReLU, (2, 3, 4)),
    "max-pool": (lambda: nn.MaxPool2d(2), (2, 3, 4, 6)),
    "max-pool-overlapping": (lambda: nn.MaxPool2d(3, stride=(2, 1), padding=1), (1, 2, 5, 6)),
    "max-pool-nhwc": (lambda: nn.MaxPool2d((2, 1), layout="NHWC"), (1, 4, 3, 2)),
    "flatten": (nn.Flatten, (2, 3, 4)),
    "sequential": (lenet, (3, 2, 8, 8)),
    "sequential-nested": (
        lambda: nn.Sequential(nn.Sequential(nn.ReLU(), nn.Dense(4, 3, dtype=np.float64, seed=0))),
        (2, 4),
    ),
    "sequential-empty": (nn.Sequential, (2, 3)),
}
each_layer = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS.keys())
