"""The figure of the roofline record."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_STYLES = {
    "newton": ("nashgrid Newton", "#56B4E9", "^"),
    "best_response_certified": ("nashgrid BestResponse, certified", "#009E73", "D"),
}


def draw(record: dict[str, Any], file: Path) -> None:
    """Draw the record of `roofline` into a PNG file."""
    flop, moved = record["peak"]["flop_per_s"], record["peak"]["bytes_per_s"]
    rows = [row for row in record["rows"] if row["flop"] is not None]
    x = np.array([row["intensity"] for row in rows])
    y = np.array([row["flop_per_s"] for row in rows])
    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    ax = figure.subplots()
    reach = np.geomspace(min(0.1, x.min(initial=1.0) / 2), 3.0 * max(x.max(initial=1.0), flop / moved), 200)
    ax.plot(reach, np.minimum(flop, moved * reach) / 1e9, color="0.2", linewidth=1.6, label="what a core can do")
    for method, (label, colour, marker) in _STYLES.items():
        mine = [k for k, row in enumerate(rows) if row["method"] == method]
        ax.plot(x[mine], y[mine] / 1e9, linestyle="none", color=colour, marker=marker, markersize=7, label=label)
        for k in mine:
            place, side = ((5, 3), "left") if method == "newton" else ((-5, -11), "right")
            ax.annotate(rows[k]["title"], (x[k], y[k] / 1e9), place, textcoords="offset points", fontsize=7, ha=side)
    ax.set(xscale="log", yscale="log", xlabel="operations per byte moved (flop/byte)", ylabel="Gflop/s of a core")
    ax.grid(True, which="major", linewidth=0.4, alpha=0.6)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    here = record["environment"]
    bound = int(np.sum(x > flop / moved))
    share = f"{(y / flop).min():.0%} to {(y / flop).max():.0%}" if len(y) else "?"
    ax.set_title(
        f"Arithmetic, not memory, bounds {bound} of {len(rows)} kernels; they reach {share} of a core's peak\n"
        f"{here['cpu']}, jax {here['jax']}, float64",
        fontsize=10,
    )
    FigureCanvasAgg(figure).print_figure(file, dpi=150, metadata={"Software": None})
