"""The environment of a measurement, so that its numbers can be judged later."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

from nashgrid import solver

_PACKAGES = (
    "jax", "jaxlib", "numpy", "scipy", "equinox", "nashgrid", "numba", "llvmlite", "optimistix", "lineax", "nashopt",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Machine, versions and settings that matter for speed."""
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "load_average": load(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "platform": jax.local_devices()[0].platform,
        "device_kind": jax.local_devices()[0].device_kind,
        "devices": jax.local_device_count(),
        "x64": jax.config.values["jax_enable_x64"],
        "matmul_precision": jax.config.values["jax_default_matmul_precision"],
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
    }


def load() -> float | None:
    """How many processes want a core, averaged over the last minute: above `cores` others have slowed things down."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Not known on this system.
        return None


def commit() -> str | None:
    """The commit of this code, with "-dirty" if files differ from it; None outside a repository."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def now() -> str:
    """The time, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def configure() -> None:
    """Set JAX up as nashgrid's command line does, but compile everything afresh, so that it can be timed."""
    solver.configure()
    jax.config.update("jax_enable_compilation_cache", False)


def _cores() -> int:
    return os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
