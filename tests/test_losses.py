"""softmax_cross_entropy: values, gradient, extreme scores, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from tapwise import softmax_cross_entropy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_cross_entropy_on_known_values(dtype: Any) -> None:
    logits = np.log(np.array([[1, 1, 2], [3, 4, 1]], dtype))
    loss, grad = softmax_cross_entropy(logits, np.array([2, 0], np.uint8))
    assert type(loss) is float and grad.dtype == dtype
    assert loss == pytest.approx((np.log(4 / 2) + np.log(8 / 3)) / 2, rel=1e-6)
    expected = np.array([[1 / 4, 1 / 4, 2 / 4 - 1], [3 / 8 - 1, 4 / 8, 1 / 8]]) / 2
    assert_allclose(grad, expected, rtol=1e-6)


def test_softmax_cross_entropy_gradient_equals_finite_differences() -> None:
    logits, labels = np.random.default_rng(0).standard_normal((4, 5)), [0, 4, 2, 2]
    _, grad = softmax_cross_entropy(logits, labels)
    for i in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[i] = 1e-6
        above, below = (softmax_cross_entropy(x, labels)[0] for x in (logits + step, logits - step))
        assert grad[i] == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-9)


def test_softmax_cross_entropy_survives_huge_scores() -> None:
    big = np.finfo(np.float32).max / 4
    logits = np.array([[big, -big], [big, -big], [0, -np.inf]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        loss, grad = softmax_cross_entropy(logits[:2], [0, 1])
        assert loss == pytest.approx(float(big), rel=1e-6)
        assert_array_equal(grad, [[0, 0], [0.5, -0.5]])
        assert softmax_cross_entropy(logits[2:], [0])[0] == 0.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("logits", "label", "loss", "grad"),
    [
        ([-1.5e38, 1.5e38], 0, 3e38, [-1, 1]),  # float32 ends at 3.4e38
        ([-1.5e38, 1.5e38], 1, 0, [0, 0]),
        ([-3e38, 3e38], 0, np.inf, [-1, 1]),
        ([-3e38, 3e38], 1, 0, [0, 0]),
        ([-np.inf, 0], 0, np.inf, [-1, 1]),
        ([np.inf, 0], 0, np.nan, [np.nan, np.nan]),
        ([np.inf, 0], 1, np.nan, [np.nan, np.nan]),
        ([-np.inf, -np.inf], 0, np.nan, [np.nan, np.nan]),
        ([np.nan, 0], 1, np.nan, [np.nan, np.nan]),
    ],
)
def test_softmax_cross_entropy_at_the_ends_of_float32(
    logits: list[float], label: int, loss: float, grad: list[float]
) -> None:
    with np.errstate(all="warn"):
        got, got_grad = softmax_cross_entropy(np.array([logits, [0, 0]], np.float32), [label, 0])
    assert 2 * got - np.log(2) == pytest.approx(loss, rel=1e-6, abs=1e-7, nan_ok=True)
    assert_array_equal(got_grad, np.array([grad, [-0.5, 0.5]], np.float32) / 2)
    torch = pytest.importorskip("torch")
    twin = torch.tensor([logits], requires_grad=True)
    expected = torch.nn.functional.cross_entropy(twin, torch.tensor([label]))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6, nan_ok=True)
    assert_array_equal(np.array([grad], np.float32), twin.grad.numpy())


def test_softmax_cross_entropy_leaves_its_operands_alone() -> None:
    logits, labels = np.random.default_rng(0).standard_normal((4, 5)), np.array([0, 1, 2, 3])
    logits.flags.writeable = labels.flags.writeable = False
    _, grad = softmax_cross_entropy(logits, labels)
    assert not np.shares_memory(grad, logits)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_cross_entropy_equals_torch(dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, labels = (10 * rng.standard_normal((50, 7))).astype(dtype), rng.integers(0, 7, 50)
    twin = torch.from_numpy(logits.copy()).requires_grad_()
    expected = torch.nn.functional.cross_entropy(twin, torch.from_numpy(labels))
    expected.backward()
    loss, grad = softmax_cross_entropy(logits, labels)
    tolerance = 10 * float(np.finfo(dtype).eps)
    assert loss == pytest.approx(expected.item(), rel=tolerance)
    assert_allclose(grad, twin.grad.numpy(), rtol=10 * tolerance, atol=tolerance / 50)


@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        (np.zeros(3), [0], ValueError, r"logits expects shape \(N, classes\), got \(3,\)"),
        (np.zeros((2, 0)), [0, 0], ValueError, "logits expects shape"),
        (np.zeros((1, 3), np.float16), [0], TypeError, "logits .* float32 or float64, got float16"),
        (np.zeros((1, 3), int), [0], TypeError, "logits expects dtype float32 or float64, got int"),
        (np.zeros((2, 3)), [0], ValueError, r"labels expects shape \(2,\).* got \(1,\)"),
        (np.zeros((2, 3)), np.eye(3)[:2], TypeError, r"labels expects integers.*argmax"),
        (np.zeros((2, 3)), np.eye(3, dtype=int)[:2], ValueError, r"labels expects shape \(2,\)"),
        (np.zeros((2, 3)), [0, 3], ValueError, "labels .* from 0 to 2 .* got 3 at index 1"),
        (np.zeros((2, 3)), [-1, 0], ValueError, "labels expects values .* got -1 at index 0"),
        (np.zeros((2, 3)), [True, False], TypeError, "labels expects integers"),
    ],
)  # fmt: skip
def test_softmax_cross_entropy_refuses(logits: NDArray[Any], labels: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        softmax_cross_entropy(logits, labels)
