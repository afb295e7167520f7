"""Dense layers: products of matrices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import tapwise

from .contestants import Tensors
from .work import Compute, Result, Setting, Work


class Features(NamedTuple):
    batch: int
    inputs: int
    outputs: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.inputs}->{self.outputs}"


class Dense(Work):
    function = "dense"
    meaning = "dense layer with its bias"
    needs = {"dense": ("out",)}
    shapes = (
        Features(32, 512, 512), Features(64, 784, 128), Features(128, 1024, 1024), Features(1, 4096, 4096),
        Features(16, 1568, 10), Features(256, 9216, 10),
    )  # fmt: skip
    takes_out = True
    uses_blas = True

    def __init__(self, shape: Features, setting: Setting) -> None:
        super().__init__(shape, setting)
        n, f, o = shape
        self.x, self.weight, self.bias = self.draw(n, f), self.draw(o, f), self.draw(o)
        self.y = np.empty((n, o), setting.dtype)
        self.flops = 2 * n * f * o
        self.moved = (n * f + o * f + o + n * o) * self.itemsize
        self.longest_sum = f

    def expected(self) -> tuple[Result, ...]:
        return (self.x.astype(np.float64) @ self.weight.T.astype(np.float64) + self.bias,)

    def own(self) -> Compute:
        out = self.out(self.y)
        return lambda: tapwise.dense(self.x, self.weight, self.bias, out=out)

    def numpy(self) -> Compute:
        out = self.out(self.y)

        def call() -> Result:
            y = np.matmul(self.x, self.weight.T, out=out)
            y += self.bias
            return y

        return call

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        x, weight, bias = t(self.x), t(self.weight), t(self.bias)
        if not self.setting.use_out:
            return {"": lambda: t.F.linear(x, weight, bias)}
        out = t.torch.empty(self.y.shape, dtype=x.dtype)
        return {"": lambda: t.torch.addmm(bias, x, weight.t(), out=out)}


class DenseGrad(Work):
    function = "dense_grad"
    meaning = "all gradients of a dense layer"
    needs = {"dense_grad": ("out",)}
    shapes = Dense.shapes
    takes_out = True
    uses_blas = True

    def __init__(self, shape: Features, setting: Setting) -> None:
        super().__init__(shape, setting)
        n, f, o = shape
        self.grad, self.x, self.weight = self.draw(n, o), self.draw(n, f), self.draw(o, f)
        self.bias = np.empty(o, setting.dtype)
        self.flops = 4 * n * f * o + n * o
        self.moved = (n * o + 2 * n * f + 2 * o * f + o) * self.itemsize
        self.longest_sum = max(n, o)

    def expected(self) -> tuple[Result, ...]:
        grad, x, weight = (a.astype(np.float64) for a in (self.grad, self.x, self.weight))
        return grad @ weight, grad.T @ x, grad.sum(axis=0)

    def own(self) -> Compute:
        out = self.out(self.x), self.out(self.weight), self.out(self.bias)
        return lambda: tapwise.dense_grad(self.grad, self.x, self.weight, out=out)

    def numpy(self) -> Compute:
        grad_x, grad_weight, grad_bias = self.out(self.x), self.out(self.weight), self.out(self.bias)
        return lambda: (
            np.matmul(self.grad, self.weight, out=grad_x),
            np.matmul(self.grad.T, self.x, out=grad_weight),
            np.sum(self.grad, axis=0, out=grad_bias),
        )

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        torch, grad, x, weight = t.torch, t(self.grad), t(self.x), t(self.weight)
        if not self.setting.use_out:
            return {"": lambda: (torch.mm(grad, weight), torch.mm(grad.t(), x), grad.sum(0))}
        outs = t.empty_like(x), t.empty_like(weight), t(np.empty_like(self.bias))
        return {
            "": lambda: (
                torch.mm(grad, weight, out=outs[0]),
                torch.mm(grad.t(), x, out=outs[1]),
                torch.sum(grad, 0, out=outs[2]),
            )
        }
