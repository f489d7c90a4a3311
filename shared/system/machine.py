"""Properties of the machine and the process that belong to every measured number."""

import ctypes
import os
import platform
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import numpy as np

from shared.system.files import PROJECT_ROOT
from shared.system.start import threads_named

# from glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_UNTUNED = "GREEDYHASH_UNTUNED"
# environment variables that may change the low bits of a result
_VARIABLES = (_UNTUNED, "OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG")
_VARIABLES += ("FLAGS_cudnn_deterministic", "FLAGS_use_accuracy_compatible_kernel")
_AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl"}


def is_tuned() -> bool:
    """Whether this project's speed settings are in force: not with ``$GREEDYHASH_UNTUNED``, to measure their gain.

    They change no result but for the rounding of another order of summation.
    """
    return not os.environ.get(_UNTUNED)


def num_threads() -> int:
    """Threads for arithmetic: ``OMP_NUM_THREADS`` if set, else the cores this process may use.

    Raises ValueError for one that no command starts with.
    """
    return threads_named() or len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Memory that the processes of this machine can have together: its own, or its container's share of it."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # no such file, or "max"
            limits.append(int(Path(file).read_text()))
    return min(limits)


def free_memory_bytes() -> int:
    """What a further process can have of ``memory_bytes`` now, as far as the system tells."""
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    free = [int(fields["MemAvailable"].split()[0]) * 1024] if "MemAvailable" in fields else [memory_bytes()]
    with suppress(OSError, ValueError):  # no such files, or no limit
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(free))


def cpu_info() -> dict[str, str]:
    """Vendor, model name and flags of the first processor ({} where /proc/cpuinfo does not exist)."""
    try:
        text = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in fields.items()}


def mkl_code_path(cpu: dict[str, str]) -> str | None:
    """The ``MKL_DEBUG_CPU_TYPE`` that gives an AMD processor the fast code path of Paddle's bundled MKL.

    None leaves the library's own choice: on other makes, or without AVX2.
    """
    flags = set(cpu.get("flags", "").split())
    if cpu.get("vendor_id") != "AuthenticAMD":
        return None
    if flags >= _AVX512:
        return "7"
    return "5" if flags >= {"avx2", "fma"} else None


def keep_freed_memory() -> None:
    """Tell glibc to keep large freed blocks instead of returning them to the system after every operation.

    Without it each activation tensor is mapped, zeroed page by page and unmapped again, which costs more than the
    arithmetic of the light layers. Other C libraries are left alone.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Undo ``keep_freed_memory``: beside a thread that reads ahead, kept blocks of batches add up without bound."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 2**16)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**17)


def describe_machine(packages: tuple[str, ...]) -> dict:
    """Processor, threads, Python, package versions and the project's git revision, for ``environment.json``."""
    return {
        "platform": platform.platform(),
        "cpu": cpu_info().get("model name", platform.machine()),
        "threads": num_threads(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("numpy", "safetensors", *packages)},
        "numpy_simd": numpy_simd(),
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
        "git_revision": _git_revision(),
        "command": sys.argv,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def numpy_simd() -> list[str]:
    """The vector extensions NumPy found on this processor, beyond those it was built for."""
    return list(np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", []))


def _git_revision() -> str | None:
    """The commit, with "+changes" if the tree differs from it; None outside a checkout."""
    git = ["git", "-C", str(PROJECT_ROOT)]
    try:
        revision = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision.strip() + ("+changes" if changes.strip() else "")
