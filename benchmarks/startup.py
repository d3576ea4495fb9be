"""What one waits for before the first answer: importing, and compiling the first solve.

Every time is of a new process, the kinds of processes taking turns, so that what else the machine does is shared by
all. The solve is of two firms in linear Cournot competition, certified; once with an empty cache of compiled programs
and once with what the run before has left there, as `nashgrid.solver.configure` sets it up.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._child import child
from ._deadline import NONE, Deadline
from ._environment import commit, environment, load, now

REPETITIONS = 7
QUICK_REPETITIONS = 3
GOALS = {
    "import_ratio": 1.5,
    "first solve, nothing compiled before": 2.0,
    "first solve, compiled by another process before": 0.5,
}
"""What start-up should stay below: the ratio of the import times, and seconds."""
_PLAIN = "import jax, equinox, xarray"
_NASHGRID = "import nashgrid.solver"
_COLD = "nothing compiled before"
_WARM = "compiled by another process before"
_PARTS = {"imports": "imports", "first_solve": "first solve", "second_solve": "second solve"}


def run(
    out: Path, *, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE
) -> dict[str, Any]:
    """The record: one row for each thing that is waited for; fewer rounds, but one, when the time is up."""
    del out
    here, began = environment(), now()
    repetitions = QUICK_REPETITIONS if quick else REPETITIONS
    waits: dict[str, dict[str, list[float]]] = {}

    def note(what: str, seconds: float, cpu_s: float, said: dict[str, Any] | None = None) -> None:
        row = waits.setdefault(what, {"seconds": [], "cpu_s": [], "residual": [], "error": [], "status": []})
        row["seconds"].append(seconds)
        row["cpu_s"].append(cpu_s)
        for name in ("residual", "error", "status"):
            if said:
                row[name].append(said[name])

    child("-c", _NASHGRID)  # Reads the files from the disk and writes bytecode.
    for k in range(repetitions):
        for program in (_PLAIN, _NASHGRID):
            done = child("-c", program)
            note(f"process: {program}", done.seconds, done.cpu_s)
        with tempfile.TemporaryDirectory() as cache:
            for kind in (_COLD, _WARM):
                done = child("-m", "benchmarks._first_solve", cache=Path(cache))
                note(f"process: two solves, {kind}", done.seconds, done.cpu_s, done.said)
                for part, name in _PARTS.items():
                    what = done.said if part != "imports" else None
                    note(f"{name}, {kind}", done.said[part], done.said[f"{part}_cpu"], what)
        say(f"round {k + 1} of {repetitions}")
        if deadline.over():
            repetitions = k + 1
            break
    rows = [_row(what, **parts) for what, parts in waits.items()]
    here["load_average"] = [here["load_average"], load()]
    return {
        "benchmark": "startup",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {"repetitions": repetitions, "game": "LinearCournot, 2 firms", "certified": True, "quick": quick},
        "rows": rows,
        "goals": _goals(rows),
    }


def _row(what: str, seconds: list[float], cpu_s: list[float], **evidence: list[float]) -> dict[str, Any]:
    worst = {name: max(values) if values else None for name, values in evidence.items()}
    middle = {"median_s": statistics.median(seconds), "median_cpu_s": statistics.median(cpu_s)}
    spread = {"min_s": min(seconds), "max_s": max(seconds)}
    return {"what": what, "seconds": seconds, "cpu_s": cpu_s} | middle | spread | worst


def _goals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was aimed at and what was measured, in time passed and in processor time."""
    known = {row["what"]: row for row in rows}
    measured = {name: (known[name]["median_s"], known[name]["median_cpu_s"]) for name in GOALS if name in known}
    ours, plain = known[f"process: {_NASHGRID}"], known[f"process: {_PLAIN}"]
    measured["import_ratio"] = tuple(ours[name] / plain[name] for name in ("median_s", "median_cpu_s"))
    return [
        {
            "goal": name,
            "below": limit,
            "measured": wall,
            "measured_cpu": cpu,
            "met": wall < limit,
            "met_cpu": cpu < limit,
        }
        for name, limit in GOALS.items()
        for wall, cpu in [measured[name]]
    ]


def table(record: dict[str, Any]) -> str:
    """The rows, and the goals."""
    head = f"{'seconds':<52}{'median':>9}{'min':>9}{'max':>9}{'cpu':>9}{'residual':>10}"
    lines = [head]
    for row in record["rows"]:
        residual = "" if row["residual"] is None else f"{row['residual']:.0e}"
        numbers = "".join(f"{row[name]:>9.3f}" for name in ("median_s", "min_s", "max_s", "median_cpu_s"))
        lines.append(f"{row['what']:<52}{numbers}{residual:>10}")
    for goal in record["goals"]:
        verdict = "holds" if goal["met"] else "holds by processor time" if goal["met_cpu"] else "does not hold"
        lines.append(
            f"{goal['goal']}: {goal['measured']:.2f} ({goal['measured_cpu']:.2f} by processor time), below "
            f"{goal['below']:g} {verdict}"
        )
    return "\n".join(lines)
