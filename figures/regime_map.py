"""Owners of middling size open; competition moves the size that is most inclined to open downwards.

Who opens a language model, by the owner's size and by the edge of its model over rivals, when the owner
commits before all do research. Upper left: linear value of technology (`LinearValueOpenSourcing`), with the
exact boundary `threshold_edge`; its value per unit of quality, 0.65, is about the marginal value of quality
in the model of the other panels, so that the axes can be shared. The others: `OpenSourcing` with four
outsiders, where owner and outsiders compete in a second period, at three degrees of substitutability d; there
is no closed form, and the grey line of each is the boundary without competition. At each point both choices
are solved, and every firm is searched for profitable deviations. Triangles: the size at which the owner opens
at the largest edge.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import LinearValueOpenSourcing, OpenSourcing, commitment, threshold_edge
from nashgrid.solver import Status, regime_map

from ._style import BLUE, FAILED, ORANGE, framed, patches, percent, span, without_legend
from ._sweeps import Sweeps

POINTS = 129
COMPETITION = (0.0, 0.3, 0.6)
_NAMES = {0.0: "closed", 1.0: "open"}
_LARGEST_EDGE = 0.1
_VALUE, _COST = 0.65, 0.02


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The owner's choice by size and edge, with linear value and with competition."""
    axes = {"owner_share": np.linspace(0.02, 0.98, points), "edge": np.linspace(0.0, _LARGEST_EDGE, points)}
    linear = commitment(LinearValueOpenSourcing(value=_VALUE, opening_cost=_COST))
    full = commitment(OpenSourcing(outsiders=4, opening_cost=_COST))
    return {
        "linear": sweeps("regime_map-linear", linear, axes),
        "competition": sweeps("regime_map-competition", full, {"competition": np.array(COMPETITION), **axes}),
    }


def boundary(data: xr.Dataset) -> xr.DataArray:
    """By size: the edge at which the owner is indifferent, interpolated between points; missing if it never opens."""
    payoff = data["choice_payoff"].where(data["status"] == Status.successful)
    gain = (payoff.sel(choice=1.0) - payoff.sel(choice=0.0)).transpose("owner_share", "edge").values
    edge = data["edge"].values
    found = np.full(len(gain), np.nan)
    for i, row in enumerate(gain):
        change = np.flatnonzero((row[:-1] >= 0.0) & (row[1:] < 0.0))
        if len(change):
            k = change[-1]
            found[i] = edge[k] + (edge[k + 1] - edge[k]) * row[k] / (row[k] - row[k + 1])
    return xr.DataArray(found, {"owner_share": data["owner_share"]}, name="boundary")


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(8.0, 6.6))
    first, *others = figure.subplots(2, 2, sharex=True, sharey=True).flat
    linear, full = data["linear"], data["competition"]
    _panel(first, linear, "Linear value of technology")
    shares = np.linspace(0.001, 0.999, 999)
    exact = np.asarray(threshold_edge(LinearValueOpenSourcing(owner_share=shares, value=_VALUE, opening_cost=_COST)))
    first.plot(shares, exact, color="black", linewidth=1.4)
    without = boundary(full.sel(competition=0.0))
    for ax, d in zip(others, COMPETITION, strict=True):
        _panel(ax, full.sel(competition=d), f"Competition, d = {d:g}" if d else "No competition, d = 0")
        if d:
            ax.plot(without["owner_share"], without, color="0.85", linewidth=1.4, linestyle="--")
    first.set(xlim=span(linear["owner_share"]), ylim=span(linear["edge"]))
    for ax in (first, others[1]):
        ax.set_ylabel("edge e over rival models (quality units)")
    for ax in others[1:]:
        ax.set_xlabel("owner's size s (share of the applications)")
    figure.suptitle("Owners of middling size open; competition moves the peak to smaller owners")
    handles = [
        *patches({"closed": BLUE, "open": ORANGE}),
        Line2D([], [], color="black", linewidth=1.4, label="exact boundary"),
        Line2D([], [], color="0.7", linewidth=1.4, linestyle="--", label="boundary at d = 0"),
        Line2D([], [], color="white", mec="black", marker="v", ls="none", label="opens at the largest edge"),
    ]
    if any((each["status"] != Status.successful).any() for each in data.values()):
        handles += patches({"no equilibrium found": FAILED})
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _panel(ax: Axes, data: xr.Dataset, title: str) -> None:
    regime_map(data["openness"], x="owner_share", y="edge", status=data["status"], labels=_NAMES, ax=ax)
    without_legend(framed(ax)).set(xlabel="", ylabel="")
    solved = data["status"] == Status.successful
    ax.set_title(f"{title}: {percent(float(data['openness'].where(solved).mean()))} open")
    edges = boundary(data)
    if edges.notnull().any():
        peak = edges.idxmax()
        ax.plot([peak], [edges.max()], marker="v", color="white", mec="black", ms=7)
        ax.annotate(f"s = {float(peak):.2f}", (float(peak), float(edges.max())), (-2, 7),
                    textcoords="offset points", ha="right", color="white")  # fmt: skip
