"""Equilibria per second against the number of points, with the residual that was reached.

Each competitor solves the same points to the same tolerance. Compilation is timed apart; then one run warms up and the
median of the next three counts, where short runs are repeated and their mean taken. Only points whose residual,
recomputed for all alike, is within the tolerance count as equilibria, and for certified rows only those whose
certificate passed. A size that would take too long is skipped, and said to be.
"""

import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from ._cases import SEED, Case, cases
from ._clock import failed, on_host
from ._competitor import MAX_STEPS, TOLERANCE, Answer, Competitor, timed
from ._deadline import NONE, OVER, Deadline
from ._environment import commit, environment, load, now
from ._nashgrid import ACCELERATED, NASHGRID
from ._nashopt import NASHOPT
from ._numba import NUMBA
from ._optimistix import OPTIMISTIX
from ._plain import PLAIN
from ._process import FLAGS, in_a_process
from ._residual import residuals
from ._scipy import SCIPY
from ._table import rate

PEERS = (NASHOPT, SCIPY, PLAIN, OPTIMISTIX, NUMBA)
SIZES = (10**2, 10**3, 10**4, 10**5, 10**6)
QUICK_SIZES = (10**2, 10**4)
QUICK_GAMES = ("linear_cournot_2", "isoelastic_cournot_2", "logit_bertrand_3")
DEVICE_SIZES, QUICK_DEVICE_SIZES = (10**6, 10**7), (10**6,)
DEVICE_GAMES = ("linear_cournot_2", "isoelastic_cournot_5", "logit_bertrand_3", "open_sourcing_4")
"""The same on an accelerator, where a program takes longer to compile, and is fast with millions of points only."""
REPETITIONS = 3
SHORTEST_S = 0.02
"""What takes less by the first run is run several times in each repetition."""
LIMIT_S = 20.0
"""A size is skipped if its runs would take longer than this together, going by the size before."""
NUMBERS = (
    "compile_s", "seconds", "median_s", "residual_max", "residual_p99", "share_within", "share_successful",
    "equilibria_per_s",
)  # fmt: skip
_PLATFORMS = ("cpu", "gpu")


def run(*, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE) -> dict[str, Any]:
    """The record: environment, parameters and one row for each game, competitor and number of points."""
    chosen, sizes = _work(quick)
    ours, peers = competitors()
    if on_host():
        others = in_a_process(quick=quick, minutes=deadline.left() / 120.0, say=say)
        record = measure(chosen, ours, sizes, say, deadline)
    else:  # Rows of nashgrid are wanted most.
        record = measure(chosen, ours, sizes, say, deadline)
        try:
            others = in_a_process(quick=quick, minutes=deadline.left() / 60.0, say=say)
        except ChildProcessError as error:  # Those of nashgrid are kept.
            note = failed(error)
            say(note)
            others = [
                _row(case, c, n, note=c.missing or note) for case in chosen for c in peers for n in c.sizes or sizes
            ]
    record["parameters"]["quick"] = quick
    described = {c.name: c.description for c in peers} | record["parameters"]["competitors"]
    record["parameters"] |= {
        "competitors": described,
        "process": {"of their own": [c.name for c in peers], "with XLA_FLAGS": FLAGS},
    }
    order = {case.name: k for k, case in enumerate(chosen)}
    record["rows"] = sorted([*others, *record["rows"]], key=lambda row: order[row["game"]])
    return record


def of_peers(*, quick: bool, say: Callable[[str], None], deadline: Deadline = NONE) -> dict[str, Any]:
    """The record of the competitors that are not nashgrid."""
    chosen, sizes = _work(quick)
    return measure(chosen, competitors()[1], sizes, say, deadline)


def competitors() -> tuple[tuple[Competitor, ...], tuple[Competitor, ...]]:
    """nashgrid's ways, and its peers: on an accelerator those that run there."""
    if on_host():
        return NASHGRID, PEERS
    return tuple(c for c in NASHGRID if c.name in ACCELERATED), tuple(c for c in PEERS if not c.on_host)


def _work(quick: bool) -> tuple[list[Case], tuple[int, ...]]:
    every = cases()
    if not on_host():
        return [every[name] for name in DEVICE_GAMES], QUICK_DEVICE_SIZES if quick else DEVICE_SIZES
    return ([every[name] for name in QUICK_GAMES], QUICK_SIZES) if quick else (list(every.values()), SIZES)


def measure(
    chosen: Iterable[Case],
    competitors: Iterable[Competitor],
    sizes: tuple[int, ...],
    say: Callable[[str], None],
    deadline: Deadline = NONE,
) -> dict[str, Any]:
    """The record of some cases, competitors and numbers of points."""
    chosen, competitors = list(chosen), list(competitors)
    here, began = environment(), now()
    rows = []
    for case in chosen:
        for competitor in competitors:
            rows += _rows(case, competitor, sizes, say, deadline)
    others = [p for p in _PLATFORMS if p != here["platform"]]
    unmeasured = [(p, case, c) for p in others for case in chosen for c in NASHGRID if c in competitors]
    rows += [_row(case, c, n, note="not measured", platform=p) for p, case, c in unmeasured for n in sizes]
    here["load_average"] = [here["load_average"], load()]
    return {
        "benchmark": "throughput",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {
            "dtype": "float64",
            "tolerance": TOLERANCE,
            "max_steps": MAX_STEPS,
            "seed": SEED,
            "repetitions": REPETITIONS,
            "repetition_s": SHORTEST_S,
            "limit_s": LIMIT_S,
            "start": "middle of the bounds; in logit_bertrand_3 cost + 1/price_coefficient",
            "residual": "max |z - clip(z + g/|h|, lower, upper)| / max |z|, from the payoff by jax.grad",
            "games": {case.name: _described(case) for case in chosen},
            "competitors": {c.name: c.description for c in competitors},
        },
        "rows": rows,
    }


def _described(case: Case) -> dict[str, Any]:
    ranges = {name: list(r) for name, r in case.columns.items()}
    return {"title": case.title, "class": type(case.game).__name__, "firms": case.firms, "uniform_in": ranges}


def _rows(
    case: Case, competitor: Competitor, sizes: tuple[int, ...], say: Callable[[str], None], deadline: Deadline
) -> list[dict]:
    rows, last = [], None
    for size in competitor.sizes or sizes:
        # Time grows at most in proportion to the number of points.
        predicted = 0.0 if last is None else (1 + REPETITIONS) * last["median_s"] * size / last["points"]
        if competitor.missing:
            row = _row(case, competitor, size, note=competitor.missing)
        elif deadline.over():
            row = _row(case, competitor, size, note=OVER)
        elif predicted > LIMIT_S:
            row = _row(case, competitor, size, note=f"skipped: predicted {predicted:.0f} s")
        else:
            try:
                row = last = _timed(case, competitor, size)
            except jax.errors.JaxRuntimeError as error:  # An accelerator whose memory is too small, for one.
                row = _row(case, competitor, size, note=failed(error))
        rows.append(row)
        say(f"{case.name:<26}{competitor.name:<25}{size:>9,}  {summary(row)}")
    return rows


def _timed(case: Case, competitor: Competitor, size: int) -> dict[str, Any]:
    points = case.points(size)
    prepared = competitor.prepare(case, points)
    runs = max(1, math.ceil(SHORTEST_S / timed(prepared.run)))

    def several() -> None:
        for _ in range(runs):
            answers[:] = [prepared.run()]

    answers: list[Answer] = []
    seconds = [timed(several) / runs for _ in range(REPETITIONS)]
    return _row(case, competitor, size, **judged(case, points, answers[-1], seconds), compile_s=prepared.compile_s)


def judged(case: Case, points: np.ndarray, answer: Answer, seconds: list[float]) -> dict[str, Any]:
    """The numbers of a row: times, and the residuals that all competitors are judged by."""
    found = residuals(case, points, answer.z)
    within = found <= TOLERANCE
    counted = within if answer.successful is None else within & answer.successful
    middle = statistics.median(seconds)
    return {
        "seconds": seconds,
        "median_s": middle,
        "residual_max": _finite(np.max(found)),
        "residual_p99": _finite(np.quantile(found, 0.99, method="higher")),
        "share_within": float(np.mean(within)),
        "share_successful": None if answer.successful is None else float(np.mean(answer.successful)),
        "equilibria_per_s": float(np.sum(counted)) / middle,
    }


def _row(
    case: Case, competitor: Competitor, size: int, *, note: str | None = None, platform: str | None = None, **have
) -> dict[str, Any]:
    """One row; what was not measured is None, and `note` says why. Infinite residuals are None too."""
    on = platform or jax.local_devices()[0].platform
    at = {"game": case.name, "competitor": competitor.name, "platform": on, "points": size}
    return at | dict.fromkeys(NUMBERS) | have | {"note": note}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def summary(row: dict[str, Any]) -> str:
    """A row in a line, the rate never without its residual."""
    if row["note"] is not None:
        return row["note"]
    worst = "infinite" if row["residual_max"] is None else f"{row['residual_max']:.0e}"
    passed = "" if row["share_successful"] is None else f", certified {row['share_successful']:.2%}"
    return (
        f"{rate(row['equilibria_per_s']):>13}/s  residual max {worst}, {row['share_within']:.2%} within tolerance"
        f"{passed}  (compiled in {row['compile_s']:.1f} s)"
    )
