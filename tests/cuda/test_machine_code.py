"""What the compiler made of the CUDA kernels, proved on the module's machine code; no device is needed.

For every architecture that the module carries code for: no kernel spills or keeps a stack, registers and shared memory
leave room for the blocks that __launch_bounds__ promises, copies are asynchronous and as wide as their variant says,
each variant multiplies with the instruction it is for, and the loop over stages neither divides nor calls. The shares
of instructions in loops are bounds against regressions: what the compiler reached, and a small margin.

The tests skip where tapwise was built without CUDA, or where NVIDIA's tools are missing:
pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm. TAPWISE_CUDA_MODULE names another module to look at.
"""

import functools
import re

import machine_code
import pytest
from machine_code import ARCHITECTURES, Missing
from sass import MULTIPLY, count, mix

NAMES = [str(a) for a in ARCHITECTURES]
EACH = pytest.mark.parametrize("architecture", NAMES)

# Of implicit_gemm, over its variants, as nvcc 13.0 compiles it: the least share of multiply-adds among the instructions
# of the innermost loop that holds them, and the most instructions of a stage beside that loop (tf32, whose only loop is
# that over stages: beside the HMMA). For float64 on 12.0 the compiler pads the innermost loop with NOPs.
FOUND = {
    "sm_80": {"float32": (0.831, 255), "float64": (0.603, 206), "tf32": (0.059, 505)},
    "sm_86": {"float32": (0.831, 255), "float64": (0.603, 206), "tf32": (0.059, 505)},
    "sm_89": {"float32": (0.831, 255), "float64": (0.603, 206), "tf32": (0.059, 505)},
    "sm_90": {"float32": (0.825, 256), "float64": (0.592, 206), "tf32": (0.061, 492)},
    "sm_100": {"float32": (0.831, 228), "float64": (0.592, 198), "tf32": (0.063, 470)},
    "sm_120": {"float32": (0.831, 222), "float64": (0.179, 192), "tf32": (0.065, 460)},
}
MARGIN = 1.05

# Blocks of 64 threads for 64 x 64 sums: registers would hold the eight that are promised, shared memory (31 KB a block)
# does not.
FEWER_BLOCKS = {(math, 64): {"sm_80": 5, "sm_90": 7, "sm_100": 7} for math in ("float32", "tf32")}


def or_skip(function):
    """A fixture of what needs tools that may be missing."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Missing as missing:
            pytest.skip(str(missing))

    return wrapped


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("machine_code")


@pytest.fixture(scope="session")
@or_skip
def module(scratch):
    for name in ("cuobjdump", "nvdisasm"):
        machine_code.tool(name)
    return machine_code.Module(machine_code.module_path(), scratch)


@pytest.fixture(scope="session")
@or_skip
def sizes(module, scratch):
    return machine_code.sizes(list(module.launch_bounds), scratch)


@pytest.fixture(scope="session")
@or_skip
def occupancies(module, sizes, scratch):
    return machine_code.occupancies(module, sizes, scratch)


@pytest.fixture
def usage(module, architecture):
    return here(module.usage, architecture)


@pytest.fixture
def code(module, architecture):
    here(module.listed["elf"], architecture)
    return module.code(architecture)


@pytest.fixture
def gemms(code):
    return {kernel: found for kernel, found in code.items() if kernel.is_gemm}


def here(found, architecture):
    if architecture not in found:
        pytest.skip(f"the module has no machine code for {architecture}")
    return found[architecture]


def check(architecture, wrong):
    """wrong: what is amiss, by kernel."""
    if wrong:
        lines = [f"{architecture}:", *(f"  {kernel}: {what}" for kernel, what in wrong.items())]
        pytest.fail("\n".join(lines), pytrace=False)


def opcodes(code, name):
    return {x.opcode for x in code.instructions if x.name == name}


# What the module carries.


def test_machine_code_for_six_architectures(module):
    assert set(module.listed["elf"]) == set(NAMES)


def test_ptx_for_later_devices(module):
    assert set(module.listed["ptx"]) == {"sm_80"}
    assert all(".target sm_80\n" in path.read_text() for path in module.ptx_files)


@EACH
def test_the_same_kernels_everywhere(module, usage, architecture):
    assert set(usage) == set(module.launch_bounds), f"{architecture} and the PTX have different kernels"
    assert {kernel.method for kernel in usage} == {"implicit_gemm", "direct", "sum_pixels", "add_splits"}
    assert {kernel.math for kernel in usage} == set(MULTIPLY)


def test_launch_bounds_are_those_of_the_sources(module, sizes):
    for kernel, bounds in module.launch_bounds.items():
        assert bounds == (sizes[kernel].threads, sizes[kernel].blocks), f"{kernel}: threads and blocks of the PTX"


# Registers and memory.


def most_registers(kernel, bounds):
    if not kernel.is_gemm:
        return 64
    if kernel.math != "tf32":
        return 128
    threads, blocks = bounds
    return min(255, 65536 // (threads * blocks) // 8 * 8)  # a warp gets eight for each lane at a time


@EACH
def test_registers_and_no_local_memory(module, usage, architecture):
    reserved = 1024 if int(architecture[3:]) >= 90 else 0  # of shared memory, for the system
    wrong = {}
    for kernel, found in usage.items():
        most = most_registers(kernel, module.launch_bounds[kernel])
        if found.registers > most:
            wrong[kernel] = f"{found.registers} registers, at most {most} were meant"
        if (found.stack, found.local, found.shared) != (0, 0, reserved):
            wrong[kernel] = f"{found}: nothing but {reserved} bytes of shared memory were meant"
    check(architecture, wrong)


@EACH
def test_nothing_spills(code, architecture):
    wrong = {kernel: mix(found.instructions) for kernel, found in code.items() if found.count("LDL", "STL")}
    check(architecture, wrong)


@or_skip
def test_what_a_driver_would_compile(module):
    """The PTX, by ptxas for the first architecture it is for: no spills, and by the same ptxas the same registers.

    The others take as long each (ten seconds), and would show what the machine code shows already.
    """
    found = module.assembled("sm_80")
    assert set(found) == set(module.launch_bounds)
    same = module.compilers == {machine_code.release(machine_code.output(machine_code.tool("ptxas"), "--version"))}
    wrong = {}
    for kernel, (registers, *spilt) in found.items():
        own = module.usage["sm_80"][kernel].registers if same and "sm_80" in module.usage else registers
        if any(spilt) or registers > most_registers(kernel, module.launch_bounds[kernel]) or registers != own:
            wrong[kernel] = f"{registers} registers, {own} before; bytes of stack, spill stores and loads: {spilt}"
    check("sm_80, from PTX", wrong)


@EACH
def test_every_kernel_fits_wherever_it_is_chosen(occupancies, sizes, architecture):
    block_shared = next(a.block_shared for a in ARCHITECTURES if str(a) == architecture)
    wrong = {}
    for kernel, found in here(occupancies, architecture).items():
        if found.blocks < 1 or sizes[kernel].shared > block_shared:
            wrong[kernel] = f"{found}; it asks for {sizes[kernel].shared} of {block_shared} bytes"
    check(architecture, wrong)


@EACH
def test_registers_leave_room_for_the_promised_blocks(occupancies, sizes, architecture):
    wrong = {}
    for kernel, found in here(occupancies, architecture).items():
        if found.by_registers < sizes[kernel].blocks:
            wrong[kernel] = f"{found}; __launch_bounds__ promises {sizes[kernel].blocks} blocks"
    check(architecture, wrong)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_the_promised_blocks_share_a_multiprocessor(occupancies, sizes, architecture):
    wrong = {}
    for kernel, found in here(occupancies, architecture).items():
        fewer = FEWER_BLOCKS.get((kernel.math, sizes[kernel].threads), {}) if kernel.is_gemm else {}
        if found.blocks < fewer.get(architecture, sizes[kernel].blocks):
            wrong[kernel] = f"{found}; __launch_bounds__ promises {sizes[kernel].blocks} blocks"
    check(architecture, wrong)


# Instructions.


@EACH
def test_each_variant_multiplies_with_its_instruction(code, architecture):
    wrong = {}
    for kernel, found in code.items():
        tensor = {"HMMA.1688.F32.TF32"} if kernel.math == "tf32" else set()
        if opcodes(found, "HMMA") != tensor or found.count("IMMA", "DMMA", "QMMA", "UTCHMMA"):
            wrong[kernel] = f"{opcodes(found, 'HMMA')} on tensor cores, {tensor or 'nothing'} was meant"
        elif kernel.method != "add_splits" and not found.count(MULTIPLY[kernel.math]):
            wrong[kernel] = f"no {MULTIPLY[kernel.math]}"
    check(architecture, wrong)


@EACH
def test_copies_are_asynchronous(code, architecture):
    meant = {4: {"LDGSTS.E"}, 8: {"LDGSTS.E.64"}, 16: {"LDGSTS.E.BYPASS.128"}}
    wrong = {}
    for kernel, found in code.items():
        copies = meant[kernel.copy_bytes] if kernel.is_gemm else set()
        if opcodes(found, "LDGSTS") != copies:
            wrong[kernel] = f"copies are {opcodes(found, 'LDGSTS')}, {copies or 'none'} were meant"
    check(architecture, wrong)


# Loops.


def stage_and_innermost(found):
    loops = found.multiplying_loops
    nested = 1 if found.kernel.math == "tf32" else 2
    assert len(loops) == nested, f"{found.kernel}: {len(loops)} loops with multiply-adds, {nested} was meant"
    return loops[0], loops[-1]


@EACH
def test_a_stage_waits_once_and_copies(gemms, architecture):
    wrong = {}
    for kernel, found in gemms.items():
        stage, _ = stage_and_innermost(found)
        if count(stage, "BAR") != 1 or count(stage, "DEPBAR") != 1 or not count(stage, "LDGSTS"):
            wrong[kernel] = mix(stage)
    check(architecture, wrong)


@EACH
def test_a_stage_neither_divides_nor_calls(gemms, architecture):
    wrong = {}
    for kernel, found in gemms.items():
        stage, _ = stage_and_innermost(found)
        calls = [x.text for x in stage if x.name == "CALL" and not x.jumps]
        divisions = [x.text for x in stage if x.name in ("I2F", "I2FP", "F2I", "MUFU")]
        if calls or divisions:
            wrong[kernel] = calls + divisions
    check(architecture, wrong)


@EACH
def test_multiply_adds_of_the_innermost_loop(gemms, sizes, architecture):
    wrong = {}
    for kernel, found in gemms.items():
        _, innermost = stage_and_innermost(found)
        rows, cols, depth = sizes[kernel].tile
        if kernel.math == "tf32":  # 16 x 8 sums of 8 products for the warp, over the whole stage
            meant = rows * cols * depth // (16 * 8 * 8) // (sizes[kernel].threads // 32)
        else:  # one for each lane, over eight bytes of depth
            meant = rows * cols // sizes[kernel].threads * 8 // kernel.value_bytes
        if count(innermost, MULTIPLY[kernel.math]) != meant:
            wrong[kernel] = f"{meant} were meant: {mix(innermost)}"
    check(architecture, wrong)


@EACH
def test_the_mix_of_instructions(gemms, architecture):
    wrong = {}
    for kernel, found in gemms.items():
        stage, innermost = stage_and_innermost(found)
        least_share, most_beside = FOUND[architecture][kernel.math]
        share = count(innermost, MULTIPLY[kernel.math]) / len(innermost)
        beside = len(stage) - (count(stage, "HMMA") if kernel.math == "tf32" else len(innermost))
        if share * MARGIN < least_share:
            wrong[kernel] = f"{share:.3f} of the innermost loop are multiply-adds, {least_share} was: {mix(innermost)}"
        elif beside > most_beside * MARGIN:
            wrong[kernel] = f"{beside} other instructions a stage, {most_beside} were: {mix(stage)}"
    check(architecture, wrong)


def test_the_planner_counts_what_the_loops_take(module):
    """The constants of csrc/cuda/plan.cpp, which rank the kernels, within a quarter of what is found."""
    source = (machine_code.ROOT / "csrc/cuda/plan.cpp").read_text()
    assumed = {name: float(value) for name, value in re.findall(r"double k(\w+)Instructions = ([\d.]+);", source)}
    here(module.listed["elf"], "sm_80")
    wrong = {}

    def compare(kernel, what, found, expected):
        if abs(found - expected) > expected / 4:
            wrong[kernel] = f"{what}: {found} instructions, the planner counts {expected}"

    for kernel, code in module.code("sm_80").items():
        loop = code.multiplying_loops[-1] if code.multiplying_loops else []
        if kernel.method == "direct":
            outputs = kernel.numbers[0]
            taps = count(loop, MULTIPLY[kernel.math]) / outputs
            compare(kernel, "a tap", len(loop) / taps, assumed["Tap"] + assumed["Output"] * outputs)
        elif kernel.method == "sum_pixels":
            compare(kernel, "a pixel", len(loop) / count(loop, MULTIPLY[kernel.math]), assumed["Pixel"])
        elif kernel.is_gemm:
            copying = [x for x in code.loops if count(x, "LDGSTS") and not count(x, "BAR")]
            for x in copying:
                compare(kernel, "a copy", len(x) / count(x, "LDGSTS"), assumed["Copy"])
            if kernel.math == "float32":
                compare(kernel, "a multiply-add", len(loop) / count(loop, "FFMA"), assumed["Fused"])
            if kernel.math == "tf32" and not copying:
                expected = assumed["Tensor"] + assumed["Step"] + assumed["Copy"] * count(loop, "LDGSTS")
                compare(kernel, "a step", len(loop), expected)
    check("sm_80", wrong)


# The table for the documentation.


def test_table(module, occupancies, scratch):
    lines = machine_code.table(module, scratch).splitlines()
    rows = [line for line in lines if line.startswith(("| implicit_gemm", "| direct", "| sum_pixels", "| add_splits"))]
    columns = {line.count("|") for line in lines if line.startswith("|")}
    assert len(rows) >= 5 + 2 * 3 and len(columns) == 1, "\n".join(lines)
    assert sum("implicit_gemm | tf32 | 128 x 128 x 16 | 256 |" in row for row in rows) == 1, "\n".join(lines)
