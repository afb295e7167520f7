"""The CUDA backend is one file more, which loads anywhere: the package for the CPU is the same with and without."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tapwise

ROOT = Path(__file__).parents[2]
WITH_CUDA = pytest.mark.skipif(not tapwise.build_info()["cuda"], reason="tapwise was built without CUDA")


def tool(name):
    """That of the environment, if it has one."""
    own = Path(sys.executable).parent / name
    return str(own) if own.exists() else shutil.which(name)


def module_path(name):
    return importlib.util.find_spec(name).origin


def dynamic_section(path):
    return subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout


def needed(path):
    lines = [line for line in dynamic_section(path).splitlines() if "(NEEDED)" in line]
    return {line.split("[")[1].rstrip("]").split(".so")[0] for line in lines}


def test_one_file_more():
    files = [f for f in importlib.metadata.files("tapwise") if f.suffix != ".pyc"]
    about_cuda = {f.name.split(".")[0] for f in files if "cuda" in str(f).lower()}
    modules = {f.name.split(".")[0] for f in files if f.suffix in (".so", ".pyd")}
    assert about_cuda == {"cuda", "_cuda"}
    assert modules == {"_core"} | ({"_cuda"} if tapwise.build_info()["cuda"] else set())
    assert [f.name for f in files if f.stem == "_cuda" and f.suffix != ".so"] == ["_cuda.pyi"]


def test_importing_tapwise_does_not_load_it():
    code = "import sys, tapwise, tapwise.cuda; tapwise.build_info(); print('tapwise._cuda' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf here")
def test_the_core_knows_nothing_of_cuda():
    assert not [name for name in needed(module_path("tapwise._core")) if "cu" in name or "nv" in name]


@WITH_CUDA
@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf here")
def test_the_module_brings_its_runtime_and_hides_it():
    path = module_path("tapwise._cuda")
    system = {
        "libstdc++",
        "libm",
        "libgcc_s",
        "libc",
        "libdl",
        "librt",
        "libpthread",
        "ld-linux-x86-64",
        "ld-linux-aarch64",
    }
    assert needed(path) <= system | {"libgomp"}
    symbols = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    exported = {line.split()[-1] for line in symbols.splitlines() if line.split()[1] in "TD"}
    assert exported == {"PyInit__cuda"}


@WITH_CUDA
def test_without_a_device_it_says_what_is_missing():
    if tapwise.cuda.is_available():
        pytest.skip("there is a device")
    status = tapwise.cuda.status()
    assert "built with CUDA" in status and ("no NVIDIA driver" in status or "the driver is for" in status)
    with pytest.raises(RuntimeError, match="cannot run here: built with CUDA"):
        tapwise.cuda.conv(1, 2)


def configure(folder, *options, nvcc=True):
    """The commands that a build with those options would run, by the file that they make."""
    pybind11 = pytest.importorskip("pybind11")
    environment = dict(os.environ)
    environment.pop("CUDACXX", None)
    if not nvcc:
        tools = folder / "tools"
        tools.mkdir(parents=True)
        for name in ("c++", "cc", "gcc", "g++", "ld", "ar", "ranlib", "nm", "as", "sh", "uname"):
            if found := shutil.which(name):
                (tools / name).symlink_to(found)
        environment["PATH"] = str(tools)
    command = [
        tool("cmake"),
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
        "-S",
        ROOT,
        "-B",
        folder / "build",
        "-DSKBUILD=ON",
        "-DTAPWISE_PYTHON=ON",
    ]
    command += [f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}", *options]
    command += ["-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_SUPPRESS_DEVELOPER_WARNINGS=ON"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        return done.stdout + done.stderr
    commands = json.loads((folder / "build/compile_commands.json").read_text())
    return {c["command"].split(" -o ")[1].split()[0]: c["command"].replace(str(folder), "") for c in commands}


def test_builds_without_nvcc_are_the_builds_without_cuda(tmp_path):
    off = configure(tmp_path / "off", "-DTAPWISE_CUDA=OFF")
    automatic = configure(tmp_path / "auto", nvcc=False)
    assert isinstance(off, dict) and isinstance(automatic, dict), (off, automatic)
    assert not [output for output in off if "_cuda" in output]
    assert off.keys() == automatic.keys()
    required = configure(tmp_path / "on", "-DTAPWISE_CUDA=ON", nvcc=False)
    assert isinstance(required, str) and "no nvcc was found" in required


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc here")
def test_builds_with_cuda_add_one_module(tmp_path):
    off = configure(tmp_path / "off", "-DTAPWISE_CUDA=OFF")
    on = configure(tmp_path / "on", "-DTAPWISE_CUDA=ON")
    assert isinstance(off, dict) and isinstance(on, dict), (off, on)
    added = {
        output: command for output, command in on.items() if "_cuda.dir" in output
    }  # of the module and its kernels
    assert {output: command for output, command in on.items() if output not in added} == off
    targets = "80 86 89 90 100 120".split()
    for output, command in added.items():
        if output.endswith(".cu.o"):
            assert all(f"sm_{target}" in command for target in targets) and "compute_80,code=[compute_80" in command
