"""The CUDA backend on an emulated device.

The emulation (tests/cuda/emulation) runs the kernels' own sources on the CPU. The module built against it takes the
place of tapwise._cuda while a test that asks for `backend` runs.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tapwise

HERE = Path(__file__).parent
MODULE = "tapwise._cuda"


@pytest.fixture(scope="session")
def emulated_build(tmp_path_factory):
    """The folder with the module and the driver, built against the installed tapwise.

    TAPWISE_EMULATED_CUDA names a folder that is kept, which saves a minute of building.
    """
    pybind11 = pytest.importorskip("pybind11")
    kept = os.environ.get("TAPWISE_EMULATED_CUDA")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("emulated_cuda")
    cmake_dir = Path(tapwise.__file__).parent / "share/cmake/tapwise"
    configure = [
        *(
            "cmake",
            "-G",
            "Ninja",
            "-S",
            HERE,
            "-B",
            folder,
            "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
        ),
        *(f"-Dtapwise_DIR={cmake_dir}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"),
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    for command in (configure, ["cmake", "--build", folder]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


class Emulation:
    """The emulated device's controls: see tests/cuda/emulation/control.hpp."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))
        self._library.tapwise_emulation_fault.restype = ctypes.c_char_p
        self._library.tapwise_emulation_bytes_in_use.restype = ctypes.c_longlong
        self._library.tapwise_emulation_launches.restype = ctypes.c_longlong
        self._library.tapwise_emulation_stream.restype = ctypes.c_longlong

    def set(self, **settings):
        text = ",".join(f"{name}={value}" for name, value in settings.items())
        self._library.tapwise_emulation_set(text.encode())

    def restore(self):
        self._library.tapwise_emulation_reset()
        self._library.tapwise_emulation_set(b"defaults")

    def stream(self):
        """A new stream that is not ordered with the default one."""
        return self._library.tapwise_emulation_stream()

    @property
    def fault(self):
        return self._library.tapwise_emulation_fault().decode()

    @property
    def bytes_in_use(self):
        return self._library.tapwise_emulation_bytes_in_use()

    @property
    def launches(self):
        return self._library.tapwise_emulation_launches()


@pytest.fixture(scope="session")
def emulated_module(emulated_build):
    (path,) = emulated_build.glob("_cuda*.so")
    name = "tapwise_emulated._cuda"  # under its own name pybind11 would give out the real module, once that is loaded
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    module.emulation = Emulation(path)
    return module


@pytest.fixture
def emulation(emulated_module, monkeypatch):
    """The emulated device in the place of a real one; its controls."""
    import tapwise._staging

    monkeypatch.setitem(sys.modules, MODULE, emulated_module)
    monkeypatch.setattr(tapwise, "_cuda", emulated_module, raising=False)
    monkeypatch.setattr(tapwise._staging, "_free", [])
    emulated_module.emulation.restore()
    yield emulated_module.emulation
    emulated_module.drain()
    emulated_module.emulation.restore()


@pytest.fixture
def backend(emulation):
    """A device that tapwise.cuda can use. tests/gpu runs the same tests on a real one."""
    return emulation
