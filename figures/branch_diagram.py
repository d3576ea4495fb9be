"""What passes the first- and second-order conditions is mostly no equilibrium, and the equilibria change with n.

Prices of firm A in the price game with niche demand (`NicheDemand`; Judd, Renner and Schmedders, 2012) along n, the
number of customers who compare prices; firm B's are the mirror images. Left: all branches of first-order points that
are found from n = 2700, followed through folds and through the bifurcations at which the asymmetric ones leave the
symmetric one. Right: where they are equilibria. With few such customers both firms ask the high price; with many,
both the low one; between, one serves them and the other its niche. Each part ends where a firm begins to gain by the
other kind of price, far away: no derivative announces it. In the shaded gaps there is no equilibrium in pure
strategies: none of these points is one, and best responses on a grid find none either (tests/test_branch.py).
"""

import itertools
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nashgrid.games import NicheDemand
from nashgrid.solver import Branch, Status, follow
from nashgrid.solver import branch_diagram as diagram

from ._style import without_legend
from ._sweeps import Sweeps

POINTS = 64
STARTS = {"symmetric": (1.757, 1.757), "asymmetric": (2.168, 25.157), "inner": (2.036, 5.631)}
"""Near a first-order point at n = 2700 of each branch; a branch contains the mirror images of its own points."""
_INTERVAL = (500.0, 5500.0)
_NEAR = (2300.0, 3500.0)


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, Branch]:
    """The branches by name; steps are at most 1/`points` of the interval."""
    found = {}
    for name, price in STARTS.items():
        start = {"price": np.array(price)}
        found[name] = follow(NicheDemand(), "mass", _INTERVAL, start=start, step=1.0 / points, max_points=20 * points)
        sweeps.say(f"  branch_diagram-{name}: {found[name].data.sizes['point']} points")
    return found


def gaps(branches: Mapping[str, Branch]) -> list[tuple[float, float]]:
    """The intervals of n between the first and the last equilibrium found in which there is none."""
    covered = []
    for branch in branches.values():
        n = branch.data["mass"].values
        marks = [0, *(i for i, text in enumerate(branch.data["event"].values) if "certificate" in text), len(n) - 1]
        for one, other in itertools.pairwise(marks):
            inside = branch.data["status"].values[one + 1 : other]
            if len(inside) and (inside == Status.successful).all():
                covered.append((float(min(n[one], n[other])), float(max(n[one], n[other]))))
    found, reach = [], -np.inf
    for low, high in sorted(covered):
        if np.isfinite(reach) and low > reach:
            found.append((reach, low))
        reach = max(reach, high)
    return found


def draw(data: Mapping[str, Branch]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(8.0, 4.6))
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, data, "All first-order points")
    _panel(right, data, "Where they are equilibria")
    left.set(xlim=_INTERVAL, yscale="log", ylim=(1.4, 40.0), yticks=[2, 5, 10, 20], ylabel="price of firm A")
    left.set_yticks([2, 5, 10, 20], labels=["2", "5", "10", "20"])
    left.set_yticks([], minor=True)
    right.set(xlim=_NEAR)
    for low, high in gaps(data):
        right.axvspan(low, high, color="0.9", linewidth=0.0, zorder=0)
        right.annotate(f"none from\n{low:.1f} to\n{high:.1f}", (low, 15.0), (9, 0), textcoords="offset points",
                       ha="left", va="center", color="0.3")  # fmt: skip
    for ax in (left, right):
        ax.set_xlabel("customers who compare prices, n")
    right.set_ylabel("")
    figure.suptitle("A niche or the mass: equilibrium prices change kind, with gaps between")
    legend = left.get_legend()
    assert legend is not None
    handles = [handle for handle in legend.legend_handles if handle is not None]
    for ax in (left, right):
        without_legend(ax)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _panel(ax: Axes, data: Mapping[str, Branch], title: str) -> None:
    diagram(data.values(), y="price", firm="A", events=("fold", "bifurcation", "certificate"), ax=ax, linewidth=1.6)
    ax.set_title(title)
