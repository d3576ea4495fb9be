"""However it is measured, the propensity to open is an inverted U in size, and competition moves its peak downwards.

Upper row: one owner, its size and its edge; the propensity is the logistic function of its gain from opening over a
disturbance of scale 0.005 payoff units. Lower row: the share of a population of owners who open, by its mean size and
mean edge; sizes are Beta distributed with precision 12, edges uniform from 0 to twice their mean, and nothing is
disturbed (`population_propensity`). Left: no competition after research; right: substitutability 0.6. The gains are
differences of certified equilibria of `OpenSourcing` with four outsiders, those of the map of who opens. White:
half open. At small edges competition makes small owners more inclined to open, and large ones less. Each owner is
alone in its market: what other owners do is in the ecosystem figure.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import population_propensity
from nashgrid.solver import Status

from . import regime_map
from ._style import framed
from ._sweeps import Sweeps

POINTS = regime_map.POINTS
COMPETITION = (0.0, 0.6)
SCALE, PRECISION = 0.005, 12.0
_LEVELS = np.linspace(0.0, 1.0, 11)


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.DataArray]:
    """Both propensities by competition, and size and edge or their means."""
    data = regime_map.compute(sweeps, points)["competition"].sel(competition=list(COMPETITION))
    payoff = data["choice_payoff"].where(data["status"] == Status.successful)
    gain = payoff.sel(choice=1.0) - payoff.sel(choice=0.0)
    ordered = gain.transpose("competition", "owner_share", "edge")
    logit = ordered.copy(data=1.0 / (1.0 + np.exp(-ordered.values / SCALE)))
    return {"logit": logit, "population": population(data, gain)}


def population(data: xr.Dataset, gain: xr.DataArray) -> xr.DataArray:
    """The share of a population that opens, by mean size and mean edge, the latter up to half of the edges solved."""
    size, edge = data["owner_share"].values, data["edge"].values
    means = edge[edge > 0.0] / 2.0
    every = jax.jit(jax.vmap(jax.vmap(population_propensity, (None, None, None, None, 0)), (None, None, 0, None, None)))
    rows = []
    for d in data["competition"].values:
        always = (gain.sel(competition=d).isel(edge=-1) >= 0.0).values
        threshold = np.nan_to_num(regime_map.boundary(data.sel(competition=d)).values, nan=-1.0)
        threshold = np.where(always, np.inf, threshold)
        arrays = (jnp.asarray(each, jnp.float64) for each in (size, threshold, size, PRECISION, means))
        rows.append(np.asarray(every(*arrays)))
    axes = {"competition": data["competition"].values, "mean_size": size, "mean_edge": means}
    return xr.DataArray(np.stack(rows), axes, tuple(axes), "propensity")


def draw(data: Mapping[str, xr.DataArray]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(8.4, 6.6))
    panels = figure.subplots(2, len(COMPETITION), sharex=True, sharey="row")
    titles = {"logit": "One owner, disturbed gain", "population": "Share of a population"}
    for row, (kind, values) in zip(panels, data.items(), strict=True):
        _, x, y = values.dims
        for ax, d in zip(row, COMPETITION, strict=True):
            one = values.sel(competition=d)
            ax.contourf(one[x], one[y], one.T, levels=_LEVELS, cmap="cividis", norm=BoundaryNorm(_LEVELS, 256))
            ax.contour(one[x], one[y], one.T, levels=[0.5], colors="white", linewidths=1.6)
            peak = one[x].values[np.argmax(one.values, axis=0)]
            ax.plot(peak, one[y], color="black", linewidth=1.4, linestyle="--")
            framed(ax).set_title(f"{titles[kind]}, {'no competition' if d == 0.0 else f'competition d = {d:g}'}")
    panels[0, 0].set_ylabel("edge e over rival models (quality units)")
    panels[1, 0].set_ylabel("mean edge (quality units)")
    for ax in panels[1]:
        ax.set_xlabel("owner's size s; lower row: mean size of the owners")
    colours = ScalarMappable(BoundaryNorm(_LEVELS, 256), "cividis")
    figure.colorbar(colours, ax=panels, label="propensity to open", shrink=0.8)
    figure.suptitle("The propensity to open is an inverted U in size; competition moves its peak to smaller owners")
    handles = [
        Line2D([], [], color="0.8", linewidth=1.6, label="half open (white)"),
        Line2D([], [], color="black", linewidth=1.4, linestyle="--", label="size that is most inclined to open"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
