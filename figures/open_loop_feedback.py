"""An owner that will be answered opens more than against given paths, and less than if it moved first.

The open-sourcing game over time (`OpenSourcingOverTime`) at its default parameters, from the start of an open model:
openness, all outside research, the owner's technology and welfare per period, the sum of all payoffs, in four kinds of
play. Myopic: every period by itself, technology worth what it earns in it. Open-loop: all plan whole paths at the
start, and take those of others as given. Markov-perfect: all choose again every period, and count on answers to the
access that openness builds up. Commitment: the owner moves first in every period. All but the first are equilibria of
the linear-quadratic form of the game, in which technology is paid for at once (`CapitalizedOpenSourcing`), solved
exactly; dotted lines are the closed forms of where they come to rest. That access follows openness with a lag (kappa),
to which outside research answers, is assumed; the order of the three follows from it.
"""

import functools
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure

from nashgrid.games import (
    CapitalizedOpenSourcing,
    LeadingOwner,
    OpenSourcingOverTime,
    committed_openness,
    steady_openness,
)
from nashgrid.solver import MarkovPerfect, Newton, OpenLoop, PathGame, solve

from ._style import BLUE, FAILED, GREEN, ORANGE
from ._sweeps import Sweeps

POINTS = 24
PLAYS = {"commitment": GREEN, "Markov-perfect": ORANGE, "open-loop": BLUE, "myopic": FAILED}
"""Kind of play -> its colour."""
PANELS = {
    "openness": "openness θ",
    "outside_research": "outside research",
    "technology": "owner's technology",
    "welfare": "welfare, per period",
}
"""What is shown -> its label."""


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The paths over `points` periods, and where openness comes to rest."""
    return _computed(points)


@functools.cache
def _computed(periods: int) -> dict[str, xr.Dataset]:
    # With linear value the number of outsiders changes nothing in the sum.
    game = OpenSourcingOverTime(outsiders=1)
    capitalized = CapitalizedOpenSourcing(outsiders=1)
    seen = solve(MarkovPerfect(capitalized, shown=periods))
    led = solve(MarkovPerfect(LeadingOwner(outsiders=1), shown=periods))
    answer = led.outcomes["outside_research"]
    research = jnp.concatenate([led.strategy["research"], answer[None]])
    plays = {
        "commitment": {"openness": led.strategy["openness"], "research": research},
        "Markov-perfect": seen.strategy,
        "open-loop": solve(OpenLoop(capitalized, shown=periods)).strategy,
        "myopic": _myopic(game, periods),
    }
    every = {name: jnp.stack([plays[play][name] for play in PLAYS]) for name in ("openness", "research")}
    found = jax.jit(jax.vmap(PathGame(game, periods).outcomes))(every)
    shown = {
        "openness": every["openness"][:, 0],
        "outside_research": found["outside_research"],
        "technology": found["technology"][:, 0, 1:],
        "welfare": found["welfare"],
    }
    variables = {name: (("play", "period"), np.asarray(value)) for name, value in shown.items()}
    rest = {
        "commitment": committed_openness(capitalized),
        "Markov-perfect": steady_openness(capitalized, persistence=seen.outcomes["persistence"]),
        "open-loop": steady_openness(capitalized),
    }
    coords = {"play": list(PLAYS), "period": np.arange(1, periods + 1)}
    ends = xr.Dataset({"openness": ("play", [float(value) for value in rest.values()])}, {"play": list(rest)})
    return {"paths": xr.Dataset(variables, coords), "rest": ends}


def _myopic(game: OpenSourcingOverTime, periods: int) -> dict[str, Array]:
    """Play of one period after the other, from the access that the one before has left."""
    access, every = game.access_at_start, []
    for _ in range(periods):
        # Within a period every payoff is concave in the own choices: what satisfies the conditions is an equilibrium.
        one = PathGame(eqx.tree_at(lambda g: g.access_at_start, game, access), 1)
        eq = solve(one, Newton(), certify=False)
        access = eq.outcomes["access"][-1]
        every.append(eq.strategy)
    return {name: jnp.concatenate([s[name] for s in every], axis=-1) for name in every[0]}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(9.0, 6.0))
    axes = figure.subplots(2, 2, sharex=True)
    paths = data["paths"]
    for ax, (name, label) in zip(axes.flat, PANELS.items(), strict=True):
        for play, colour in PLAYS.items():
            one = paths[name].sel(play=play)
            ax.plot(one["period"], one, color=colour, marker="o", markersize=2.5, linewidth=1.4, label=play)
        ax.set(ylabel=label, xlim=(0.5, int(paths["period"][-1]) + 0.5))
        if name != "welfare":
            ax.set_ylim(bottom=-0.02 * float(paths[name].max()))
    for play in data["rest"]["play"].values:
        axes[0, 0].axhline(float(data["rest"]["openness"].sel(play=play)), color=PLAYS[play], linewidth=1.0, ls=":")
    for ax in axes[1]:
        ax.set_xlabel("period")
    axes[0, 0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.04), title="dotted: where it comes to rest")
    figure.suptitle("What is answered is opened: Markov-perfect openness lies between open-loop and commitment")
    return figure
