"""Each instruction set that this CPU has, in its own interpreter, and what its object holds."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fresh import python

import tapwise

ROOT = Path(__file__).parent.parent
USABLE = tapwise.available_isas()


def matrix(isa, *arguments):
    code = "import runpy; runpy.run_module('isa_matrix', run_name='__main__', alter_sys=False)"
    return python(code, *arguments, env={"TAPWISE_ISA": isa}, timeout=300).stdout.split()


def test_the_list_is_best_first_and_ends_with_scalar():
    assert isinstance(USABLE, tuple) and USABLE[-1] == "scalar"
    x86 = [isa for isa in ("avx512", "avx2", "scalar") if isa in USABLE]
    assert [isa for isa in USABLE if isa in x86] == x86
    info = tapwise.build_info()
    assert set(USABLE) <= set(info["isas_built"])
    assert tuple(info["isas_usable"]) == USABLE
    assert info["isa"] in USABLE


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="no /proc/cpuinfo")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 only")
def test_the_cpus_own_flags_decide():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    built = tapwise.build_info()["isas_built"]
    assert ("avx2" in USABLE) == ("avx2" in built and {"avx2", "fma"} <= flags)
    needed = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
    assert ("avx512" in USABLE) == ("avx512" in built and needed <= flags)


@pytest.mark.parametrize("isa", USABLE[1:])
def test_bad_numbers_and_pooling(isa):
    files = (str(ROOT / "tests" / f"test_{name}.py") for name in ("nonfinite", "pool"))
    python("-m", "pytest", *files, env={"TAPWISE_ISA": isa, "TAPWISE_NONFINITE_PROBLEMS": "40"}, timeout=300)


def test_the_best_is_used_by_default():
    code = "import tapwise; print(tapwise.build_info()['isa'], tapwise.available_isas()[0])"
    used, best = python(code, env={"TAPWISE_ISA": ""}).stdout.split()
    assert used == best


@pytest.mark.parametrize("isa", USABLE)
def test_every_pass_on_every_isa(isa):
    used, first = matrix(isa)
    assert used == isa
    assert matrix(isa, "digest") == [isa, first]


@pytest.mark.parametrize("isa", USABLE)
def test_explain_names_the_isa(isa):
    code = "import tapwise; print(tapwise.explain((1, 3, 8, 8), (4, 3, 3, 3)).isa)"
    assert python(code, env={"TAPWISE_ISA": isa}).stdout.strip() == isa


@pytest.mark.parametrize("isa", ["sse9", "AVX2", "neon" if "neon" not in USABLE else "avx2"])
def test_an_isa_that_cannot_be_used_is_named_in_a_clear_error(isa):
    code = "import numpy as np, tapwise\ntapwise.conv(np.ones((1, 1, 4), np.float32), np.ones((1, 1, 2), np.float32))"
    done = python(code, env={"TAPWISE_ISA": isa}, check=False)
    assert done.returncode == 1
    message = done.stderr.strip().splitlines()[-1]
    assert "TAPWISE_ISA" in message and isa in message
    assert all(usable in message for usable in USABLE)


def test_importing_works_with_an_isa_that_cannot_be_used():
    assert python("import tapwise; print('in')", env={"TAPWISE_ISA": "sse9"}).stdout == "in\n"


def flags_of_the_build():
    """What CMakeLists.txt compiles each of the x86 files with."""
    text = (ROOT / "CMakeLists.txt").read_text()
    flags = {name: options.split() for name, options in re.findall(r"tapwise_isa\((\w+)( [^)]*)?\)", text)}
    return {isa: flags[isa] for isa in ("scalar", "avx2", "avx512")}


COMMON = ["-std=c++20", "-fPIC", "-fno-exceptions", "-fno-rtti", "-ffp-contract=fast", "-Wno-psabi"]
FLAGS = flags_of_the_build()
COMPILER = shutil.which("g++")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder, objects = tmp_path_factory.mktemp("isa-objects"), {}

    def compile_once(isa, level):
        if (isa, level) not in objects:
            target = folder / f"{isa}{level}.o"
            command = [COMPILER, *COMMON, level, *FLAGS[isa]]
            command += [f"-I{ROOT}/csrc", f"-I{ROOT}/csrc/include"]
            source = ROOT / "csrc" / "kernels" / f"{isa}.cpp"
            subprocess.run([*command, "-c", source, "-o", target], check=True, timeout=300)
            objects[isa, level] = target
        return objects[isa, level]

    return compile_once


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these sources are for x86")
@pytest.mark.skipif(not (COMPILER and shutil.which("nm")), reason="needs g++ and binutils")
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("isa", FLAGS)
class TestObjects:
    """A weak symbol could replace baseline code at link time by code that an older CPU lacks; an
    initialiser would run before the ISA is chosen."""

    def test_no_weak_symbols(self, compiled, isa, level):
        listing = subprocess.run(["nm", "-C", compiled(isa, level)], capture_output=True, text=True, check=True).stdout
        symbols = [line[16:].split(maxsplit=1) for line in listing.splitlines()]
        assert symbols
        assert not [name for kind, name in symbols if kind in "VvWwu"]

    def test_one_name_leaves_the_object(self, compiled, isa, level):
        """Besides the table nothing is defined that another object could collide with."""
        listing = subprocess.run(
            ["nm", "-C", "--defined-only", "--extern-only", compiled(isa, level)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        names = [line[16:].split(maxsplit=1)[1] for line in listing.splitlines()]
        assert names and all(isa in name for name in names)

    def test_the_peak_loop_stays_in_registers(self, compiled, isa, level):
        """The roof that every share is measured against: twelve multiply-adds and nothing but the loop's counter."""
        if level == "-O0" or not shutil.which("objdump"):
            pytest.skip("an optimised build and objdump are needed")
        listing = subprocess.run(
            ["objdump", "-d", "-C", "--no-show-raw-insn", compiled(isa, "-O2")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("float", "double"):
            body = re.search(rf"fma_loop<{number}>\(.*?\n\n", listing, re.S).group()
            product = r"\bmulp[sd]" if isa == "scalar" else r"\bvfmadd"
            places = [i for i, line in enumerate(body.splitlines()) if re.search(product, line)]
            assert len(places) == 12
            loop = body.splitlines()[places[0] : places[-1] + 1]
            assert not [line for line in loop if "(%rsp" in line or "(%rbp" in line]

    def test_no_initialisers(self, compiled, isa, level):
        sections = subprocess.run(
            ["readelf", "-SW", compiled(isa, level)], capture_output=True, text=True, check=True
        ).stdout
        assert ".init_array" not in sections and ".ctors" not in sections
