"""How robust each claim about open models is, and which parameters decide it.

Left: the share of the admissible parameter space in which a claim holds, over all parameters at once, in the ranges of
`nashgrid.games.claims`, with intervals of 95 %; hatched: (nearly) built into the model. Right: total-order Sobol
indices, the part of the variance of "holds or not" that a parameter explains with all its interactions; a question
mark where its standard error is above 0.15, as for claims that almost always hold, and a dash if they always or never
do. Upper half: `OpenSourcing` with four outsiders; lower half: `QuasiPublicGood` with three developers and three
groups. Every point is an equilibrium, solved and certified for the open and for the closed model; points without one
are left out. A share says how robust a claim is in a model, not how likely it is in the world. The papers are known to
us by their abstracts.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nashgrid.games.claims import OPEN_SOURCING, QUASI_PUBLIC_GOOD, ClaimSet

from ._atlas import DRAWS, atlases, words
from ._style import BLUE, percent
from ._sweeps import Sweeps

POINTS = DRAWS
"""Draws of all parameters."""
SETS: tuple[ClaimSet, ...] = (OPEN_SOURCING, QUASI_PUBLIC_GOOD)
_HATCH, _UNSURE = "////", 0.15


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The atlases."""
    return atlases(SETS, points, sweeps)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = drawn(data)
    solved = sum(each.attrs["draws"] for each in data.values())
    figure.suptitle(f"Claims about open models: most hold in a part of the parameter space ({solved:,} draws)")
    return figure


def drawn(data: Mapping[str, xr.Dataset]) -> Figure:
    """Shares and indices of sets of claims, one below the other."""
    heights = [each.sizes["claim"] + 3.0 for each in data.values()]
    figure = Figure(figsize=(9.0, 0.35 * sum(heights) + 0.5))
    grid = figure.subplots(len(data), 2, width_ratios=(1.0, 2.2), height_ratios=heights, squeeze=False)
    for row, (name, each) in zip(grid, data.items(), strict=True):
        _shares(row[0], each)
        _indices(row[1], each)
        row[0].set_title(f"{name.capitalize()}: share of parameter space")
        row[1].set_title("What decides: total-order Sobol index")
    handles = [
        Patch(facecolor=BLUE, label="derived"),
        Patch(facecolor=BLUE, hatch=_HATCH, edgecolor="white", label="built in, or nearly"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _shares(ax: Axes, data: xr.Dataset) -> None:
    places = np.arange(data.sizes["claim"])
    share = data["share"].values
    reach = np.stack([share - data["share_low"], data["share_high"] - share])
    bars = ax.barh(places, share, xerr=reach, color=BLUE, edgecolor="white", linewidth=0.0, ecolor="black", capsize=2.0)
    for bar, value, above, standing in zip(bars, share, reach[1], data["standing"].values, strict=True):
        text = percent(float(value)) + (f" ± {100.0 * above:.1f}" if above >= 0.0005 else "")
        if standing != "derived":
            bar.set_hatch(_HATCH)
        inside = value > 0.7
        ax.annotate(text, (value, bar.get_y() + 0.4), (-6 if inside else 6, 0), va="center",
                    textcoords="offset points", ha="right" if inside else "left",
                    bbox={"facecolor": BLUE if inside else "white", "edgecolor": "none", "pad": 1.0},
                    color="white" if inside else "black")  # fmt: skip
    ax.set(yticks=places, yticklabels=data["claim"].values, xlim=(0.0, 1.0), ylim=(len(places) - 0.5, -0.5))
    ax.set(xlabel="share of admissible draws", ylabel="claim")


def _indices(ax: Axes, data: xr.Dataset) -> None:
    values, error = data["total_order"].values, data["total_order_error"].values
    unsure = np.isfinite(values) & ~(error <= _UNSURE)
    values = np.where(unsure, np.nan, values)
    image = ax.imshow(values, cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        text = (
            "?"
            if unsure[i, j]
            else "–"
            if np.isnan(value)
            else f"{value:.2f}".removeprefix("0")
            if value >= 0.005
            else ""
        )
        ax.text(j, i, text, ha="center", va="center", fontsize=7.0, color="white" if value > 0.5 else "black")
    names = [words(str(name)) for name in data["parameter"].values]
    ax.set_xticks(np.arange(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=7.5)
    ax.set_yticks([])
    ax.set_xlabel("parameter")
    ax.spines[["top", "right"]].set_visible(True)
    ax.figure.colorbar(image, ax=ax, label="share of the variance", fraction=0.04, pad=0.01)
