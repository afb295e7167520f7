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
    and starts at zero. ``model.load`` leaves it as it is.
    """

    def __init__(self, model: Layer, *, lr: float, weight_decay: float) -> None:
        if not isinstance(model, Layer):
            raise TypeError(f"model expects a tapwise.nn layer, got {model!r}")
        self.model = model
        self.lr = non_negative("lr", lr)
        self.weight_decay = non_negative("weight_decay", weight_decay)

    def step(self) -> None:
        """Update every parameter once, in place. Call it after ``model.backward``.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> layer = nn.Dense(1, 1, bias=False, dtype=np.float64)
        >>> layer.params["weight"][...] = 1
        >>> optimiser = nn.SGD(layer, lr=0.5)
        >>> y = layer.forward(np.array([[3.0]]))
        >>> _ = layer.backward(y - 2)  # of the loss (y - 2)**2 / 2: (3 - 2) * 3 by the weight
        >>> optimiser.step()
        >>> layer.params["weight"]
        array([[-0.5]])
        """
        params, grads = self.model.params, self.model.grads
        for name, param in params.items():
            grad = grads[name]
            if self.weight_decay:
                grad = grad + self.weight_decay * param
            self._update(name, param, grad)

    def _update(self, name: str, param: Array, grad: Array) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

        velocity = momentum * velocity + grad + weight_decay * param
        param   -= lr * velocity

    Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics 4(5), 1964; written as in
    torch.optim.SGD, where the learning rate scales the velocity and not the gradient.

    Parameters
    ----------
    model : Layer
        A layer or a whole network.
    lr : float
        The learning rate, an attribute that may be changed between steps.
    momentum : float
        At least 0, below 1.
    weight_decay : float

    Raises
    ------
    ValueError, TypeError
        A number out of range, or a model that is no layer.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn, softmax_cross_entropy
    >>> model = nn.Dense(4, 3, seed=0)
    >>> optimiser = nn.SGD(model, lr=0.1, momentum=0.9)
    >>> losses = []
    >>> for _ in range(10):
    ...     loss, grad = softmax_cross_entropy(model.forward(np.eye(4, dtype=np.float32)), [0, 1, 2, 0])
    ...     losses.append(loss)
    ...     _ = model.backward(grad)
    ...     optimiser.step()
    >>> losses[-1] < losses[0]
    True
    """

    def __init__(self, model: Layer, *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(model, lr=lr, weight_decay=weight_decay)
        self.momentum = fraction("momentum", momentum)
        self._velocity: dict[str, Array] = {}

    def _update(self, name: str, param: Array, grad: Array) -> None:
        if self.momentum:
            velocity = self._velocity.setdefault(name, np.zeros_like(param))
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

    The divisions by 1 - beta**t at step t of a parameter make up for averages that start at zero.

    Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
    algorithm 1. Weight decay is an L2 penalty, added to the gradient as in torch.optim.Adam.

    Parameters
    ----------
    model : Layer
        A layer or a whole network.
    lr : float
        The learning rate, an attribute that may be changed between steps.
    betas : (float, float)
        Of both averages: at least 0, below 1.
    eps, weight_decay : float

    Raises
    ------
    ValueError, TypeError
        A number out of range, or a model that is no layer.

    Examples
    --------
    >>> import numpy as np
    >>> from tapwise import nn
    >>> model = nn.Dense(1, 1, bias=False, seed=0)
    >>> before = model.params["weight"].copy()
    >>> optimiser = nn.Adam(model, lr=0.25)
    >>> y = model.forward(np.ones((1, 1), np.float32))
    >>> _ = model.backward(np.full_like(y, 1000))
    >>> optimiser.step()  # the first step is lr, whatever the size of the gradient
    >>> (before - model.params["weight"]).round(6)
    array([[0.25]], dtype=float32)
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
        self._mean: dict[str, Array] = {}
        self._power: dict[str, Array] = {}
        self._steps: dict[str, int] = {}

    def _update(self, name: str, param: Array, grad: Array) -> None:
        beta1, beta2 = self.betas
        mean = self._mean.setdefault(name, np.zeros_like(param))
        power = self._power.setdefault(name, np.zeros_like(param))
        t = self._steps[name] = self._steps.get(name, 0) + 1
        mean += (1 - beta1) * (grad - mean)
        power *= beta2
        power += (1 - beta2) * grad**2
        scale = np.sqrt(power)
        scale /= sqrt(1 - beta2**t)
        scale += self.eps
        param -= (self.lr / (1 - beta1**t)) * (mean / scale)
