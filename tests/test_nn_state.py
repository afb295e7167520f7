"""tapwise.nn: reading, loading and saving a network's arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import lenet, normal
from numpy.testing import assert_array_equal

from tapwise import nn, softmax_cross_entropy


class Statistics(nn.Layer):
    """A layer with a param and a buffer of another dtype."""

    def __init__(self, start: int = 0) -> None:
        self.shift = self.add_param("shift", np.full(2, float(start)))
        self.count = self.add_buffer("count", np.array(start, np.int64))

    def _forward(self, x):
        self.count += 1
        return x + self.shift, ()


@pytest.mark.parametrize(
    "write",
    [
        lambda m: m.__setitem__("0.weight", np.zeros((3, 2, 3, 3))),
        lambda m: m.update({"0.weight": 1}),
        lambda m: m.update(),
        lambda m: m.__delitem__("0.weight"),
        lambda m: m.pop("0.weight"),
        lambda m: m.popitem(),
        lambda m: m.clear(),
        lambda m: m.setdefault("0.weight", 1),
        lambda m: m.__ior__({"0.weight": 1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["params", "grads", "state"])
def test_the_mappings_are_read_only_and_say_what_to_call(kind: str, write: Callable[[Any], Any]) -> None:
    model = lenet()
    with pytest.raises(TypeError) as error:
        write(getattr(model, kind))
    assert f'{kind}["0.weight"][...] = value' in str(error.value)
    assert ('load({"0.weight": value}, strict=False)' in str(error.value)) == (kind != "grads")
    with pytest.raises(AttributeError):
        setattr(model, kind, {})


def test_the_refusal_names_what_was_to_be_written() -> None:
    for write in (lambda m: m.__setitem__("3.bias", 1), lambda m: m.update({"3.bias": 1}), lambda m: m.pop("3.bias")):
        with pytest.raises(TypeError, match=r'params\["3\.bias"\]\[\.\.\.\] = value'):
            write(lenet().params)


def test_writing_into_the_arrays_changes_the_layer() -> None:
    model = nn.Sequential(nn.Dense(2, 1, dtype=np.float64))
    model.params["0.weight"][...] = [[3, 4]]
    assert_array_equal(model.predict(np.array([[1.0, 10.0]])), [[43]])


def test_state_is_params_and_buffers_layer_by_layer() -> None:
    model = nn.Sequential(Statistics(7), nn.Dense(2, 1))
    assert list(model.state) == ["0.shift", "0.count", "1.weight", "1.bias"]
    assert list(model.params) == list(model.grads) == ["0.shift", "1.weight", "1.bias"]
    assert model.num_params == 5
    assert model.state["0.count"] == 7


def test_load_copies_in_place_and_optimisers_go_on() -> None:
    x, labels = normal((6, 2, 8, 8), 0), [0, 1, 2, 3, 4, 0]

    def step(model: nn.Layer, optimiser: Any) -> None:
        _, grad = softmax_cross_entropy(model(x), labels)
        model.backward(grad, needs_input_grad=False)
        optimiser.step()

    source = lenet()
    for array in source.params.values():
        array += 0.1
    for make in (lambda m: nn.SGD(m, lr=0.1, momentum=0.9), lambda m: nn.Adam(m, lr=0.01)):
        early, late = lenet(), lenet()
        before = early.params
        optimiser = make(early)
        early.load(source.state)
        late.load(source.state)
        optimisers = [optimiser, make(late)]
        for _ in range(3):
            step(early, optimisers[0])
            step(late, optimisers[1])
        for name, p in early.params.items():
            assert p is before[name]
            assert_array_equal(p, late.params[name])
            assert not np.array_equal(p, source.params[name])


@pytest.mark.parametrize(
    ("change", "strict", "error", "message"),
    [
        ({"0.wieght": 1}, True, ValueError, r"unexpected '0\.wieght'; strict=False"),
        ({"0.weight": None}, True, ValueError, r"missing '0\.weight'; strict=False"),
        ({"1.weight": np.zeros((1, 1), np.float32)}, True, ValueError, r"1\.weight expects shape \(2, 3\), got \(1, 1"),
        ({"1.weight": np.zeros(3, np.float32)}, False, ValueError, r"1\.weight expects shape"),
        ({"1.weight": np.zeros((2, 3))}, False, TypeError, r"1\.weight expects float32, got float64; .*astype"),
        ({"1.bias": [1, 2]}, True, TypeError, r"1\.bias expects float32, got int64"),
    ],
)  # fmt: skip
def test_load_refuses_and_changes_nothing(change: Any, strict: bool, error: Any, message: str) -> None:
    model = nn.Sequential(nn.Dense(3, 3), nn.Dense(3, 2))
    before = {name: array.copy() for name, array in model.state.items()}
    values = {name: array + 1 for name, array in model.state.items()} | change
    with pytest.raises(error, match=message):
        model.load({name: value for name, value in values.items() if value is not None}, strict)
    for name, array in model.state.items():
        assert_array_equal(array, before[name])


def test_load_takes_what_matches_if_it_is_not_strict() -> None:
    layer = nn.Dense(2, 1)
    weight = layer.params["weight"].copy()
    layer.load({"bias": np.array([5], ">f4"), "scale": 1}, strict=False)
    assert_array_equal(layer.params["bias"], [5])
    assert_array_equal(layer.params["weight"], weight)
    with pytest.raises(TypeError, match=r"mapping .* nn\.load\(path\)"):
        layer.load("layer.npz")  # type: ignore[arg-type]


def test_load_of_views_of_the_arrays_themselves() -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    first, second = (model.params[f"{i}.weight"].copy() for i in (0, 1))
    model.load({"0.weight": model.params["1.weight"], "1.weight": model.params["0.weight"].T}, strict=False)
    assert_array_equal(model.params["0.weight"], second)
    assert_array_equal(model.params["1.weight"], first.T)


def test_load_takes_the_state_dict_of_torch() -> None:
    torch = pytest.importorskip("torch")
    t = torch.nn
    twin = t.Sequential(t.Conv2d(2, 4, 3), t.ReLU(), t.Flatten(), t.Sequential(t.Linear(16, 3)))
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Sequential(nn.Dense(16, 3)))
    x = normal((5, 2, 4, 4), 0, np.float32)
    model.load(twin.state_dict())
    np.testing.assert_allclose(model.predict(x), twin(torch.from_numpy(x)).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.fixture(params=[".npz", ".safetensors", ".NPZ"])
def suffix(request: pytest.FixtureRequest) -> str:
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return request.param


def test_files_give_back_what_was_saved(tmp_path: Path, suffix: str) -> None:
    model, path = nn.Sequential(Statistics(3), nn.Conv2d(1, 2, 3, seed=0)), tmp_path / f"net{suffix}"
    path.write_bytes(b"an older file")
    with open(path, "rb") as older:
        model.save(str(path))
        assert older.read() == b"an older file"  # replaced, not written over
    fresh = nn.Sequential(Statistics(), nn.Conv2d(1, 2, 3, seed=1))
    fresh.load(nn.load(path))
    assert list(fresh.state) == list(model.state)
    for name, array in model.state.items():
        assert_array_equal(fresh.state[name], array)
        assert nn.load(path)[name].dtype == array.dtype
    assert os.listdir(tmp_path) == [path.name]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_save_that_fails_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, path = nn.Dense(2, 1), tmp_path / "net.npz"
    layer.save(path)
    before = path.read_bytes()

    def half(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(OSError, match="disk full"):
        layer.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.npz"]


def test_files_are_refused(tmp_path: Path, suffix: str) -> None:
    layer, path = nn.Dense(2, 1), tmp_path / f"net{suffix}"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"net{suffix} expects a"):
        nn.load(path)
    for call in (layer.save, nn.load):
        with pytest.raises(ValueError, match=r"path expects a suffix of \.npz or \.safetensors, got .*net\.pt"):
            call(tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError, match=f"none{suffix}"):
        nn.load(tmp_path / f"none{suffix}")
    with pytest.raises(FileNotFoundError, match=f"folder .*none/net{suffix}"):
        layer.save(tmp_path / "none" / f"net{suffix}")


def test_nothing_in_an_npz_is_executed(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", weight=np.array([print], object))
    with pytest.raises(ValueError, match="plain arrays"):
        nn.load(tmp_path / "net.npz")


def test_without_safetensors_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (nn.Dense(2, 1).save, nn.load):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call(tmp_path / "net.safetensors")
    assert os.listdir(tmp_path) == []
