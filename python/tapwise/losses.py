"""Loss functions, with their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._array_like import as_array
from .types import F, Foreign, NDArray, Operand

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
else:
    ArrayLike = Any


def softmax_cross_entropy(logits: Operand[F], labels: ArrayLike | Foreign) -> tuple[float, NDArray[F]]:
    """Mean of -log(softmax(logits)[label]) over a batch, and its gradient.

    Parameters
    ----------
    logits : (N, classes) float32 or float64
        One score per class, of any size and sign.
    labels : (N,) integers from 0 to classes - 1
        The right class of each row.

    Returns
    -------
    loss : float
        An empty batch gives 0.0.
    grad : array like `logits`
        The gradient of the loss by the logits: (softmax(logits) - one_hot(labels)) / N.

    Raises
    ------
    TypeError
        Logits of another dtype, or labels that are no integers.
    ValueError
        Other shapes, or labels out of range.

    Notes
    -----
    The largest score of a row is subtracted before anything is exponentiated. It cancels in the
    softmax and keeps exp from overflowing; the log of the chosen probability is never taken, so
    one that underflows costs no accuracy. A loss beyond the range of the logits' dtype is inf, its
    gradient finite and right. A NaN, or an infinite largest score, makes the loss NaN, and of the
    gradient its own row. Nothing warns.
    Source: P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and
    softmax functions", IMA Journal of Numerical Analysis 41(4), 2021.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> logits = np.log(np.array([[1.0, 1.0, 2.0]]))  # probabilities 1/4, 1/4, 1/2
    >>> loss, grad = tapwise.softmax_cross_entropy(logits, [2])
    >>> round(loss, 6) == round(float(np.log(2)), 6)
    True
    >>> grad.round(6)
    array([[ 0.25,  0.25, -0.5 ]])
    """
    scores, right = _check(as_array(logits, "logits"), as_array(labels, "labels"))
    n = len(scores)
    if n == 0:
        return 0.0, np.zeros_like(scores)
    rows = np.arange(n)
    # Scores too far apart for the dtype differ by infinity, which is as good as they differ by.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        shifted = scores - scores.max(axis=1, keepdims=True)
        grad = np.exp(shifted)
        total = grad.sum(axis=1)
        losses = np.log(total) - shifted[rows, right]
        grad /= total[:, np.newaxis]
        grad[rows, right] -= 1
        grad /= n
        return float(losses.mean(dtype=np.float64)), grad


def _check(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.integer[Any]]]:
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
