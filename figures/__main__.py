"""`python -m figures`: compute and draw the figures."""

import argparse
import inspect
import sys
import time
from pathlib import Path
from types import ModuleType

from nashgrid.solver import GameError, StoreError, configure

from . import (
    branch_diagram,
    claim_atlas,
    claim_maps,
    coordination_map,
    ecosystem,
    innovation_paths,
    inverted_u,
    literature_atlas,
    lorenz_curves,
    merger_map,
    open_loop_feedback,
    policy_front,
    policy_front_3d,
    propensity,
    publicness_triangle,
    regime_map,
    research_map,
    status_map,
    technology_space,
    welfare_decomposition,
)
from ._style import style, write
from ._sweeps import Sweeps

FIGURES: dict[str, ModuleType] = {
    "inverted_u": inverted_u,
    "regime_map": regime_map,
    "research_map": research_map,
    "merger_map": merger_map,
    "branch_diagram": branch_diagram,
    "coordination_map": coordination_map,
    "ecosystem": ecosystem,
    "propensity": propensity,
    "technology_space": technology_space,
    "status_map": status_map,
    "claim_atlas": claim_atlas,
    "literature_atlas": literature_atlas,
    "claim_maps": claim_maps,
    "welfare_decomposition": welfare_decomposition,
    "lorenz_curves": lorenz_curves,
    "publicness_triangle": publicness_triangle,
    "innovation_paths": innovation_paths,
    "open_loop_feedback": open_loop_feedback,
    "policy_front": policy_front,
    "policy_front_3d": policy_front_3d,
}
"""Name -> its script: `compute(sweeps, points)` and `draw(data)`, with the caption as its docstring."""
_HERE = Path(__file__).parent


def main(argv: list[str] | None = None) -> int:
    """Compute and draw; the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if unknown := [name for name in arguments.names if name not in FIGURES]:
        parser.error(f"no figure {unknown[0]!r}; there is {', '.join(FIGURES)}.")
    if arguments.points is not None and arguments.points < 2:
        parser.error(f"--points {arguments.points}: give at least 2.")
    names = list(dict.fromkeys(arguments.names)) or list(FIGURES)
    if arguments.list:
        print("\n\n".join(f"{name} (--points {FIGURES[name].POINTS})\n{caption(name)}" for name in names))
        return 0
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begin:5.1f} s] {line}", flush=True)

    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        configure()
        sweeps = Sweeps(_HERE / ".stores", say, arguments.again)
        for name in names:
            say(name)
            say(f"  {make(name, arguments.out, sweeps, arguments.points)}")
    except (GameError, StoreError, OSError) as error:
        hint = " (--again computes it anew.)" if isinstance(error, StoreError) else ""
        print(f"figures: {' '.join(str(error).split())}{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("figures: interrupted; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


def make(name: str, out: Path, sweeps: Sweeps, points: int | None = None) -> Path:
    """Compute and draw one figure; its file."""
    script = FIGURES[name]
    data = script.compute(sweeps, script.POINTS if points is None else points)
    file = out / f"{name}.png"
    with style():
        write(script.draw(data), file)
    return file


def caption(name: str) -> str:
    """What a figure shows."""
    return inspect.cleandoc(FIGURES[name].__doc__ or "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m figures",
        description="Compute and draw the figures, as NAME.png. To be run in the root of the repository.",
        epilog="Results are kept in figures/.stores: what is interrupted goes on where it stopped, and what is "
        "finished is drawn again in seconds.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(FIGURES)}; by default all")
    parser.add_argument("--out", type=Path, default=_HERE, metavar="DIR", help="where to write (default: figures)")
    parser.add_argument("--points", type=int, metavar="N", help="points along each axis, or draws")
    parser.add_argument("--again", action="store_true", help="compute anew what is kept in figures/.stores")
    parser.add_argument("--list", action="store_true", help="print the captions, and do nothing else")
    return parser


if __name__ == "__main__":
    sys.exit(main())
