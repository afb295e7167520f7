"""Matrix products by NumPy, whose BLAS is made for them. The compiled module calls this for dense layers."""

import numpy as np

from .types import Array


def product(a: Array, transpose_a: bool, b: Array, transpose_b: bool, out: Array) -> None:
    """``out[...] = a @ b``, with either of them transposed first.

    Without NumPy's warnings, which convolutions do not give either, and without what subclasses of its arrays would do.
    """
    a, b, out = (m if type(m) is np.ndarray else np.ndarray.view(m, np.ndarray) for m in (a, b, out))
    with np.errstate(all="ignore"):
        np.matmul(a.T if transpose_a else a, b.T if transpose_b else b, out=out)
