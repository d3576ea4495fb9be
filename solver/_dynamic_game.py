"""What a user writes of a dynamic game: what happens in one period, from a state that all firms see.

Periods t = 0, 1, ... A state x_t, firms' choices s_t, payoffs pi_i(x_t, s_t) in the period, and the state that follows,
x_{t+1} = f(x_t, s_t). Firm i has sum_t delta^t pi_i(x_t, s_t), and after T periods delta^T w_i(x_T). That is not yet a
game that can be solved: what firms know of each other when they choose is the concept. With *open-loop* play all choose
whole paths at the start and keep to them, a game in ordinary form (`PathGame`, and exactly `OpenLoop`). With *feedback*
they choose again in every period, having seen the state, and count on the answers of the others to it: Markov-perfect
equilibrium (Maskin and Tirole, 2001, Journal of Economic Theory 100), here of linear-quadratic games (`MarkovPerfect`).
With the same payoffs the two differ wherever a firm can change a state to which others will answer.
"""

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._errors import GameError
from ._game import Game, Profile
from ._layout import Layout, layout_of

if TYPE_CHECKING:
    # A type checker would make these arguments of every constructor, and refuse numbers for parameters.
    class _Module:
        firms: Any
        discount: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
else:

    class _Module(eqx.Module):
        firms: eqx.AbstractVar[tuple[str, ...]]
        discount: eqx.AbstractVar[Float[Array, ""]]


class DynamicGame(_Module):
    """One period of a dynamic game; subclass it and write `firms`, `discount`, `initial`, `bounds`, `transition` and
    `payoff`.

    Array fields are the parameters, as in `Game`. `discount` is delta in [0, 1], below 1 for an infinite horizon: a
    parameter, or a property that follows from others.

    >>> from nashgrid.solver import DynamicGame, MarkovPerfect, OpenLoop, parameter, solve
    >>> class Adjustment(DynamicGame):
    ...     '''Cournot duopoly in which changing the quantity q is costly.'''
    ...     cost: Float[Array, ""] = parameter(12.0, "gamma: of a change of the quantity, squared")
    ...     discount: Float[Array, ""] = parameter(0.96, "per period")
    ...     firms = ("A", "B")
    ...     def initial(self):
    ...         return {"q": (1.0, 1.0)}
    ...     def bounds(self):
    ...         return {"change": (-jnp.inf, jnp.inf)}
    ...     def transition(self, x, s):
    ...         return {"q": x["q"] + s["change"]}
    ...     def payoff(self, x, s):
    ...         return (10.0 - 2.0 * x["q"].sum()) * x["q"] - self.cost * s["change"] ** 2
    >>> foreseen = solve(MarkovPerfect(Adjustment(), shown=200), tol=1e-4)  # each counts on the other's answers
    >>> [round(float(q[-1]), 3) for q in foreseen.outcomes["q"]]
    [1.802, 1.802]
    >>> committed = solve(OpenLoop(Adjustment(), shown=200), tol=1e-4)  # ends at the static Cournot quantity 5/3
    >>> [round(float(q[-1]), 3) for q in committed.outcomes["q"]]
    [1.667, 1.667]
    """

    @abc.abstractmethod
    def initial(self) -> Mapping[str, ArrayLike | tuple[float, ...]]:
        """Name of each part of the state -> its value at the start, of any shape."""

    @abc.abstractmethod
    def bounds(self) -> Mapping[str, tuple[ArrayLike, ArrayLike]]:
        """Name of each strategy -> (lower, upper) in every period, as in `Game`; may be infinite."""

    @abc.abstractmethod
    def transition(self, x: Profile, s: Profile) -> Profile:
        """The next state, by name, from the state `x` and the strategies `s` of a period."""

    @abc.abstractmethod
    def payoff(self, x: Profile, s: Profile) -> Float[Array, " firm"]:
        """Every firm's payoff in a period, undiscounted."""

    def terminal(self, x: Profile) -> Float[Array, " firm"]:
        """What the state after the last of finitely many periods is worth to every firm then; nothing by default."""
        del x
        return jnp.zeros(len(self.firms), jnp.asarray(self.discount).dtype)

    def outcomes(self, x: Profile, s: Profile) -> dict[str, Array]:
        """What else to report of a period, by name: price, welfare, ..."""
        del x, s
        return {}

    def owners(self) -> Mapping[str, tuple[int, ...]]:
        """For strategies that are not one per firm: name -> the index of the firm that chooses each leading item."""
        return {}

    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the axes of strategies, states and outcomes of a period, where they are not just ("firm",)."""
        return {}


def strategies_of(game: DynamicGame) -> Layout:
    """The layout of the strategies of one period."""
    # It asks for firms, bounds and owners only.
    return layout_of(cast(Game, game))


def states_of(game: DynamicGame) -> Layout:
    """The layout of the state; nobody owns it."""
    given = {name: np.shape(value) for name, value in game.initial().items()}
    sizes = [int(np.prod(shape)) for shape in given.values()]
    return Layout(tuple(given), tuple(given.values()), (0,) * sum(sizes), len(game.firms))


def beginning(game: DynamicGame, dtype: jnp.dtype) -> Profile:
    """The state at the start, as arrays."""
    return {name: jnp.asarray(value, dtype) for name, value in game.initial().items()}


def limits_of(game: DynamicGame, dtype: jnp.dtype) -> tuple[Float[Array, " action"], Float[Array, " action"]]:
    """The stacked bounds of the strategies of one period."""
    layout, bounds = strategies_of(game), game.bounds()
    lower, upper = (layout.stack({name: pair[k] for name, pair in bounds.items()}, dtype) for k in (0, 1))
    return lower, upper


def report_of(game: DynamicGame, x: Profile, s: Profile, *, on: bool) -> dict[str, Array]:
    """Outcomes by period (last axis) and states by date, from their paths with time as the leading axis.

    `x` has a date more than `s` has periods. `present_NAME` is the present value of a scalar outcome; where play goes
    `on` after the last period, as if it stayed what it was then.
    """
    last = jax.tree.map(lambda leaf: leaf[:-1], x)
    every = jax.vmap(game.outcomes)(last, s)
    discount = jnp.asarray(game.discount)
    periods = jax.tree.leaves(s)[0].shape[0]
    weight = powers(discount, periods)
    present = {}
    for name, values in every.items():
        if values.ndim == 1:
            # Undiscounted play without an end has no present value.
            after = weight[-1] * discount / (1.0 - discount) * values[-1] if on else jnp.zeros_like(values[-1])
            present[f"present_{name}"] = jnp.sum(weight * values) + after
    states = {name: jnp.moveaxis(values, 0, -1) for name, values in x.items()}
    return {**{name: jnp.moveaxis(values, 0, -1) for name, values in every.items()}, **present, **states}


def powers(discount: Float[Array, ""], periods: int) -> Float[Array, " period"]:
    """1, delta, delta^2, ...; with derivatives at 0 too."""
    return jnp.cumprod(jnp.concatenate([jnp.ones((1,), discount.dtype), jnp.full((periods - 1,), discount)]))


def dims_of(game: DynamicGame) -> dict[str, tuple[str, ...]]:
    """Names of the axes of paths: those of one period, and then "period", or "date" for states."""
    given, firms = game.dims(), len(game.firms)
    layout, states = strategies_of(game), states_of(game)

    def named(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
        if name in given:
            return tuple(given[name])
        rest = tuple(f"{name}_axis{k}" for k in range(len(shape)))
        return ("firm", *rest[1:]) if shape and shape[0] == firms else rest

    every: dict[str, tuple[str, ...]]
    every = {name: (*named(name, shape), "period") for name, shape in zip(layout.names, layout.shapes, strict=True)}
    every |= {name: (*named(name, shape), "date") for name, shape in zip(states.names, states.shapes, strict=True)}
    for name, value in outcomes_of(game).items():
        every[name] = (*named(name, value.shape), "period")
        if not value.shape:
            every[f"present_{name}"] = ()
    return every


def outcomes_of(game: DynamicGame) -> dict[str, Any]:
    """The shapes of the outcomes of one period."""
    return eqx.filter_eval_shape(lambda g: g.outcomes(*_anything(g)), game)


def _anything(game: DynamicGame) -> tuple[Profile, Profile]:
    dtype = jnp.asarray(game.discount).dtype
    layout = strategies_of(game)
    return beginning(game, dtype), layout.unflatten(jnp.zeros(layout.size, dtype))


def programs_of(game: DynamicGame) -> dict[str, Any]:
    """What the functions of a game compute, as jaxprs by name."""
    arrays, static = eqx.partition(game, eqx.is_array)

    def program(name: str) -> Any:
        def call(arrays: Any) -> Any:
            whole = eqx.combine(arrays, static)
            x, s = _anything(whole)
            given = {"initial": (), "bounds": (), "terminal": (x,)}.get(name, (x, s))
            return jax.tree.map(jnp.asarray, getattr(whole, name)(*given))

        return jax.make_jaxpr(call)(arrays)

    return {name: program(name) for name in ("initial", "bounds", "transition", "payoff", "terminal", "outcomes")}


def check_dynamic(game: DynamicGame) -> None:
    """Refuse a dynamic game whose parts do not fit each other; looks at shapes only, and may be traced."""
    what, firms = type(game).__name__, game.firms
    if not isinstance(firms, tuple) or not firms or not all(isinstance(name, str) for name in firms):
        raise GameError(f"{what}.firms is {firms!r}; give a tuple with the name of each firm.")
    if np.shape(game.discount):
        raise GameError(f"{what}.discount has shape {np.shape(game.discount)}; give one number.")
    if not isinstance(game.initial(), Mapping) or not game.initial():
        raise GameError(f"{what}.initial() must return a dict: name of a part of the state -> its value at the start.")
    layout, states = strategies_of(game), states_of(game)
    x, s = _anything(game)
    later = game.transition(x, s)
    shapes = {name: value.shape for name, value in x.items()}
    found = {name: np.shape(value) for name, value in later.items()} if isinstance(later, Mapping) else later
    if found != shapes:
        raise GameError(f"{what}.transition returned {found}; the state has the names and shapes {shapes}.")
    for name, value in (("payoff", game.payoff(x, s)), ("terminal", game.terminal(x))):
        if np.shape(value) != (len(firms),):
            raise GameError(f"{what}.{name} returned shape {np.shape(value)}; give one number per firm {firms}.")
    outcomes = game.outcomes(x, s)
    taken = [*layout.names, *states.names, *(f"{name}_rule" for name in layout.names)]
    every = [*taken, *outcomes, *(f"present_{name}" for name in outcomes), "persistence"]
    if twice := next((name for name in every if every.count(name) > 1), None):
        raise GameError(f"{what} has two strategies, states or outcomes called {twice!r}; rename one.")


def check_is_dynamic(game: Any, what: str) -> None:
    """Refuse what is no dynamic game."""
    if not isinstance(game, DynamicGame):
        raise GameError(f"{what} takes a DynamicGame, not {game!r}: subclass nashgrid.solver.DynamicGame.")


def check_periods(periods: int | None, what: str, *, optional: bool) -> None:
    """Refuse a horizon that is no whole number of at least 1."""
    if (periods is None and optional) or (isinstance(periods, int) and not isinstance(periods, bool) and periods >= 1):
        return
    none = ", or None for an infinite horizon" if optional else ""
    raise GameError(f"{what} is {periods!r}; give a whole number of at least 1{none}.")
