"""What a policy costs the public, what it does for welfare and for equity, all three at once.

All policies on a grid of three instruments in the `QuasiPublicGood` at its default parameters: openness from 0 to 1,
subsidy per use up to 0.6, public part of the cost of investment up to 0.9; each is solved and certified, and none is
optimized. A policy is efficient if no other one on the grid has as much welfare, as equal usage and as little public
outlay, and more of one (`nashgrid.solver.efficient`). Left: welfare against outlay, the efficient ones coloured by the
Gini coefficient of usage (lower is more equal), all others grey. Right: the Gini coefficient against outlay, the
efficient ones coloured by what the money is for. Diamonds: the `scenarios`, which are off the grid and are not
optimized either; public compute is assumed to save the premium of hosting, which no policy on the grid may do.
Outlay costs 1 + chi = 1.2 per unit, which welfare counts; policies that cost more than 0.6 are left out, and some of
low welfare are below the left panel. That nearly all efficient policies are open from the start,
and none is closed, is a result at these parameters only: see `claim_atlas` for how it depends on them.
"""

import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import QuasiPublicGood, scenarios
from nashgrid.solver import Status, efficient

from ._access import policies, policy_grid
from ._style import BLUE, GREEN, ORANGE
from ._sweeps import Sweeps

POINTS = 31
"""Of the subsidy and of the public part of investment; a third of it of openness."""
AIMS: dict[str, Literal["high", "low"]] = {"welfare": "high", "gini": "low", "public_outlay": "low"}
_MOST, _LEAST = 0.6, 0.75
_SHIFTS = {
    "welfare": {
        "as it is": (9, -9),
        "mandate": (9, -3),
        "partnership": (9, 1),
        "subsidy": (7, -9),
        "mandate and subsidy": (-20, -14),
    },
    "gini": {"mandate": (9, 6), "partnership": (9, -4), "public compute": (9, -8), "mandate and subsidy": (-45, -22)},
}
"""Where names stand beside their points, if not where most do."""


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The scenarios, and all policies of the grid with "efficient"."""
    return _computed(points)


@functools.cache
def _computed(points: int) -> dict[str, xr.Dataset]:
    axes = {
        "openness": np.linspace(0.0, 1.0, max(points // 3, 2)),
        "subsidy": np.linspace(0.0, 0.6, points),
        "cofunding": np.linspace(0.0, 0.9, points),
    }
    grid = policy_grid(axes)
    with np.errstate(invalid="ignore"):
        paid = grid["subsidy"] * grid["total_usage"] / grid["public_outlay"]
    grid = grid.assign(efficient=efficient(grid, AIMS), to_users=paid)
    return {"scenarios": policies(scenarios(QuasiPublicGood())), "grid": grid}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    grid, fixed = data["grid"], data["scenarios"]
    solved = grid.where((grid["status"] == Status.successful) & (grid["public_outlay"] <= _MOST), drop=True)
    best = solved["efficient"] == 1.0
    figure = Figure(figsize=(10.0, 5.0))
    left, right = figure.subplots(1, 2)
    _all(left, solved, fixed, "welfare")
    _all(right, solved, fixed, "gini")
    front = solved.where(best, drop=True)
    points = left.scatter(front["public_outlay"], front["welfare"], c=front["gini"], s=14.0, cmap="viridis_r", zorder=2)
    figure.colorbar(points, ax=left, label="Gini coefficient of usage (lower is more equal)")
    money = LinearSegmentedColormap.from_list("money", [BLUE, "0.7", ORANGE])
    split = right.scatter(front["public_outlay"], front["gini"], c=front["to_users"], s=14.0, cmap=money, vmin=0.0,
                          vmax=1.0, zorder=2, plotnonfinite=False)  # fmt: skip
    figure.colorbar(split, ax=right, label="part of the outlay that subsidizes use, the rest investment")
    left.set(ylabel="welfare (utility units per user)", ylim=(_LEAST, None))
    right.set(ylabel="Gini coefficient of usage (lower is more equal)")
    count, share = solved.sizes["point"], float(best.mean())
    figure.suptitle(f"Of {count:,} policies {share:.1%} are efficient in welfare, equity and public cost")
    handles, _ = right.get_legend_handles_labels()
    handles.append(Line2D([], [], linestyle="", marker="o", color=GREEN, markersize=4.0, label="efficient, in colour"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _all(ax: Axes, solved: xr.Dataset, fixed: xr.Dataset, name: str) -> None:
    ax.scatter(solved["public_outlay"], solved[name], color="0.85", s=3.0, zorder=1, label="not efficient")
    ax.plot(fixed["public_outlay"], fixed[name], "D", color="black", mfc="white", markersize=6, zorder=3,
            label="scenario, not on the grid")  # fmt: skip
    for policy in fixed["policy"].values:
        at = float(fixed["public_outlay"].sel(policy=policy)), float(fixed[name].sel(policy=policy))
        shift = _SHIFTS[name].get(str(policy), (7, 3))
        ax.annotate(str(policy), at, shift, textcoords="offset points", fontsize=8.0, zorder=4,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5})  # fmt: skip
    ax.set(xlabel="public outlay (utility units per user)", xlim=(-0.015, _MOST + 0.005))
