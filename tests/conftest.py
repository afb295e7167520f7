import zlib

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def rng(request):
    """A generator seeded by the test's name: the same numbers alone and in the suite."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
