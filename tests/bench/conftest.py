"""The suite as a clone has it: `bench` beside `tests`."""

import sys
from pathlib import Path

import pytest

import tapwise

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True)
def default_threads():
    """Rows set the default number of threads; other tests expect the machine's."""
    yield
    tapwise.set_num_threads(None)
