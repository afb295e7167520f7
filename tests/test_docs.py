"""What docstrings promise: their examples work, and everything public has one and says what each argument means."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import tapwise
from tapwise import nn

FINDER = doctest.DocTestFinder(exclude_empty=True)
HEADING = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if info.name in ("tapwise.__main__", "tapwise.bench", "tapwise._core", "tapwise._cuda"):
            continue
        module = importlib.import_module(info.name)
        yield from modules(module) if info.ispkg else [module]


def examples() -> list[doctest.DocTest]:
    return [test for module in modules(tapwise) for test in FINDER.find(module, globs={}) if test.examples]


@pytest.mark.parametrize("test", examples(), ids=lambda t: t.name)
def test_the_example_works(test: doctest.DocTest) -> None:
    failed, attempted = doctest.DocTestRunner().run(test)
    assert attempted and not failed


def functions() -> dict[str, Callable[..., Any]]:
    """The public callables, by name, of the package and of its plans."""
    found = {f"tapwise.{name}": getattr(tapwise, name) for name in tapwise.__all__ if name != "Explanation"}
    found |= {"Plan.__call__": tapwise.Plan.__call__, "Plan.update": tapwise.Plan.update}
    return {name: thing for name, thing in found.items() if callable(thing)}


def on_devices() -> dict[str, Callable[..., Any]]:
    cuda = tapwise.cuda
    found = {f"cuda.{name}": getattr(cuda, name) for name in cuda.__all__}
    return {name: thing for name, thing in found.items() if inspect.isfunction(thing)}


def methods_of_layers() -> list[str]:
    names = [
        f"{cls}.{name}"
        for cls in ("Layer", "SGD")
        for base in reversed(inspect.getmro(getattr(nn, cls))[:-1])
        for name in vars(base)
        if not name.startswith("_")
    ]
    return list(dict.fromkeys(names))


def has_example(thing: object) -> bool:
    return bool(re.search(r"^ *>>> ", inspect.getdoc(thing) or "", re.MULTILINE))


@pytest.mark.parametrize("name", functions())
def test_every_function_has_an_example(name: str) -> None:
    assert has_example(functions()[name])


@pytest.mark.parametrize("name", [*nn.__all__, *methods_of_layers()])
def test_everything_public_of_nn_has_an_example(name: str) -> None:
    thing: Any = nn
    for part in name.split("."):
        thing = getattr(thing, part)
    assert has_example(thing)


def entries(thing: object, section: str) -> dict[str, str]:
    """What a section of a docstring says of each name: the rest of its line, and the lines below."""
    parts = HEADING.split(inspect.getdoc(thing) or "")
    if section not in parts[1::2]:
        return {}
    lines = parts[parts.index(section) + 1].splitlines()
    said: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if line and not line.startswith(" "):
            head, _, kind = line.partition(" : ")
            names = head.split(", ")
            said |= dict.fromkeys(names, kind)
        else:
            said |= {name: f"{said[name]}\n{line}".rstrip() for name in names}
    return said


@pytest.mark.parametrize("name", [*functions(), *on_devices()])
def test_every_parameter_is_documented_and_no_other(name: str) -> None:
    thing = (functions() | on_devices())[name]
    expected = [p for p in inspect.signature(thing).parameters if p != "self"]
    assert sorted(entries(thing, "Parameters")) == sorted(expected)
    assert not [p for p, text in entries(thing, "Parameters").items() if not text]


@pytest.mark.parametrize("name", functions())
def test_annotations_can_be_evaluated(name: str) -> None:
    thing = functions()[name]
    assert "return" in typing.get_type_hints(thing.__init__ if inspect.isclass(thing) else thing)


def test_every_attribute_of_an_explanation_is_documented_and_no_other() -> None:
    fields = [field.name for field in dataclasses.fields(tapwise.Explanation)]
    assert list(entries(tapwise.Explanation, "Attributes")) == fields
    assert has_example(tapwise.Explanation)


# Each docstring is complete, so the same is written many times. How many wordings each argument has, and why.
WORDINGS = {
    "stride": 2,  # of convolutions and of transposed ones
    "dilation": 2,
    "groups": 2,
    "padding": 4,  # with "causal" in one axis, among any number and in none; and of what is cropped
    "flip": 1,
    "output_padding": 1,
    "activation": 2,  # of a forward pass, and of the one that a gradient goes through
    "accumulate": 2,  # one array or three
    "out": 2,
    "needs": 1,
    "algorithm": 1,
    "threads": 1,
    "device": 2,  # where to compute, and where it would be
}


@pytest.mark.parametrize("parameter", WORDINGS)
def test_the_same_argument_is_described_in_the_same_words(parameter: str) -> None:
    own = [
        f
        for name, f in functions().items()
        if f.__module__ not in ("tapwise.numpy_like", "tapwise.layers", "tapwise.pooling")
    ]
    texts = {entries(f, "Parameters").get(parameter) for f in own} - {None}
    assert len(texts) == WORDINGS[parameter], "\n\n".join(map(str, texts))
