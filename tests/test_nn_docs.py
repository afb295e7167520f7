"""The examples in the docstrings of tapwise.nn and tapwise.losses, each on its own."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

from tapwise import losses, nn

MODULES = [losses, nn, *(importlib.import_module(f"tapwise.nn.{m.name}") for m in pkgutil.iter_modules(nn.__path__))]
FINDER = doctest.DocTestFinder(exclude_empty=True)


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in FINDER.find(module, globs={}) if test.examples]


@pytest.mark.parametrize("test", [t for module in MODULES for t in examples(module)], ids=lambda t: t.name)
def test_the_example_works(test: doctest.DocTest) -> None:
    failed, attempted = doctest.DocTestRunner().run(test)
    assert attempted and not failed


def public_methods() -> list[str]:
    names = [
        f"{cls}.{name}"
        for cls in ("Layer", "SGD")
        for base in reversed(inspect.getmro(getattr(nn, cls))[:-1])
        for name in vars(base)
        if not name.startswith("_")
    ]
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("name", [*nn.__all__, *public_methods()])
def test_everything_public_has_an_example(name: str) -> None:
    thing = nn
    for part in name.split("."):
        thing = getattr(thing, part)
    assert ">>>" in (inspect.getdoc(thing) or "")
