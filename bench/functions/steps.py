"""Whole steps of training through tapwise.nn and torch.nn: forward, backward, SGD with momentum.

The learning rate is zero, so that every call computes the same: the update costs what it always does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import tapwise
from tapwise import nn

from .. import reference
from ..case import Case
from ..counting import products
from ..descriptor import Problem, parse
from .contestants import Tensors
from .pool import Windows
from .work import Compute, Result, Setting, Work

_MOMENTUM = 0.9


class _Step(Work):
    has_layout = True

    def tolerance(self) -> float:
        # A number within a rounding of zero passes a ReLU in float32 and not in float64, one number of all.
        return 1e-2

    def _count(self, convolutions: list[Problem], products_beside: int, activations: int, parameters: int) -> None:
        """Forward and two gradients of everything; activations written, read and read again, as are their gradients;
        parameters read, their gradients written, both updated."""
        self.flops = 6 * (sum(map(products, convolutions)) + products_beside)
        self.moved = (6 * activations + 5 * parameters) * self.itemsize


class Batch(NamedTuple):
    size: int

    def __str__(self) -> str:
        return f"{self.size}x1x28x28"


class LeNet(_Step):
    """Two convolutions of 5x5 with ReLU and max pooling, three dense layers."""

    function = "step_lenet"
    meaning = "a training step of LeNet-5, with ReLU and max pooling, through tapwise.nn"
    needs = {name: () for name in ("nn.Sequential", "nn.Conv2d", "nn.MaxPool2d", "nn.Flatten", "nn.Dense", "nn.SGD")}
    shapes = (Batch(32), Batch(256))

    def __init__(self, shape: Batch, setting: Setting) -> None:
        super().__init__(shape, setting)
        n = shape.size
        self.problems = [parse(f"mb{n}_ic1ih28_oc6oh24_kh5"), parse(f"mb{n}_ic6ih12_oc16oh8_kh5")]
        self.pools = [Windows(n, 6, 24, 24, 2, 2), Windows(n, 16, 8, 8, 2, 2)]
        features = (256, 120, 84, 10)
        self.images = self.draw(n, 1, 28, 28)
        self.labels = np.arange(n) % 10
        shapes = [p.weight_shape for p in self.problems] + list(zip(features[1:], features[:-1], strict=True))
        weights = [self.draw(*s) * np.float32(math.prod(s[1:]) ** -0.5) for s in shapes]
        self.params = [a for w in weights for a in (w.astype(setting.dtype), self.draw(len(w)))]
        written = self.images.size + sum(math.prod(p.dst_shape) for p in self.problems) * 5 // 4 + n * sum(features)
        dense = n * sum(w.size for w in weights[2:])
        self._count(self.problems, dense, written, sum(p.size for p in self.params))

    def expected(self) -> tuple[Result, ...]:
        """The scores, then the gradient of each parameter."""
        params = [p.astype(np.float64) for p in self.params]
        x, kept = self.images.astype(np.float64), []
        for problem, pool, w, b in zip(self.problems, self.pools, params[0:4:2], params[1:4:2], strict=True):
            y = np.maximum(_conv(problem, "fwd", x, w)[0] + b[:, None, None], 0)
            pooled, place = pool.maxima(y)
            kept.append((problem, pool, x, w, y, place))
            x = pooled
        x = x.reshape(len(x), -1)
        inputs = []
        for w, b in zip(params[4::2], params[5::2], strict=True):
            inputs.append(x)
            x = x @ w.T + b
            if len(inputs) < 3:
                x = np.maximum(x, 0)
        scores = x
        grad = np.exp(scores - scores.max(axis=1, keepdims=True))
        grad /= grad.sum(axis=1, keepdims=True)
        grad[np.arange(len(grad)), self.labels] -= 1
        grad /= len(grad)
        grads: list[Result] = []
        for x, w in zip(reversed(inputs), reversed(params[4::2]), strict=True):
            grads = [grad.T @ x, grad.sum(axis=0), *grads]
            # Behind the last pooling the sign of an input says what the ReLU in front of it let through.
            grad = grad @ w * (x > 0)
        for problem, pool, x, w, y, place in reversed(kept):
            grad = pool.scattered(grad, place) * (y > 0)
            grad, *of_params = _conv(problem, "bwd", x, w, grad)
            grads = [*of_params, *grads]
        return (scores, *grads)

    def own(self) -> Compute:
        layout = self.layout
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, activation="relu", layout=layout), nn.MaxPool2d(2, layout=layout),
            nn.Conv2d(6, 16, 5, activation="relu", layout=layout), nn.MaxPool2d(2, layout=layout), nn.Flatten(),
            nn.Dense(256, 120, activation="relu"), nn.Dense(120, 84, activation="relu"), nn.Dense(84, 10),
        )  # fmt: skip
        _fill(model, [self._flattened(p, i) for i, p in enumerate(self.params)])
        optimiser, x = nn.SGD(model, lr=0.0, momentum=_MOMENTUM), self.laid(self.images)

        def call() -> tuple[Result, ...]:
            scores = model.forward(x)
            _, grad = tapwise.softmax_cross_entropy(scores, self.labels)
            model.backward(grad, needs_input_grad=False)
            optimiser.step()
            return (scores, *(self._flattened(g, i, back=True) for i, g in enumerate(model.grads.values())))

        return call

    def _flattened(self, param: Result, index: int, back: bool = False) -> Result:
        """The first dense weight, whose features tapwise flattens in the order in which they lie."""
        if index != 4 or not self.setting.channels_last:
            return param
        split = param.reshape(-1, 4, 4, 16) if back else param.reshape(-1, 16, 4, 4)
        return np.moveaxis(split, *((-1, 1) if back else (1, -1))).reshape(param.shape)

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        tnn = t.nn
        model = tnn.Sequential(
            tnn.Conv2d(1, 6, 5), tnn.ReLU(), tnn.MaxPool2d(2), tnn.Conv2d(6, 16, 5), tnn.ReLU(), tnn.MaxPool2d(2),
            tnn.Flatten(), tnn.Linear(256, 120), tnn.ReLU(), tnn.Linear(120, 84), tnn.ReLU(), tnn.Linear(84, 10),
        )  # fmt: skip
        optimiser = _torch_filled(t, model, self.params)
        x, labels = t.activations(self.laid(self.images)), t(self.labels)

        def call() -> tuple[object, ...]:
            optimiser.zero_grad()
            scores = model(x)
            t.F.cross_entropy(scores, labels).backward()
            optimiser.step()
            return (scores, *(p.grad for p in model.parameters()))

        return {"": call}


class Block(_Step):
    """relu(x + conv(relu(conv(x)))), from the gradient by its result."""

    function = "step_block"
    meaning = "a training step of a residual block of two 3x3 convolutions through tapwise.nn"
    needs = {name: () for name in ("nn.Layer", "nn.Conv2d", "nn.ReLU", "nn.SGD")}
    shapes = (parse("mb8_ic64ih28_oc64oh28_kh3_ph1"),)
    activations_first = 2

    def __init__(self, shape: Problem, setting: Setting) -> None:
        super().__init__(shape, setting)
        self.problem = shape
        self.images, self.grads = self.draw(*shape.src_shape), self.draw(*shape.dst_shape)
        scale = np.dtype(setting.dtype).type(math.prod(shape.weight_shape[1:]) ** -0.5)
        self.params = [
            a for _ in range(2) for a in (self.draw(*shape.weight_shape) * scale, self.draw(shape.out_channels))
        ]
        self._count([shape] * 2, 0, 3 * self.images.size, sum(p.size for p in self.params))

    def expected(self) -> tuple[Result, ...]:
        """The result, the gradient by the input, then that of each parameter."""
        w1, b1, w2, b2 = (p.astype(np.float64) for p in self.params)
        x = self.images.astype(np.float64)
        inner = np.maximum(_conv(self.problem, "fwd", x, w1)[0] + b1[:, None, None], 0)
        y = np.maximum(x + _conv(self.problem, "fwd", inner, w2)[0] + b2[:, None, None], 0)
        outer_grad = self.grads * (y > 0)
        inner_grad, *second = _conv(self.problem, "bwd", inner, w2, outer_grad)
        grad, *first = _conv(self.problem, "bwd", x, w1, inner_grad * (inner > 0))
        return y, outer_grad + grad, *first, *second

    def own(self) -> Compute:
        channels, layout = self.problem.in_channels, self.layout

        class Residual(nn.Layer):
            def __init__(self) -> None:
                self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, activation="relu", layout=layout)
                self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, layout=layout)
                self.relu = nn.ReLU()

            def forward(self, x: Result) -> Result:
                y = self.conv2.forward(self.conv1.forward(x))
                y += x
                return self.relu.forward(y)

            def backward(self, grad: Result) -> Result:  # type: ignore[override]
                grad = self.relu.backward(grad)
                inner = self.conv1.backward(self.conv2.backward(grad))
                inner += grad
                return inner

        model = Residual()
        _fill(model, self.params)
        optimiser, x, grad = nn.SGD(model, lr=0.0, momentum=_MOMENTUM), self.laid(self.images), self.laid(self.grads)

        def call() -> tuple[Result, ...]:
            y = model.forward(x)
            grad_x = model.backward(grad)
            optimiser.step()
            return (y, grad_x, *model.grads.values())

        return call

    def pytorch(self, t: Tensors) -> dict[str, Compute]:
        channels = self.problem.in_channels
        conv1, conv2 = (t.nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        optimiser = _torch_filled(t, t.nn.ModuleList([conv1, conv2]), self.params)
        x, grad = t.activations(self.laid(self.images)).detach().requires_grad_(), t.activations(self.laid(self.grads))

        def call() -> tuple[object, ...]:
            optimiser.zero_grad()
            x.grad = None
            y = t.torch.relu(x + conv2(t.torch.relu(conv1(x))))
            y.backward(grad)
            optimiser.step()
            return (y, x.grad, *(p.grad for conv in (conv1, conv2) for p in conv.parameters()))

        return {"": call}


def _conv(
    problem: Problem, direction: str, x: Result, weight: Result, grad: Result | None = None
) -> tuple[Result, ...]:
    none = np.empty(0)
    given = none if grad is None else grad
    return reference.reference(Case(problem, direction, False, "float64", 1, False, x, weight, none, given))


def _fill(model: nn.Layer, params: list[Result]) -> None:
    model.load(dict(zip(model.params, params, strict=True)))


def _torch_filled(t: Tensors, model: Any, params: list[Result]) -> Any:
    """The optimiser of a module whose parameters are now these, in the tensors' memory format."""
    with t.torch.no_grad():
        for own, param in zip(model.parameters(), params, strict=True):
            own.copy_(t(param))
    model.to(memory_format=t.format)
    return t.torch.optim.SGD(model.parameters(), lr=0.0, momentum=_MOMENTUM)
