"""Loss functions, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, NDArray[np.floating[Any]]]:
    """Mean of -log(softmax(logits)[label]) over a batch, and its gradient.

    logits  (N, classes), float32 or float64: one score per class, of any size and sign
    labels  (N,), integers from 0 to classes - 1: the right class of each row

    Returns the loss as a float and the gradient of this mean with respect to the logits, an
    array like `logits`: (softmax(logits) - one_hot(labels)) / N. An empty batch gives 0.0.

    The largest score of a row is subtracted before anything is exponentiated. It cancels in the
    softmax and keeps exp from overflowing; the log of the chosen probability is never taken, so
    one that underflows costs no accuracy.
    Source: P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and
    softmax functions", IMA Journal of Numerical Analysis 41(4), 2021.

    Raises TypeError for other dtypes, ValueError for other shapes and for labels out of range.
    """
    logits, labels = _check(np.asarray(logits), np.asarray(labels))
    n = len(logits)
    if n == 0:
        return 0.0, np.zeros_like(logits)
    rows = np.arange(n)
    shifted = logits - logits.max(axis=1, keepdims=True)
    grad = np.exp(shifted)
    total = grad.sum(axis=1)
    losses = np.log(total) - shifted[rows, labels]
    grad /= total[:, np.newaxis]
    grad[rows, labels] -= 1
    grad /= n
    return float(losses.mean(dtype=np.float64)), grad


def _check(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any]]]:
    if logits.dtype not in (np.float32, np.float64):
        raise TypeError(f"logits expects dtype float32 or float64, got {logits.dtype}")
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ValueError(f"logits expects shape (N, classes), got {logits.shape}")
    n, classes = logits.shape
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(
            f"labels expects integers, the index of the right class, got dtype {labels.dtype}; "
            "one-hot rows become indices with labels.argmax(axis=1)"
        )
    if labels.shape != (n,):
        raise ValueError(f"labels expects shape ({n},), one per row of logits {logits.shape}, got {labels.shape}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        i = wrong[0]
        raise ValueError(
            f"labels expects values from 0 to {classes - 1} for logits of shape {logits.shape}, "
            f"got {labels[i]} at index {i}"
        )
    return logits, labels
