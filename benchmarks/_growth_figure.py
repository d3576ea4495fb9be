"""The figure of the growth record: what a point or an iteration costs, and memory, against what grows."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_FIRST, _SECOND = ("#0072B2", "o"), ("#D55E00", "s")


def draw(record: dict[str, Any], file: Path) -> None:
    """Draw the record of `growth` into a PNG file."""
    figure = Figure(figsize=(11.0, 6.4), layout="constrained")
    panels = figure.subplots(2, 3)
    lines(record, ("points_memory", "points_store"), "cost_s", ax=panels[0, 0])
    panels[0, 0].set(xlabel="points of a sweep", ylabel="processor time per point (s)", title="Points")
    lines(record, ("points_memory", "points_store"), "peak_mib", ax=panels[0, 1], linear=True)
    panels[0, 1].set(xlabel="points of a sweep", ylabel="peak memory (MiB)", title="Points: memory")
    lines(record, ("firms_cournot", "firms_logit"), "cost_s", ax=panels[0, 2], guide=2.0)
    panels[0, 2].set(xlabel="firms", ylabel="processor time per point (s)", title="Firms, any game")
    lines(record, ("aggregative_cournot", "aggregative_logit"), "cost_s", ax=panels[1, 0], guide=1.0)
    panels[1, 0].set(xlabel="firms", ylabel="processor time per iteration (s)", title="Firms, aggregative games")
    lines(record, ("strategies",), "cost_s", ax=panels[1, 1], few=True)
    panels[1, 1].set(xlabel="strategies of a firm", ylabel="processor time per point (s)", title="Strategies")
    lines(record, ("axes",), "cost_s", ax=panels[1, 2], few=True)
    panels[1, 2].set(xlabel="axes of the grid", ylabel="processor time per point (s)", title="Axes, same points")
    for ax in panels.flat:
        if ax.lines:
            ax.legend(fontsize=8, frameon=False)
    here = record["environment"]
    machine = f"{here['devices']} x {here['device_kind']} ({here['cpu']}), jax {here['jax']}"
    figure.suptitle(f"{_message(record)}\n{machine}, float64, certified", fontsize=11)
    FigureCanvasAgg(figure).print_figure(file, dpi=150, metadata={"Software": None})


def lines(
    record: dict[str, Any],
    names: tuple[str, ...],
    what: str,
    *,
    ax: Axes,
    guide: float | None = None,
    few: bool = False,
    linear: bool = False,
) -> Axes:
    """A line for each series; dotted, a power to compare them with; hollow where some points are not solved."""
    drawn = []
    for name, (colour, marker) in zip(names, (_FIRST, _SECOND), strict=False):
        mine = [row for row in record["rows"] if row["series"] == name and row[what] is not None]
        if not mine:
            continue
        x, y = (np.array([row[key] for row in mine], float) for key in ("size", what))
        label = record["parameters"]["series"][name]["title"]
        ax.plot(x, y, color=colour, marker=marker, markersize=5, linewidth=1.4, label=label)
        short = [k for k, row in enumerate(mine) if row["share_successful"] < 1.0]
        ax.plot(
            x[short], y[short], linestyle="none", marker=marker, markersize=5, color=colour, markerfacecolor="white"
        )
        drawn.append((x, y))
    if guide is not None and drawn:
        x, y = drawn[0]
        known = {1.0: "linear", 2.0: "square"}
        reference = y[-1] * (x / x[-1]) ** guide
        ax.plot(x, reference, color="0.4", linestyle=":", linewidth=1.2, label=known.get(guide, f"power {guide:g}"))
    ax.set_xscale("log", base=2 if few else 10)
    ax.set_yscale("linear" if linear else "log")
    sizes = sorted({int(value) for x, _ in drawn for value in x})
    if few:
        ax.xaxis.set_major_locator(FixedLocator(sizes))
        ax.set_xticklabels([str(size) for size in sizes])
    elif sizes:
        # Whole powers of ten, also around numbers that span little more than one.
        low, high = math.floor(math.log10(sizes[0])), math.ceil(math.log10(sizes[-1]))
        ax.xaxis.set_major_locator(FixedLocator([10.0**k for k in range(low, high + 1)]))
        ax.set_xlim(10.0**low * (0.7 if 10.0**low == sizes[0] else 1.0), sizes[-1] * 1.4)
    ax.xaxis.set_minor_locator(NullLocator())
    if linear:
        ax.set_ylim(0.0, 1.3 * max((y.max() for _, y in drawn), default=1.0))
    elif drawn:
        # Two decades at least, so that what hardly changes looks so.
        low, high = min(y.min() for _, y in drawn), max(y.max() for _, y in drawn)
        spare = max(1.5, 10.0 * math.sqrt(low / high))
        ax.set_ylim(low / spare, high * spare)
    ax.grid(True, which="major", linewidth=0.4, alpha=0.6)
    return ax


def _message(record: dict[str, Any]) -> str:
    """What the exponents say, in a line."""
    known = {entry["series"]: entry["exponent_larger_half"] for entry in record["exponents"]}
    parts = [
        f"with firms to the power {_power(known, ('firms_cournot', 'firms_logit'))}",
        f"in aggregative games {_power(known, ('aggregative_cournot', 'aggregative_logit'))}",
    ]
    return f"Cost grows {', '.join(parts)} (exponents of the larger half)"


def _power(known: dict[str, float | None], names: tuple[str, ...]) -> str:
    values = [f"{value:.1f}" for name in names if (value := known.get(name)) is not None]
    return " and ".join(values) or "?"
