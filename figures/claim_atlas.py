"""How robust each claim about open models is, and which parameters decide it.

Left: the share of the admissible parameter space in which a claim holds, over all parameters at once, in the ranges of
`nashgrid.games.claims`; hatched: (nearly) built into the model. Right: total-order Sobol indices, the part of the
variance of "holds or not" that a parameter explains with all its interactions. Upper half: `OpenSourcing` with four
outsiders; lower half: `QuasiPublicGood` with three developers and three groups. Every point is an equilibrium, solved
and certified for the open and for the closed model; points without one are left out. A share says how robust a claim
is in a model, not how likely it is in the world.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nashgrid.games.claims import OPEN_SOURCING_CLAIMS, QUASI_PUBLIC_CLAIMS, Claim

from ._atlas import atlases, words
from ._style import BLUE, percent
from ._sweeps import Sweeps

POINTS = 2048
"""Sobol points of each of the two samples."""
_HATCH = "////"


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """Both atlases."""
    return atlases(points, sweeps.say)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(9.0, 7.4))
    grid = figure.subplots(2, 2, width_ratios=(1.0, 2.2))
    for row, (name, claims) in zip(grid, _CLAIMS.items(), strict=True):
        _shares(row[0], data[name], claims)
        _indices(row[1], data[name])
    grid[0, 0].set_title("Open sourcing: share of parameter space")
    grid[1, 0].set_title("Quasi-public good: share of parameter space")
    for ax in grid[:, 1]:
        ax.set_title("What decides: total-order Sobol index")
    solved = sum(each.sizes["draw"] for each in data.values())
    least, most = (percent(float(end)) for end in (_every(data).min(), _every(data).max()))
    figure.suptitle(f"Claims about open models hold in {least} to {most} of the parameter space ({solved:,} draws)")
    handles = [
        Patch(facecolor=BLUE, label="derived"),
        Patch(facecolor=BLUE, hatch=_HATCH, edgecolor="white", label="nearly built in"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


_CLAIMS: dict[str, Sequence[Claim]] = {"open sourcing": OPEN_SOURCING_CLAIMS, "quasi-public good": QUASI_PUBLIC_CLAIMS}


def _every(data: Mapping[str, xr.Dataset]) -> np.ndarray:
    return np.concatenate([each["share"].values for each in data.values()])


def _shares(ax: Axes, data: xr.Dataset, claims: Sequence[Claim]) -> None:
    places = np.arange(len(claims))
    share = data["share"].values
    bars = ax.barh(places, share, color=BLUE, edgecolor="white", linewidth=0.0)
    for claim, bar, value in zip(claims, bars, share, strict=True):
        if claim.standing != "derived":
            bar.set_hatch(_HATCH)
        inside = value > 0.7
        ax.annotate(percent(float(value)), (value, bar.get_y() + 0.4), (-4 if inside else 4, 0), va="center",
                    textcoords="offset points", ha="right" if inside else "left",
                    bbox={"facecolor": BLUE if inside else "white", "edgecolor": "none", "pad": 1.0},
                    color="white" if inside else "black")  # fmt: skip
    ax.set(yticks=places, yticklabels=[claim.name for claim in claims], xlim=(0.0, 1.0), ylim=(len(claims) - 0.5, -0.5))
    ax.set(xlabel="share of admissible draws", ylabel="claim")


def _indices(ax: Axes, data: xr.Dataset) -> None:
    values = data["total_order"].values
    image = ax.imshow(values, cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:.2f}".removeprefix("0") if value >= 0.005 else ""
        ax.text(j, i, text, ha="center", va="center", fontsize=7.0, color="white" if value > 0.5 else "black")
    names = [words(str(name)) for name in data["parameter"].values]
    ax.set_xticks(np.arange(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=7.5)
    ax.set_yticks([])
    ax.set_xlabel("parameter")
    ax.spines[["top", "right"]].set_visible(True)
    ax.figure.colorbar(image, ax=ax, label="share of the variance", fraction=0.04, pad=0.01)
