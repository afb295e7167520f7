"""Importing this skips a module of tests where there is no CUDA device."""

import pytest

import tapwise

if not tapwise.cuda.is_available():
    pytest.skip(f"no CUDA device: {tapwise.cuda.status()}", allow_module_level=True)
