"""NVIDIA's compute-sanitizer over a cross-section of the kernels: memory, races, barriers, uninitialised reads."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import real_device  # noqa: F401

SANITIZER = shutil.which("compute-sanitizer")


@pytest.mark.skipif(SANITIZER is None, reason="no compute-sanitizer here")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck", "initcheck"])
def test_clean(backend, tool):
    tests = Path(__file__).with_name("test_device.py")
    command = [SANITIZER, "--tool", tool, "--error-exitcode", "9", "--target-processes", "all"]
    command += [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{tests}::test_arrays_on_the_device"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
