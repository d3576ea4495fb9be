"""A map of the open-sourcing game: at each point an owner opens its model or does not, and both subgames are certified.

`sweep` computes it as a user would, in memory; the first call, which compiles, is timed apart. What is kept is the
choice, and residual and regret of the subgame that follows it: a point counts as successful only if the choice and both
subgames are certified.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nashgrid.solver import Status, sweep

from ._clock import clock, clock_name, on_host
from ._competitor import timed
from ._deadline import NONE, OVER, Deadline
from ._environment import commit, environment, load, now
from ._tasks import MAP, MAP_AXES, MAP_KEEP, leader

SIDES, QUICK_SIDES = (512, 4096), (32, 64)
"""Points along each axis."""
LIMIT_S = 900.0
"""A map is skipped if a call would take longer than this, going by the one before."""
REPEATED_S = 60.0
"""Calls are repeated up to three times, until this has passed; where one takes longer, the first one counts."""
NUMBERS = (
    "points", "first_s", "seconds", "median_s", "clock_s", "points_per_s", "share_successful", "share_open", "steps",
    "residual_max", "regret_max", "program",
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE
) -> dict[str, Any]:
    """The record: a row for each size."""
    del out
    here, began = environment(), now()
    rows: list[dict[str, Any]] = []
    for side in QUICK_SIDES if quick else SIDES:
        rows.append(_row(side, rows[-1] if rows else None, deadline))
        say(line(rows[-1]))
    here["load_average"] = [here["load_average"], load()]
    return {
        "benchmark": "map",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {
            "quick": quick,
            "game": f"{MAP}: {leader()!r}",
            "axes": {name: list(ends) for name, ends in MAP_AXES.items()},
            "keep": list(MAP_KEEP),
            "first_s": "time passed in the first call, compiling included",
            "clock_s": f"{clock_name()} of the median call",
        },
        "rows": rows,
    }


def _row(side: int, before: dict[str, Any] | None, deadline: Deadline) -> dict[str, Any]:
    row = {"side": side} | dict.fromkeys(NUMBERS) | {"note": None}
    predicted = before["median_s"] * (side / before["side"]) ** 2 if before and before["median_s"] else 0.0
    if deadline.over():
        return row | {"note": OVER}
    if predicted > min(LIMIT_S, deadline.left()):
        return row | {"note": f"skipped: predicted {predicted:.0f} s"}
    problem, axes = leader(), {name: np.linspace(*ends, side) for name, ends in MAP_AXES.items()}
    made: list[xr.Dataset] = []
    used: list[float] = []

    def call() -> None:
        made.clear()  # Not twice in memory.
        begin = clock()
        made.append(sweep(problem, axes, keep=MAP_KEEP, progress=False))
        used.append(clock() - begin)

    first = timed(call)
    # The map before has compiled the program for this one.
    seconds = [first] if predicted > REPEATED_S else []
    while len(seconds) < 3 and sum(seconds) < REPEATED_S and not (seconds and deadline.over()):
        seconds.append(timed(call))
    (found,) = made
    good = found["status"].values == Status.successful
    middle = statistics.median(seconds)
    return row | {
        "points": side**2,
        "first_s": first,
        "seconds": seconds,
        "median_s": middle,
        "clock_s": statistics.median(used[-len(seconds) :]),
        "points_per_s": float(np.sum(good)) / middle,
        "share_successful": float(np.mean(good)),
        "share_open": float(np.mean(found["openness"].values[good] == 1.0)) if good.any() else None,
        "steps": float(np.mean(found["steps"].values)),
        "residual_max": _largest(found["subgame_residual"].values[good]),
        "regret_max": _largest(found["subgame_regret"].values[good]),
        "program": found.attrs["program"],
    }


def _largest(values: np.ndarray) -> float | None:
    """Of the points that are counted."""
    return float(np.max(values)) if values.size and np.isfinite(values).all() else None


def line(row: dict[str, Any]) -> str:
    """A row as text, the rate never without its residual."""
    begin = f"map {row['side']:>5,} x {row['side']:<5,}  "
    if row["note"] is not None:
        return f"{begin}{row['note']}"
    worst = "?" if row["residual_max"] is None else f"{row['residual_max']:.0e}"
    cores = f", {row['clock_s']:.1f} s of processors" if on_host() else ""
    return (
        f"{begin}{row['points_per_s']:>12,.0f} certified points a second: {row['median_s']:.1f} s{cores}, the first "
        f"time {row['first_s']:.1f} s; residual {worst}, successful {row['share_successful']:.3%} ({row['program']})"
    )


def table(record: dict[str, Any]) -> str:
    """All rows."""
    return "\n".join(map(line, record["rows"]))
