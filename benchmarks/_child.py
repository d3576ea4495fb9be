"""Measurements in processes of their own, where start-up and memory are those of nothing else."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

_FLAGS = os.environ.get("XLA_FLAGS", "")
"""As they were before `configure` added to them."""


class Child(NamedTuple):
    """A process that has ended."""

    said: dict[str, Any]
    """The last line that it printed, if that is JSON."""
    seconds: float
    cpu_s: float
    """Of all its threads: on a machine that does other things too, less depends on them."""


def child(
    *arguments: str, cache: Path | None = None, platform: str | None = None, limit_s: float | None = None
) -> Child:
    """Run Python with `arguments`; with `cache`, JAX keeps its compiled programs there; with `platform`, it runs on
    that.

    Raises:
        ChildProcessError: it ended with an error.
        TimeoutError: it took longer than `limit_s`, and was stopped.
    """
    kept = {} if cache is None else {"XDG_CACHE_HOME": str(cache)}
    on = {} if platform is None else {"JAX_PLATFORMS": platform}
    before, begin = os.times(), time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"XLA_FLAGS": _FLAGS} | kept | on,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{' '.join(arguments)[:200]} took longer than {limit_s:.0f} s") from error
    seconds, after = time.perf_counter() - begin, os.times()
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        raise ChildProcessError(f"{' '.join(arguments)[:200]} ended with exit code {done.returncode}: {last[:400]}")
    lines = done.stdout.strip().splitlines()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Child(json.loads(lines[-1]) if lines else {}, seconds, cpu_s)


def peak_mib() -> float | None:
    """The most memory that this process has had at once so far; None where the system does not say."""
    try:
        # Not ru_maxrss alone: it starts with the memory of the process that started this one.
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource  # Not on Windows.
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
