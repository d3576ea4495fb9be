"""`python -m benchmarks`: measure, record, draw, and print a table."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from . import certificates, growth, lanes, roofline, startup, throughput
from ._environment import configure
from ._figure import draw
from ._table import table, unmeasured

BENCHMARKS = {
    "throughput": lambda out, **how: throughput.run(**how),
    "certificates": certificates.run,
    "startup": startup.run,
    "growth": growth.run,
    "lanes": lanes.run,
    "roofline": roofline.run,
}
"""Name -> what makes its record."""
_TABLES = {
    module.__name__.rpartition(".")[2]: module.table for module in (certificates, startup, growth, lanes, roofline)
}
_RESULTS = Path(__file__).parent / "results"


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
        "--out", type=Path, default=_RESULTS, metavar="DIR", help="where to write (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}; there is {', '.join(BENCHMARKS)}.")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        if not os.access(arguments.out, os.W_OK):
            raise PermissionError(f"{arguments.out} cannot be written to.")
        configure()
        for name in arguments.names or BENCHMARKS:
            _one(name, arguments.out, arguments.quick)
    except OSError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the same command goes on with certificates.", file=sys.stderr)
        return 130
    return 0


def _one(name: str, out: Path, quick: bool) -> None:
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begin:5.0f} s] {line}", flush=True)

    record = BENCHMARKS[name](out, quick=quick, say=say)
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
