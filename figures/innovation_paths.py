"""Whether an open model overtakes a closed one hinges on know-how that is assumed: how much flows back, and how soon.

Left: quality over time in `ReleaseDate` at its default parameters when the model stays closed, is open from the start,
and is opened after four periods. Developers are myopic; each period is an equilibrium of `QuasiPublicGood` in closed
form. Right: the first period in which the open model is ahead, by the quality that it gains per unit of know-how
(lambda) and the speed at which know-how follows usage (kappa); the cross is where the left panel is. At lambda = 0 it
starts behind and stays there. Neither parameter is estimated: the map, not the date, is what the model says.
"""

import functools
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from nashgrid.games import ReleaseDate, innovation_path, opened_from, overtaking_period

from ._style import BLUE, GREEN, ORANGE, framed, patches
from ._sweeps import Sweeps

POINTS = 81
_PERIODS, _SWITCH = 24, 4
PATHS = {
    "stays closed": (_PERIODS, BLUE),
    "open from the start": (0, ORANGE),
    f"opened after {_SWITCH} periods": (_SWITCH, GREEN),
}
"""Path -> when it is opened, and its colour."""
_NEVER = "0.85"


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The paths, and the period of overtaking by feedback and diffusion."""
    return _computed(points)


@functools.cache
def _computed(points: int) -> dict[str, xr.Dataset]:
    game = ReleaseDate(periods=_PERIODS)
    dates = np.array([float(date) for date, _ in PATHS.values()])
    quality = jax.jit(jax.vmap(lambda date: innovation_path(game, opened_from(game, date)).quality))(jnp.asarray(dates))
    feedback, diffusion = np.linspace(0.0, 0.08, points), np.linspace(0.02, 1.0, points)

    def period(feedback, diffusion):
        there = eqx.tree_at(lambda g: (g.feedback, g.diffusion), game, (feedback, diffusion))
        return overtaking_period(there)

    every = jax.jit(jax.vmap(jax.vmap(period, (None, 0)), (0, None)))(jnp.asarray(feedback), jnp.asarray(diffusion))
    numbers = np.arange(1, _PERIODS + 1)
    paths = xr.Dataset({"quality": (("path", "period"), np.asarray(quality))}, {"path": list(PATHS), "period": numbers})
    plane = {"feedback": feedback, "diffusion": diffusion}
    return {"paths": paths, "map": xr.Dataset({"overtaking": (("feedback", "diffusion"), np.asarray(every))}, plane)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(9.0, 4.4))
    left, right = figure.subplots(1, 2)
    for name, (_, colour) in PATHS.items():
        one = data["paths"]["quality"].sel(path=name)
        left.plot(one["period"], one, color=colour, marker="o", markersize=3.0, linewidth=1.4, label=name)
    left.set(xlabel="period", ylabel="quality A", xlim=(1, _PERIODS))
    left.set_title("Quality over time at the default parameters")
    left.legend(loc="upper left")
    _map(right, data["map"]["overtaking"])
    figure.suptitle("An open model overtakes a closed one if know-how flows back, much and soon")
    return figure


def _map(ax: Axes, found: xr.DataArray) -> None:
    values = found.transpose("diffusion", "feedback")
    edges = np.arange(0.5, _PERIODS + 1.0, 1.0)
    colours = ListedColormap(
        [(1.0 - 0.9 * x, 0.9 - 0.45 * x, 0.45 + 0.25 * x) for x in np.linspace(0.0, 1.0, _PERIODS)]
    )
    norm = BoundaryNorm(edges, _PERIODS)
    scale = ScalarMappable(norm, colours)
    finite = values.where(np.isfinite(values))
    ax.set_facecolor(_NEVER)
    ax.pcolormesh(found["feedback"], found["diffusion"], finite, cmap=colours, norm=norm, shading="nearest")
    game = ReleaseDate()
    ax.plot([float(game.feedback)], [float(game.diffusion)], "x", color="black", markersize=8, mew=2.0)
    framed(ax).set(xlabel="quality per unit of know-how λ", ylabel="speed of diffusion κ")
    ax.set_title("First period in which the open model is ahead")
    bar = ax.figure.colorbar(scale, ax=ax, label="period", ticks=[1, 4, 8, 12, 16, 20, 24])
    bar.minorticks_off()
    share = float(np.isinf(found).mean())
    ax.legend(handles=patches({f"not within {_PERIODS} periods ({share:.0%} of the map)": _NEVER}), loc="upper right",
              frameon=True)  # fmt: skip
