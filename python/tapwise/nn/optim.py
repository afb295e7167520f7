"""Optimisers: how gradients change parameters."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..types import Array
from .checks import fraction, non_negative
from .layer import Layer


class Optimizer:
    """Updates the parameters of one layer or network, in place, from its last gradients.

    What an optimiser remembers of a parameter between steps is kept under the parameter's name
    and starts at zero.
    """

    def __init__(self, model: Layer, *, lr: float, weight_decay: float) -> None:
        if not isinstance(model, Layer):
            raise TypeError(f"model expects a tapwise.nn layer, got {model!r}")
        self.model = model
        self.lr = non_negative("lr", lr)
        self.weight_decay = non_negative("weight_decay", weight_decay)

    def step(self) -> None:
        """Update every parameter once. Call it after ``model.backward``."""
        params, grads = self.model.params, self.model.grads
        for name, param in params.items():
            grad = grads[name]
            if self.weight_decay:
                grad = grad + self.weight_decay * param
            self._update(name, param, grad)

    def _update(self, name: str, param: Array, grad: Array) -> None:
        raise NotImplementedError

    def _zeros(self) -> dict[str, Array]:
        return {name: np.zeros_like(p) for name, p in self.model.params.items()}


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

        velocity = momentum * velocity + grad + weight_decay * param
        param   -= lr * velocity

    Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics 4(5), 1964; written as in
    torch.optim.SGD, where the learning rate scales the velocity and not the gradient.
    """

    def __init__(self, model: Layer, *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(model, lr=lr, weight_decay=weight_decay)
        self.momentum = fraction("momentum", momentum)
        self._velocity = self._zeros() if self.momentum else {}

    def _update(self, name: str, param: Array, grad: Array) -> None:
        if self.momentum:
            velocity = self._velocity[name]
            velocity *= self.momentum
            velocity += grad
            grad = velocity
        param -= self.lr * grad


class Adam(Optimizer):
    """Adam: each parameter's step is scaled by the recent size of its own gradient.

        grad  = grad + weight_decay * param
        mean  = beta1 * mean  + (1 - beta1) * grad
        power = beta2 * power + (1 - beta2) * grad**2
        param -= lr * (mean / (1 - beta1**t)) / (sqrt(power / (1 - beta2**t)) + eps)

    The divisions by 1 - beta**t at step t make up for averages that start at zero.

    Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
    algorithm 1. Weight decay is an L2 penalty, added to the gradient as in torch.optim.Adam.
    """

    def __init__(
        self,
        model: Layer,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(model, lr=lr, weight_decay=weight_decay)
        beta1, beta2 = betas
        self.betas = (fraction("betas[0]", beta1), fraction("betas[1]", beta2))
        self.eps = non_negative("eps", eps)
        self._mean, self._power = self._zeros(), self._zeros()
        self._t = 0

    def step(self) -> None:
        self._t += 1
        super().step()

    def _update(self, name: str, param: Array, grad: Array) -> None:
        beta1, beta2 = self.betas
        mean, power = self._mean[name], self._power[name]
        mean += (1 - beta1) * (grad - mean)
        power *= beta2
        power += (1 - beta2) * grad**2
        scale = np.sqrt(power)
        scale /= sqrt(1 - beta2**self._t)
        scale += self.eps
        param -= (self.lr / (1 - beta1**self._t)) * (mean / scale)
