"""The tests of tests/cuda on a real device, and what only a real one can tell."""

import sys
from pathlib import Path

import pytest

import tapwise

sys.path.insert(0, str(Path(__file__).parents[1] / "cuda"))


@pytest.fixture
def backend():
    """The device, in the place of tests/cuda's emulated one."""
    yield None
    tapwise.cuda.synchronize()
