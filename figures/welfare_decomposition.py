"""Users gain by opening, buyers of complements pay the developers for it, and all policies stay far from the best.

Who gains under each policy of `nashgrid.games.scenarios` in the `QuasiPublicGood` at its default parameters: surplus of
the users, network externality included, profit of the developers, the gain of those who buy complements (below zero:
they pay the developers' revenue), value to non-users, and what taxpayers pay, (1 + chi) times the outlay. The bars of
a policy add up to welfare (diamonds). Dashed: the first best. Every policy is solved and certified; none is chosen
best: the subsidy is 0.1 per use, the public part of investment in the partnership one half, and public compute is
assumed to save the premium of hosting, which adds nothing to the outlay. That developers of open models live on
complements, and as well as before, comes from the assumed revenue b of 0.2 per open use.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from nashgrid.games import PlannedGood, QuasiPublicGood, scenarios

from ._access import planned, policies
from ._style import BLUE, GREEN, ORANGE, RED
from ._sweeps import Sweeps

POINTS = 2
"""Not used: every policy is one point."""
PARTS = {
    "consumer_surplus": ("users", BLUE),
    "developer_profit": ("developers", ORANGE),
    "spillover_gain": ("non-users", GREEN),
    "complement_buyers_gain": ("buyers of complements", "0.6"),
    "taxpayer_gain": ("taxpayers", RED),
}
"""Outcome -> who gets it, and its colour."""


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The policies, and the first best."""
    best = planned(PlannedGood())["welfare"]
    return {"policies": policies(scenarios(QuasiPublicGood())), "planned": xr.Dataset({"welfare": ((), best)})}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    every = data["policies"]
    figure = Figure(figsize=(8.4, 4.6))
    ax = figure.add_subplot()
    places = np.arange(every.sizes["policy"])
    above, below = np.zeros(len(places)), np.zeros(len(places))
    for name, (who, colour) in PARTS.items():
        value = every[name].values
        # Gains are stacked upwards from zero, losses downwards.
        ax.bar(places, value, 0.62, np.where(value >= 0.0, above, below), color=colour, label=who)
        above, below = above + np.maximum(value, 0.0), below + np.minimum(value, 0.0)
    ax.axhline(0.0, color="black", linewidth=0.8)
    welfare = every["welfare"].values
    ax.plot(places, welfare, "D", color="black", mfc="white", markersize=6, label="welfare, the sum")
    for place, value in zip(places, welfare, strict=True):
        ax.annotate(f"{value:.3f}", (place, value), (8, -3), textcoords="offset points", fontsize=8.0,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    best = float(data["planned"]["welfare"])
    ax.axhline(best, color="0.3", linestyle="--", linewidth=1.0, label=f"first best, {best:.3f}")
    ax.set_xticks(places, [str(name).replace(" and ", "\nand ") for name in every["policy"].values])
    ax.set(xlabel="policy", ylabel="gain (utility units per user)")
    figure.suptitle("Opening is for users; complements pay the developers; all is far from the first best")
    figure.legend(loc="outside lower center", ncols=4)
    return figure
