"""`python -m benchmarks`: measure, record, draw, and print a table."""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from . import certificates, growth, lanes, maps, roofline, startup, throughput
from ._clock import on_host
from ._deadline import Deadline
from ._environment import configure
from ._figure import draw
from ._table import table, unmeasured

BENCHMARKS: dict[str, Callable[..., dict[str, Any]]] = {
    "throughput": lambda out, **how: throughput.run(**how),
    "map": maps.run,
    "roofline": roofline.run,
    "lanes": lanes.run,
    "startup": startup.run,
    "growth": growth.run,
    "certificates": certificates.run,
}
"""Name -> what makes its record; what takes longest comes last."""
_TABLES = {
    "map": maps.table,
    "roofline": roofline.table,
    "lanes": lanes.table,
    "startup": startup.table,
    "growth": growth.table,
    "certificates": certificates.table,
}
_RESULTS = Path(__file__).parent / "results"
_PLATFORMS = {"cpu": "cpu", "gpu": "cuda,cpu"}
"""The processor is always among them: others than nashgrid compute there, and operations are counted there."""


def main(argv: list[str] | None = None) -> int:
    """Run benchmarks; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed and error, start-up, how cost grows, and whether certificates can be trusted; write "
        "NAME.json and pictures.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}; by default all")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few games and points: throughput takes two to three minutes on two free cores",
    )
    parser.add_argument(
        "--device", choices=_PLATFORMS, help="where to compute (default: as JAX would choose); gpu is NVIDIA's"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, metavar="M", help="begin nothing after so many minutes in all"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"where to write (default: {_RESULTS}, on a GPU gpu in it)"
    )
    arguments = parser.parse_args(argv)
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}; there is {', '.join(BENCHMARKS)}.")
    deadline = Deadline(60.0 * arguments.minutes)
    try:
        _choose(arguments.device)
        configure()
        _found(arguments.device)
        # Known only now: without --device it is JAX that chooses, and records of processors are not to be written over.
        out = arguments.out or (_RESULTS if on_host() else _RESULTS / "gpu")
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(f"{out} cannot be written to.")
        for name in arguments.names or BENCHMARKS:
            _one(name, out, arguments.quick, deadline)
    except OSError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the same command goes on with certificates.", file=sys.stderr)
        return 130
    return 0


def _choose(device: str | None) -> None:
    """Compute on it, here and in the processes that are started from here."""
    if device is not None:
        os.environ["JAX_PLATFORMS"] = _PLATFORMS[device]
        jax.config.update("jax_platforms", _PLATFORMS[device])
        # Else the first of several processes takes most of a GPU's memory.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _found(device: str | None) -> None:
    """Raises `OSError` if JAX does not compute on it."""
    try:
        found = jax.local_devices()[0].platform
    except RuntimeError as error:
        raise OSError(f"JAX finds no {device} here: {str(error).splitlines()[0]}") from error
    if device not in (None, found):
        raise OSError(
            f"JAX finds no {device}, and would compute on a {found}: are its driver and nashgrid[cuda12] there?"
        )


def _one(name: str, out: Path, quick: bool, deadline: Deadline) -> None:
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begin:5.0f} s] {line}", flush=True)

    record = BENCHMARKS[name](out, quick=quick, say=say, deadline=deadline)
    (out / f"{name}.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
    if name == "throughput":
        draw(record, out / f"{name}.png")
        print(table(record))
        for platform in unmeasured(record):
            print(f"\n{platform}: not measured.")
    else:
        print(_TABLES[name](record))
    print(f"\n{out / name}.json, {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
