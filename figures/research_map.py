"""With small spillovers the symmetric research equilibrium is first unstable and then gone.

Two Cournot duopolists first do research that lowers their own marginal cost, of 8 at demand 10 - Q, and
through spillovers the rival's (`ResearchSpillovers`, d'Aspremont and Jacquemin 1988). Left: research of each
firm in the symmetric equilibrium, every point searched for profitable deviations. Black: no symmetric
equilibrium was found. Below the concavity bound the closed form still has a value, but it is a minimum of
each firm's payoff, and is not drawn. (In 2 of 9,409 cells, within 0.001 above that bound, the solver misses a
symmetric equilibrium, which is then black here too.)

Right: what was found from two starts, one at equal research and one with nearly all of it at one firm; 64
starts (`equilibria`) find no more. Simultaneous best responses run away from the equilibria called unstable:
the spectral radius of the best-response map is above 1, by the certificates (white line) where the closed
form says so (dots). In all of that region there are also equilibria in which one firm is ahead and the other
does no research or is shut out. In its orange part, gamma > 1 - beta, they are at a kink: the leading firm
does the research that just shuts the other out, which satisfies no first-order condition, so that a solver of
first-order conditions cannot find them. (Where beta = 1/3 that research is also the most allowed; there the
conditions hold.) Where research is cheapest, it is at its bound: costs fall to zero.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, ArrayLike, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import (
    ResearchSpillovers,
    research_curvature,
    research_noncooperative,
    research_response_slope,
)
from nashgrid.solver import Status, parameter, regime_map, value_map

from ._style import RED, framed, percent, span, without_legend
from ._sweeps import Sweeps

POINTS = 97
_X, _Y = "spillover", "research_cost"
_INTERCEPT, _COST = 10.0, (8.0, 8.0)
REGIONS = {
    0.0: "symmetric, stable",
    1.0: "symmetric, unstable",
    2.0: "symmetric, unstable; or one firm ahead",
    3.0: "one firm ahead",
    4.0: "symmetric, costs fall to zero",
}
_AHEAD = 31.0 / 32.0
"""Not 1: where the equilibrium is itself in that corner, at a kink, the derivative there is that of the wrong side."""


class UnevenStart(ResearchSpillovers):
    """The same game, for a start at which one firm is ahead."""

    head_start: Float[Array, ""] = parameter(
        0.0, "in [0, 1]: 0 equal research, 1 all research at one firm, to start with"
    )

    def start(self) -> dict[str, ArrayLike]:
        half = self.bounds()["research"][1] / 2.0
        return {"research": jnp.stack([half * (1.0 + self.head_start), half * (1.0 - self.head_start)])}


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """Equilibria by spillover and cost of research, from two starts."""
    axes = {"head_start": np.array([0.0, _AHEAD]), _X: np.linspace(0.0, 1.0, points), _Y: np.linspace(0.4, 1.4, points)}
    both = sweeps("research_map", UnevenStart(intercept=_INTERCEPT, cost=_COST), axes)
    return {"equal": both.isel(head_start=0, drop=True), "apart": both.isel(head_start=1, drop=True)}


def symmetric(data: xr.Dataset) -> xr.DataArray:
    """Where a certified equilibrium is symmetric."""
    research = data["research"]
    equal = abs(research[..., 0] - research[..., 1]) <= 1e-6 * research.max("firm")
    return (data["status"] == Status.successful) & equal


def bounded(data: xr.Dataset) -> xr.DataArray:
    """Where research is all that is possible, and lowers marginal cost to zero."""
    return data["cost_after"].max("firm") <= 1e-6 * _COST[0]


def regions(data: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """A key of `REGIONS` by point; missing where neither sweep found an equilibrium."""
    equal, apart = data["equal"], data["apart"]
    even = symmetric(equal)
    uneven = [(each["status"] == Status.successful) & ~symmetric(each) for each in (equal, apart)]
    stable = even & ~bounded(equal) & (equal["stability"] < 1.0)
    unstable = even & ~bounded(equal) & (equal["stability"] >= 1.0)
    code = xr.full_like(equal["stability"], np.nan)
    for key, where in {
        0.0: stable,
        1.0: unstable & ~uneven[1],
        2.0: unstable & uneven[1],
        3.0: ~even & (uneven[0] | uneven[1]),
        4.0: even & bounded(equal),
    }.items():
        code = code.where(~where, key)
    return code.rename("region")


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    equal = data["equal"]
    figure = Figure(figsize=(9.6, 5.6))
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    even = symmetric(equal)
    research = equal["research"][..., 0].assign_attrs(long_name="research of each firm", units="price units")
    # What is certified but asymmetric is no value of this map either.
    shown = equal["status"].where(even, int(Status.not_computed))
    value_map(research, x=_X, y=_Y, status=shown, ax=left)
    left.set_title("Research in the symmetric equilibrium")
    kinds = regions(data)
    regime_map(kinds, x=_X, y=_Y, labels=REGIONS, ax=right)
    right.set_title("Equilibria that were found")
    for ax in (left, right):
        names = [text.get_text() for text in legend.get_texts()] if (legend := ax.get_legend()) else []
        handles = list(legend.legend_handles) if legend else []
        share = {name: float((kinds == key).mean()) for key, name in REGIONS.items()}
        names = [f"{name} ({percent(share[name])})" if name in share else name for name in names]
        without_legend(framed(ax))
        if ax is left:
            names = ["no symmetric equilibrium found" for _ in names]
            lines = _lines(left, equal, even)
            handles, names = [*handles, *lines], [*names, *(str(line.get_label()) for line in lines)]
        ax.legend(handles, names, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=1)
        ax.set(xlabel="spillover β (share of a cost reduction that the rival gets)", ylabel="")
    _lines(right, equal, even)
    left.set(xlim=(0.0, 1.0), ylim=span(equal[_Y]))
    left.set_ylabel("cost of research γ (slope of its marginal expense)")
    figure.suptitle("With small spillovers the symmetric research equilibrium is first unstable, then gone")
    return figure


def _lines(ax: Axes, equal: xr.Dataset, even: xr.DataArray) -> list[Line2D]:
    """The stability boundary twice and the concavity bound; their legend."""
    radius = equal["stability"].where(even & ~bounded(equal)).transpose(_Y, _X)
    if radius.min() < 1.0 < radius.max():
        ax.contour(radius[_X], radius[_Y], radius, levels=[1.0], colors="white", linewidths=2.0)
    spillover, cost = np.meshgrid(np.linspace(0.0, 1.0, 401), np.linspace(0.4, 1.4, 401))
    game = ResearchSpillovers(intercept=_INTERCEPT, cost=_COST, spillover=spillover, research_cost=cost)
    research = np.asarray(research_noncooperative(game))
    inside = (research > 0.0) & (research * (1.0 + spillover) < _COST[0])
    curvature = np.asarray(research_curvature(game))
    slope = np.where(inside & (curvature < 0.0), np.abs(np.asarray(research_response_slope(game))), np.nan)
    ax.contour(spillover, cost, slope, levels=[1.0], colors="black", linewidths=1.6, linestyles=":")
    ax.contour(spillover, cost, np.where(inside, curvature, np.nan), levels=[0.0], colors=RED, linestyles="--")
    return [
        Line2D([], [], color="0.75", linewidth=2.0, label="stability boundary, from the certificates"),
        Line2D([], [], color="black", linewidth=1.6, linestyle=":", label="stability boundary, closed form"),
        Line2D([], [], color=RED, linestyle="--", label="concavity bound, closed form"),
    ]
