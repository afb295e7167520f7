"""Threads, algorithms, instruction sets, and what was built."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from . import _core


def set_num_threads(n: int | None) -> None:
    """Sets how many threads calls of this process use by default; None restores the default of the machine.

    That default is the CPUs that the process may use (its affinity and its cgroup quota). A lower limit that
    threadpoolctl or OpenMP sets at run time is respected. Small problems run in the calling thread.
    """
    _core.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads a call from this thread would use at most."""
    return _core.get_num_threads()


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Within the block, calls from this thread use at most n threads."""
    previous = _core.exchange_threads(n)
    try:
        yield
    finally:
        _core.restore_threads(previous)


def set_algorithm(name: str) -> None:
    """Sets what ``algorithm="auto"`` stands for in this process; "auto" leaves the choice to each call.

    The environment variable TAPWISE_ALGORITHM sets it from outside.
    """
    _core.set_algorithm(name)


def get_algorithm() -> str:
    """What ``algorithm="auto"`` stands for in this thread."""
    return _core.get_algorithm()


@contextmanager
def algorithm(name: str) -> Iterator[None]:
    """Within the block, ``algorithm="auto"`` stands for this one in calls from this thread."""
    previous = _core.exchange_algorithm(name)
    try:
        yield
    finally:
        _core.restore_algorithm(previous)


def build_info() -> dict[str, Any]:
    """What was built and what is in use.

    version, compiler, flags, isas_built, isas_usable, isa (the one in use, or None with isa_error saying why),
    algorithms, openmp, cpus (those that this process may use), cuda (whether the backend was built; :mod:`tapwise.cuda`
    says whether it can run).
    """
    return _core.build_info() | {"cuda": find_spec("tapwise._cuda") is not None}


def available_isas() -> tuple[str, ...]:
    """The instruction sets that are built and that this CPU can run, best first.

    The best is used; the environment variable TAPWISE_ISA forces another for the whole process:
    set it before tapwise is imported.
    """
    return _core.available_isas()
