"""Where training starts from."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from ..types import Array, DType
from .layer import Shape


def he_normal(shape: Shape, *, dtype: DType = np.float32, seed: int | np.random.Generator | None = None) -> Array:
    """Draw a weight of `shape` (outputs, inputs, ...) for a layer followed by ReLU.

    Normally distributed with mean 0 and variance 2 / (number of products summed into one output):
    ReLU silences half of the outputs on average, and the 2 makes up for it, so that signals
    neither fade nor grow from layer to layer.

    Both dtypes give the same numbers for one seed, up to rounding. Pass one
    ``np.random.Generator`` to several layers to seed a whole network.

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers: Surpassing Human-Level
    Performance on ImageNet Classification", ICCV 2015, equation 10.
    """
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, sqrt(2.0 / prod(shape[1:])), shape).astype(dtype)
