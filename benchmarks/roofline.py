"""How near kernels come to what a machine can do: operations per second against operations per byte.

The most that it computes and moves is measured (`_peaks`), and what a point needs is counted (`_demand`): operations in
the running kernel, and as bytes a point's parameters in and its results out, as all between stays in registers and
caches. On an accelerator operations are those of the kernel for a processor, taken to be the same there. A point cannot
take less time than the longest of three: its operations at the rate of products that are added, its quotients and roots
at that of quotients, its bytes at that of a copy. That one is the game's bound, and what the game reaches of it is its
share. Comparing and choosing, which certificates do a lot of, are in none of them. Beside each speed stand the largest
residual and the share of points that are solved.
"""

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from nashgrid.solver import _devices as devices_module
from nashgrid.solver._devices import KernelLanes, kernel_of, whole
from nashgrid.solver._kernel_gpu import GpuKernel

from ._clock import clock, clock_name, failed, on_host, unit
from ._competitor import MAX_STEPS, TOLERANCE
from ._deadline import NONE, OVER, Deadline
from ._demand import COUNTED, SAMPLE, demand, of_functions
from ._environment import commit, environment, load, now
from ._peaks import UNITS, Peaks
from ._roofline_figure import draw
from ._tasks import Task, names, task

QUICK_GAMES = ("linear_cournot_2", "isoelastic_cournot_2")
POINTS = 2**17
ACCELERATED = 2**20
"""Points of a call: on a processor, and on an accelerator."""
FEWEST = 2**10
REPETITIONS = 9
NUMBERS = (
    "flop", "quotients", "bytes", "steps", "seconds", "seconds_median", "intensity", "flop_per_s", "bounds_s",
    "bound_by", "share", "points_per_s", "points_per_s_at_most", "transfer_s", "residual_max", "share_accepted",
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE
) -> dict[str, Any]:
    """The record: the peaks, a row for each game and method, and a figure in `out`."""
    here, began = environment(), now()
    peaks = Peaks()
    peaks.measure()
    say(peak_line(peaks.record()))
    rows = []
    for name, method in names(first=not on_host()):
        if quick and name not in QUICK_GAMES:
            continue
        given = task(name, method)
        row = {"game": name, "title": given.title, "method": method} | dict.fromkeys(NUMBERS)
        rows.append(row | ({"note": OVER} if deadline.over() else measured(given, peaks)))
        say(line(judged(rows[-1], peaks.best())))
    # Against the best of all rounds, those between the games included.
    rows = [judged(row, peaks.best()) for row in rows]
    here["load_average"] = [here["load_average"], load()]
    record = {
        "benchmark": "roofline",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {
            "quick": quick,
            "points": POINTS if on_host() else ACCELERATED,
            "tolerance": TOLERANCE,
            "flop": f"{counted_in()}; a product that is added is two, a quotient or a root one; lanes that wait count",
            "flop_of": of_functions() if on_host() else None,
            "counted_points": SAMPLE * COUNTED,
            "bytes": "parameters in, results out",
            "seconds": f"of a point: {clock_name()} of all its steps at once, least of {REPETITIONS}",
            "bounds_s": "operations, quotients and bytes of a point, each at the rate of its peak",
            "residual_max": "as throughput's, from the payoff; of the map that of the subgame, as the solver has it",
            "share_accepted": "first-order conditions hold, or the certificate passed if there is one",
            "transfer_s": "bytes of a point, at the faster of the rates from and to the host",
            "peaks": {name: UNITS[name] for name in peaks.best()},
        },
        "peak": peaks.record(),
        "rows": rows,
    }
    draw(record, out / "roofline.png")
    return record


def counted_in() -> str:
    """Where operations are counted, in words."""
    if on_host():
        return "counted in the running kernel"
    return "counted in the kernel for a processor, taken to be the same here"


def measured(given: Task, peaks: Peaks) -> dict[str, Any]:
    """What a point of a game needs, and what it takes; a round of the peaks beside it."""
    try:
        needed = demand(given)
        if needed["flop"] is None:
            return {"note": "no kernel"}
        call, points, seen = _on_cores(given) if on_host() else _on_accelerator(given)
        times, found = [], {}
        for _ in range(REPETITIONS):
            found.clear()  # Not twice in memory.
            begin = clock()
            found = call()
            times.append((clock() - begin) / len(points))
        worth = solved(given, np.asarray(points), seen(found))
    except (jax.errors.JaxRuntimeError, ChildProcessError, TimeoutError) as error:
        return {"note": failed(error)}
    peaks.measure()
    return needed | worth | {"seconds": min(times), "seconds_median": statistics.median(times), "note": None}


def solved(given: Task, points: np.ndarray, found: dict[str, Any]) -> dict[str, float | None]:
    """What the points that were timed are worth: the largest residual, None if infinite, and the share accepted."""
    worst = float(np.max(given.residuals(points, found)))
    return {
        "residual_max": worst if math.isfinite(worst) else None,
        "share_accepted": float(np.mean(np.asarray(found["status"]) == given.accepted)),
    }


Timed = tuple[Callable[[], dict[str, Any]], Any, Callable[[dict[str, Any]], dict[str, Any]]]
"""What is timed, the points that it is called for, and how its results are to be read, points first."""


def _on_cores(given: Task) -> Timed:
    made = kernel_of(given.problem, given.how)
    assert made is not None
    lanes, points = KernelLanes(given.problem, made, MAX_STEPS, POINTS), given.points(POINTS)

    def call() -> dict[str, Any]:
        return lanes.finish(lanes.start(points), points)

    call()
    return call, points, lambda found: found


def _on_accelerator(given: Task) -> Timed:
    """With points and results where they are computed; fewer at a time if its memory is too small."""
    made = kernel_of(given.problem, given.how)
    if isinstance(made, GpuKernel):
        return _in_a_kernel(given, made)
    program = devices_module.program(given.problem, given.how)
    arrays, count = eqx.partition(given.problem, eqx.is_array)[0], ACCELERATED
    while True:
        points = jax.device_put(given.points(whole(count)))

        def call(points: Any = points) -> dict[str, Any]:
            return jax.block_until_ready(program(arrays, points))

        try:
            call()
            return call, points, lambda found: found
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or count <= FEWEST:
                raise
            count //= 2


def _in_a_kernel(given: Task, made: GpuKernel) -> Timed:
    lanes, points = KernelLanes(given.problem, made, MAX_STEPS, made.width), given.points(made.width)
    columns = jax.device_put(np.ascontiguousarray(points.T))

    def call() -> dict[str, Any]:
        return {"leaves": jax.block_until_ready(made.launch(lanes.shared, columns))}

    call()
    return call, points, lambda found: made.points_first(found["leaves"], len(points))[0]


def judged(row: dict[str, Any], peak: dict[str, float]) -> dict[str, Any]:
    """A row with its bounds, and its share of the one that binds."""
    if row["note"] is not None:
        return row
    links = [peak[name] for name in ("bytes_in_per_s", "bytes_out_per_s") if name in peak]
    bounds = {
        "arithmetic": row["flop"] / peak["flop_per_s"],
        "quotients": row["quotients"] / peak["quotients_per_s"],
        "memory": row["bytes"] / peak["bytes_per_s"],
    }
    bound = max(bounds, key=bounds.__getitem__)
    return row | {
        "intensity": row["flop"] / row["bytes"],
        "flop_per_s": row["flop"] / row["seconds"],
        "bounds_s": bounds,
        "bound_by": bound,
        "share": bounds[bound] / row["seconds"],
        "points_per_s": 1.0 / row["seconds"],
        "points_per_s_at_most": 1.0 / bounds[bound],
        # Not in the seconds, as points and results stay where they are.
        "transfer_s": row["bytes"] / max(links) if links else None,
    }


def peak_line(peak: dict[str, Any]) -> str:
    """The peaks as text."""
    parts = [
        f"{peak[name] / 1e9:.2f} G {what} a second (median {peak['median'][name] / 1e9:.2f})"
        for name, what in UNITS.items()
        if name in peak
    ]
    return f"a {peak['of']}: " + "; ".join(parts)


def line(row: dict[str, Any]) -> str:
    """A row as text, the rate never without its residual."""
    begin = f"{row['game']:<26}{row['method']:<25}"
    if row["note"] is not None:
        return f"{begin}{row['note']}"
    worst = "infinite" if row["residual_max"] is None else f"{row['residual_max']:.0e}"
    return (
        f"{begin}{row['flop']:>9,.0f} flop, {row['quotients']:>7,.1f} of them quotients, and {row['bytes']:>5,} bytes "
        f"a point: {row['intensity']:>7.1f} flop/byte, {row['flop_per_s'] / 1e9:>6.2f} Gflop/s; "
        f"{row['points_per_s']:.3g} points a second of a {unit()}, at most {row['points_per_s_at_most']:.3g} by "
        f"{row['bound_by']}, of which it reaches {row['share']:.1%}; residual {worst}, accepted "
        f"{row['share_accepted']:.2%}"
    )


def table(record: dict[str, Any]) -> str:
    """The peaks and all rows."""
    return "\n".join([peak_line(record["peak"]), *map(line, record["rows"])])
