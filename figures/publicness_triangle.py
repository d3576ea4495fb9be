"""Opening and planning make a language model more public mostly by non-exclusion.

The three parts of the publicness index of `QuasiPublicGood` as shares of their sum: non-rivalry, non-exclusion, and
external value. Small dots: draws from the ranges in `nashgrid.games.claims` of all parameters at once, at which the
closed and the open equilibrium are certified and a first best exists. Large ones: the default parameters. Shares only:
that of one part falls where that of another rises; the corners, where there are no points, are cut off. How public the
good is in all, the index, is in the legend; that the three parts count the same in it is a choice of this library.
"""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import qmc

from nashgrid.games import PlannedGood, QuasiPublicGood, first_best, mandated, publicness
from nashgrid.games.claims import QUASI_PUBLIC_GOOD, access_points
from nashgrid.solver import Newton, Status

from . import _access
from ._access import REGIMES, planned, policies
from ._sweeps import Sweeps

POINTS = 256
"""Draws, a power of 2."""
PARTS = ("non_rivalry", "non_exclusion", "external_value")
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The parts by regime, at the draws where all three exist, and at the defaults."""
    low, high = np.array(list(QUASI_PUBLIC_GOOD.ranges.values())).T
    rows = low + (high - low) * qmc.Sobol(len(low), rng=np.random.default_rng(7)).random(points)
    draws = access_points(dict(zip(QUASI_PUBLIC_GOOD.ranges, rows.T, strict=True)))
    values = []
    for openness in (0.0, 1.0):
        every = draws | {"openness": np.full(points, openness)}
        data = _access.at_points(QuasiPublicGood(), every, method=Newton(), keep=PARTS, progress=False)
        solved = data["status"] == Status.successful
        values.append(np.stack([data[name].where(solved).values for name in PARTS], axis=1))
    values.append(_planned(draws))
    every = np.stack(values)
    every = every[:, np.isfinite(every).all(axis=(0, 2))]
    best, two = planned(PlannedGood()), policies({"closed": QuasiPublicGood(), "open": mandated(QuasiPublicGood())})
    default = [[*two[name].values, best[name]] for name in PARTS]
    names = {"regime": list(REGIMES), "part": list(PARTS)}
    return {
        "draws": xr.Dataset({"value": (("regime", "draw", "part"), every)}, names),
        "default": xr.Dataset({"value": (("regime", "part"), np.array(default).T)}, names),
    }


def _planned(draws: Mapping[str, np.ndarray]) -> np.ndarray:
    game = PlannedGood()
    own = [name for name in draws if name in ("substitutability", "network_externality", "rivalry", "spillover",
                                              "resource_cost", "investment_cost")]  # fmt: skip
    needs = np.stack([draws["need[0]"], np.ones_like(draws["need[0]"]), draws["need[2]"]], axis=1)

    def one(need, *values):
        there = eqx.tree_at(lambda g: [g.need, *(getattr(g, name) for name in own)], game, [need, *values])
        users = there.users()
        best = first_best(there, users)
        benefit = users.benefit(best.quality, best.usage)
        parts = publicness(there, users, best.quality, benefit, jnp.sum(there.mass * best.usage))
        # Publicness clips, also where there is no first best.
        return jnp.stack([jnp.where(jnp.isfinite(best.welfare), parts[name], jnp.nan) for name in PARTS])

    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(needs), *(jnp.asarray(draws[name]) for name in own)))


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(7.2, 5.4))
    ax = figure.add_subplot()
    _frame(ax)
    every, default = data["draws"]["value"], data["default"]["value"]
    for regime, colour in REGIMES.items():
        ax.plot(*_place(every.sel(regime=regime).values), ".", color=colour, markersize=4.0, alpha=0.45, mew=0.0)
    for regime, colour in REGIMES.items():
        level, middle = float(default.sel(regime=regime).mean()), float(every.sel(regime=regime).mean("part").median())
        label = f"{regime}: index {level:.2f} at the defaults, {middle:.2f} in the median draw"
        ax.plot(*_place(default.sel(regime=regime).values), "o", color=colour, mec="black", markersize=10, label=label)
    figure.legend(loc="outside lower center", ncols=1)
    ax.set_xlabel(
        f"← more non-rivalry        share of the sum ({every.sizes['draw']} draws)        more non-exclusion →"
    )
    ax.set_ylabel("share of external value")
    figure.suptitle("Opening and planning make the good more public by non-exclusion")
    return figure


def _place(parts: np.ndarray) -> np.ndarray:
    """Where in the plane parts are, by their shares of the sum."""
    return ((parts / parts.sum(axis=-1, keepdims=True)) @ _CORNERS).T


def _frame(ax: Axes) -> None:
    """Lines of equal shares; only the part of the triangle in which there are points is shown."""
    for k in range(10):
        share = k / 10.0
        for i in range(3):
            one, two, far = np.roll(np.eye(3), i, axis=0)
            ends = np.stack([share * far + (1 - share) * one, share * far + (1 - share) * two])
            ax.plot(*(ends @ _CORNERS).T, color="0.85" if k else "black", linewidth=0.8, zorder=0)
    heights = np.arange(0.0, 0.45, 0.1)
    ax.set_yticks(np.sqrt(0.75) * heights, [f"{height:.0%}" for height in heights])
    ax.set(xticks=[], aspect="equal", xlim=(0.2, 0.85), ylim=(-0.01, 0.38))
    ax.spines[["left", "bottom"]].set_visible(False)
