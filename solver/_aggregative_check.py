"""The definition of an aggregative game is checked: its shapes, and that firms meet in the totals only."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._aggregative import AggregativeGame
from ._check import check, check_functions, probe
from ._equilibrium import start_of
from ._errors import GameError
from ._game import Game
from ._layout import bounds_of, dtype_of, layout_of
from ._pooled import Pooled, Pooling


@check.register
def _(game: AggregativeGame) -> None:
    what, firms = type(game).__name__, game.firms
    named = isinstance(firms, tuple) and all(isinstance(name, str) for name in firms)
    if not (named or firms == range(len(firms))) or not firms:
        raise GameError(f"{what}.firms is {firms!r}; give range(n), or a tuple with the name of each firm.")
    if named and len(set(firms)) < len(firms):
        raise GameError(f"{what}.firms has a name twice: {firms}.")
    if type(game).constraints is not Game.constraints:
        raise GameError(f"{what} has constraints(), which an AggregativeGame cannot have; write it as a Game.")
    layout, dtype = layout_of(game), dtype_of(game)
    x, _ = bounds_of(game, layout, dtype)
    parts = game.contribution(x)
    if not isinstance(parts, Mapping) or not parts:
        raise GameError(f"{what}.contribution() must return a dict: name of a total -> what each firm adds to it.")
    for name, part in parts.items():
        _check_by_firm(f"{what}.contribution()[{name!r}]", part, layout.firms, dtype)
    _check_by_firm(f"{what}.own_payoff()", game.own_payoff(x, dict.fromkeys(parts, x)), layout.firms, dtype)
    check_functions(game)


def _check_by_firm(what: str, value: Any, firms: int, dtype: jnp.dtype) -> None:
    if not isinstance(value, jax.Array) or value.shape != (firms,) or value.dtype != dtype:
        is_ = f"{value.dtype}{list(value.shape)}" if isinstance(value, jax.Array) else f"a {type(value).__name__}"
        raise GameError(f"{what} is {is_}; it must be an array of one {dtype} number for each of the {firms} firms.")


@probe.register
def _(game: AggregativeGame) -> None:
    totals = tuple(eqx.filter_eval_shape(game.contribution, jnp.zeros(len(game.firms), dtype_of(game))))
    # Irregular, so that no sum over firms of what differs from it vanishes by chance.
    way = np.asarray(0.5 + (np.arange(1, len(game.firms) + 1) * 0.6180339887498949) % 1.0, dtype_of(game))
    for what, row in zip(("contribution", "own_payoff"), _mixed(game, jnp.asarray(way)), strict=True):
        bad = [name for name, mixed in zip((*totals, ""), np.asarray(row), strict=True) if mixed]
        if not bad:
            continue
        name = bad[0]
        part = f"[{name!r}]" if what == "contribution" else f", in total[{name!r}]," if name else ", in x,"
        raise GameError(
            f"{type(game).__name__}.{what}(){part} is not elementwise: an entry depends on other firms' entries. What "
            "firms have to do with each other must go through `contribution`; if it cannot, write a Game."
        )


@eqx.filter_jit
def _mixed(game: AggregativeGame, way: Float[Array, " firm"]) -> tuple[Bool[Array, " way"], Bool[Array, " way"]]:
    """By total: whether its contributions, and payoffs in it, mix firms; the last entry is for payoffs in actions.

    The derivative of an elementwise function in any direction t is t times that in the direction of ones.
    """
    pooled = Pooled(game)
    layout, dtype = layout_of(pooled), dtype_of(pooled)
    lower, upper = bounds_of(pooled, layout, dtype)
    x = start_of(pooled, layout, dtype, None)
    pooling = Pooling(pooled, lower, upper, layout, tuple(game.contribution(x)))
    a = pooling.meet(jnp.sum(pooling.parts(x), axis=1))

    def mixes(function, at) -> Bool[Array, " row"]:
        plain, tilted = (jax.jvp(function, (at,), (t,))[1] for t in (jnp.ones_like(at), way))
        plain, tilted = (part.reshape(-1, layout.firms) for part in (plain, tilted))
        return jnp.any(jnp.abs(tilted - way[None, :] * plain) > _noise(tilted), axis=1)

    by_total = [mixes(lambda row, k=k: pooling.own(x, a.at[k].set(row)), a[k])[0] for k in range(len(a))]
    by_action = mixes(lambda x: pooling.own(x, a), x)
    return jnp.append(mixes(pooling.parts, x), False), jnp.stack([*by_total, by_action[0]])


def _noise(values: Float[Array, "row firm"]) -> Float[Array, "row 1"]:
    """What rounding may make of the largest finite value."""
    size = jnp.max(jnp.where(jnp.isfinite(values), jnp.abs(values), 0.0), axis=1, keepdims=True)
    return float(jnp.finfo(values.dtype).eps) ** 0.5 * size
