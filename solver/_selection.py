"""Which equilibrium, where there are several: a rule chooses among all that were found.

A rule is part of the model, not of the method: results say which one was used, and where a rule singles none out the
status says so.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from . import _numpy as jnp
from ._best_response import BestResponse
from ._check import check, check_start
from ._conditions import conditions_of
from ._equilibria import Equilibria, check_size, every
from ._equilibrium import equilibrium, start_of
from ._errors import GameError
from ._game import Game, Problem, Profile
from ._layout import dtype_of, layout_of
from ._method import Method
from ._objective import value_of
from ._payoff_table import PayoffTable
from ._priced import refuse_constraints
from ._pure import PureEquilibria
from ._search import GlobalSearch
from ._solution import Equilibrium
from ._stage_rule import StageRule, least_regret
from ._status import Status


def _profile(given: Mapping[str, Any]) -> Profile:
    return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in given.items()}


class Rule(eqx.Module):
    """A way to choose one of several equilibria."""

    @abc.abstractmethod
    def choose(self, game: Game, found: Equilibria) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """The row of `found.points` that is chosen, and whether the rule decides; pure."""

    @abc.abstractmethod
    def describe(self) -> str:
        """The rule in words, as "the one with the highest welfare"."""

    def refuse(self, game: Game, one: Equilibrium) -> None:
        """Raise a `GameError` if the rule does not fit the game; `one` has the shapes of an equilibrium."""
        del game, one


class Selected(Problem):
    """A game played at the equilibrium that a rule chooses among all that are found (see `equilibria`).

    A problem for `solve` and `sweep` and, as the followers' problem, for `Leader`. The outcomes also have
    `equilibrium_count`. Where no equilibrium is found the status is that of a first-order point; where the rule does
    not decide it is `undecided`.

    Args:
        game: a `Game`.
        rule: `HighestOutcome`, `ParetoDominant`, `RiskDominant`, `Nearest` or `ReachedFrom`.
        starts: how many points to start from, as in `equilibria`.
        capacity: the most first-order points that are kept, as in `equilibria`.
    """

    game: Game
    rule: Rule
    starts: int = eqx.field(static=True)
    capacity: int = eqx.field(static=True)

    def __init__(self, game: Game, rule: Rule, *, starts: int = 64, capacity: int = 16):
        if not isinstance(game, Game) or not isinstance(rule, Rule):
            raise GameError("Selected takes a Game and a rule such as HighestOutcome('welfare').")
        check_size(starts, capacity)
        self.game, self.starts, self.capacity = game, starts, capacity
        # A profile in the rule has the precision of the game.
        self.rule = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype_of(game)), rule)

    @property
    def firms(self) -> tuple[str, ...]:
        """The firms of the game."""
        return self.game.firms

    def concept(self) -> str:
        """The equilibrium concept and the rule in words."""
        return f"{self.game.concept()}, of all found {self.rule.describe()}"


@check.register
def _(selected: Selected) -> None:
    check(selected.game)
    refuse_constraints(selected.game, "Selected")
    one = eqx.filter_eval_shape(
        lambda game: equilibrium(game, BestResponse(), tol=1e-3, max_steps=1, search=None), selected.game
    )
    selected.rule.refuse(selected.game, one)


@equilibrium.register
def select(
    selected: Selected,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibrium:
    """The equilibrium that the rule chooses; its derivatives are those of that equilibrium."""
    found = every(
        selected.game,
        method,
        start=start,
        starts=selected.starts,
        capacity=selected.capacity,
        tol=tol,
        max_steps=max_steps,
        search=search,
    )
    row, decided = selected.rule.choose(selected.game, jax.lax.stop_gradient(found))
    some = found.count > 0
    row = jnp.where(some, row, 0).astype(jnp.int32)
    chosen = jax.tree.map(lambda leaf: jnp.take(leaf, row, axis=0), found.points)
    status = jnp.where(some & ~decided, Status.undecided, chosen.status).astype(jnp.int32)
    outcomes = chosen.outcomes | {"equilibrium_count": found.count}
    return dataclasses.replace(
        chosen, status=status, outcomes=outcomes, concept=selected.concept(), method=method.describe()
    )


class HighestOutcome(Rule, StageRule):
    """The equilibrium with the highest value of a scalar outcome ("welfare") or of a firm's payoff, by its name.

    Of several that are equally good (mirror images, say) it is the first in the order of their strategies. Serves
    discrete stages as well (`Stage`), whose profiles are compared by the outcomes of their subgames.

    >>> HighestOutcome("welfare").describe()
    'the one with the highest welfare'
    """

    name: str = eqx.field(static=True)

    def choose(self, game: Game, found: Equilibria) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """The row with the highest value."""
        points = found.points
        value = points.payoff[:, game.firms.index(self.name)] if self.name in game.firms else points.outcomes[self.name]
        return _best(found, value), jnp.ones((), bool)

    def describe(self) -> str:
        """In words."""
        return f"the one with the highest {self.name}"

    def pick(self, table: PayoffTable, pure: PureEquilibria) -> Int[Array, ""]:
        """The number of the profile of a stage; the first in the order of the table among equals."""
        mask = pure.mask.reshape(-1)
        if table.subgame is None:
            raise GameError(f"HighestOutcome({self.name!r}): this table has no subgame that could report it.")
        values = value_of(table.subgame, self.name).reshape(-1)
        best = jnp.argmax(jnp.where(mask, values, -jnp.inf)).astype(jnp.int32)
        return jnp.where(jnp.any(mask), best, least_regret(table, pure))

    def outcome(self) -> str | None:
        """The firm or outcome that is compared."""
        return self.name

    def refuse(self, game: Game, one: Equilibrium) -> None:
        """The name must be that of a firm or of a scalar outcome."""
        if self.name in game.firms:
            return
        if self.name not in one.outcomes:
            raise GameError(
                f"HighestOutcome({self.name!r}) names neither a firm {game.firms} nor an outcome {tuple(one.outcomes)}."
            )
        if one.outcomes[self.name].shape:
            raise GameError(f"HighestOutcome({self.name!r}): the outcome is not a scalar; report a scalar outcome.")


class ParetoDominant(Rule):
    """The equilibrium in which no firm gets less than in any other, and some firm more (payoff dominance, Harsanyi &
    Selten 1988). Undecided if there is none."""

    def choose(self, game: Game, found: Equilibria) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """The row that dominates all others."""
        payoff = found.points.payoff
        slack = _ROUNDING * jnp.max(jnp.abs(payoff), axis=0)[None, None, :]
        more = payoff[:, None, :] - payoff[None, :, :]
        return _dominant(found, jnp.all(more >= -slack, axis=2) & jnp.any(more > slack, axis=2))

    def describe(self) -> str:
        """In words."""
        return "the one that Pareto-dominates all others"


class RiskDominant(Rule):
    """The equilibrium whose product of losses from deviating to the other's strategy is larger, in every comparison of
    two (Harsanyi & Selten 1988); for two firms. Undecided if no equilibrium wins all its comparisons."""

    def choose(self, game: Game, found: Equilibria) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """The row that risk-dominates all others."""
        layout = layout_of(game)
        z = jax.vmap(layout.flatten)(found.points.strategy)
        first = np.asarray(layout.owner) == 0

        def payoff(one: Array, other: Array) -> Float[Array, " firm"]:
            """Payoffs when firm A plays its part of `one` and firm B its part of `other`."""
            return game.payoff(layout.unflatten(jnp.where(first, one, other)))

        across = jax.vmap(lambda a: jax.vmap(lambda b: payoff(a, b))(z))(z)
        own = found.points.payoff
        # [k, l]: what the firms lose in equilibrium k by playing as in l instead.
        loss_a = own[:, None, 0] - across[:, :, 0].T
        loss_b = own[:, None, 1] - across[:, :, 1]
        product = loss_a * loss_b
        slack = _ROUNDING * jnp.maximum(jnp.abs(product), jnp.abs(product.T))
        return _dominant(found, product > product.T + slack)

    def describe(self) -> str:
        """In words."""
        return "the one that risk-dominates all others"

    def refuse(self, game: Game, one: Equilibrium) -> None:
        """Two firms only."""
        if len(game.firms) != 2:
            raise GameError(f"RiskDominant is defined for two firms, not for {len(game.firms)}; take another rule.")


class Nearest(Rule):
    """The equilibrium nearest to a given profile: the largest difference of a strategy, in units of the profile's
    largest strategy of that name, is smallest."""

    profile: Profile = eqx.field(converter=_profile)

    def choose(self, game: Game, found: Equilibria) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """The nearest row."""
        return _nearest(found, check_start(game, self.profile), game), jnp.ones((), bool)

    def describe(self) -> str:
        """In words."""
        return "the one nearest to a given profile"

    def refuse(self, game: Game, one: Equilibrium) -> None:
        """The profile must be one of the game's strategies."""
        del one
        check_start(game, self.profile)


class ReachedFrom(Rule):
    """The equilibrium that best-response dynamics reach from a given profile (the rest from the usual start).

    The dynamics are damped simultaneous best responses, without Newton's method, which may leave the basin. Undecided
    where they do not settle, or settle at a point that is not among the equilibria found.
    """

    start: Profile = eqx.field(converter=_profile)
    dynamics: BestResponse = eqx.field(static=True, default=BestResponse(finish=False))
    steps: int = eqx.field(static=True, default=1000)

    def choose(self, game: Game, found: Equilibria) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """The row in which the dynamics end."""
        layout, dtype = layout_of(game), dtype_of(game)
        conditions = conditions_of(game, layout, dtype)
        tol = max(found.points.tol, float(64 * jnp.finfo(dtype).eps))
        begin = start_of(game, layout, dtype, check_start(game, self.start))
        end = self.dynamics.run(conditions, begin, tol=tol, max_steps=self.steps)
        row = _nearest(found, layout.unflatten(end.z), game)
        there = jnp.take(jax.vmap(layout.flatten)(found.points.strategy), row, axis=0)
        size = jnp.maximum(jnp.max(jnp.abs(there)), jnp.finfo(dtype).tiny)
        return row, (end.residual <= tol) & jnp.all(jnp.abs(end.z - there) <= tol**0.5 * size)

    def describe(self) -> str:
        """In words."""
        return "the one that best-response dynamics reach from a given profile"

    def refuse(self, game: Game, one: Equilibrium) -> None:
        """The profile must be one of the game's strategies."""
        del one
        check_start(game, self.start)


_ROUNDING = 1e-9


def _best(found: Equilibria, value: Float[Array, " row"]) -> Int[Array, ""]:
    rows = np.arange(len(value), dtype=np.int32) < found.count
    top = jnp.max(jnp.where(rows, value, -jnp.inf))
    slack = _ROUNDING * jnp.max(jnp.where(rows, jnp.abs(value), 0.0))
    return jnp.argmax(rows & (value >= top - slack)).astype(jnp.int32)


def _dominant(found: Equilibria, better: Bool[Array, "row row"]) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """The first equilibrium that is `better` than all others, and whether there is one."""
    index = np.arange(len(better), dtype=np.int32)
    rows = index < found.count
    matters = rows[:, None] & rows[None, :] & (index[:, None] != index[None, :])
    wins = rows & jnp.all(jnp.where(matters, better, True), axis=1)
    return jnp.argmax(wins).astype(jnp.int32), jnp.any(wins)


def _nearest(found: Equilibria, profile: Profile, game: Game) -> Int[Array, ""]:
    distance: Any = 0.0
    for name, value in profile.items():
        strategy = found.points.strategy[name]
        size = jnp.maximum(jnp.max(jnp.abs(value)), jnp.finfo(strategy.dtype).tiny)
        gap = jnp.abs(strategy - jnp.broadcast_to(value, strategy.shape[1:])[None]) / size
        distance = jnp.maximum(distance, jnp.max(gap.reshape(len(gap), -1), axis=1))
    rows = np.arange(len(found.points.status), dtype=np.int32) < found.count
    return jnp.argmin(jnp.where(rows, distance, jnp.inf)).astype(jnp.int32)
