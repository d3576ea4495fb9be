"""The figure of the throughput record: rate against number of points, one panel for each game."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart, and grey; no two share a marker.
_STYLES = {
    "nashopt": ("NashOpt, one by one", "#7F7F7F", "X"),
    "scipy": ("scipy.optimize.root, one by one", "#000000", "*"),
    "plain": ("plain vmapped Newton", "#E69F00", "s"),
    "optimistix": ("optimistix Newton, vmapped", "#CC79A7", "v"),
    "numba": ("numba, by hand for each game", "#D55E00", "P"),
    "newton": ("nashgrid Newton", "#56B4E9", "^"),
    "best_response": ("nashgrid BestResponse", "#0072B2", "o"),
    "best_response_certified": ("nashgrid BestResponse, certified", "#009E73", "D"),
}
_ACROSS = 4


def draw(record: dict[str, Any], file: Path) -> None:
    """Draw the record of `throughput` into a PNG file."""
    games = record["parameters"]["games"]
    across = min(_ACROSS, len(games))
    down = -(-len(games) // across)
    figure = Figure(figsize=(3.4 * max(across, 2), 3.0 * down + 1.6), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    flat = list(panels.flat)
    for ax, (name, game) in zip(flat, games.items(), strict=False):
        panel([row for row in record["rows"] if row["game"] == name], ax=ax)
        ax.set_title(game["title"], fontsize=10)
    for ax in flat[len(games) :]:
        ax.set_axis_off()
    handles, labels = _legend(flat[: len(games)])
    figure.legend(handles, labels, loc="outside lower center", ncols=min(across + 1, 4), fontsize=9, frameon=False)
    for i, ax in enumerate(flat[: len(games)]):
        lowest = i + across >= len(games)
        ax.tick_params(labelbottom=lowest, labelleft=i % across == 0)
        # A common label would lie on the legend.
        ax.set_xlabel("points solved in one call" if lowest else "", fontsize=10)
    here = record["environment"]
    tolerance = f"{record['parameters']['tolerance']:g}".replace("e-0", "e-")
    figure.suptitle(
        f"Equilibria per second with residual ≤ {tolerance}, float64 (hollow: some points missed it)\n"
        f"{here['devices']} x {here['device_kind']} ({here['cpu']}), jax {here['jax']}",
        fontsize=11,
    )
    figure.supylabel("equilibria / s", fontsize=10)
    FigureCanvasAgg(figure).print_figure(file, dpi=150, metadata={"Software": None})


def panel(rows: list[dict[str, Any]], *, ax: Axes) -> Axes:
    """The rows of one game: a line for each competitor; hollow where some points missed the tolerance."""
    for name, (label, colour, marker) in _STYLES.items():
        mine = [row for row in rows if row["competitor"] == name and row["equilibria_per_s"]]
        if not mine:
            continue
        x, y = [row["points"] for row in mine], [row["equilibria_per_s"] for row in mine]
        ax.plot(x, y, color=colour, marker=marker, markersize=6, linewidth=1.4, label=label)
        short = [row for row in mine if row["share_within"] < 1.0]
        ax.plot(
            [row["points"] for row in short], [row["equilibria_per_s"] for row in short],
            linestyle="none", marker=marker, markersize=6, color=colour, markerfacecolor="white",
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.grid(True, which="major", linewidth=0.4, alpha=0.6)
    return ax


def _legend(panels: list[Axes]) -> tuple[list, list]:
    known = {label: handle for ax in panels for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    order = [label for label, _, _ in _STYLES.values() if label in known]
    return [known[label] for label in order], order
