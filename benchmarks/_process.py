"""Competitors in a process of their own, as they would be run without nashgrid.

`configure` asks XLA for what suits nashgrid's programs; a plain vmapped program is faster without it.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax

from ._deadline import Deadline

FLAGS = os.environ.get("XLA_FLAGS", "")
"""As they were before `configure` added to them."""


def in_a_process(*, quick: bool, minutes: float = math.inf, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of the competitors that are not nashgrid; none is begun after so many minutes."""
    limit = [] if math.isinf(minutes) else [f"--minutes={max(minutes, 0.0):.3f}"]
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._process", *(["--quick"] if quick else []), *limit],
        env=os.environ | {"XLA_FLAGS": FLAGS},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    rows = []
    with child, child.stdout as lines:
        for line in lines:
            if line.startswith("{"):
                rows = json.loads(line)["rows"]
            else:
                say(line.rstrip("\n"))
    if child.returncode:
        raise ChildProcessError(f"the process of the other competitors ended with exit code {child.returncode}.")
    return rows


def main(arguments: list[str]) -> None:
    """Measure and print a line for each row, then all rows as one line of JSON."""
    from . import throughput

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    minutes = next((float(a.partition("=")[2]) for a in arguments if a.startswith("--minutes=")), math.inf)
    record = throughput.of_peers(
        quick="--quick" in arguments, say=lambda line: print(line, flush=True), deadline=Deadline(60.0 * minutes)
    )
    print(json.dumps({"rows": record["rows"]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
