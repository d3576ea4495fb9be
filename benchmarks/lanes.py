"""Throughput of a sweep in which a few points, spread at random, are hard: plain steps take a hundred there.

At flat tops Newton's steps shrink by a fixed ratio and are extrapolated (`solver/_extrapolate.py`), so that a dozen are
enough, of Newton's method or of best responses that end with it. At spirals best responses alone take all hundred.

Points are computed together, and what is computed together lasts as long as its slowest point. If points cost what
their steps cost, and nothing waits, a share s of points that need k times as many steps leaves 1 / (1 - s + s k) of the
throughput: no program that takes these steps can do better. That bound stands beside each measurement, and the same
with what a hard point costs where all are hard, none of which waits for an easy one.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nashgrid.solver import BestResponse, GlobalSearch, Newton, Status
from nashgrid.solver._axes import knobs
from nashgrid.solver._devices import default_width, kernel_of
from nashgrid.solver._how import How
from nashgrid.solver._retry import TwoPasses

from ._clock import clock, clock_name
from ._competitor import MAX_STEPS, TOLERANCE
from ._deadline import NONE, OVER, Deadline
from ._environment import commit, environment, load, now
from ._flat import FlatTops
from ._spirals import Spirals

SHARES = (0.0, 0.001, 0.01, 0.1, 1.0)
POINTS, QUICK_POINTS = 100_000, 10_000
REPETITIONS = 5
SEED = 20250101
LOSS = 0.15
"""The most throughput that one point in a hundred should cost."""
METHODS = {
    "newton": (Newton(), None, partial(FlatTops, power=8), "flat"),
    "best_response_certified": (BestResponse(), GlobalSearch(), partial(FlatTops, power=4), "flat"),
    "best_response_alone": (BestResponse(damping=1.0, finish=False), None, Spirals, "slow"),
}
"""Name -> a method, its search for deviations, what makes a game, and its parameter that is 1 at hard points."""
NUMBERS = (
    "points", "cost_s", "points_per_s", "steps_easy", "steps_hard", "share_accepted", "residual_max", "relative",
    "bound_steps", "bound_cost", "program",
)  # fmt: skip


def points(count: int, share: float) -> np.ndarray:
    """Parameters: the same at each call, but for which of them are hard."""
    draw = np.random.default_rng(SEED)
    sizes = draw.uniform(1.5, 3.0, (count, 2))
    hard = np.zeros(count)
    hard[draw.permutation(count)[: round(share * count)]] = 1.0
    return np.column_stack([hard, sizes])


def run(
    out: Path, *, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE
) -> dict[str, Any]:
    """The record: a row for each method and share of hard points; when the time is up, rows only say so."""
    del out
    here, began, rows = environment(), now(), []
    for name in METHODS:
        if deadline.over():
            at = [{"method": name, "share": share} for share in SHARES]
            rows += [each | dict.fromkeys(NUMBERS) | {"note": OVER} for each in at]
        else:
            rows += measured(name, QUICK_POINTS if quick else POINTS)
        for row in rows[-len(SHARES) :]:
            say(line(row))
    here["load_average"] = [here["load_average"], load()]
    return {
        "benchmark": "lanes",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {
            "quick": quick,
            "tolerance": TOLERANCE,
            "max_steps": MAX_STEPS,
            "seed": SEED,
            "games": {
                "FlatTops": "hard points have payoffs that fall with a power of the distance to a best quantity",
                "Spirals": "at hard points best responses turn about the equilibrium",
            },
            "game": {name: _named(make()) for name, (_, _, make, _) in METHODS.items()},
            "cost": f"median {clock_name()}; throughput is relative to that without hard points",
            "bound_steps": "1 / (1 - s + s k), with a share s of points that need k times as many steps",
            "bound_cost": "the same with k times the processor time, where all points are hard",
            "most_lost_at_one_percent": LOSS,
        },
        "rows": rows,
    }


def measured(name: str, count: int) -> list[dict[str, Any]]:
    """The rows of a method; repetitions of all shares take turns, so that what else runs disturbs all alike."""
    method, search, make, hard = METHODS[name]
    game = make()
    how = How(knobs(game, (hard, "size[0]", "size[1]"), "axes"), (), method, TOLERANCE, MAX_STEPS, search)
    width = min(count, default_width(kernel_of(game, how)))
    passes = TwoPasses(game, how, width)
    # Column by column, as a sweep makes them.
    given = {share: np.asfortranarray(points(count if share < 1.0 else max(count // 20, 1), share)) for share in SHARES}
    found: dict[float, dict[str, np.ndarray]] = {}
    cost_s: dict[float, list[float]] = {share: [] for share in SHARES}
    for _ in range(1 + REPETITIONS):
        for share, rows in given.items():
            begin = clock()
            parts = [
                passes.finish(passes.start(rows[i : i + width]), rows[i : i + width])[0] for i in _blocks(rows, width)
            ]
            cost_s[share].append(clock() - begin)
            found[share] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    accepted = Status.first_order if search is None else Status.successful
    rows = [_row(name, share, given[share][:, 0] > 0, found[share], cost_s[share][1:], accepted) for share in SHARES]
    easy, hard = rows[0], rows[-1]
    for row in rows:
        share, speed = row["share"], row["points_per_s"]
        row["relative"] = speed / easy["points_per_s"]
        row["bound_steps"] = _bound(share, hard["steps_hard"] / easy["steps_easy"])
        row["bound_cost"] = _bound(share, easy["points_per_s"] / hard["points_per_s"])
        row |= {"program": passes.first.kind, "note": None}
    return rows


def _named(game: FlatTops | Spirals) -> str:
    return f"FlatTops, power {game.power}" if isinstance(game, FlatTops) else "Spirals"


def _bound(share: float, times: float) -> float:
    return 1.0 / (1.0 - share + share * times)


def _blocks(rows: np.ndarray, width: int) -> range:
    return range(0, len(rows), width)


def _row(
    name: str, share: float, hard: np.ndarray, found: dict[str, np.ndarray], cost_s: list[float], accepted: Status
) -> dict[str, Any]:
    steps, residual = found["steps"], found.get("residual")
    return {
        "method": name,
        "share": share,
        "points": len(hard),
        "cost_s": cost_s,
        "points_per_s": len(hard) / statistics.median(cost_s),
        "steps_easy": None if hard.all() else float(np.mean(steps[~hard])),
        "steps_hard": float(np.mean(steps[hard])) if hard.any() else None,
        "share_accepted": float(np.mean(found["status"] == accepted)),
        "residual_max": None if residual is None else float(np.max(residual)),
    }


def line(row: dict[str, Any]) -> str:
    """A row as text, the rate never without the share that is solved."""
    begin = f"{row['method']:<25}{row['share']:>7.1%} hard: "
    if row["note"] is not None:
        return f"{begin}{row['note']}"
    steps = " and ".join(f"{row[key]:.1f}" for key in ("steps_easy", "steps_hard") if row[key] is not None)
    residual = "" if row["residual_max"] is None else f", residual {row['residual_max']:.0e}"
    return (
        f"{begin}{row['points_per_s']:>10,.0f} points a second of "
        f"{clock_name()}, x {row['relative']:.2f} (at most {row['bound_steps']:.2f} by steps, "
        f"{row['bound_cost']:.2f} by cost), {steps} steps, accepted {row['share_accepted']:.2%}{residual}"
    )


def table(record: dict[str, Any]) -> str:
    """All rows, and whether one point in a hundred costs more than it should."""
    lines = [line(row) for row in record["rows"]]
    for row in record["rows"]:
        if row["share"] == 0.01 and row["note"] is None:
            lost = 1.0 - row["relative"]
            lines.append(f"{row['method']}: 1 % of hard points cost {lost:.0%} of the throughput; goal {LOSS:.0%}")
    return "\n".join(lines)
