"""ReLU, its gradient, and the loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import tapwise

from .contestants import Tensors
from .work import Compute, Result, Setting, Work


class Relu(Work):
    function = "relu"
    meaning = "ReLU of an array"
    needs = {"relu": ("out",)}
    shapes = (1_000, 10_000, 65_536, 200_000, 1_000_000, 10_000_000)
    takes_out = True

    def __init__(self, shape: int, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.x = self.draw(shape)
        self.flops, self.moved = shape, 2 * shape * self.itemsize

    def expected(self) -> tuple[Result, ...]:
        return (np.maximum(self.x, 0.0, dtype=np.float64),)

    def own(self) -> Compute:
        out = self.out(self.x)
        return lambda: tapwise.relu(self.x, out=out)

    def numpy(self) -> Compute:
        zero, out = self.x.dtype.type(0), self.out(self.x)
        return lambda: np.maximum(self.x, zero, out=out)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x = t(self.x)
        if not self.setting.use_out:
            return {"": lambda: t.torch.relu(x)}
        out = t.empty_like(x)
        return {"": lambda: t.torch.clamp_min(x, 0, out=out)}


class ReluGrad(Work):
    function = "relu_grad"
    meaning = "gradient of ReLU"
    needs = {"relu_grad": ("out",)}
    shapes = Relu.shapes
    takes_out = True

    def __init__(self, shape: int, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.x, self.grad = self.draw(shape), self.draw(shape)
        self.flops, self.moved = shape, 3 * shape * self.itemsize

    def expected(self) -> tuple[Result, ...]:
        return (np.where(self.x > 0, self.grad, 0.0).astype(np.float64),)

    def own(self) -> Compute:
        out = self.out(self.x)
        return lambda: tapwise.relu_grad(self.grad, self.x, out=out)

    def numpy(self) -> Compute:
        out = self.out(self.x)
        return lambda: np.multiply(self.grad, self.x > 0, out=out)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x, grad = t(self.x), t(self.grad)
        if not self.setting.use_out:
            return {"": lambda: t.aten.threshold_backward(grad, x, 0)}
        into, out = t.aten.threshold_backward.grad_input, t.empty_like(x)
        return {"": lambda: into(grad, x, 0, grad_input=out)}


class Logits(NamedTuple):
    batch: int
    classes: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.classes}"


class SoftmaxCrossEntropy(Work):
    function = "softmax_cross_entropy"
    meaning = "the loss and its gradient"
    needs = {"softmax_cross_entropy": ()}
    shapes = (Logits(32, 10), Logits(256, 10), Logits(64, 1000), Logits(8, 32000))

    def __init__(self, shape: Logits, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.logits = self.draw(*shape)
        self.labels = np.arange(shape.batch) * 7 % shape.classes
        self.rows = np.arange(shape.batch)
        # A maximum, a difference, an exponential, a sum and a quotient.
        self.flops = 5 * self.logits.size
        self.moved = 2 * self.logits.nbytes + self.labels.nbytes
        self.longest_sum = shape.classes

    def expected(self) -> tuple[Result, ...]:
        return self._loss(self.logits.astype(np.float64))

    def own(self) -> Compute:
        return lambda: tapwise.softmax_cross_entropy(self.logits, self.labels)

    def numpy(self) -> Compute:
        return lambda: self._loss(self.logits)

    def _loss(self, logits: Result) -> tuple[Result, ...]:
        shifted = logits - logits.max(axis=1, keepdims=True)
        grad = np.exp(shifted)
        total = grad.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - shifted[self.rows, self.labels]).mean()
        grad /= total
        grad[self.rows, self.labels] -= 1
        grad /= len(logits)
        return np.asarray(loss), grad

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        logits, labels, rows = t(self.logits), t(self.labels), t(self.rows)
        leaf = logits.clone().requires_grad_()

        def autograd() -> tuple[object, ...]:
            loss = t.F.cross_entropy(leaf, labels)
            return (loss, *t.torch.autograd.grad(loss, leaf))

        def formula() -> tuple[object, ...]:
            log = t.torch.log_softmax(logits, 1)
            loss = t.F.nll_loss(log, labels)
            grad = log.exp_()
            grad[rows, labels] -= 1
            return loss, grad.div_(len(rows))

        return {"autograd": autograd, "log_softmax": formula}
