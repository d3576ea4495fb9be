"""How near kernels come to what a core can do: operations per second against operations per byte.

The most a core computes is measured by a kernel that only multiplies and adds, the most it moves by copying an array
that no cache holds. A point moves its parameters in and its results out; all between stays in registers and caches, so
kernels should be bound by arithmetic, not by memory. How long roots, quotients and comparisons take is not in the roof.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nashgrid.solver import BestResponse, GlobalSearch, Newton
from nashgrid.solver import _devices as devices_module
from nashgrid.solver._axes import knobs
from nashgrid.solver._devices import How, KernelLanes, kernel_of
from nashgrid.solver._kernel import Kernel

from ._cases import Case, cases
from ._competitor import MAX_STEPS, TOLERANCE
from ._counted import counting
from ._environment import commit, environment, load, now
from ._roofline_figure import draw

METHODS = {"newton": (Newton(), None), "best_response_certified": (BestResponse(), GlobalSearch())}
QUICK_GAMES = ("linear_cournot_2", "isoelastic_cournot_2")
POINTS = 16_384
COUNTED = 256
"""Points at a time while operations are counted: one core's."""
SAMPLE = 8
REPETITIONS = 3
_CHAINS, _TURNS = 32, 4096
_COPIED = 2**25
_CERTIFIED_FIRMS = 2
"""The most firms with a certificate: of more of them kernels are compiled, twice here, for longer than it matters."""


def run(out: Path, *, quick: bool = False, say: Callable[[str], None] = print) -> dict[str, Any]:
    """The record: the peaks, a row for each game and method, and a figure in `out`."""
    here, began = environment(), now()
    peak = {"flop_per_s": arithmetic_peak(), "bytes_per_s": copy_peak()}
    say(f"a core: {peak['flop_per_s'] / 1e9:.1f} Gflop/s, {peak['bytes_per_s'] / 1e9:.1f} GB/s")
    rows = []
    for name, case in cases().items():
        if quick and name not in QUICK_GAMES:
            continue
        for method, (_, search) in METHODS.items():
            if search is not None and case.firms > _CERTIFIED_FIRMS:
                continue
            rows.append(measured(case, method))
            say(line(rows[-1], peak))
    here["load_average"] = [here["load_average"], load()]
    record = {
        "benchmark": "roofline",
        "date": began,
        "commit": commit(),
        "environment": here,
        "parameters": {
            "quick": quick,
            "points": POINTS,
            "tolerance": TOLERANCE,
            "flop": "counted in the running kernel; a product that is added is two; lanes that wait count",
            "bytes": "parameters in, results out",
            "seconds": "median processor time, of one pass with all steps",
        },
        "peak": peak,
        "rows": rows,
    }
    draw(record, out / "roofline.png")
    return record


def measured(case: Case, method: str) -> dict[str, Any]:
    """What a point of a game costs by a method."""
    way, search = METHODS[method]
    how = How(knobs(case.game, tuple(case.columns), "axes"), (), way, TOLERANCE, MAX_STEPS, search)
    points = case.points(POINTS)
    with counting() as counter:
        devices_module._kernel.cache_clear()
        made = kernel_of(case.game, how)
        row: dict[str, Any] = {"game": case.name, "title": case.title, "method": method}
        if made is None:
            return row | dict.fromkeys(("flop", "bytes", "seconds", "steps", "intensity", "flop_per_s"))
        lanes = KernelLanes(case.game, made, MAX_STEPS, COUNTED, final=True)
        for first in range(0, SAMPLE * COUNTED, COUNTED):
            part = points[first : first + COUNTED]
            lanes.finish(lanes.start(part), part)
        flop = counter.total() / (SAMPLE * COUNTED)
    devices_module._kernel.cache_clear()
    made = kernel_of(case.game, how)
    assert made is not None
    lanes, times, found = KernelLanes(case.game, made, MAX_STEPS, POINTS, final=True), [], {}
    for _ in range(1 + REPETITIONS):
        begin = time.process_time()
        found = lanes.finish(lanes.start(points), points)
        times.append(time.process_time() - begin)
    seconds = statistics.median(times[1:]) / POINTS
    moved = made.bytes_of_results() + points.itemsize * points.shape[1]
    return row | {
        "flop": flop,
        "bytes": moved,
        "seconds": seconds,
        "steps": float(np.mean(found["steps"])),
        "intensity": flop / moved,
        "flop_per_s": flop / seconds,
    }


def arithmetic_peak() -> float:
    """Operations per second of a kernel that only multiplies and adds, in chains that do not wait for each other."""

    def chains(_shared: Any, row: jax.Array) -> list[jax.Array]:
        begin = [row[0] + float(k) for k in range(_CHAINS)]

        def turn(_: Any, xs: list[jax.Array]) -> list[jax.Array]:
            return [x * row[1] + row[2] for x in xs]

        return jax.lax.fori_loop(0, _TURNS, turn, begin)

    made = Kernel(chains, (), jax.ShapeDtypeStruct((3,), jnp.result_type(float)), 100_000)
    rows = np.tile([1.0, 0.5, 0.25], (COUNTED, 1))
    times = []
    for _ in range(2 + REPETITIONS):
        begin = time.process_time()
        made.run((), rows)
        times.append(time.process_time() - begin)
    return 2.0 * _CHAINS * _TURNS * COUNTED / min(times)


def copy_peak() -> float:
    """Bytes that are read and written per second, copying more than caches hold."""
    source = np.ones(_COPIED)
    target = np.zeros_like(source)
    times = []
    for _ in range(2 + REPETITIONS):
        begin = time.process_time()
        np.copyto(target, source)
        times.append(time.process_time() - begin)
    return 2.0 * source.nbytes / min(times)


def line(row: dict[str, Any], peak: dict[str, float]) -> str:
    """A row as text."""
    begin = f"{row['game']:<26}{row['method']:<25}"
    if row["flop"] is None:
        return f"{begin}no kernel"
    return (
        f"{begin}{row['flop']:>9,.0f} flop and {row['bytes']:>5,} bytes a point: {row['intensity']:>7.1f} flop/byte, "
        f"{row['flop_per_s'] / 1e9:>6.2f} Gflop/s, {row['flop_per_s'] / peak['flop_per_s']:.0%} of the peak"
    )


def table(record: dict[str, Any]) -> str:
    """All rows."""
    return "\n".join(line(row, record["peak"]) for row in record["rows"])
