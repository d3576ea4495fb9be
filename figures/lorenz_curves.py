"""At the default parameters usage is more equal when models are open than when closed, and most equal if planned.

Lorenz curves of usage across the user groups of the `QuasiPublicGood` at its default parameters: shares of all users,
those who use least first, and the share of all usage that is theirs (dots: ends of groups). Closed and open: the
certified equilibria; planned: the first best. All groups are served in all three. The Gini coefficient is twice the
area between a curve and the diagonal. With equal needs there would be no inequality in any of them; that open usage is
more equal at equal quality is so as long as hosting costs less than closed access (h < p_C).
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from nashgrid.games import PlannedGood, QuasiPublicGood, lorenz_curve, mandated

from ._access import REGIMES, planned, policies
from ._sweeps import Sweeps

POINTS = 2
"""Not used: every regime is one point."""


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """Usage by group, and its Gini coefficient, by regime."""
    game = QuasiPublicGood()
    solved = policies({"closed": game, "open": mandated(game)})
    best = planned(PlannedGood())
    usage = np.concatenate([solved["usage"].values, best["usage"][None, :]])
    gini = np.append(solved["gini"].values, best["gini"])
    variables = {
        "usage": (("regime", "group"), usage),
        "gini": ("regime", gini),
        "mass": ("group", np.asarray(game.mass)),
    }
    return {"regimes": xr.Dataset(variables, {"regime": list(REGIMES)})}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    every = data["regimes"]
    figure = Figure(figsize=(5.6, 5.4))
    ax = figure.add_subplot()
    ax.plot([0.0, 1.0], [0.0, 1.0], color="0.5", linewidth=1.0, linestyle="--", label="equal usage (Gini 0)")
    for regime, colour in REGIMES.items():
        one = every.sel(regime=regime)
        people, used = (
            np.asarray(x) for x in lorenz_curve(jnp.asarray(one["usage"].values), jnp.asarray(one["mass"].values))
        )
        ax.plot(
            people, used, color=colour, marker="o", markersize=4.5, label=f"{regime} (Gini {float(one['gini']):.3f})"
        )
    ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), aspect="equal")
    ax.set(xlabel="share of users, those who use least first", ylabel="their share of all usage")
    ax.legend(loc="upper left")
    figure.suptitle("Open access is more equal than closed, planned access most")
    return figure
