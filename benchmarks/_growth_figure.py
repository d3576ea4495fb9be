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
_STYLES = (("#0072B2", "o"), ("#D55E00", "s"))
_PANELS = (
    ("Points of a sweep", ("points_memory", "points_store"), "points", None, False),
    ("Firms, any game", ("firms_cournot", "firms_logit"), "firms", 2.0, False),
    ("Firms, aggregative games", ("aggregative_cournot", "aggregative_logit"), "firms", 1.0, False),
    ("Strategies; axes of a grid", ("strategies", "axes"), "strategies of a firm, or axes", None, True),
)
"""Title, series, what grows, a power to compare times with, and whether there are few sizes."""


def draw(record: dict[str, Any], file: Path) -> None:
    """Draw the record of `growth` into a PNG file."""
    figure = Figure(figsize=(15.0, 7.0), layout="constrained")
    panels = figure.subplots(2, len(_PANELS))
    for (above, below), (title, names, what, guide, few) in zip(panels.T, _PANELS, strict=True):
        lines(record, names, "cost_s", ax=above, guide=guide, few=few)
        lines(record, names, "peak_mib", ax=below, few=few)
        per = record["parameters"]["series"].get(names[0], {}).get("cost", "point")
        above.set_title(title, fontsize=10.5)
        above.set_ylabel(f"{record['parameters']['clock']} per {per} (s)")
        below.set(xlabel=what, ylabel="peak memory of the process (MiB)")
        if above.lines:
            above.legend(fontsize=8, frameon=False)
    here = record["environment"]
    machine = f"{here['devices']} x {here['device_kind']} ({here['cpu']}), jax {here['jax']}"
    figure.suptitle(f"{_message(record)}\n{machine}, float64, certified", fontsize=11)
    FigureCanvasAgg(figure).print_figure(file, dpi=120, metadata={"Software": None})


def lines(
    record: dict[str, Any],
    names: tuple[str, ...],
    what: str,
    *,
    ax: Axes,
    guide: float | None = None,
    few: bool = False,
) -> Axes:
    """A line for each series; dotted, a power to compare them with; hollow where some points are not solved."""
    drawn = []
    for name, (colour, marker) in zip(names, _STYLES, strict=False):
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
    ax.set_yscale("log")
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
    if drawn:
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
        f"in aggregative games {_power(known, ('aggregative_cournot', 'aggregative_logit'))} (larger half of sizes)",
    ]
    flat = next((entry for entry in record["memory"] if entry["series"] == "points_store"), None)
    if flat is not None:
        (first, last), ratio = flat["sizes"], flat["ratio"]
        parts.append(f"memory of a stored sweep x {ratio:.2f} from {first:,} to {last:,} points")
    return f"Time grows {', '.join(parts)}"


def _power(known: dict[str, float | None], names: tuple[str, ...]) -> str:
    values = [f"{value:.1f}" for name in names if (value := known.get(name)) is not None]
    return " and ".join(values) or "?"
