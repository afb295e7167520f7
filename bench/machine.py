"""The machine and the software that a run was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import tapwise

_CPU = Path("/sys/devices/system/cpu")


def describe() -> dict[str, Any]:
    """CPU, caches, what this process may use of them, how tapwise was built, and versions. Unknown entries are left
    out."""
    build = tapwise.build_info()
    found = {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cgroup_quota": _cgroup_quota(),
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "smt": _read(_CPU / "smt/active"),
        "caches": _caches(),
        "memory_bytes": _memory(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "tapwise": build["version"],
        "isa": build["isa"],
        "isas_usable": list(build["isas_usable"]),
        "compiler": build["compiler"],
        "flags": build["flags"],
        "openmp": build["openmp"],
        "revision": _revision(),
        "packages": _versions("numpy", "threadpoolctl"),
        "environment": {key: value for key, value in os.environ.items() if key.startswith(_SETTINGS)},
    }
    return {key: value for key, value in found.items() if value not in (None, "", {}, [])}


# Variables that change how fast something here runs.
_SETTINGS = ("OMP_", "KMP_", "GOMP_", "MKL_", "ONEDNN_", "DNNL_", "OPENBLAS_", "TAPWISE_", "XLA_", "ATEN_")


# Those that choose kernels of NumPy's BLAS by hand, and blocks of them.
_BLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def slowed(machine: dict[str, Any]) -> list[str]:
    """What is set on this machine that may make a peer slower than it is elsewhere."""
    environment = machine.get("environment", {})
    found = [f"{key}={environment[key]}" for key in _BLAS_SETTINGS if key in environment]
    return [f"{' and '.join(found)} set: NumPy's BLAS may be slower than it is without."] if found else []


def last_level_bytes() -> int:
    """The size of the largest cache, 32 MiB if unknown."""
    return max((cache["bytes"] for cache in _caches()), default=32 << 20)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _cpu_model() -> str:
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _caches() -> list[dict[str, Any]]:
    caches = []
    for index in sorted(_CPU.glob("cpu0/cache/index*")):
        size, kind = _read(index / "size"), _read(index / "type")
        if size and kind and kind != "Instruction":
            scale = {"K": 1 << 10, "M": 1 << 20}.get(size[-1], 1)
            number = int(size.rstrip("KM")) * scale
            caches.append({"level": int(_read(index / "level") or 0), "type": kind, "bytes": number})
    return caches


def _cgroup_quota() -> float | None:
    """CPUs' worth of time that the control group grants, None for no limit."""
    quota = (_read(Path("/sys/fs/cgroup/cpu.max")) or "max").split()
    if len(quota) == 2 and quota[0] != "max":
        return int(quota[0]) / int(quota[1])
    old = _read(Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))
    period = _read(Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))
    return int(old) / int(period) if old and period and int(old) > 0 else None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _revision() -> str | None:
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return None
    try:
        return subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
