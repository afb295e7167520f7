"""Threads, algorithms, instruction sets, and what was built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, SupportsIndex

from . import _core
from .types import Algorithm


def set_num_threads(n: SupportsIndex | None) -> None:
    """Sets how many threads calls of this process use by default.

    A lower limit that threadpoolctl or OpenMP sets at run time is respected. Small problems run in the calling thread.

    Parameters
    ----------
    n : int or None
        At least 1. None restores the default of the machine: the CPUs that the process may use (its affinity and its
        cgroup quota).

    Raises
    ------
    ValueError
        Less than 1.
    TypeError
        Not an int.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.set_num_threads(1)
    >>> tapwise.get_num_threads()
    1
    >>> tapwise.set_num_threads(None)
    """
    _core.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads a call from this thread would use at most.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


@contextmanager
def num_threads(n: SupportsIndex) -> Iterator[None]:
    """Within the block, calls from this thread use at most `n` threads.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    ValueError
        Less than 1.
    TypeError
        Not an int.

    Examples
    --------
    >>> import tapwise
    >>> with tapwise.num_threads(1):
    ...     tapwise.get_num_threads()
    1
    """
    previous = _core.exchange_threads(n)
    try:
        yield
    finally:
        _core.restore_threads(previous)


def set_algorithm(name: Algorithm) -> None:
    """Sets what ``algorithm="auto"`` stands for in this process.

    The environment variable TAPWISE_ALGORITHM sets it from outside.

    Parameters
    ----------
    name : "auto" or "direct"
        ``"auto"`` leaves the choice to each call.

    Raises
    ------
    ValueError
        Another name.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.set_algorithm("direct")
    >>> tapwise.get_algorithm()
    'direct'
    >>> tapwise.set_algorithm("auto")
    """
    _core.set_algorithm(name)


def get_algorithm() -> Algorithm:
    """What ``algorithm="auto"`` stands for in this thread.

    Returns
    -------
    str
        What :func:`algorithm` or else :func:`set_algorithm` says, or TAPWISE_ALGORITHM, or ``"auto"``.

    Raises
    ------
    ValueError
        TAPWISE_ALGORITHM is no algorithm.

    Examples
    --------
    >>> import tapwise
    >>> with tapwise.algorithm("direct"):
    ...     tapwise.get_algorithm()
    'direct'
    """
    return _core.get_algorithm()


@contextmanager
def algorithm(name: Algorithm) -> Iterator[None]:
    """Within the block, ``algorithm="auto"`` stands for this one in calls from this thread.

    Parameters
    ----------
    name : "auto" or "direct"
        ``"auto"`` leaves the choice to each call.

    Raises
    ------
    ValueError
        Another name.

    Examples
    --------
    >>> import numpy as np, tapwise
    >>> with tapwise.algorithm("direct"):  # sums whose error is bounded term by term
    ...     tapwise.conv(np.ones((1, 1, 3)), np.ones((1, 1, 2)))
    array([[[2., 2.]]])
    """
    previous = _core.exchange_algorithm(name)
    try:
        yield
    finally:
        _core.restore_algorithm(previous)


def build_info() -> dict[str, Any]:
    """What was built and what is in use.

    Returns
    -------
    dict
        version, compiler, flags, isas_built, isas_usable, isa (the one in use, or None with isa_error saying why),
        algorithms, openmp, cpus (those that this process may use), cuda (whether the backend was built;
        :mod:`tapwise.cuda` says whether it can run).

    Examples
    --------
    >>> import tapwise
    >>> tapwise.build_info()["algorithms"]
    ('direct',)
    """
    return _core.build_info() | {"cuda": find_spec("tapwise._cuda") is not None}


def available_isas() -> tuple[str, ...]:
    """The instruction sets that are built and that this CPU can run.

    The best is used; the environment variable TAPWISE_ISA forces another for the whole process: set it before tapwise
    is imported.

    Returns
    -------
    tuple of str
        Best first, ``"scalar"`` last.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.available_isas()[-1]
    'scalar'
    """
    return _core.available_isas()
