"""How time and memory grow: with the points of a sweep, the firms, the strategies of a firm, and the axes of a grid.

Every measurement is a process of its own, so that its memory is that of nothing else; the first call, which compiles,
is timed apart, and the median of the later ones counts. A size that would take too long or too much memory, going by
the sizes before, is skipped, and said to be; so is what is left when the time is up. Exponents are slopes in
logarithms: 1 is linear, 2 the square. What is the same at all sizes counts least in those of the larger half; of memory
the hundreds of MiB that a process has before it solves anything do not count.
"""

import math
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._child import child
from ._clock import clock_name, on_host
from ._deadline import NONE, OVER, Deadline
from ._environment import commit, environment, load, now
from ._growth_figure import draw

LIMIT_S = 90.0
"""A size is skipped if a call would take longer than this, going by the two sizes before."""
PROCESS_S = 600.0
"""The most that a process may take, compiling included."""
REPEATED_S = 5.0
"""Calls are repeated up to three times, until this has passed."""
BYTES = {"points_memory": 60.0, "points_store": 40.0}
"""What a point of a sweep needs at most: in memory, or on the disk."""
SEVERAL_BLOCKS = 10**6
"""Points of which a sweep has several blocks."""
NUMBERS = (
    "points", "first_s", "first_cpu_s", "seconds", "cpu_s", "median_s", "cost_s", "steps", "residual_max",
    "share_successful", "idle_mib", "peak_mib", "device_peak_mib",
)  # fmt: skip


class Series(NamedTuple):
    """Sizes that are compared."""

    title: str
    size: str
    """What grows."""
    cost: str
    """What is divided by the seconds of a call: "point" or "iteration"."""
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    limit: float | None = None
    """The exponent that the cost should not exceed."""


_POINTS = tuple(10**k for k in range(2, 9))
_DENSE = (10, 30, 100, 300, 1000)
_MANY = tuple(10**k for k in range(2, 7))
SERIES = {
    "points_memory": Series("sweep in memory", "points", "point", _POINTS, (10**2, 10**4, 10**6), 0.0),
    "points_store": Series("sweep into a store", "points", "point", _POINTS, (10**6, 10**7), 0.0),
    "firms_cournot": Series("linear Cournot, as any game", "firms", "point", _DENSE, (10, 30, 100), 2.0),
    "firms_logit": Series("logit prices, as any game", "firms", "point", _DENSE, (), 2.0),
    "aggregative_cournot": Series(
        "linear Cournot, aggregative", "firms", "iteration", _MANY, (10**2, 10**4, 10**5), 1.0
    ),
    "aggregative_logit": Series("logit prices, aggregative", "firms", "iteration", _MANY, (), 1.0),
    "strategies": Series("logit prices, two firms: strategies", "strategies of a firm", "point", (1, 2, 4, 8), (1, 2)),
    "axes": Series("4,096 points of a sweep: axes", "axes", "point", (1, 2, 3, 4), (1, 3), 0.0),
}


def run(
    out: Path, *, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE
) -> dict[str, Any]:
    """The record: one row for each series and size, the exponents, and a figure of them in `out`."""
    here, began, rows = environment(), now(), []
    for name, series in SERIES.items():
        before: list[dict[str, Any]] = []
        for size in series.quick if quick else series.sizes:
            row = _row(name, size, before, deadline)
            rows.append(row)
            say(f"{name:<20}{size:>12,}  {summary(row)}")
            if row["note"] is not None:
                continue
            before.append(row)
    here["load_average"] = [here["load_average"], load()]
    record = {
        "benchmark": "growth",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {
            "quick": quick,
            "limit_s": LIMIT_S,
            "clock": clock_name(),
            "cost": f"median {clock_name()} of a call over its points, or over the iterations of its one point",
            "residual": "that of the certificates, the largest",
            "peak_mib": "the most memory of the whole process, compiling included; idle_mib is what imports take",
            "series": {name: series._asdict() for name, series in SERIES.items()},
        },
        "rows": rows,
        "exponents": [_exponent(name, series, rows) for name, series in SERIES.items()],
        "memory": [entry for name in SERIES if (entry := _memory(name, rows))],
    }
    draw(record, out / "growth.png")
    return record


def _row(name: str, size: int, before: list[dict[str, Any]], deadline: Deadline) -> dict[str, Any]:
    note = OVER if deadline.over() else _reason(name, size, before)
    row: dict[str, Any] = {"series": name, "size": size} | dict.fromkeys(NUMBERS) | {"note": note}
    if note is not None:
        return row
    limit = min(PROCESS_S, deadline.left())
    try:
        said = child("-m", "benchmarks._growth_measure", name, str(size), str(REPEATED_S), limit_s=limit).said
    except ChildProcessError as error:
        return row | {"note": f"failed: {error}"}
    except TimeoutError:
        return row | {"note": f"stopped after {limit:.0f} s"}
    share = said["steps"] if SERIES[name].cost == "iteration" else said["points"]
    # Processor time of sweeps is of all cores; a call waits for it divided among them.
    cost = statistics.median(said["cpu_s" if on_host() else "seconds"]) / share
    return row | said | {"median_s": statistics.median(said["seconds"]), "cost_s": cost}


def _reason(name: str, size: int, before: list[dict[str, Any]]) -> str | None:
    """Why a size is not measured, if it is not."""
    if before:
        last = before[-1]
        power = 1.0
        if len(before) > 1 and last["median_s"] > 0.1:
            power = max(1.0, _slope(before[-2:], "median_s"))
        predicted = last["median_s"] * (size / last["size"]) ** power
        if predicted > LIMIT_S:
            return f"skipped: predicted {predicted:.0f} s for a call"
    need = BYTES.get(name, 0.0) * size
    if need > 0.5 * _free(name):
        return f"skipped: would need about {need / 2**30:.0f} GiB"
    return None


def _free(name: str) -> float:
    """Bytes that there are: on the disk for a store, else of memory."""
    if name == "points_store":
        return shutil.disk_usage(tempfile.gettempdir()).free
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Not known on this system.
        return math.inf


def _slope(rows: list[dict[str, Any]], what: str) -> float:
    x, y = (np.log([row[name] for row in rows]) for name in ("size", what))
    return float(np.polyfit(x, y, 1)[0])


def _exponent(name: str, series: Series, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The exponent over all sizes, and over the larger half of them, where what is fixed counts less."""
    mine = [row for row in rows if row["series"] == name and row["note"] is None]
    larger = mine[-max(2, -(-len(mine) // 2)) :]
    every = _slope(mine, "cost_s") if len(mine) > 1 else None
    last = _slope(larger, "cost_s") if len(larger) > 1 else None
    first = _slope(mine, "first_cpu_s") if len(mine) > 1 else None
    met = None if series.limit is None or last is None else last <= series.limit + 0.1
    return {
        "series": name,
        "of": f"time per {series.cost}",
        "in": series.size,
        "exponent": every,
        "exponent_larger_half": last,
        "exponent_first_call": first,
        "at_most": series.limit,
        "met": met,
    }


def _memory(name: str, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """By how much the peak grows from the smallest size to the largest; of a stored sweep from several blocks on."""
    least = SEVERAL_BLOCKS if name == "points_store" else 0
    mine = [row for row in rows if row["series"] == name and row["size"] >= least and row["peak_mib"]]
    if len(mine) < 2:
        return None
    first, last = mine[0], mine[-1]
    return {
        "series": name,
        "in": SERIES[name].size,
        "sizes": [first["size"], last["size"]],
        "peak_mib": [first["peak_mib"], last["peak_mib"]],
        "ratio": last["peak_mib"] / first["peak_mib"],
    }


def summary(row: dict[str, Any]) -> str:
    """A row in a line, no time without its residual."""
    if row["note"] is not None:
        return row["note"]
    residual = "infinite" if row["residual_max"] is None else f"{row['residual_max']:.0e}"
    per, peak = SERIES[row["series"]].cost, row["peak_mib"]
    return (
        f"{row['cost_s']:.2e} s per {per}  ({row['points']:,} points, {row['steps']:.1f} iterations, "
        f"residual {residual}, successful {row['share_successful']:.2%}, "
        f"{'?' if peak is None else format(peak, '.0f')} MiB, "
        f"first call {row['first_s']:.1f} s)"
    )


def table(record: dict[str, Any]) -> str:
    """All rows, and the exponents."""
    lines = [f"{row['series']:<20}{row['size']:>12,}  {summary(row)}" for row in record["rows"]]
    for entry in record["exponents"]:
        if entry["exponent"] is None:
            continue
        last = entry["exponent_larger_half"]
        goal = "" if entry["met"] is None else f"; at most {entry['at_most']:g} {'holds' if entry['met'] else 'fails'}"
        lines.append(
            f"{entry['series']}: {entry['of']} grows with {entry['in']} to the power {entry['exponent']:.2f}, "
            f"{last:.2f} in the larger half{goal}"
        )
    for entry in record["memory"]:
        (small, large), (first, last) = entry["sizes"], entry["peak_mib"]
        lines.append(
            f"{entry['series']}: peak memory from {first:,.0f} MiB at {small:,} to {last:,.0f} MiB at {large:,} "
            f"{entry['in']}, x {entry['ratio']:.2f}"
        )
    return "\n".join(lines)
