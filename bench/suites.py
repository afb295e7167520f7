"""The suites: the files beside this module in shapes/, one convolution a line, with how often its network has it.

    mb8_ic64ih56_oc64oh56_kh3_ph1n"resnet50:conv2_x.3x3"*3      # a comment

A line is a descriptor and, if the layer occurs more than once, its count. The comment at the head of a file names its
source.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from . import functions
from .descriptor import DescriptorError, Problem, parse

_SHAPES = Path(__file__).with_name("shapes")
_FIRST = "core"


class SuiteError(ValueError):
    """An unknown suite, or a line that states no layer; the message says which."""


@dataclass(frozen=True)
class Layer:
    """One line of a suite."""

    problem: Problem
    count: int
    """How often the network has a layer of this shape."""
    suite: str


def names() -> list[str]:
    """All suites: core, then the others by name."""
    return sorted((file.stem for file in _SHAPES.glob("*.txt")), key=lambda name: (name != _FIRST, name))


def load(name: str) -> list[Layer]:
    """The layers of a suite in the order of its file; SuiteError if there is none of this name, or a line is wrong."""
    file = _file(name)
    layers = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        descriptor, star, count = (part.strip() for part in text.partition("*"))
        # isdecimal() alone lets the digits of other scripts through.
        if star and not (count.isascii() and count.isdecimal() and int(count) > 0):
            raise SuiteError(f"{file}:{number}: '*{count}' is no count; expected one such as *3\n{text}")
        try:
            problem = parse(descriptor)
        except DescriptorError as error:
            raise SuiteError(f"{file}:{number}: a malformed descriptor\n{error}") from None
        layers.append(Layer(problem, int(count) if star else 1, name))
    return layers


def source(name: str) -> str:
    """Where a suite's layers are from: the comment at the head of its file."""
    head = []
    for line in _file(name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("#").strip())
    return "\n".join(head)


def _file(name: str) -> Path:
    if name not in names():
        known = [*names(), functions.SUITE]
        close = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise SuiteError(f"no suite {name!r}{hint} There are: {', '.join(known)}")
    return _SHAPES / f"{name}.txt"
