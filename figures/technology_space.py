"""A model is opened among those who can use it; who is far from it gains little, and may lose by competition.

An owner and six outsiders at the places of a plane of technologies, with spillovers that decay with distance
(`OpenSourcingInSpace`, exponential decay, half is left at a distance of 0.23; an open model makes research cheaper for
its neighbours only). The model has no edge that would become public, so that all that changes hands is what spills
over. Left: what the owner gains by opening, by its own place, at strong competition; black: the places at which it is
indifferent; dashed: the same at weak competition. Right: what each outsider gains if the model is opened, by its
distance from the owner, over all places of the owner; lines are medians and bands the middle 80 % of outsiders, in ten
classes of distance with equally many of them. At each place both games are solved, open and closed, and every firm is
searched for profitable deviations.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import OpenSourcingInSpace
from nashgrid.solver import Status, at_points, value_map

from ._style import BLUE, FAILED, ORANGE, framed, patches, span, without_legend
from ._sweeps import Sweeps

POINTS = 49
OUTSIDERS = ((0.26, 0.62), (0.36, 0.74), (0.4, 0.56), (0.22, 0.76), (0.72, 0.24), (0.8, 0.34))
COMMON = {"edge": 0.0, "opening_cost": 0.012, "decay": 3.0, "local_access": 1.0}
WEAK, STRONG = 0.3, 0.8
LINES: dict[float, Literal["-", "--"]] = {STRONG: "-", WEAK: "--"}
CLASSES = 10
_X, _Y = "horizontal", "vertical"
_SCALE = 1000.0


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """What every firm gains if the model is opened, by the owner's place and competition, and its distance."""
    places = np.linspace(0.0, 1.0, points)
    every = np.meshgrid([WEAK, STRONG], places, places, [0.0, 1.0], indexing="ij")
    names = ("competition", "positions[0,0]", "positions[0,1]", "openness")
    sweeps.say(f"  {every[0].size:,} equilibria, searched for deviations")
    columns = {name: each.ravel() for name, each in zip(names, every, strict=True)}
    game = OpenSourcingInSpace(positions=((0.5, 0.5), *OUTSIDERS), **COMMON)
    data = at_points(game, columns, keep=("payoff", "distance"), progress=False)
    shape, dims = every[0].shape, ("competition", _X, _Y)
    payoff, status = data["payoff"].values.reshape(*shape, -1), data["status"].values.reshape(shape)
    both = np.where((status == int(Status.successful)).all(axis=-1), int(Status.successful), status.max(axis=-1))
    distance = data["distance"].values.reshape(*shape, -1)[..., 0, :]
    found = xr.Dataset(
        {
            "gain": ((*dims, "firm"), payoff[..., 1, :] - payoff[..., 0, :]),
            "distance": ((*dims, "firm"), distance),
            "status": (dims, both),
        },
        {"competition": [WEAK, STRONG], _X: places, _Y: places, "firm": list(game.firms)},
    )
    return {"technology_space": found}


def by_distance(data: xr.Dataset) -> xr.Dataset:
    """Quantiles of what outsiders gain in classes of distance with equally many of them."""
    solved = (data["status"] == int(Status.successful)).values
    distance = data["distance"].values[solved][:, 1:].ravel()
    gain = data["gain"].values[solved][:, 1:].ravel()
    classes = np.array_split(np.argsort(distance, kind="stable"), CLASSES)
    levels = [0.1, 0.5, 0.9]
    quantiles = np.array([np.quantile(gain[each], levels) for each in classes])
    middle = [float(np.median(distance[each])) for each in classes]
    return xr.Dataset({"gain": (("distance", "quantile"), quantiles)}, {"distance": middle, "quantile": levels})


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    every = data["technology_space"]
    figure = Figure(figsize=(9.6, 4.4))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    _map(left, every)
    for competition, colour in ((WEAK, BLUE), (STRONG, ORANGE)):
        bands = by_distance(every.sel(competition=competition))
        low, middle, high = (bands["gain"].sel(quantile=q).values * _SCALE for q in bands["quantile"].values)
        right.fill_between(bands["distance"], low, high, color=colour, alpha=0.2, linewidth=0.0)
        right.plot(bands["distance"], middle, color=colour, linewidth=1.8, label=f"competition d = {competition:g}")
    right.axhline(0.0, color="0.5", linewidth=0.8)
    right.set(xlabel="distance between outsider and owner", ylabel="what the outsider gains (payoff, thousandths)")
    right.set_title("Outsiders: who is near gains")
    right.legend()
    figure.suptitle("A model is opened among those who can use it; under strong competition remote firms may lose")
    return figure


def _map(ax: Axes, data: xr.Dataset) -> None:
    owner = data.isel(firm=0)
    gain = (owner["gain"] * _SCALE).assign_attrs(long_name="what the owner gains by opening (payoff, thousandths)")
    strong = gain.sel(competition=STRONG)
    most = float(np.nanmax(np.abs(strong)))
    value_map(strong, x=_X, y=_Y, status=owner["status"].sel(competition=STRONG), ax=ax, cmap="PuOr_r",
              vmin=-most, vmax=most)  # fmt: skip
    without_legend(framed(ax))
    handles: list[Artist] = [Line2D([], [], color="black", marker="o", ls="none", ms=6, label="outsider")]
    for competition, line in LINES.items():
        one = gain.sel(competition=competition).transpose(_Y, _X)
        if one.min() < 0.0 < one.max():
            ax.contour(one[_X], one[_Y], one, levels=[0.0], colors="black", linewidths=1.4, linestyles=line)
        handles.append(Line2D([], [], color="black", linestyle=line, label=f"indifferent, d = {competition:g}"))
    if (owner["status"] != int(Status.successful)).any():
        handles += patches({"no equilibrium found": FAILED})
    ax.plot(*np.transpose(OUTSIDERS), color="black", marker="o", ls="none", ms=6, mec="white")
    ax.set(xlim=span(data[_X]), ylim=span(data[_Y]), aspect="equal")
    ax.set(xlabel="owner's place, first coordinate", ylabel="owner's place, second coordinate")
    ax.set_title(f"The owner: opens inside the line (d = {STRONG:g})")
    ax.legend(handles=handles, loc="lower left", frameon=True, framealpha=0.9)
