"""tapwise.nn: layers of the user's, and layers that hold layers."""

from __future__ import annotations

import copy
import doctest
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import normal
from numpy.testing import assert_allclose, assert_array_equal

from tapwise import nn, softmax_cross_entropy


def dense(seed: int, features: int = 3) -> nn.Dense:
    return nn.Dense(features, features, activation="relu", dtype=np.float64, seed=seed)


class Scale(nn.Layer):
    """The leaf way, with a param of its own."""

    def __init__(self) -> None:
        self.scale = self.add_param("scale", np.full(3, 0.5))

    def _forward(self, x):
        return x * self.scale, (x,)

    def _backward(self, grad, saved, needs_input_grad):
        self.set_grad("scale", (grad * saved[0]).sum(axis=0))
        return grad * self.scale if needs_input_grad else None


class Residual(nn.Layer):
    """The composite way, with as little as it takes."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.body, self.scale = dense(seed), Scale()

    def forward(self, x):
        return x + self.scale(self.body(x))

    def backward(self, grad):
        return grad + self.body.backward(self.scale.backward(grad))


class ResidualWithKeywords(Residual):
    def backward(self, grad, accumulate=False, *, needs_input_grad=True):
        grad_body = self.scale.backward(grad, accumulate)
        through = self.body.backward(grad_body, accumulate, needs_input_grad=needs_input_grad)
        return grad + through if needs_input_grad else None


class ResidualAsLeaf(nn.Layer):
    """The leaf way, of layers."""

    def __init__(self, seed: int = 0) -> None:
        self.body, self.scale = dense(seed), Scale()

    def _forward(self, x):
        return x + self.scale(self.body(x)), ()

    def _backward(self, grad, saved, needs_input_grad):
        return grad + self.body.backward(self.scale.backward(grad))


class Everything(nn.Layer):
    """Layers in every kind of place."""

    def __init__(self) -> None:
        self.title = "layers are found where they are"
        self.conv1 = nn.Dense(1, 2)
        self.blocks = [nn.Dense(1, 3), nn.ReLU(), [nn.Dense(1, 4, bias=False)]]
        self.heads = {"a": nn.Dense(1, 5), "b": (nn.Dense(1, 6, bias=False),)}
        self.again = self.conv1
        self.own = self.add_param("own", np.zeros(7))
        self.parent = self
        self.blocks.append(self.blocks)


NAMES = [
    "own", "conv1.weight", "conv1.bias", "blocks.0.weight", "blocks.0.bias", "blocks.2.0.weight", "heads.a.weight",
    "heads.a.bias", "heads.b.0.weight",
]  # fmt: skip


def test_layers_are_found_once_in_the_order_of_definition() -> None:
    net = Everything()
    assert list(net.params) == list(net.grads) == list(net.state) == NAMES
    assert net.num_params == 7 + 4 + 6 + 4 + 10 + 6
    assert net.params["blocks.2.0.weight"] is net.blocks[2][0].params["weight"]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert list(twin.params) == NAMES
        assert twin.own is twin.params["own"] is not net.own
        assert twin.parent is twin and twin.again is twin.conv1
    net.load({name: np.full_like(p, 2) for name, p in net.params.items()})
    assert net.own.sum() == 14


def test_names_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")

    class Twin(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Linear(1, 2)
            self.blocks = torch.nn.ModuleList([torch.nn.Linear(1, 3), torch.nn.ReLU()])
            self.heads = torch.nn.ModuleDict({"a": torch.nn.Linear(1, 5)})
            self.own = torch.nn.Parameter(torch.zeros(7))

    net = Everything()
    del net.parent, net.blocks[2:], net.heads["b"]
    assert list(net.params) == list(dict(Twin().named_parameters()))


def test_repr_shows_the_layers_inside() -> None:
    assert repr(Residual()) == (
        "Residual(\n"
        "    (body) Dense(3, 3, activation='relu', dtype='float64')  # 12 parameters\n"
        "    (scale) Scale()  # 3 parameters\n"
        ")"
    )
    assert "(parent) ...  # 37 parameters" in repr(Everything())
    assert "(conv1) Dense(1, 2)" in repr(Everything()) and "again" not in repr(Everything())


def test_two_layers_of_one_name_are_refused() -> None:
    net = nn.Layer()
    net.heads = {1: nn.Dense(1, 1), "1": nn.Dense(1, 1)}
    with pytest.raises(ValueError, match=r"two arrays of params are named 'heads\.1\.weight'"):
        net.params  # noqa: B018


BLOCKS = [Residual, ResidualWithKeywords, ResidualAsLeaf]


@pytest.mark.parametrize("make", BLOCKS)
def test_gradients_of_a_block_equal_finite_differences(make: Callable[[], nn.Layer]) -> None:
    block, x, grad, h = make(), normal((4, 3), 1), normal((4, 3), 2), 1e-6
    model = nn.Sequential(nn.Sequential(block), dense(1))

    def loss() -> float:
        return float(np.vdot(model.predict(x), grad))

    model.forward(x)
    grad_input = model.backward(grad)
    for array, g in [(x, grad_input), *zip(model.params.values(), model.grads.values(), strict=True)]:
        for i in np.ndindex(array.shape):
            here = array[i]
            array[i] = here + h
            above = loss()
            array[i] = here - h
            below = loss()
            array[i] = here
            assert g[i] == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("make", BLOCKS)
def test_a_block_accumulates_and_skips_its_input_gradient(make: Callable[[], nn.Layer]) -> None:
    x, grad = normal((4, 3), 1), normal((4, 3), 2)
    for model in (make(), nn.Sequential(make()), nn.Sequential(dense(1), make())):
        model.forward(x)
        assert model.backward(grad, needs_input_grad=False) is None
        once = {name: g.copy() for name, g in model.grads.items()}
        assert all(g.any() for g in once.values())
        for times in (2, 3):
            model.forward(x)
            model.backward(grad, accumulate=True)
            for name, g in model.grads.items():
                assert_allclose(g, times * once[name], rtol=1e-13, err_msg=name)
        model.forward(x)
        model.backward(grad, False)
        for name, g in model.grads.items():
            assert_array_equal(g, once[name])


@pytest.mark.parametrize("make", BLOCKS)
@pytest.mark.parametrize("optimise", [lambda m: nn.SGD(m, lr=0.2, momentum=0.5), lambda m: nn.Adam(m, lr=0.05)])
def test_all_of_a_block_is_trained(make: Callable[[], nn.Layer], optimise: Callable[[nn.Layer], Any]) -> None:
    model, x, labels = nn.Sequential(dense(1), make()), normal((6, 3), 3), [0, 1, 2, 0, 1, 2]
    before, losses = {name: p.copy() for name, p in model.params.items()}, []
    optimiser = optimise(model)
    for _ in range(60):
        loss, grad = softmax_cross_entropy(model.forward(x), labels)
        model.backward(grad, needs_input_grad=False)
        optimiser.step()
        losses.append(loss)
    assert losses[-1] < 0.5 * losses[0]
    for name, p in model.params.items():
        assert not np.array_equal(p, before[name]), name


def test_accumulated_gradients_leave_the_arrays_of_the_caller_alone() -> None:
    class Shift(nn.Layer):
        def __init__(self) -> None:
            self.add_param("shift", np.zeros(3))

        def _forward(self, x):
            return x + self.params["shift"], ()

        def _backward(self, grad, saved, needs_input_grad):
            self.set_grad("shift", grad)
            return grad

    layer, grad = Shift(), np.ones(3)
    for _ in range(3):
        layer.forward(np.zeros(3))
        layer.backward(grad, accumulate=True)
    assert_array_equal(grad, [1, 1, 1])
    assert_array_equal(layer.grads["shift"], [3, 3, 3])


def test_a_layer_that_joins_after_the_first_step_is_trained_too() -> None:
    for make in (lambda m: nn.SGD(m, lr=0.1, momentum=0.9), lambda m: nn.Adam(m, lr=0.1)):
        net = nn.Layer()
        net.blocks = [Scale()]
        optimiser = make(net)
        net.blocks[0].set_grad("scale", np.ones(3))
        optimiser.step()
        net.blocks.append(Scale())
        net.blocks[1].set_grad("scale", np.ones(3))
        optimiser.step()
        assert_allclose(net.params["blocks.1.scale"], [0.4] * 3, rtol=1e-6)


def test_a_subclass_of_sequential_may_hold_more() -> None:
    class Headed(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Dense(2, 2, bias=False))
            self.head = nn.Dense(2, 1, bias=False)

    assert list(Headed().params) == ["0.weight", "head.weight"]


def test_what_a_layer_that_holds_layers_cannot_know_it_says() -> None:
    for call in (lambda: Residual().output_shape((1, 3)), lambda: nn.untied_param_count(Residual(), (1, 3))):
        with pytest.raises(NotImplementedError, match="Residual holds layers"):
            call()


def test_layers_that_lack_something_say_what() -> None:
    class Empty(nn.Layer):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty needs _forward\(x\)"):
        Empty()(np.ones(3))
    for name in ("params", "grads", "state"):
        with pytest.raises(TypeError, match=rf"Own overrides {name}.*add_param"):
            type("Own", (nn.Layer,), {name: property(lambda self: {})})
    layer = Scale()
    for name in ("scale", "a.b", ""):
        with pytest.raises(ValueError, match="name expects one without dots that Scale does not have"):
            layer.add_param(name, np.zeros(3))
    with pytest.raises(TypeError, match="param 'shift' expects a float32 or float64 array"):
        layer.add_param("shift", [0.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="buffer 'shift' expects a numeric array"):
        layer.add_buffer("shift", np.array(["a"]))
    with pytest.raises(ValueError, match=r"the gradient of scale expects shape \(3,\), got \(2,\)"):
        layer.set_grad("scale", np.zeros(2))


def test_the_residual_block_in_the_documentation_has_the_right_gradient() -> None:
    scope: dict[str, Any] = {}
    [test] = [t for t in doctest.DocTestFinder(recurse=False).find(nn.Layer, "Layer", globs=scope)]
    assert doctest.DocTestRunner().run(test, clear_globs=False).failed == 0
    block = test.globs["Residual"](2, seed=3)
    x, grad, h = normal((1, 2, 4, 4), 1, np.float32), normal((1, 2, 4, 4), 2, np.float32), 1e-2
    block.forward(x)
    block.backward(grad)
    for name, p in block.params.items():
        i = (0,) * p.ndim
        here = p[i]
        values = []
        for step in (h, -h):
            p[i] = here + step
            values.append(float(np.vdot(block.predict(x).astype(float), grad)))
        p[i] = here
        assert block.grads[name][i] == pytest.approx((values[0] - values[1]) / (2 * h), rel=2e-3, abs=1e-3), name
