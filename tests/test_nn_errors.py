"""tapwise.nn: what layers and optimisers refuse."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import each_layer, normal

from tapwise import nn


def conv(*args: Any, **kwargs: Any) -> Callable[[], nn.Layer]:
    return lambda: nn.Conv2d(*args, **kwargs)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (conv(0, 3, 3), ValueError, "in_channels expects an integer of at least 1, got 0"),
        (conv(3, -1, 3), ValueError, "out_channels expects an integer of at least 1, got -1"),
        (conv(3, 1.5, 3), TypeError, "out_channels expects an integer, got 1.5"),
        (conv(3, 4, 0), ValueError, "kernel_size expects an integer of at least 1, got 0"),
        (conv(3, 4, (3, 3, 3)), ValueError, "kernel_size expects an integer or 2 of them"),
        (conv(3, 4, "33"), TypeError, "kernel_size expects an integer, got '3'"),
        (conv(3, 4, 3, groups=2), ValueError, "in_channels expects a multiple of groups=2"),
        (conv(4, 3, 3, groups=2), ValueError, "out_channels expects a multiple of groups=2"),
        (conv(3, 4, 3, activation="tanh"), ValueError, 'activation expects None or "relu", got'),
        (conv(3, 4, 3, dtype=np.float16), TypeError, "dtype expects .* got float16"),
        (lambda: nn.Dense(3, 0), ValueError, "out_features expects an integer of at least 1"),
        (lambda: nn.MaxPool2d(()), ValueError, "kernel_size expects an integer or 2 of them"),
        (lambda: nn.Sequential(nn.ReLU), TypeError, "layer 0 expects a tapwise.nn layer"),
        (lambda: nn.Sequential(*[nn.ReLU()] * 2), ValueError, "occurs twice"),
        (lambda: nn.SGD([], lr=0.1), TypeError, "model expects a tapwise.nn layer"),
        (lambda: nn.SGD(nn.ReLU(), lr=-1), ValueError, "lr expects a finite number of at least 0"),
        (lambda: nn.SGD(nn.ReLU(), lr=float("nan")), ValueError, "lr expects"),
        (lambda: nn.SGD(nn.ReLU(), lr=0.1, momentum=1), ValueError, r"momentum expects"),
        (lambda: nn.Adam(nn.ReLU(), betas=(0.9, 1.0)), ValueError, r"betas\[1\] expects"),
        (lambda: nn.Adam(nn.ReLU(), weight_decay=-1), ValueError, "weight_decay expects"),
        (lambda: nn.untied_param_count(3, (1, 2)), TypeError, "layer expects a tapwise.nn layer"),
        (lambda: nn.untied_param_count(nn.Dense(3, 4), (1, 3, 3)), ValueError, "Flatten"),
        (lambda: nn.untied_param_count(nn.MaxPool2d(2), (4, 4)), ValueError, "expects 4 sizes"),
        (lambda: nn.MaxPool2d(2, layout="NHWD").output_shape((1, 4, 4, 1)), ValueError, "layout"),
    ],
)  # fmt: skip
def test_constructors_refuse(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@each_layer
def test_backward_before_forward_says_so(make: Callable[[], nn.Layer], shape: tuple[int, ...]) -> None:
    layer = make()
    with pytest.raises(RuntimeError, match=rf"{type(layer).__name__}\.backward .* before forward"):
        layer.backward(np.zeros(shape))


def test_data_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    layer, x = nn.Conv2d(3, 4, 3, dtype=np.float64, seed=0), normal((2, 3, 5, 5), 0)
    y = layer(x)
    for wrong, error in [
        (normal((2, 5, 5, 3), 0), ValueError),  # channels last, without saying so
        (normal((3, 5, 5), 0), ValueError),
        (normal((2, 3, 2, 2), 0), ValueError),
        (x.astype(np.float32), TypeError),
    ]:
        with pytest.raises(error):
            layer(wrong)
    with pytest.raises(ValueError):
        layer.backward(np.ones((2, 4, 5, 5)))
    assert not layer.grads["weight"].any()
    layer.backward(np.ones_like(y))  # the last good forward still counts
    assert layer.grads["weight"].any()


def test_max_pool_2d_refuses_what_is_not_a_batch_of_images() -> None:
    with pytest.raises(ValueError):
        nn.MaxPool2d(2)(normal((3, 8, 8), 0))


@each_layer
@pytest.mark.parametrize("value", [5, [1.0, 2.0], None], ids=repr)
def test_what_is_no_array_is_refused_by_the_public_name(
    make: Callable[[], nn.Layer], shape: tuple[int, ...], value: Any
) -> None:
    layer = make()
    name = type(layer).__name__
    for call in (layer, layer.forward, layer.predict):
        with pytest.raises(TypeError, match=rf"{name} expects x to be an array, got {type(value).__name__}"):
            call(value)
    layer.forward(normal(shape, 0))
    with pytest.raises(TypeError, match=rf"{name} expects grad to be an array, got {type(value).__name__}"):
        layer.backward(value)


def test_images_of_another_dtype_are_told_what_to_do() -> None:
    images = normal((1, 3, 5, 5), 0)
    for layer, x in [(nn.Conv2d(3, 4, 3), images), (nn.Dense(5, 2), images[0, 0])]:
        message = rf"{type(layer).__name__} expects x of float32, got float64: pass x\.astype\(numpy\.float32\), "
        with pytest.raises(TypeError, match=message + r"or make the layer with dtype=numpy\.float64$"):
            layer(x)
    layer = nn.Dense(5, 2)
    layer.forward(np.zeros((1, 5), np.float32))
    with pytest.raises(TypeError, match=r"Dense expects grad of float32, got float64: pass grad\.astype"):
        layer.backward(np.zeros((1, 2)))
    with pytest.raises(TypeError, match=r"Conv2d expects x of float32, got uint8: pass x\.astype\(numpy\.float32\)$"):
        nn.Conv2d(3, 4, 3)(images.astype(np.uint8))


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "Dense", "MaxPool2d", "Flatten", "ReLU"])
def test_wrong_arguments_are_blamed_on_the_public_class(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}(\.__init__)?\(\) (got an unexpected|takes no)"):
        getattr(nn, name)(3, 4, 3, color="red")
    if name.startswith("Conv"):
        with pytest.raises(TypeError, match=rf"^{name}\.__init__\(\) missing 2 required"):
            getattr(nn, name)(3)
        parameters = inspect.signature(getattr(nn, name)).parameters
        assert list(parameters)[:4] == ["in_channels", "out_channels", "kernel_size", "stride"]
        assert parameters["dtype"].default is np.float32
