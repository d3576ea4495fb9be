"""Under a small budget welfare and equity ask for the same policy; under a large one equity costs welfare.

The best policies of a welfare maximizer in the `QuasiPublicGood` (lines), by what the public may spend and by the
weight w on equity: subsidy per use (at most 1), public part of investment (at most 0.9) and openness are chosen
together, by gradient through the equilibrium (`nashgrid.solver.design`), for welfare - w x Gini coefficient of usage.
Left: welfare; right: the Gini coefficient, lower is more equal. Points: the `scenarios` as they are, at a subsidy of
0.1 and a public part of one half: of these nothing is optimized, and the public compute among them is assumed to save
the premium of hosting, which the lines may not do. All points and all ends of designs are solved and certified. The
order of the policies is that of the default parameters. Weights matter from where the public part of investment is at
its upper limit, which is assumed: until then all money goes there, and models are open. Outlay costs
1 + chi = 1.2 per unit, which welfare counts.
"""

import functools
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from nashgrid.games import QuasiPublicGood, equity_weighted, instruments, mandated, scenarios
from nashgrid.solver import Newton, design

from ._access import policies
from ._style import BLUE, GREEN, ORANGE
from ._sweeps import Sweeps

POINTS = 6
"""Budgets."""
WEIGHTS = {0.0: BLUE, 5.0: GREEN, 20.0: ORANGE}
"""Weight on equity -> its colour."""
_MOST = 0.6
_SHIFTS = {
    "welfare": {"public compute": (6, 5), "mandate": (6, -11)},
    "gini": {"public compute": (6, -11), "mandate": (4, 12), "partnership": (8, 2), "mandate and subsidy": (-20, -13)},
}
"""Where names stand beside their points, if not where most do."""


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The scenarios, and the best policies by budget and weight."""
    return _computed(points)


@functools.cache
def _computed(points: int) -> dict[str, xr.Dataset]:
    # Closer together where the first money does most.
    budgets = _MOST * np.linspace(0.0, 1.0, points) ** 2
    found, names = {}, []
    for weight in WEIGHTS:
        game = mandated(QuasiPublicGood())
        for limit in budgets:
            best = design(game, equity_weighted(weight), instruments(game), Newton(), certify=False,
                          budget=("public_outlay", float(limit)))  # fmt: skip
            assert isinstance(best.problem, QuasiPublicGood)
            game = best.problem  # The next one begins here.
            names.append((weight, limit))
            found[f"{weight:g}, {limit:.4f}"] = game
    fixed = scenarios(QuasiPublicGood())
    every = policies(fixed | found)
    ends = every.isel(policy=slice(len(fixed), None))
    columns = {"weight": ("policy", [w for w, _ in names]), "budget": ("policy", [b for _, b in names])}
    return {"scenarios": every.isel(policy=slice(len(fixed))), "front": ends.assign_coords(columns)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(9.2, 4.8))
    axes = figure.subplots(1, 2)
    fixed, front = data["scenarios"], data["front"]
    for ax, name in zip(axes, ("welfare", "gini"), strict=True):
        for weight, colour in WEIGHTS.items():
            one = front.where(front["weight"] == weight, drop=True).sortby("public_outlay")
            ax.plot(one["public_outlay"], one[name], color=colour, marker="o", markersize=3.5, linewidth=1.5,
                    label=f"best policy, weight {weight:g} on equity")  # fmt: skip
        ax.plot(fixed["public_outlay"], fixed[name], "D", color="black", mfc="white", markersize=6,
                label="scenario, not optimized")  # fmt: skip
        for policy in fixed["policy"].values:
            at = float(fixed["public_outlay"].sel(policy=policy)), float(fixed[name].sel(policy=policy))
            shift = _SHIFTS[name].get(str(policy), (6, 3))
            ax.annotate(str(policy), at, shift, textcoords="offset points", fontsize=8.0)
        ax.set(xlabel="public outlay (utility units per user)", xlim=(-0.015, None))
    axes[0].set(ylabel="welfare (utility units per user)")
    axes[1].set(ylabel="Gini coefficient of usage (lower is more equal)")
    figure.suptitle("Welfare and equity want the same of a small budget, and part ways over a large one")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
