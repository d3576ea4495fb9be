"""A constrained game as a game in which the constraints have prices.

A fictitious price-setter chooses the multipliers, every firm pays lambda_k for its part in c_k: an abstract economy
(Arrow & Debreu 1954). Its stacked conditions are the conditions of Karush, Kuhn and Tucker of all firms at once.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._constraint import Constraint, Rules, rule_of
from ._errors import GameError
from ._game import Game, Profile
from ._layout import Layout, bounds_of, dtype_of, layout_of

PRICES = "multipliers of the constraints"


class Priced(Game):
    """`game` with the multipliers of all its constraints as further entries of the profile, chosen by no firm."""

    game: Game
    rules: Rules = eqx.field(static=True)

    @property
    def firms(self) -> tuple[str, ...]:
        return self.game.firms

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        dtype = dtype_of(self.game)
        return {**self.game.bounds(), PRICES: self.rules.signs(_constraints(self.game, _inside(self.game)), dtype)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        """What firms get, less what they pay for the constraints that they are subject to."""
        paid = jnp.where(self.rules.applies().T, (s[PRICES] * self.excess(s))[None, :], 0.0)
        return self.game.payoff(self.strategies(s)) - jnp.sum(paid, axis=1)

    def start(self) -> dict[str, ArrayLike]:
        return {**self.game.start(), PRICES: 0.0}

    def concept(self) -> str:
        return f"{self.game.concept()}, variational: constraints have one multiplier for all firms"

    def excess(self, s: Profile) -> Float[Array, " row"]:
        """By row: how far a limit is exceeded."""
        s = self.strategies(s)
        return self.rules.excess(_constraints(self.game, s), next(iter(s.values())).dtype)

    def strategies(self, s: Profile) -> Profile:
        """The profile without the multipliers."""
        return {name: value for name, value in s.items() if name != PRICES}

    def multipliers(self, s: Profile) -> dict[str, Array]:
        """The multipliers by the names of the constraints."""
        return self.rules.named(s[PRICES])


def priced(game: Game) -> Game:
    """The priced game of a game with constraints; the game itself if it has none."""
    rules = rules_of(game)
    return game if rules is None else Priced(game, rules)


def refuse_constraints(game: Game, what: str) -> None:
    """Raise a `GameError` if the game has constraints, for `what` does not take them into account."""
    if rules_of(game) is not None:
        raise GameError(f"{what} does not cover games with constraints; use solve or sweep for {type(game).__name__}.")


def rules_of(game: Game) -> Rules | None:
    """The constraints of a game without their numbers; None if it has none. Looks at shapes only.

    Raises:
        GameError: a constraint is ill-defined.
    """
    if type(game).constraints is Game.constraints:
        return None
    what = f"{type(game).__name__}.constraints()"
    found: list[Any] = []

    def look(game: Game) -> None:
        dtype = dtype_of(game)
        constraints = game.constraints(_inside(game))
        if not isinstance(constraints, Mapping) or not all(isinstance(c, Constraint) for c in constraints.values()):
            raise GameError(f"{what} must return a dict: name -> Constraint(value, upper=...).")
        for name, constraint in constraints.items():
            value = constraint.value
            if not isinstance(value, jax.Array) or value.dtype != dtype:
                kind = f"dtype {value.dtype}" if isinstance(value, jax.Array) else f"a {type(value).__name__}"
                raise GameError(f"{what}[{name!r}] has a value of {kind}; compute it from the strategies, in {dtype}.")
            found.append(rule_of(what, name, constraint, tuple(game.firms)))

    eqx.filter_eval_shape(look, game)
    return Rules(tuple(found), len(game.firms)) if found else None


def explain_constraints(game: Game, s: Profile) -> str | None:
    """Why the constraints exclude everything, or have no value, at a profile; None if they do not."""
    for name, one in _constraints(game, s).items():
        lower, upper, value = (np.asarray(part) for part in (one.lower, one.upper, one.value))
        if not np.all((lower <= upper) & (lower < np.inf) & (upper > -np.inf)):
            return f"Constraint {name!r} has the lower limit {lower} and the upper limit {upper}; nothing is between."
        if not np.all(np.isfinite(value)):
            return f"Constraint {name!r} has the value {value} at the start; give another `start` or tighter bounds."
    return None


def _constraints(game: Game, s: Profile) -> dict[str, Constraint]:
    return dict(game.constraints(s))


def _inside(game: Game) -> Profile:
    """Some profile inside the bounds, to see limits at, which may not depend on it."""
    layout, dtype = layout_of(game), dtype_of(game)
    lower, upper = bounds_of(game, layout, dtype)
    bounded = jnp.isfinite(upper - lower)
    middle = 0.5 * (jnp.where(bounded, lower, 0.0) + jnp.where(bounded, upper, 0.0))
    return layout.unflatten(jnp.clip(middle, lower, upper))


@layout_of.register
def _(game: Priced) -> Layout:
    base = layout_of(game.game)
    rows = game.rules.rows
    nobody = (base.firms,) * rows
    return Layout((*base.names, PRICES), (*base.shapes, (rows,)), base.owner + nobody, base.firms)


def strategies_of(layout: Layout) -> Layout:
    """The layout of a priced game without its multipliers."""
    return Layout(layout.names[:-1], layout.shapes[:-1], layout.owner[: layout.chosen], layout.firms)
