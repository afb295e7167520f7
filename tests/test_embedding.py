"""tapwise in other people's C and C++: the examples, against the wheel and an install prefix, by each compiler."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import tapwise

ROOT = Path(__file__).resolve().parent.parent
EMBED = ROOT / "examples" / "embed"
PACKAGE = Path(tapwise.__file__).parent


def find(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Compiler:
    name: str
    c: str | None
    cxx: str | None


COMPILERS = [
    Compiler("gcc", find("gcc"), find("g++")),
    Compiler("clang", find("clang", "clang-18", "clang-16"), find("clang++", "clang++-18", "clang++-16")),
]


@pytest.fixture(params=COMPILERS, ids=lambda c: c.name, scope="session")
def compiler(request: pytest.FixtureRequest) -> Compiler:
    if request.param.c is None or request.param.cxx is None:
        pytest.skip(f"no {request.param.name} here")
    return request.param


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def succeed(*command: object, **environment: str) -> str:
    done = run(*command, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# Where a program is only seen to work, compiling takes the longest.
QUICK = "-DCMAKE_CXX_FLAGS_RELEASE=-O1"


def build(source: Path, folder: Path, compiler: Compiler | None, *options: str) -> Path:
    """Configures and builds a CMake project."""
    if find("cmake") is None or find("g++", "clang++", "clang++-16") is None:
        pytest.skip("no CMake or no compiler here")
    chosen = [f"-DCMAKE_C_COMPILER={compiler.c}", f"-DCMAKE_CXX_COMPILER={compiler.cxx}"] if compiler else []
    generator = ["-G", "Ninja"] if find("ninja") else []
    succeed("cmake", "-S", source, "-B", folder, *generator, *chosen, *options)
    succeed("cmake", "--build", folder, "--parallel", "2")
    return folder


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cmake --install` makes of the sources: here with a shared library."""
    folder = tmp_path_factory.mktemp("prefix")
    installed = folder / "installed"
    options = [QUICK, "-DBUILD_SHARED_LIBS=ON", "-DTAPWISE_BENCH=ON", f"-DCMAKE_INSTALL_PREFIX={installed}"]
    build(ROOT, folder / "build", None, *options)
    succeed("cmake", "--install", folder / "build")
    # It must not depend on where it was built or installed first.
    return Path(shutil.move(installed, folder / "moved"))


@pytest.fixture(params=["wheel", "prefix"])
def package(request: pytest.FixtureRequest) -> str:
    """The CMake option that finds the package."""
    if request.param == "wheel":
        return "-Dtapwise_DIR=" + succeed(sys.executable, "-m", "tapwise", "--cmakedir").strip()
    return f"-Dtapwise_ROOT={request.getfixturevalue('prefix')}"


def test_the_examples(package: str, compiler: Compiler, tmp_path: Path) -> None:
    programs = build(EMBED, tmp_path / "build", compiler, package, QUICK)

    rows, columns = np.indices((48, 64))
    photo = np.stack([rows * 4, columns * 3, (columns > 31) * 255], axis=-1).astype(np.uint8)
    (tmp_path / "photo.ppm").write_bytes(b"P6\n# a comment\n64 48\n255\n" + photo.tobytes())
    maps = succeed(programs / "filter_bank", tmp_path / "photo.ppm", tmp_path / "map_").split()
    assert len(maps) == 5
    for path in maps:
        header, pixels = Path(path).read_bytes().split(b"255\n", 1)
        assert header == b"P5\n64 48\n" and len(pixels) == 64 * 48 and len(set(pixels)) > 1
    # The edge between columns 31 and 32 is what the vertical filter answers to.
    vertical = np.frombuffer(Path(maps[1]).read_bytes()[-64 * 48 :], np.uint8).reshape(48, 64)
    assert vertical[10:40, 31:33].min() > vertical[10:40, 5:25].max()
    assert run(programs / "filter_bank", ROOT / "README.md", tmp_path / "map_").returncode == 2

    assert "loss" in succeed(programs / "train")
    assert "deviation" in succeed(programs / "blur")
    assert "Hz" in succeed(programs / "receiver")

    refused = run(programs / "train", TAPWISE_ISA="nonsense")
    assert refused.returncode == 1 and "nonsense" in refused.stderr


def test_part_of_another_build(compiler: Compiler, tmp_path: Path) -> None:
    """add_subdirectory, threads and memory of the program's own, no OpenMP."""
    programs = build(EMBED / "own_threads", tmp_path / "build", compiler, QUICK, f"-DTAPWISE_SOURCE={ROOT}")
    assert "0 allocations, the same bits" in succeed(programs / "own_threads")


def test_the_one_command_of_the_readme(compiler: Compiler, tmp_path: Path) -> None:
    command = next(line.strip() for line in (ROOT / "README.md").read_text().splitlines() if "receiver.cpp" in line)
    command = command.replace("g++", str(compiler.cxx)).replace("python", sys.executable)
    command = command.replace("examples/embed", str(EMBED)).replace("-o receiver", f"-o {tmp_path / 'receiver'}")
    succeed("sh", "-c", command)
    assert "Hz" in succeed(tmp_path / "receiver")


def test_the_program_of_the_readme(package: str, compiler: Compiler, tmp_path: Path) -> None:
    """As it is printed, with warnings as errors, and with the CMake that is printed above it."""
    text = (ROOT / "README.md").read_text()
    (tmp_path / "app.cpp").write_text(text.split("```cpp\n")[1].split("```")[0])
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.21)\nproject(app CXX)\nadd_executable(app app.cpp)\n"
        + text.split("```cmake\n")[1].split("```")[0]
    )
    flags = "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wconversion -Werror"
    program = build(tmp_path, tmp_path / "build", compiler, package, flags) / "app"
    assert succeed(program) == "27\n"
    refused = run(program, TAPWISE_ISA="nonsense")
    assert refused.returncode == 1 and "nonsense" in refused.stdout


def test_header_only_files_of_different_instruction_sets(compiler: Compiler, tmp_path: Path) -> None:
    """They and two of the same live in one program, without exceptions and run-time types, and without warnings."""
    (tmp_path / "part.cpp").write_text("""
        #include <tapwise/tapwise.hpp>
        const char* NAME() {
          static const char* name = "";
          const float x[4] = {1, 2, 3, 4}, w[2] = {1, 1};
          float y[3] = {};
          const tapwise::ConvProblem p{.src = {1, 1, 4}, .kernel = {1, 1, 2}};
          const auto s = tapwise::forward(p, tapwise::dense_view(x, {1, 1, 1, 1, 4}),
                                          tapwise::dense_view(w, {1, 1, 1, 1, 2}), nullptr,
                                          tapwise::dense_view(y, {1, 1, 1, 1, 3}));
          return s && y[2] == 7 && tapwise::active_isa(&name) ? name : "wrong";
        }
    """)
    (tmp_path / "main.cpp").write_text("""
        #include <cstdio>
        const char* first();
        const char* second();
        const char* third();
        int main() { std::printf("%s %s %s", first(), second(), third()); }
    """)
    flags = ["-std=c++20", "-O1", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror"]
    flags += ["-DTAPWISE_HEADER_ONLY", "-I", str(PACKAGE / "include")]
    extra = {"first": ["-march=native"], "second": [], "third": ["-march=native"]}
    objects = {name: tmp_path / f"{name}.o" for name in extra}

    def compile_part(name: str) -> None:
        source = tmp_path / "part.cpp"
        succeed(compiler.cxx, *flags, *extra[name], f"-DNAME={name}", "-c", source, "-o", objects[name])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_part, objects))
    succeed(compiler.cxx, *objects.values(), tmp_path / "main.cpp", "-o", tmp_path / "program")
    first, second, third = succeed(tmp_path / "program").split()
    assert first == third == tapwise.available_isas()[0]
    assert second in ("scalar", "neon")


def test_a_shared_library_exports_its_own_names_only(prefix: Path) -> None:
    library = next((prefix / "lib").glob("libtapwise.so"), None) or next(prefix.glob("lib*/**/libtapwise.so"))
    names = [line.split(maxsplit=1)[1] for line in succeed("nm", "-DC", "--defined-only", library).splitlines()]
    names = [name.split(" ", 1)[1] for name in (line if " " in line else f"T {line}" for line in names)]
    assert any(name.startswith("tapwise_forward") for name in names)
    assert any("backward_weights<double>" in name for name in names)
    foreign = [name for name in names if "tapwise" not in name]
    assert not foreign
    internal = [name for name in names if "run_piece" in name or "kernels::" in name.split("(")[0]]
    assert not internal


def test_what_the_wheel_holds() -> None:
    files = [f for f in importlib.metadata.files("tapwise") or [] if f.suffix not in (".pyc",)]
    outside = {str(f) for f in files} - {str(f) for f in files if str(f).startswith(("tapwise/", "tapwise-"))}
    assert not outside
    native = {f.suffix for f in files if "bench" not in f.parts and f.parts[0] == "tapwise"}
    assert native <= {".py", ".pyi", ".typed", ".so", ".hpp", ".h", ".cpp", ".a", ".cmake", ".pc", ""}
    packaged = {str(f) for f in files}
    for name in (
        "include/tapwise/tapwise.hpp",
        "include/tapwise/tapwise.h",
        "include/tapwise/core/header_only.hpp",
        "lib/libtapwise.a",
        "lib/pkgconfig/tapwise.pc",
        "share/cmake/tapwise/tapwise-config.cmake",
    ):
        assert f"tapwise/{name}" in packaged
    assert not [name for name in packaged if "kernels/" in name and name.endswith(".cpp")]


def test_the_package_is_found_by_builds_of_python_modules() -> None:
    (entry,) = importlib.metadata.entry_points(group="cmake.root", name="tapwise")
    assert entry.load() is tapwise


def test_pkg_config(compiler: Compiler, tmp_path: Path) -> None:
    if find("pkg-config") is None:
        pytest.skip("no pkg-config here")
    path = str(PACKAGE / "lib" / "pkgconfig")
    assert succeed("pkg-config", "--modversion", "tapwise", PKG_CONFIG_PATH=path).strip() == tapwise.__version__
    flags = succeed("pkg-config", "--cflags", "--libs", "--static", "tapwise", PKG_CONFIG_PATH=path).split()
    succeed(compiler.c, EMBED / "blur.c", "-o", tmp_path / "blur", *flags)
    assert "deviation" in succeed(tmp_path / "blur")


class TestBenchDriver:
    PROBLEMS = ('mb2_ic16ih14_oc24oh7_kh3_sh2_ph1n"strided"', 'g12mb1_ic12iw50_oc12_kw5_dw1n"depthwise"')

    def test_it_checks(self, prefix: Path) -> None:
        driver = prefix / "bin" / "tapwise-bench"
        rows = succeed(driver, "--check", "--dir", "fwd,bwd_d,bwd_w,bwd_b", *self.PROBLEMS).splitlines()[1:]
        assert len(rows) == 2 * 4 * 2 and all("right" in row for row in rows)
        assert "right" in succeed(driver, "--check", "--float64", "--layout", "last", "--dir", "fwd", self.PROBLEMS[0])

    def test_it_times(self, prefix: Path) -> None:
        driver = prefix / "bin" / "tapwise-bench"
        text = succeed(driver, "--seconds", "0.01", "--threads", "1", "--dir", "fwd", "--layout", "first", "--peak",
                       self.PROBLEMS[0])  # fmt: skip
        assert "FMA peak" in text and "GFLOP/s" in text.splitlines()[-1]

    @pytest.mark.parametrize(
        "argument, word",
        [
            ("mb2_ic3", "input size"),
            ("mb2_ic3ih4_oc4_kh9", "span"),
            ("mb2_ic3ih9_oc4_kh3oh1", "output size"),
            ("x3", "unknown key"),
            ("mb2mb2", "twice"),
            ("mb2_ic3ih99999999999", "up to"),
            ("--nothing", "unknown option"),
            ("--dir sideways mb1ic1iw9oc1kw3", "sideways"),
            ("--layout NHWC mb1ic1iw9oc1kw3", "NHWC"),
            ("--threads many mb1ic1iw9oc1kw3", "number"),
            ("--check", "no descriptor"),
        ],
    )
    def test_what_it_refuses(self, prefix: Path, argument: str, word: str) -> None:
        done = run(prefix / "bin" / "tapwise-bench", *argument.split())
        assert done.returncode == 2 and word in done.stderr

    def test_it_reads_descriptors_as_the_suite_does(self, prefix: Path) -> None:
        """Operations per call, which is to say sizes and padding, agree, within what a row rounds."""
        from bench import counting, descriptor, suites

        driver = prefix / "bin" / "tapwise-bench"
        texts = [str(layer.problem) for layer in suites.load("tiny")] + ["mb1ic2ih7iw9oc3kh2kw4sh2ph1"]
        done = succeed(driver, "--seconds", "0", "--dir", "fwd", "--layout", "last", "--batch", "1", *texts)
        for text, row in zip(texts, done.splitlines()[1:], strict=True):
            problem = descriptor.parse(text).with_batch(1)
            *_, milliseconds, _, rate, _, _, _, _, _ = row.split()
            operations = float(rate) * 1e6 * float(milliseconds)
            assert operations == pytest.approx(counting.flops(problem, "fwd"), rel=0.2), text
