"""tapwise.nn: what a layer keeps between calls, and what threads may share."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from networks import each_layer, lenet, normal
from numpy.testing import assert_array_equal

from tapwise import nn


class Doubled(nn.Layer):
    """A user's layer, the composite way: it knows nothing of predict."""

    def __init__(self, *layers: nn.Layer) -> None:
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x + x

    def backward(self, grad):
        grad = grad + grad
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


@each_layer
def test_predict_gives_the_result_of_forward_and_keeps_nothing(
    make: Callable[[], nn.Layer], shape: tuple[int, ...]
) -> None:
    x = normal(shape, 0)
    layer = make()
    assert_array_equal(layer.predict(x), make().forward(x))
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(np.zeros(layer.output_shape(shape)))


@pytest.mark.parametrize("wrap", [lambda net: net, Doubled, lambda net: nn.Sequential(Doubled(Doubled(net)))])
def test_predictions_in_other_threads_leave_training_alone(wrap: Callable[[nn.Layer], nn.Layer]) -> None:
    model, alone = wrap(lenet()), wrap(lenet())
    batches = [normal((3, 2, 8, 8), seed) for seed in range(8)]
    grad = normal((3, 5), 9)
    expected_input = alone.forward(batches[0]) is not None and alone.backward(grad)
    expected = [alone.predict(x) for x in batches]
    model.forward(batches[0])
    barrier = Barrier(len(batches))

    def predict(x):
        barrier.wait()
        return [model.predict(x) for _ in range(10)]

    with ThreadPoolExecutor(len(batches)) as pool:
        for results, right in zip(pool.map(predict, batches), expected, strict=True):
            for result in results:
                assert_array_equal(result, right)
    assert_array_equal(model.backward(grad), expected_input)
    for name, g in model.grads.items():
        assert_array_equal(g, alone.grads[name])


def test_an_error_in_predict_ends_its_mode() -> None:
    layer, x = nn.Dense(3, 2, dtype=np.float64), normal((4, 3), 0)
    with pytest.raises(ValueError):
        layer.predict(normal((4, 5), 0))
    layer.forward(x)
    layer.backward(np.ones((4, 2)))


@each_layer
def test_backward_releases_what_forward_kept_and_a_second_one_says_what_to_do(
    make: Callable[[], nn.Layer], shape: tuple[int, ...]
) -> None:
    layer, x = make(), normal(shape, 0)
    y = layer.forward(x)
    grad = np.ones_like(y)
    kept = [weakref.ref(x), weakref.ref(y)]
    if make is nn.Sequential:  # of nothing: its gradient is grad itself, its result x
        return
    layer.backward(grad)
    del x, y
    assert [ref() for ref in kept] == [None, None]
    with pytest.raises(RuntimeError, match=rf"{type(layer).__name__}\.backward was called twice .* forward\(x\) again"):
        layer.backward(grad)


def test_a_layer_used_twice_in_one_forward_is_refused_by_backward() -> None:
    layer = nn.ReLU()
    with pytest.raises(ValueError, match="occurs twice"):
        nn.Sequential(Doubled(layer), layer)
    twice = Doubled(layer, layer)
    twice.forward(np.ones(3))
    with pytest.raises(RuntimeError, match="one layer for each place"):
        twice.backward(np.ones(3))


COPIES: list[Callable[[nn.Layer], nn.Layer]] = [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]


@pytest.mark.parametrize("duplicate", COPIES)
def test_copies_have_their_own_parameters_and_the_gradients(duplicate: Callable[[nn.Layer], nn.Layer]) -> None:
    model, x = nn.Sequential(Doubled(lenet())), normal((3, 2, 8, 8), 0)
    model.backward(np.ones_like(model(x)))
    twin = duplicate(model)
    assert list(twin.params) == list(model.params)
    for name, g in model.grads.items():
        assert_array_equal(twin.grads[name], g)
    assert_array_equal(twin.predict(x), model.predict(x))
    twin.params["0.layers.0.0.weight"][...] = 0
    assert model.params["0.layers.0.0.weight"].all()
    with pytest.raises(RuntimeError, match="before forward"):
        twin.backward(np.ones((3, 5)))


def test_pickles_hold_no_activations_and_no_zeros() -> None:
    layer = nn.Conv2d(1, 16, 3)
    fresh = len(pickle.dumps(layer))
    layer.forward(np.zeros((8, 1, 64, 64), np.float32))
    assert not layer.grads["weight"].any()
    assert len(pickle.dumps(layer)) == len(pickle.dumps(copy.deepcopy(layer))) < fresh + 100
    assert fresh < 16 * 10 * 4 + 1000
