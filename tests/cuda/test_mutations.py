"""The kernels' tests must notice broken kernels: each of these changes to the sources makes the driver fail.

A change names a text that occurs in exactly one place of a file, and what to put there. What it breaks (a barrier, a
wait, a swizzle, the end of a tile) is seen in some order of threads or at some landing of copies, all of which
kernels.cpp tries.
"""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tapwise

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
PROBLEMS = 25

# What must be compiled again after a change: the kernels of these files are in few_kernels.cpp or in run.cu alone.
ONLY_FEW_KERNELS = {"implicit_gemm.hpp", "tile.hpp", "simt.hpp", "tensor_core.hpp"}
ONLY_RUN = {"sums.hpp", "direct.hpp"}
MUTATIONS = {
    "no barrier in the main loop": (
        "implicit_gemm.hpp",
        "copy_async_wait<kStages - 2>();\n    __syncthreads();",
        "copy_async_wait<kStages - 2>();",
    ),
    "no wait in the main loop": ("implicit_gemm.hpp", "copy_async_wait<kStages - 2>();\n", ""),
    "a wait that leaves one more in flight": ("implicit_gemm.hpp", "wait<kStages - 2>", "wait<kStages - 1>"),
    "the next stage filled before the barrier": (
        "implicit_gemm.hpp",
        "    __syncthreads();\n    fill(step + kStages - 1);",
        "    fill(step + kStages - 1);\n    __syncthreads();",
    ),
    "no barrier before the tables are read again": (
        "implicit_gemm.hpp",
        "  __syncthreads();\n  math.template each",
        "  math.template each",
    ),
    "one row too many stored": (
        "implicit_gemm.hpp",
        "first_row + row >= p.rows.total",
        "first_row + row > p.rows.total",
    ),
    "one position too many tabulated": (
        "implicit_gemm.hpp",
        "first + i < space.total",
        "first + i <= space.total",
        "-fsanitize=address",  # reads what is never used
    ),
    "one step of the depth too many": (
        "implicit_gemm.hpp",
        "step * kDepth + lane < count",
        "step * kDepth + lane <= count",
    ),
    "a copy that ignores the swizzle": (
        "tile.hpp",
        "along_depth ? Tile::index(across, along) :",
        "along_depth ? across * Tile::kDepth + along :",
    ),
    "a swizzle that is no permutation": ("tile.hpp", "across / 2 % 4 * kChunk", "across / 2 % 3 * 2 * kChunk"),
    "one position beyond src": ("index.hpp", "a.at[x] + b.at[x]) <", "a.at[x] + b.at[x]) <="),
    "rows of a fragment exchanged": (
        "tensor_core.hpp",
        "[e % 2 * 2 + half]",
        "[half * 2 + e % 2]",
    ),
    "rows of a lane beside the wrong ones": ("tile.hpp", "(index ^ swizzle(more))", "index"),
    "a carry lost": ("index.hpp", "carry = i < 3", "carry = i < 2"),
    "no barrier in the tree of sums": ("sums.hpp", "ways /= 2) {\n      __syncthreads();", "ways /= 2) {"),
    "a split left out": ("sums.hpp", "split < p.splits;", "split < p.splits - 1;"),
    "no barrier between pieces of taps": ("direct.hpp", "kDirectPiece);\n    __syncthreads();", "kDirectPiece);"),
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """All sources unchanged: the driver, the host's part of the backend, and the kernels."""
    folder = tmp_path_factory.mktemp("unchanged")
    sources = {
        "kernels.o": HERE / "kernels.cpp",
        "lower.o": CSRC / "cuda/lower.cpp",
        "plan.o": CSRC / "cuda/plan.cpp",
        "few_kernels.o": HERE / "few_kernels.cpp",
        "run.o": CSRC / "cuda/run.cu",
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: compile_one(sources[name], folder / name, CSRC), sources))
    return {name: folder / name for name in sources}


def compile_one(source, result, csrc, *flags):
    include = [f"-I{HERE / 'emulation'}", f"-I{csrc}", f"-I{CSRC}", f"-I{CSRC / 'include'}"]
    command = ["g++", "-std=c++20", "-O1", "-w", *flags, *include, "-x", "c++", "-c", str(source), "-o", str(result)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def run(objects, folder, *flags):
    """The driver of those objects; it stops at the first failure."""
    library = Path(tapwise.__file__).parent / "lib/libtapwise.a"
    parts = [*map(str, objects.values()), str(library)]
    subprocess.run(["g++", *flags, *parts, "-fopenmp", "-pthread", "-o", str(folder / "driver")], check=True)
    command = [folder / "driver", str(PROBLEMS), "0", "1"]
    environment = os.environ | {"ASAN_OPTIONS": "detect_stack_use_after_return=0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def run_mutated(name, objects, folder):
    file, old, new, *flags = MUTATIONS[name]
    copy = folder / "csrc/cuda"
    shutil.copytree(CSRC / "cuda", copy)
    text = (copy / file).read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
    (copy / file).write_text(text.replace(old, new))
    again = {}
    if file not in ONLY_RUN:
        again["few_kernels.o"] = HERE / "few_kernels.cpp"
    if file not in ONLY_FEW_KERNELS:
        again["run.o"] = copy / "run.cu"
    for part, source in again.items():
        compile_one(source, folder / part, folder / "csrc", *flags)
    return run(objects | {part: folder / part for part in again}, folder, *flags)


@pytest.fixture(scope="module")
def results(objects, tmp_path_factory):
    """All changes, as many at a time as there are processors."""
    folders = {name: tmp_path_factory.mktemp("mutant") for name in [None, *MUTATIONS]}

    def outcome(name):
        try:
            if name is None:
                return run(objects, folders[name])
            return run_mutated(name, objects, folders[name])
        except AssertionError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(folders, pool.map(outcome, folders), strict=True))


def test_the_driver_passes_unchanged(results):
    assert results[None].returncode == 0, results[None].stdout[-2000:]


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_kernel_is_noticed(results, name):
    if isinstance(results[name], AssertionError):
        raise results[name]
    assert results[name].returncode != 0, results[name].stdout[-2000:]
