"""Every kernel on the emulated device against plain loops, to the bit, over hundreds of problems (kernels.cpp)."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

PROBLEMS = 120


def run(driver, *arguments, **settings):
    environment = os.environ | {"TAPWISE_EMULATION": ",".join(f"{k}={v}" for k, v in settings.items())}
    done = subprocess.run([driver, *map(str, arguments)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return {line.strip().split(maxsplit=1)[1] for line in done.stdout.splitlines()[:-1]}


def test_hundreds_of_problems(emulated_build):
    processes = max(os.cpu_count() or 1, 2)
    each = -(-PROBLEMS // processes)
    with ThreadPoolExecutor(processes) as pool:
        ran = set().union(*pool.map(lambda i: run(emulated_build / "cuda_kernels", each, i * each), range(processes)))
    # 3 gathers of 16 bytes and 4 of single numbers, in two tiles of float32 and TF32 and in one of float64; direct with
    # 1 and 4 outputs, sums along 1 and 32 channels, and the second pass, of either type.
    assert len(ran) == 7 * 5 + 2 * 5, sorted(ran)


def test_a_device_with_little_shared_memory(emulated_build):
    """The large tiles do not fit into 48 KB."""
    ran = run(emulated_build / "cuda_kernels", 8, shared_optin=49152)
    assert not [kernel for kernel in ran if "128x128" in kernel]


def test_no_bank_conflicts(emulated_build):
    done = subprocess.run([emulated_build / "cuda_banks"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
