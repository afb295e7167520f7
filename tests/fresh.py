"""A fresh interpreter, for what is decided at import or must not touch this process."""

import os
import subprocess
import sys
from pathlib import Path


def python(code, *arguments, env=None, check=True, timeout=120):
    """Run code (or, with a leading "-", an option such as "-m") with the tests importable."""
    command = [code, *arguments] if code.startswith("-") else ["-c", code, *arguments]
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | (env or {})
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done
