"""What holds for every layer that runs inside a call, however deep: no layer needs to hand it on.

Each thread has its own modes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

predicting = ContextVar("predicting", default=False)
"""`forward` keeps nothing for `backward`."""

accumulating = ContextVar("accumulating", default=False)
"""`backward` adds to the gradients that are there."""


@contextmanager
def switched_on(mode: ContextVar[bool], on: bool = True) -> Iterator[None]:
    """Run the block with `mode` on; with ``on=False``, as it is."""
    token = mode.set(on or mode.get())
    try:
        yield
    finally:
        mode.reset(token)
