"""The games that are timed, and the random parameters that vary from point to point.

The ranges keep equilibria inside the bounds, so that methods for equations, which know no bounds, are not at a
disadvantage.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nashgrid.games import IsoelasticCournot, LinearCournot, LogitBertrand, OpenSourcing, ResearchSpillovers
from nashgrid.solver import Game

from ._murphy_sherali_soyster import MurphySheraliSoyster

SEED = 20250101
Range = tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A game with one strategy per firm, and the range of each parameter that varies."""

    name: str
    title: str
    game: Game
    scalars: dict[str, Range] = dataclasses.field(default_factory=dict)
    """Field -> its range."""
    rows: dict[str, Range] = dataclasses.field(default_factory=dict)
    """Field that is an array -> the range of each of its elements."""
    guess: Callable[[Any], Array] | None = None
    """Where all but nashgrid start, if not in the middle of the bounds."""

    @property
    def strategy(self) -> str:
        """The name of the one strategy that every firm has."""
        (name,) = self.game.bounds()
        return name

    @property
    def firms(self) -> int:
        return len(self.game.firms)

    @property
    def columns(self) -> dict[str, Range]:
        """Parameter, named as in a sweep -> its range."""
        elements = {f"{field}[{i}]": r for field, r in self.rows.items() for i in range(len(getattr(self.game, field)))}
        return self.scalars | elements

    def points(self, count: int) -> Float[np.ndarray, "point parameter"]:
        """`count` points, the same at each call and the beginning of every longer list."""
        low, high = np.array(list(self.columns.values())).T
        return low + (high - low) * np.random.default_rng(SEED).random((count, len(low)))

    def at(self, values: Float[Array, " parameter"]) -> Game:
        """The game at one point."""
        parts, used = {}, len(self.scalars)
        for i, field in enumerate(self.scalars):
            parts[field] = values[i]
        for field in self.rows:
            size = len(getattr(self.game, field))
            parts[field] = values[used : used + size]
            used += size
        return eqx.tree_at(lambda game: [getattr(game, field) for field in parts], self.game, list(parts.values()))

    def start(self, game: Game) -> Float[Array, " firm"]:
        """Where all but nashgrid start; nashgrid starts in the middle of the bounds, as it does by default."""
        if self.guess is not None:
            return self.guess(game)
        lower, upper = self.bounds(game)
        return 0.5 * (lower + upper)

    def bounds(self, game: Game) -> tuple[Float[Array, " firm"], Float[Array, " firm"]]:
        """Lower and upper bounds, by firm."""
        dtype = jnp.result_type(float)
        lower, upper = (jnp.asarray(end, dtype) for end in game.bounds()[self.strategy])
        return jnp.broadcast_to(lower, (self.firms,)), jnp.broadcast_to(upper, (self.firms,))

    def payoff(self, game: Game, z: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """Every firm's payoff."""
        return game.payoff({self.strategy: z})


def _linear(firms: int) -> Case:
    game = LinearCournot(cost=(1.5,) * firms)
    scalars = {"intercept": (8.0, 12.0), "slope": (0.5, 2.0)}
    return Case(f"linear_cournot_{firms}", f"linear Cournot, {firms} firms", game, scalars, {"cost": (1.0, 2.0)})


def _isoelastic(firms: int) -> Case:
    game = IsoelasticCournot(cost=(0.7,) * firms)
    title = f"isoelastic Cournot, {firms} firms"
    return Case(f"isoelastic_cournot_{firms}", title, game, {"elasticity": (1.3, 2.5)}, {"cost": (0.5, 1.0)})


def cases() -> dict[str, Case]:
    """All cases, by name."""
    logit = Case(
        "logit_bertrand_3",
        "logit Bertrand, 3 firms",
        LogitBertrand(),
        {"price_coefficient": (0.7, 1.5)},
        {"quality": (0.0, 2.0), "cost": (0.0, 1.0)},
        # The markup of a firm without a share. From the middle of the bounds, where payoffs are convex, three points
        # in ten are lost by Newton's method and more by scipy.
        guess=lambda game: game.cost + 1.0 / game.price_coefficient,
    )
    research = Case(
        "research_2",
        "research with spillovers, 2 firms",
        ResearchSpillovers(),
        {"spillover": (0.0, 1.0), "research_cost": (3.0, 6.0)},
        {"cost": (1.8, 2.2)},
    )
    opening = Case(
        "open_sourcing_4",
        "open sourcing, 4 outsiders",
        OpenSourcing(outsiders=4, competition=0.3),
        {"owner_share": (0.1, 0.9), "openness": (0.0, 1.0), "closed_access": (0.2, 0.9), "spill_back": (0.2, 0.8)},
    )
    murphy = Case(
        "murphy_sherali_soyster_5",
        "Murphy-Sherali-Soyster, 5 firms",
        MurphySheraliSoyster(),
        {"demand": (4000.0, 6000.0)},
        {"cost": (2.0, 10.0)},
    )
    every = [_linear(2), _linear(5), _isoelastic(2), _isoelastic(5), murphy, logit, research, opening]
    return {case.name: case for case in every}
