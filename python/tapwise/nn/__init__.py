"""Layers and optimisers: a small network library on top of tapwise's functions.

    >>> import numpy as np
    >>> from tapwise import nn, softmax_cross_entropy
    >>> images, labels = np.zeros((4, 1, 8, 8), np.float32), np.array([3, 1, 4, 1])
    >>> model = nn.Sequential(
    ...     nn.Conv2d(1, 8, 3, padding="same", activation="relu"), nn.MaxPool2d(2),
    ...     nn.Flatten(), nn.Dense(8 * 4 * 4, 10))
    >>> optimiser = nn.Adam(model, lr=1e-3)
    >>> loss, grad = softmax_cross_entropy(model.forward(images), labels)
    >>> model.backward(grad, needs_input_grad=False)
    >>> optimiser.step()
    >>> scores = model.predict(images)  # keeps nothing for backward; from any thread

There is no automatic differentiation: each layer knows its own gradient, and `backward` walks
the layers in reverse.
"""

from .activation import ReLU
from .conv import Conv1d, Conv2d, Conv3d
from .dense import Dense
from .flatten import Flatten
from .layer import Layer
from .optim import SGD, Adam
from .pool import MaxPool2d
from .sequential import Sequential
from .storage import load
from .untied import untied_param_count

__all__ = [
    "SGD",
    "Adam",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Dense",
    "Flatten",
    "Layer",
    "MaxPool2d",
    "ReLU",
    "Sequential",
    "load",
    "untied_param_count",
]
