"""The machine code of the CUDA kernels, as NVIDIA's tools show it.

    python tests/cuda/machine_code.py [module]

prints the table of tiles: registers, shared memory and occupancy of every family of kernels, as Markdown.
"""

import functools
import glob
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sass import Code, Instruction, Kernel

ROOT = Path(__file__).parents[2]
THREADS = 2


@dataclass(frozen=True)
class Architecture:
    """What a multiprocessor has, from the CUDA C++ Programming Guide."""

    capability: int
    threads: int
    shared: int  # KB of a multiprocessor; one of them is reserved in each block
    registers: int = 65536

    @property
    def block_shared(self):
        """Bytes that a block may ask for."""
        return (self.shared - 1) * 1024

    def __str__(self):
        return f"sm_{self.capability}"


ARCHITECTURES = [
    Architecture(80, 2048, 164),
    Architecture(86, 1536, 100),
    Architecture(89, 1536, 100),
    Architecture(90, 2048, 228),
    Architecture(100, 2048, 228),
    Architecture(120, 1536, 100),
]


class Missing(Exception):
    """Of a tool or a module."""


def places(folder):
    """Where a CUDA toolkit keeps its programs ("bin") or headers ("include"): installed, or in NVIDIA's wheels."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    if nvcc := shutil.which("nvcc"):
        homes.append(Path(nvcc).resolve().parents[1])
    homes += sorted(glob.glob("/usr/local/cuda*"), reverse=True)
    for site in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        homes += sorted(glob.glob(f"{site}/nvidia/*"), reverse=True)
    return [Path(home) / folder for home in homes if home]


def tool(name):
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places("bin"))))
    if not path:
        wheel = {"ptxas": "nvidia-cuda-nvcc"}.get(name, f"nvidia-cuda-{name}")
        raise Missing(f"no {name} here: it is in the CUDA toolkit, and in the package {wheel}")
    return path


def output(*command, must_succeed=True, **options):
    """What a program prints on both its streams."""
    text = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(list(map(str, command)), **text, **options)
    assert done.returncode == 0 or not must_succeed, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


def release(text):
    """The release of the compiler that a text or a file of machine code names, or None."""
    found = re.search(r"Cuda compilation tools, (release [\d.]+, V[\d.]+)", text)
    return found[1] if found else None


def module_path():
    named = os.environ.get("TAPWISE_CUDA_MODULE")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("tapwise._cuda")
    if spec is None:
        raise Missing("tapwise was built without CUDA")
    return Path(spec.origin)


@dataclass(frozen=True)
class Usage:
    registers: int
    stack: int
    local: int
    shared: int


class Module:
    """The code in a module for all architectures. Everything is read once."""

    def __init__(self, path, scratch):
        self.path = Path(path).resolve()
        self.scratch = Path(scratch)

    @functools.cached_property
    def listed(self):
        """How many files of machine code ("elf") and of PTX ("ptx") there are, by architecture."""
        found = {}
        for kind in ("elf", "ptx"):
            text = output(tool("cuobjdump"), f"--list-{kind}", self.path)
            found[kind] = Counter(re.findall(r"\.(sm_\w+)\.\w+$", text, re.MULTILINE))
        return found

    @functools.cached_property
    def usage(self):
        """{architecture: {kernel: Usage}}"""
        found = defaultdict(dict)
        pattern = re.compile(
            r"^arch = (sm_\w+)$|^ *Function (\w+):$|"
            r"^ *REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)",
            re.MULTILINE,
        )
        arch = kernel = None
        for m in pattern.finditer(output(tool("cuobjdump"), "--dump-resource-usage", self.path)):
            if m[1]:
                arch = m[1]
            elif m[2]:
                kernel = Kernel.of(m[2])
            else:
                registers, stack, shared, local = map(int, m.groups()[2:])
                found[arch][kernel] = Usage(registers, stack, local, shared)
        return dict(found)

    def _extracted(self, kind):
        folder = self.scratch / kind
        if not folder.exists():
            folder.mkdir()
            output(tool("cuobjdump"), f"-x{kind}", "all", self.path, cwd=folder)
        return sorted(folder.iterdir())

    @functools.cached_property
    def ptx_files(self):
        return self._extracted("ptx")

    @functools.cached_property
    def launch_bounds(self):
        """{kernel: (threads, blocks)} as the PTX states them; where it promises no number of blocks, one."""
        found = {}
        entry = re.compile(r"\.entry (\w+)\([^)]*\)([^{]*)\{")
        for path in self.ptx_files:
            for symbol, directives in entry.findall(path.read_text()):
                threads = re.search(r"\.maxntid (\d+)", directives)
                blocks = re.search(r"\.minnctapersm (\d+)", directives)
                found[Kernel.of(symbol)] = (int(threads[1]), int(blocks[1]) if blocks else 1)
        return found

    @functools.cached_property
    def compilers(self):
        """The releases of ptxas that made the machine code."""
        return {release(path.read_bytes().decode("latin-1")) for path in self._extracted("elf")}

    @functools.lru_cache  # noqa: B019
    def assembled(self, architecture):
        """{kernel: (registers, bytes of stack, of spill stores, of spill loads)} of the PTX, by ptxas."""
        ptxas = tool("ptxas")

        def verbose(path):
            to = self.scratch / f"{path.stem}.{architecture}.cubin"
            text = output(ptxas, "-v", "-arch", architecture, path, "-o", to, must_succeed=False)
            if "Unsupported .version" in text:
                raise Missing(f"this ptxas is older than the PTX: {text[:200]}")
            assert to.exists(), text[-4000:]
            return text

        found = {}
        pattern = re.compile(
            r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
            r"(\d+) bytes spill loads.*?Used (\d+) registers",
            re.DOTALL,
        )
        with ThreadPoolExecutor(THREADS) as pool:
            for text in pool.map(verbose, self.ptx_files):
                for symbol, stack, stores, loads, registers in pattern.findall(text):
                    found[Kernel.of(symbol)] = (int(registers), int(stack), int(stores), int(loads))
        return found

    @functools.lru_cache  # noqa: B019
    def code(self, architecture):
        """{kernel: Code}"""
        nvdisasm = tool("nvdisasm")
        files = [path for path in self._extracted("elf") if f".{architecture}." in path.name]
        pattern = re.compile(
            r"^ +/\*[0-9a-f]{4,}\*/ +(.*?) *;|^(\.L_x_\d+):|^\.text\.(\w+):",
            re.MULTILINE,
        )
        instruction = functools.cache(Instruction)
        found = {}
        with ThreadPoolExecutor(THREADS) as pool:
            for text in pool.map(lambda path: output(nvdisasm, "-c", path), files):
                code = None
                for text_of, label, symbol in pattern.findall(text):
                    if symbol:
                        code = found[Kernel.of(symbol)] = Code(Kernel.of(symbol))
                    elif label:
                        code.labels[label] = len(code.instructions)
                    else:
                        code.instructions.append(instruction(text_of))
        return found


def compiled(scratch, name, source, *options):
    """A C++ program. It sees the kernels' sources as the emulated device does."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if not compiler:
        raise Missing("no C++ compiler here")
    path = Path(scratch) / f"{name}.cpp"
    path.write_text(source)
    output(*compiler.split(), "-std=c++20", "-Wno-unknown-pragmas", *options, path, "-o", path.with_suffix(""))
    return path.with_suffix("")


@dataclass(frozen=True)
class Sizes:
    tile: tuple[int, ...]  # rows, columns and depth; of implicit_gemm
    threads: int
    blocks: int  # that share a multiprocessor, as __launch_bounds__ says
    shared: int  # bytes of dynamic shared memory


SIZES = """
#include <cstdio>

#include "cuda/direct.hpp"
#include "cuda/implicit_gemm.hpp"
using namespace tapwise::cuda;

template <class G>
void show() {
  std::printf("%d %d %d %d %d %zu\\n", G::A::kRows, G::B::kRows, G::A::kDepth, G::kThreads, G::kBlocks,
              sizeof(typename G::Shared));
}

int main() {
  std::printf("%zu %d %d %d\\n", sizeof(DirectShared), kDirectThreads, kSumThreads, kLeastBlocks);
"""


def sizes(kernels, scratch):
    """{kernel: Sizes} as the sources say, without code for a device."""
    gemms = [k for k in kernels if k.is_gemm]
    source = SIZES + "".join(f"  show<{k.gemm}>();\n" for k in gemms) + "}\n"
    folders = ("tests/cuda/emulation", "csrc", "csrc/include")
    lines = output(compiled(scratch, "sizes", source, *(f"-I{ROOT / f}" for f in folders))).splitlines()
    direct_shared, direct_threads, sum_threads, blocks = map(int, lines[0].split())
    found = {}
    for kernel, line in zip(gemms, lines[1:], strict=True):
        *tile, threads, promised, shared = map(int, line.split())
        found[kernel] = Sizes(tuple(tile), threads, promised, shared)
    for kernel in kernels:  # as csrc/cuda/run.cu launches them
        if kernel.method == "direct":
            found[kernel] = Sizes((), direct_threads, blocks, direct_shared)
        elif kernel.method == "sum_pixels":
            found[kernel] = Sizes((), sum_threads, blocks, sum_threads * kernel.value_bytes)
        elif kernel.method == "add_splits":
            found[kernel] = Sizes((), sum_threads, 1, 0)
    return found


@dataclass(frozen=True)
class Occupancy:
    """Blocks that share a multiprocessor, and how many its registers and its shared memory would allow."""

    blocks: int
    by_registers: int
    by_shared: int


OCCUPANCY = """
#include <cstdio>

#include <cuda_occupancy.h>

int main() {
  int capability, most_threads, registers;
  unsigned long sm_shared, block_shared, shared;
  cudaOccDeviceProp device;
  cudaOccFuncAttributes kernel;
  const cudaOccDeviceState state;
  while (std::scanf("%d %d %d %lu %lu %d %d %lu", &capability, &most_threads, &registers, &sm_shared, &block_shared,
                    &kernel.maxThreadsPerBlock, &kernel.numRegs, &shared) == 8) {
    device.computeMajor = capability / 10;
    device.computeMinor = capability % 10;
    device.maxThreadsPerBlock = 1024;
    device.maxThreadsPerMultiprocessor = most_threads;
    device.regsPerBlock = device.regsPerMultiprocessor = registers;
    device.warpSize = 32;
    device.sharedMemPerBlock = 48 * 1024;
    device.sharedMemPerMultiprocessor = sm_shared;
    device.sharedMemPerBlockOptin = block_shared;
    device.reservedSharedMemPerBlock = 1024;
    device.numSms = 1;
    kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    kernel.maxDynamicSharedSizeBytes = shared;
    kernel.numBlockBarriers = 1;
    cudaOccResult result;
    const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state,
                                                                       kernel.maxThreadsPerBlock, shared);
    if (error != CUDA_OCC_SUCCESS) return error;
    std::printf("%d %d %d\\n", result.activeBlocksPerMultiprocessor, result.blockLimitRegs, result.blockLimitSharedMem);
  }
}
"""


def occupancies(module, kernel_sizes, scratch):
    """{architecture: {kernel: Occupancy}} by NVIDIA's cuda_occupancy.h."""
    folders = [folder for folder in places("include") if (folder / "cuda_occupancy.h").exists()]
    if not folders:
        raise Missing("no cuda_occupancy.h here: it is in the CUDA toolkit, and in the package nvidia-cuda-runtime")
    asked = [(a, kernel) for a in ARCHITECTURES for kernel in module.usage.get(str(a), ())]
    lines = [
        f"{a.capability} {a.threads} {a.registers} {a.shared * 1024} {a.block_shared} {kernel_sizes[kernel].threads} "
        f"{module.usage[str(a)][kernel].registers} {kernel_sizes[kernel].shared}\n"
        for a, kernel in asked
    ]
    program = compiled(scratch, "occupancy", OCCUPANCY, f"-I{folders[0]}")
    answers = output(program, input="".join(lines)).splitlines()
    found = defaultdict(dict)
    for (a, kernel), line in zip(asked, answers, strict=True):
        found[str(a)][kernel] = Occupancy(*map(int, line.split()))
    return dict(found)


def span(values):
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def table(module, scratch):
    """Markdown: a row for each family of kernels, of the least and the most that its variants take."""
    kernels = sorted(module.launch_bounds, key=str)
    kernel_sizes = sizes(kernels, scratch)
    occupancy = occupancies(module, kernel_sizes, scratch)

    def family(kernel):
        s = kernel_sizes[kernel]
        return kernel.method != "implicit_gemm", kernel.method, kernel.math, tuple(-n for n in s.tile), s.threads

    def cell(architecture, members):
        found = [occupancy[architecture][k] for k in members]
        registers = span([module.usage[architecture][k].registers for k in members])
        warps = span([o.blocks * kernel_sizes[k].threads // 32 for o, k in zip(found, members, strict=True)])
        return f"{registers}; {span([o.blocks for o in found])}; {warps}"

    present = [a for a in ARCHITECTURES if str(a) in occupancy]
    names = [f"{a.capability // 10}.{a.capability % 10}" for a in present]
    lines = [
        "Under each compute capability: registers of a thread; blocks; warps that share a multiprocessor.",
        "",
        f"| kernel | numbers | tile | threads | shared bytes | {' | '.join(names)} |",
        "|---" * (5 + len(present)) + "|",
    ]
    for _, group in itertools.groupby(sorted(kernels, key=family), key=family):
        members = list(group)
        first, s = members[0], kernel_sizes[members[0]]
        fields = [first.method, first.math, " x ".join(map(str, s.tile)) or "-", s.threads]
        fields += [span([kernel_sizes[k].shared for k in members]), *(cell(str(a), members) for a in present)]
        lines.append(f"| {' | '.join(map(str, fields))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(table(Module(sys.argv[1] if len(sys.argv) > 1 else module_path(), folder), folder))
        except Missing as missing:
            sys.exit(str(missing))
