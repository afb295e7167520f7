"""tapwise.nn: gradients, optimisers, parameter counts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import Array, each_layer, lenet, normal
from numpy.testing import assert_allclose, assert_array_equal

import tapwise
from tapwise import nn, softmax_cross_entropy

# Gradients


def slope(function: Callable[[], float], array: Array, h: float = 1e-6) -> Array:
    """The derivative of `function` by each element of `array`, by central differences."""
    result = np.empty_like(array)
    for i in np.ndindex(array.shape):
        here = array[i]
        array[i] = here + h
        above = function()
        array[i] = here - h
        below = function()
        array[i] = here
        result[i] = (above - below) / (2 * h)
    return result


@each_layer
def test_gradients_equal_finite_differences(make: Callable[[], nn.Layer], shape: tuple[int, ...]) -> None:
    layer, x = make(), normal(shape, 10)
    for name, p in layer.params.items():
        p += 0.1 * normal(p.shape, len(name))  # biases start at zero; test them elsewhere too
    grad = normal(layer(x).shape, 11)

    def loss() -> float:
        return float(np.vdot(layer.forward(x), grad))

    layer.forward(x)
    grad_input = layer.backward(grad)
    grads = {name: g.copy() for name, g in layer.grads.items()}
    assert grad_input.shape == x.shape
    assert grads.keys() == layer.params.keys()
    assert_allclose(grad_input, slope(loss, x), rtol=1e-6, atol=1e-7)
    for name, p in layer.params.items():
        assert grads[name].shape == p.shape
        assert_allclose(grads[name], slope(loss, p), rtol=1e-6, atol=1e-7, err_msg=name)


@each_layer
def test_skipping_the_input_gradient_changes_nothing_else(make: Callable[[], nn.Layer], shape: tuple[int, ...]) -> None:
    layer, x = make(), normal(shape, 10)
    grad = normal(layer(x).shape, 11)
    assert layer.backward(grad) is not None
    expected = {name: g.copy() for name, g in layer.grads.items()}
    layer(x)
    assert layer.backward(grad, needs_input_grad=False) is None
    for name, g in layer.grads.items():
        assert_array_equal(g, expected[name])


def test_sequential_skips_the_input_gradient_of_its_first_layer_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, x = lenet(), normal((3, 2, 8, 8), 0)
    grad = np.ones_like(model(x))
    calls, conv_backward = [], tapwise.gradients.conv_backward

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs["needs"])
        return conv_backward(*args, **kwargs)

    monkeypatch.setattr(tapwise.gradients, "conv_backward", spy)
    model.backward(grad, needs_input_grad=False)
    assert calls == [(True, True, True), (False, True, True)]  # the last layer comes first


def test_grads_are_overwritten_unless_asked_to_accumulate() -> None:
    layer, x = nn.Dense(3, 2, dtype=np.float64, seed=0), normal((4, 3), 0)
    assert all(not g.any() for g in layer.grads.values())
    for accumulate, times in [(False, 1), (False, 1), (True, 2), (True, 3), (False, 1)]:
        layer(x)
        layer.backward(np.ones((4, 2)), accumulate)
        assert_allclose(layer.grads["weight"], times * np.tile(x.sum(axis=0), (2, 1)), rtol=1e-14)
        assert_array_equal(layer.grads["bias"], [4 * times, 4 * times])


@each_layer
def test_a_batch_in_pieces_accumulates_the_gradients_of_the_whole(
    make: Callable[[], nn.Layer], shape: tuple[int, ...]
) -> None:
    layer, x = make(), normal(shape, 10)
    grad = normal(layer(x).shape, 11)
    layer.backward(grad)
    whole = {name: g.copy() for name, g in layer.grads.items()}
    twice = make()
    for _ in range(2):
        twice(x)
        twice.backward(grad, accumulate=True, needs_input_grad=False)
    for name, g in twice.grads.items():
        assert_allclose(g, 2 * whole[name], rtol=1e-14, err_msg=name)


def test_the_weight_is_shared_by_all_positions_so_its_gradients_add_up() -> None:
    layer = nn.Conv1d(1, 1, 3, dtype=np.float64)
    layer.params["weight"][...] = [[[5, 6, 7]]]
    x = np.array([[[1.0, 2, 3, 4]]])
    assert_array_equal(layer(x), [[[38, 56]]])
    assert_array_equal(layer.backward(np.ones((1, 1, 2))), [[[5, 11, 13, 7]]])
    assert_array_equal(layer.grads["weight"], [[[3, 5, 7]]])
    assert_array_equal(layer.grads["bias"], [2])


def test_max_pooling_sends_the_gradient_to_the_largest_input() -> None:
    layer, x = nn.MaxPool2d(2), np.array([[[[1.0, 7, 2, 3], [5, 4, 9, 8]]]])
    assert_array_equal(layer(x), [[[[7, 9]]]])
    grad_input = layer.backward(np.array([[[[10.0, 20]]]]))
    assert_array_equal(grad_input, [[[[0, 10, 0, 0], [0, 0, 20, 0]]]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fused_relu_equals_a_relu_layer(dtype: Any) -> None:
    x = normal((2, 3, 7, 7), 0, dtype)
    fused = nn.Conv2d(3, 4, 3, activation="relu", dtype=dtype, seed=1)
    apart = nn.Sequential(nn.Conv2d(3, 4, 3, dtype=dtype, seed=1), nn.ReLU())
    y = fused(x)
    assert y.dtype == dtype
    assert_array_equal(y, apart(x))
    grad = normal(y.shape, 2, dtype)
    assert_array_equal(fused.backward(grad), apart.backward(grad))
    assert_array_equal(fused.grads["weight"], apart.grads["0.weight"])
    np.testing.assert_allclose(fused.grads["bias"], apart.grads["0.bias"], rtol=1e-6)  # summed in another order


def test_an_empty_batch_passes_through_a_network() -> None:
    model = lenet()
    y = model(np.empty((0, 2, 8, 8)))
    assert y.shape == (0, 5)
    loss, grad = softmax_cross_entropy(y, np.empty(0, np.int64))
    assert loss == 0.0
    assert model.backward(grad).shape == (0, 2, 8, 8)
    assert all(not g.any() for g in model.grads.values())


# PyTorch as a second opinion


def torch_twin(torch: Any, model: nn.Sequential) -> Any:
    """The network of `lenet` in PyTorch, with the same parameters in the same order."""
    t = torch.nn
    twin = t.Sequential(
        t.Conv2d(2, 4, 3, padding="same"), t.ReLU(), t.MaxPool2d(2),
        t.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), t.ReLU(), t.Flatten(),
        t.Linear(24, 7), t.ReLU(), t.Linear(7, 5),
    ).double()  # fmt: skip
    with torch.no_grad():
        for p, q in zip(twin.parameters(), model.params.values(), strict=True):
            p.copy_(torch.from_numpy(q))
    return twin


def test_a_network_and_its_gradients_equal_torch() -> None:
    torch = pytest.importorskip("torch")
    model, x, labels = lenet(), normal((6, 2, 8, 8), 0), np.array([0, 1, 2, 3, 4, 0])
    twin, images = torch_twin(torch, model), torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.cross_entropy(twin(images), torch.from_numpy(labels))
    expected.backward()

    loss, grad = softmax_cross_entropy(model(x), labels)
    assert loss == pytest.approx(expected.item(), rel=1e-13)
    assert_allclose(model.backward(grad), images.grad.numpy(), rtol=1e-10, atol=1e-14)
    for (name, g), p in zip(model.grads.items(), twin.parameters(), strict=True):
        assert_allclose(g, p.grad.numpy(), rtol=1e-10, atol=1e-14, err_msg=name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("SGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}),
        ("Adam", {}),
        ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ],
)
def test_optimisers_take_the_steps_of_torch(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    model, x, labels = lenet(), normal((6, 2, 8, 8), 0), np.array([0, 1, 2, 3, 4, 0])
    twin = torch_twin(torch, model)
    ours = getattr(nn, name)(model, **options)
    theirs = getattr(torch.optim, name)(twin.parameters(), **options)
    for _ in range(5):
        _, grad = softmax_cross_entropy(model(x), labels)
        model.backward(grad, needs_input_grad=False)
        ours.step()
        theirs.zero_grad()
        scores = twin(torch.from_numpy(x))
        torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
        theirs.step()
    for (key, p), q in zip(model.params.items(), twin.parameters(), strict=True):
        assert_allclose(p, q.detach().numpy(), rtol=1e-8, atol=1e-11, err_msg=key)


# Optimisers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_optimisers_update_in_place_and_keep_the_dtype(dtype: Any) -> None:
    for make in (lambda m: nn.SGD(m, lr=0.1, momentum=0.9, weight_decay=0.1), nn.Adam):
        model, x = lenet(dtype), normal((3, 2, 8, 8), 0, dtype)
        optimiser, before = make(model), model.params
        model.backward(np.ones_like(model(x)))
        optimiser.step()
        for name, p in model.params.items():
            assert p is before[name] and p.dtype == dtype, name


def test_one_sgd_step_changes_convolution_and_dense_while_pooling_has_no_parameters() -> None:
    model, x = lenet(), normal((3, 2, 8, 8), 0)
    assert model[2].params == model[2].grads == {} and model[2].num_params == 0
    before = {name: p.copy() for name, p in model.params.items()}
    loss, grad = softmax_cross_entropy(model(x), [0, 1, 2])
    model.backward(grad)
    nn.SGD(model, lr=0.05).step()
    for name, p in model.params.items():
        assert_allclose(p, before[name] - 0.05 * model.grads[name], rtol=1e-14, err_msg=name)
        assert not np.array_equal(p, before[name]), name
    assert softmax_cross_entropy(model(x), [0, 1, 2])[0] < loss


def test_a_layer_can_be_trained_by_itself() -> None:
    layer, x, target = nn.Conv1d(1, 1, 3, seed=0), normal((1, 1, 64), 0, np.float32), [[[1, -2, 3]]]
    wanted = tapwise.conv1d(x, np.array(target, np.float32))
    optimiser = nn.Adam(layer, lr=0.1)
    for _ in range(200):
        layer.backward((layer(x) - wanted) / wanted.size)
        optimiser.step()
    assert_allclose(layer.params["weight"], target, atol=1e-2)


# Initial weights, counts, shapes, names


def test_he_initialisation_has_its_variance_and_follows_the_seed() -> None:
    layer = nn.Conv2d(32, 64, 5, groups=2, seed=0)
    weight = layer.params["weight"]
    assert weight.shape == (64, 16, 5, 5) and weight.dtype == np.float32
    assert weight.std() == pytest.approx(np.sqrt(2 / (16 * 25)), rel=0.02)
    assert abs(weight.mean()) < 0.002
    assert not layer.params["bias"].any()
    assert_array_equal(weight, nn.Conv2d(32, 64, 5, groups=2, seed=0).params["weight"])
    double = nn.Conv2d(32, 64, 5, groups=2, dtype=np.float64, seed=0).params["weight"]
    assert_array_equal(weight, double.astype(np.float32))
    rng = np.random.default_rng(0)
    first, second = (nn.Dense(4, 4, seed=rng).params["weight"] for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("layer", "weight", "count"),
    [
        (nn.Conv2d(3, 32, 5), (32, 3, 5, 5), (3 * 5 * 5 + 1) * 32),
        (nn.Conv2d(3, 32, 5, bias=False), (32, 3, 5, 5), 3 * 5 * 5 * 32),
        (nn.Conv2d(3, 96, 11, stride=4), (96, 3, 11, 11), 34848 + 96),
        (nn.Conv2d(3, 2, 3, bias=False), (2, 3, 3, 3), 54),
        (nn.Conv2d(8, 8, 3, groups=8), (8, 1, 3, 3), 80),
        (nn.Conv1d(4, 6, 7), (6, 4, 7), 174),
        (nn.Conv3d(2, 3, (1, 2, 3)), (3, 2, 1, 2, 3), 39),
        (nn.Dense(120, 84), (84, 120), 120 * 84 + 84),
    ],
    ids=repr,
)
def test_parameter_counts(layer: nn.Layer, weight: tuple[int, ...], count: int) -> None:
    assert layer.params["weight"].shape == weight
    assert layer.grads["weight"].shape == weight
    assert layer.num_params == count and type(layer.num_params) is int


def test_sequential_names_and_counts() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Sequential(nn.Dense(3, 4, bias=False)))
    assert list(model.params) == list(model.grads) == ["0.weight", "0.bias", "2.0.weight"]
    assert model.num_params == 20 + 12
    assert model.params["0.weight"] is model[0].params["weight"]
    assert len(model) == 3 and list(model)[1] is model[1]


def test_untied_counts() -> None:
    layer = nn.Conv2d(3, 96, 11, stride=4)
    untied = 55 * 55 * 96 * (11 * 11 * 3 + 1)
    assert untied == 105_705_600 == 55**2 * layer.num_params
    assert nn.untied_param_count(layer, (3, 227, 227)) == untied
    assert nn.untied_param_count(layer, (128, 3, 227, 227)) == untied
    for layout, shape in [("NHWC", (227, 227, 3)), ("HWC", (227, 227, 3)), ("CHW", (3, 227, 227))]:
        layer = nn.Conv2d(3, 96, 11, stride=4, layout=layout)
        assert nn.untied_param_count(layer, shape) == untied
    assert nn.untied_param_count(nn.Conv1d(1, 1, 3, bias=False), (1, 4)) == 6
    assert nn.untied_param_count(nn.Dense(10, 4), (10,)) == 44
    assert nn.untied_param_count(nn.ReLU(), (3, 4)) == 0
    assert nn.untied_param_count(nn.MaxPool2d(2), (3, 4, 4)) == 0


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 2, 8, 8), (5, 2, 8, 8)])
def test_untied_count_of_a_network_is_the_sum_of_its_layers(shape: tuple[int, ...]) -> None:
    first, second = 8 * 8 * 4 * (2 * 9 + 1), 2 * 2 * 6 * (2 * 9 + 1)
    assert nn.untied_param_count(lenet(), shape) == first + second + (24 * 7 + 7) + (7 * 5 + 5)


@each_layer
def test_output_shape_is_that_of_the_output(make: Callable[[], nn.Layer], shape: tuple[int, ...]) -> None:
    layer = make()
    assert layer.output_shape(shape) == layer(np.zeros(shape)).shape


@pytest.mark.parametrize(
    "text",
    [
        "Conv1d(2, 3, 5, padding='causal', layout='NWC')",
        "Conv2d(3, 96, 11, stride=4)",
        "Conv2d(4, 4, (3, 5), padding=((0, 1), (2, 2)), dilation=2, groups=2, flip=True)",
        "Conv3d(1, 2, 3, bias=False, activation='relu', dtype='float64')",
        "Dense(3, 4, activation='relu')",
        "MaxPool2d((2, 3), stride=1, padding=1, layout='NHWC')",
        "ReLU()",
        "Flatten()",
        "Sequential()",
    ],
)
def test_repr_is_the_call_that_makes_the_layer(text: str) -> None:
    assert repr(eval(text, vars(nn))) == text


def test_repr_of_a_network_lists_layers_and_counts() -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 96, 11, stride=4)), nn.Flatten())
    assert repr(model) == (
        "Sequential(\n"
        "    (0) Sequential(\n"
        "        (0) Conv2d(3, 96, 11, stride=4)  # 34,944 parameters\n"
        "    )  # 34,944 parameters\n"
        "    (1) Flatten()\n"
        ")"
    )


def test_a_network_can_be_copied() -> None:
    model, x = lenet(), normal((3, 2, 8, 8), 0)
    twin = copy.deepcopy(model)
    twin.params["0.weight"][...] = 0
    assert model.params["0.weight"].all()
    twin.params["0.weight"][...] = model.params["0.weight"]
    assert_array_equal(twin(x), model(x))
