"""The figure of the roofline record."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_STYLES = {
    "newton": ("nashgrid Newton, unchecked", "#0072B2", "^"),
    "best_response_certified": ("nashgrid BestResponse, certified", "#009E73", "D"),
}
_CEILING = "0.35"
_APART = 11.0
"""Points of a typographer between labels, and between them and markers."""


def draw(record: dict[str, Any], file: Path) -> None:
    """Draw the record of `roofline` into a PNG file."""
    rows = [row for row in record["rows"] if row["note"] is None]
    figure = Figure(figsize=(10.2, 6.0), layout="constrained")
    ax = figure.subplots()
    ceilings(record["peak"], rows, ax=ax)
    numbers = {name: k for k, name in enumerate(dict.fromkeys(row["game"] for row in rows), 1)}
    at = []
    for method, (label, colour, marker) in _STYLES.items():
        mine = [row for row in rows if row["method"] == method]
        x, y = ([row[name] for row in mine] for name in ("intensity", "flop_per_s"))
        ax.plot(
            x, np.array(y) / 1e9, linestyle="none", color=colour, marker=marker, markersize=6, label=label, zorder=4
        )
        at += [(row, colour) for row in mine]
    for k, (row, _) in enumerate(at):
        own, (x, y) = row["flop"] / max(row["bounds_s"].values()), (row["intensity"], row["flop_per_s"])
        label = "the bound of a game by itself" if k == 0 else None
        ax.plot([x, x], [y / 1e9, own / 1e9], color="0.75", linewidth=0.7, zorder=1)
        ax.plot([x], [own / 1e9], linestyle="none", marker="_", markersize=9, color="0.45", zorder=2, label=label)
    ax.grid(True, which="major", linewidth=0.4, alpha=0.6)
    ax.set(xscale="log", yscale="log", xlabel="operations per byte moved (flop/byte)")
    ax.set_ylabel(f"operations per second of a {record['peak']['of'].partition(',')[0]} (Gflop/s)")
    figure.suptitle(_title(record, rows), fontsize=11)
    titles = {row["game"]: row["title"] for row in rows}
    listed = "\n".join(f"{k}  {titles[name]}" for name, k in numbers.items()) + "\n"
    figure.legend(
        loc="outside right center", fontsize=8.5, frameon=False, title=listed, title_fontsize=8.5, alignment="left"
    )
    figure.draw_without_rendering()  # Places in pixels are known from now on.
    _name_slope(record["peak"]["bytes_per_s"] / 1e9, ax=ax)
    place([(row["intensity"], row["flop_per_s"] / 1e9, str(numbers[row["game"]]), colour) for row, colour in at], ax=ax)
    FigureCanvasAgg(figure).print_figure(file, dpi=150, metadata={"Software": None})


def ceilings(peak: dict[str, Any], rows: list[dict[str, Any]], *, ax: Axes) -> None:
    """The lines that no point can be above, each with its name."""
    flop, moved = peak["flop_per_s"] / 1e9, peak["bytes_per_s"] / 1e9
    x = [row["intensity"] for row in rows]
    low, high = min([0.5, *x]) / 2.0, max([10.0 * flop / moved, *x]) * 2.0
    reach = np.geomspace(low, high, 400)
    ax.plot(reach, np.minimum(flop, moved * reach), color="0.1", linewidth=1.7)
    ax.plot([flop / moved / 2.0, high], [flop / 2.0] * 2, color=_CEILING, linewidth=1.0, linestyle="--")
    bottom = min([0.3 * moved * low, *(0.5 * row["flop_per_s"] / 1e9 for row in rows)])
    ax.set(xlim=(low, high), ylim=(bottom, 2.2 * flop))
    name: dict[str, Any] = {"fontsize": 8.5, "color": "0.1", "ha": "right"}
    ax.text(high / 1.1, flop * 1.06, f"products that are added: {flop:,.0f} Gflop/s", va="bottom", **name)
    ax.text(high / 1.1, flop / 2.0 * 0.94, f"sums or products alone: {flop / 2.0:,.0f} Gflop/s", va="top", **name)


def _name_slope(moved: float, *, ax: Axes) -> None:
    """The name of the ceiling that rises, along it."""
    x = 1.2 * ax.get_xlim()[0]
    (left, low), (right, high) = ax.transData.transform([(x, moved * x), (2.0 * x, 2.0 * moved * x)])
    turned = math.degrees(math.atan2(high - low, right - left))
    ax.annotate(
        f"copy of memory: {moved:,.0f} GB/s", (x, moved * x), (-4, 4), textcoords="offset points", rotation=turned,
        rotation_mode="anchor", fontsize=8.5, color="0.1",
    )  # fmt: skip


def place(labels: list[tuple[float, float, str, str]], *, ax: Axes) -> None:
    """Write labels (x, y, text, colour) beside points, where nothing else is."""
    scale = 72.0 / ax.figure.dpi
    points = ax.transData.transform([(x, y) for x, y, _, _ in labels] or np.empty((0, 2))) * scale
    taken = list(points)
    turns = [k * math.pi / 6.0 for k in (1, 3, 5, 7, 9, 11, 0, 2, 4, 6, 8, 10)]
    for (x, y, text, colour), point in zip(labels, points, strict=True):
        tried = [
            radius * np.array([math.cos(turn), math.sin(turn)])
            for radius, turn in itertools.product((_APART, 1.6 * _APART, 2.4 * _APART, 3.5 * _APART), turns)
        ]
        free = [min(math.dist(point + way, other) for other in taken) for way in tried]
        k = next((k for k, room in enumerate(free) if room >= 0.97 * _APART), int(np.argmax(free)))
        taken.append(point + tried[k])
        line = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.6, "shrinkA": 4.0, "shrinkB": 3.0}
        far = math.hypot(*tried[k]) > 1.2 * _APART
        ax.annotate(
            text, (x, y), tuple(tried[k]), textcoords="offset points", fontsize=8, ha="center", va="center",
            color=colour, fontweight="bold", arrowprops=line if far else None, zorder=5,
        )  # fmt: skip


def _title(record: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The message in a line, and what it was measured on."""
    here, bound = record["environment"], [row["bound_by"] for row in rows]
    known = {name: bound.count(name) for name in ("memory", "quotients", "arithmetic")}
    share = [row["share"] for row in rows] or [math.nan]
    return (
        f"{known['memory'] or 'None'} of {len(rows)} programs is bound by memory, {known['quotients']} by quotients "
        f"and roots, {known['arithmetic']} by sums and products;\nthey reach {min(share):.0%} to {max(share):.0%} of "
        f"what bounds them ({here['devices']} x {here['device_kind']}, {here['cpu']}, jax {here['jax']}, float64)"
    )
