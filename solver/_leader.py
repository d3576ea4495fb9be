"""Sequential play: a leader commits to a choice, foreseeing the equilibrium that the followers reach.

The leader sets one parameter theta of the followers' game and maximizes V(theta, z*(theta)), z* the followers'
equilibrium: von Stackelberg (1934), subgame perfection (Selten 1965). A continuous choice is a game with one player
whose payoff contains an equilibrium; derivatives through z* are exact, and the certificate searches the leader's whole
interval, with the followers' equilibrium certified at every choice it compares. A choice from a list is compared
exhaustively.
"""

import functools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._axes import Knob, knob, knobs, put
from ._check import check
from ._each import each, rolling
from ._equilibrium import equilibrium, nash
from ._errors import GameError
from ._game import Game, Problem, Profile
from ._layout import dtype_of
from ._method import Method
from ._newton import Newton
from ._objective import check_objective, firms_in, value_of
from ._search import GlobalSearch
from ._solution import Certificate, Equilibrium
from ._status import Status

_GRID = 17
# Started from the best point of a grid; a wrong end is left by the certificate's deviation, which is nearly a maximum.
_POLISH = Newton(escapes=3)


class Leader(Problem):
    """A leader who chooses one parameter of a game before the game is played.

    `certificate` judges the leader's choice, `subgame.certificate` the followers' equilibrium. For a choice from a list
    `margin` is by how much the best choice is better than the next one, relative to the payoffs; `concavity`,
    `stability` and `conditioning` are not defined: NaN.

    Args:
        game: the followers' problem, a `Game`, another `Leader`, a `Stage` or a `Selected` game.
        choose: the parameter that the leader sets: "field", or "field[0]" for an element of an array.
        maximize: what the leader maximizes: the name of a firm of the game (its payoff) or of a scalar outcome.
        choices: the values to choose from, at least two; or
        interval: (lower, upper), to choose any value between.

    Raises:
        GameError: neither or both of `choices` and `interval` are given, or they are out of order.

    >>> from nashgrid.solver import Game, Leader, parameter, solve
    >>> class Follower(Game):
    ...     first: Float[Array, ""] = parameter(0.0, "quantity of the leader")
    ...     firms = ("follower",)
    ...     def bounds(self):
    ...         return {"q": (0.0, 13.0)}
    ...     def payoff(self, s):
    ...         return (12.0 - self.first - s["q"]) * s["q"]
    ...     def outcomes(self, s):
    ...         return {"leader_profit": (12.0 - self.first - s["q"].sum()) * self.first}
    >>> first = solve(Leader(Follower(), "first", "leader_profit", interval=(0, 13)), tol=1e-4).strategy["first"]
    >>> round(float(first), 3)
    6.0
    """

    game: Problem
    choices: Float[Array, " choice"] | None
    interval: Float[Array, "2"] | None
    choose: str = eqx.field(static=True)
    maximize: str = eqx.field(static=True)

    def __init__(
        self,
        game: Problem,
        choose: str,
        maximize: str,
        *,
        choices: ArrayLike | tuple[float, ...] | None = None,
        interval: tuple[ArrayLike, ArrayLike] | None = None,
    ):
        if (choices is None) == (interval is None):
            raise GameError("Give a Leader either choices=(0.0, 1.0, ...) or interval=(lower, upper).")
        self.game, self.choose, self.maximize = game, choose, maximize
        self.choices = None if choices is None else _row(choices, game, "choices")
        self.interval = None if interval is None else _row(interval, game, "interval")

    @property
    def firms(self) -> tuple[str, ...]:
        """The leader: the firm of the game whose payoff is maximized, else "leader"."""
        return (self.maximize if self.maximize in firms_in(self.game) else "leader",)

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return (
            f"subgame-perfect (sequential play): {self.firms[0]} sets {self.choose} first, then {self.game.concept()}"
        )

    def chosen(self) -> tuple[str, ...]:
        """The parameter that the leader sets."""
        return (self.choose,)

    def subgame(self, choice: Float[Array, ""]) -> Problem:
        """The followers' problem after the leader's choice."""
        return put(self.game, (self.lever,), (choice,))

    def value(self, followers: Equilibrium) -> Float[Array, ""]:
        """What the leader gets in an equilibrium of the followers."""
        return value_of(followers, self.maximize)

    def coords(self) -> Mapping[str, tuple[Any, str]]:
        """What choices from a list are called in labelled results."""
        return {} if self.choices is None else {"choice": (self.choices, "choice of the leader")}

    @property
    def lever(self) -> Knob:
        """Where in the followers' problem the leader's choice is."""
        return knob(self.game, self.choose)


def _row(values: Any, game: Problem, what: str) -> Float[Array, " n"]:
    row = jnp.asarray(values, dtype_of(game))
    if row.ndim != 1 or len(row) < 2 or (what == "interval" and len(row) != 2):
        raise GameError(f"{what} of a Leader: give two{' or more' if what == 'choices' else ''} numbers, not {values}.")
    concrete = not isinstance(row, Tracer)
    if concrete and not (np.all(np.isfinite(row)) and np.all(np.diff(row) > 0)):
        raise GameError(f"{what} of a Leader must be finite and increasing, not {values}.")
    return row


@check.register
def _(leader: Leader) -> None:
    check(leader.game)
    knobs(leader.game, (leader.choose,), "choose")
    check_objective(leader.game, leader.maximize)


def _traced_once(**options: Any) -> Any:
    """`equilibrium` with these options, as a program of its own: needed at many places, it is traced once."""
    return functools.partial(_program, rolling(), options)


@eqx.filter_jit
def _program(rolled: int, options: dict[str, Any], problem: Problem) -> Equilibrium:
    del rolled  # Another program.
    return equilibrium(problem, **options)


class _Choosing(Game):
    """The leader's own problem: a game of one player; its payoff is NaN where the followers have no equilibrium."""

    leader: Leader
    solve: Any = eqx.field(static=True)
    accepted: Status = eqx.field(static=True)

    @property
    def firms(self) -> tuple[str, ...]:
        return self.leader.firms

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        assert self.leader.interval is not None
        return {self.leader.choose: (self.leader.interval[0], self.leader.interval[1])}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        followers = self.solve(self.leader.subgame(s[self.leader.choose][0]))
        value = self.leader.value(followers)
        return jnp.where(followers.status == self.accepted, value, jnp.nan)[None]


@equilibrium.register
def lead(
    leader: Leader,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibrium:
    """The subgame-perfect equilibrium of sequential play; `method` serves the leader and the followers."""
    options: dict[str, Any] = {"method": method, "tol": tol, "max_steps": max_steps}
    follow = _traced_once(search=search, **options)
    accepted = Status.first_order if search is None else Status.successful
    if leader.choices is not None:
        return _from_list(leader, follow, accepted, method, tol)

    def judged(game: Game) -> Game:
        assert isinstance(game, _Choosing)
        return _Choosing(game.leader, follow, accepted)

    quick = _traced_once(search=None, **options)
    choosing = _Choosing(leader, quick, Status.first_order)
    begin = {leader.choose: jax.lax.stop_gradient(_best_of_grid(choosing))}
    limits: dict[str, Any] = {"tol": tol, "max_steps": max_steps, "search": search}
    own = nash(choosing, _POLISH, start=begin, judged=judged, kinks=False, **limits)
    choice = own.strategy[leader.choose][0]
    followers = follow(leader.subgame(choice))
    failed = (followers.status != accepted) | (own.status == Status.nonfinite)
    # One who chooses alone does not cycle: there is a better choice, but at a jump, where no derivative vanishes.
    reached = jnp.where(own.status == Status.cycling, Status.deviation_found, own.status)
    return _answer(
        leader, followers, choice, leader.value(followers)[None], own.certificate,
        jnp.where(failed, Status.subgame_failed, reached), own.steps, method, tol,
    )  # fmt: skip


def _best_of_grid(choosing: _Choosing) -> Float[Array, "1"]:
    """Where the leader's ascent starts: the best of choices spread over the interval."""
    interval = choosing.leader.interval
    assert interval is not None
    share = jnp.asarray(np.linspace(0.0, 1.0, _GRID), interval.dtype)
    grid = interval[0] + share * (interval[1] - interval[0])
    values = each(lambda choice: choosing.payoff({choosing.leader.choose: choice[None]})[0], grid)
    return jnp.take(grid, jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values)))[None]


def _from_list(leader: Leader, follow, accepted: Status, method: Method, tol: float) -> Equilibrium:
    """Every choice's followers in one batch; the best choice, certified by having compared all."""
    choices = leader.choices
    assert choices is not None
    every = each(lambda choice: follow(leader.subgame(choice)), choices)
    values = jax.vmap(leader.value)(every)
    best = jnp.argmax(values).astype(jnp.int32)
    followers = jax.tree.map(lambda leaf: jnp.take(leaf, best, axis=0), every)
    choice, value = jnp.take(choices, best), jnp.take(values, best)
    certificate = None
    if every.certificate is not None:
        fixed = jax.lax.stop_gradient
        scale = jnp.maximum(jnp.max(jnp.abs(fixed(values))), jnp.finfo(values.dtype).tiny)
        others = jnp.where(np.arange(len(choices), dtype=np.int32) == best, -jnp.inf, fixed(values))
        zero, undefined = jnp.zeros_like(scale), jnp.full_like(scale, jnp.nan)
        certificate = Certificate(
            residual=zero,
            regret=zero,
            gain=zero[None],
            deviation={leader.choose: fixed(choice)},
            concavity=undefined,
            stability=undefined,
            conditioning=undefined,
            margin=(fixed(value) - jnp.max(others)) / scale,
            error=jnp.max(every.certificate.error),
            payoff_scale=scale[None],
        )
    status = jnp.where(jnp.all(every.status == accepted), accepted, Status.subgame_failed)
    followers = eqx.tree_at(lambda e: e.outcomes, followers, followers.outcomes | {"choice_payoff": values})
    return _answer(
        leader,
        followers,
        choice,
        value[None],
        certificate,
        status,
        jnp.sum(every.steps, dtype=jnp.int32),
        method,
        tol,
    )


def _answer(leader, followers, choice, payoff, certificate, status, steps, method, tol) -> Equilibrium:
    return Equilibrium(
        strategy={leader.choose: choice},
        payoff=payoff,
        outcomes=followers.outcomes,
        certificate=certificate,
        status=status.astype(jnp.int32),
        steps=steps,
        subgame=followers,
        concept=leader.concept(),
        method=method.describe(),
        tol=tol,
        firms=leader.firms,
    )
