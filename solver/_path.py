"""Best-response play, one firm after the other, each time the one that gains most: where it settles, or how it cycles.

What a `cycling` status summarizes can be looked at here: the profiles that play visits and what moves it on. Where best
responses are limits that no strategy attains (undercutting by ever less, efforts that vanish) play neither settles nor
returns, and the path shows that.
"""

import enum
from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from . import _numpy as jnp
from ._certificate import certify
from ._check import check_options, check_start, prepare
from ._conditions import conditions_of
from ._equilibrium import start_of
from ._errors import GameError
from ._game import Game, Profile
from ._layout import dtype_of, layout_of, strategy_scale
from ._newton import Newton
from ._priced import refuse_constraints
from ._search import GlobalSearch
from ._smooth import shape_of_payoffs

# Deviations are found to about eps^(1/3) of a strategy's size.
_SAME = 20.0


class PathEnd(enum.IntEnum):
    """How best-response play ends."""

    unfinished = 0
    """It still moved after the last move that was allowed."""
    settled = 1
    """No firm gains any more."""
    cycle = 2
    """It came back to a profile that it had left."""
    unattained = 3
    """A firm gains by a move shorter than the search resolves: its best response is a limit that is not attained."""
    undefined = 4
    """A payoff is NaN."""


class Path(eqx.Module):
    """Profiles that best-response play visits, in order; NaN after its end."""

    profiles: Profile
    """By strategy, with the profiles as leading axis; the first one is the start."""
    mover: Int[Array, " profile"]
    """The index of the firm that leaves each profile; -1 where none does."""
    gain: Float[Array, " profile"]
    """What that firm gains by it, relative to its payoff (see `Certificate.payoff_scale`)."""
    length: Int[Array, ""]
    """How many profiles were visited."""
    end: Int[Array, ""]
    """A code of `PathEnd`."""
    period: Int[Array, ""]
    """Of how many profiles the cycle consists in which play ends; 0 if it ends otherwise."""


def best_response_path(
    game: Game,
    start: Mapping[str, ArrayLike] | None = None,
    *,
    moves: int = 64,
    tol: float | None = None,
    search: GlobalSearch | None = None,
) -> Path:
    """Play from `start` in which the firm that gains most moves to its best response, found by a global search.

    Args:
        game: a `Game`.
        start: strategies to start from, as in `solve`; the profile of a failed solve, for instance.
        moves: the most moves.
        tol: gains of at most this, relative to the payoff, move nobody; as in `solve`, but at least what the search
            resolves, 1e-8 in float64 and 1e-3 in float32.
        search: how thoroughly best responses are searched for.

    Raises:
        GameError: the game, the start or an option is ill-defined.

    >>> from nashgrid.solver import Game, PathEnd, best_response_path
    >>> class Evasion(Game):
    ...     firms = ("seeker", "hider")
    ...     def bounds(self):
    ...         return {"x": (0.0, 1.0)}
    ...     def payoff(self, s):
    ...         gap = (s["x"][0] - s["x"][1]) ** 2
    ...         return jnp.stack([-gap, gap])
    >>> path = best_response_path(Evasion(), {"x": 0.2})
    >>> PathEnd(int(path.end)).name, int(path.period)
    ('cycle', 4)
    """
    prepared = prepare(game)
    if not isinstance(prepared, Game):
        raise GameError(f"best_response_path is for games of simultaneous play, not for a {type(game).__name__}.")
    refuse_constraints(prepared, "best_response_path")
    if start is not None:
        start = check_start(prepared, start)
    tol, _ = check_options(Newton(), tol, moves, dtype_of(prepared), True)
    tol = max(tol, float(jnp.finfo(dtype_of(prepared)).eps) ** 0.5)
    return _compiled(prepared, start, int(moves), tol, search or GlobalSearch())


@eqx.filter_jit
def _compiled(game: Game, start, moves: int, tol: float, search: GlobalSearch) -> Path:
    layout, dtype = layout_of(game), dtype_of(game)
    conditions = conditions_of(game, layout, dtype)
    begin = start_of(game, layout, dtype, start)
    shape = shape_of_payoffs(game, layout, dtype)
    same = _SAME * float(jnp.finfo(dtype).eps) ** (1 / 3)
    rows = np.arange(moves + 1, dtype=np.int32)
    path = jnp.where(rows[:, None] == 0, begin[None, :], jnp.nan)
    nobody, no_gain = jnp.full(moves + 1, -1, jnp.int32), jnp.full(moves + 1, jnp.nan, dtype)

    def unfinished(state):
        return (state[3] < moves) & (state[4] == PathEnd.unfinished)

    def move(state):
        path, mover, gains, k, _, _ = state
        z = jnp.sum(jnp.where(rows[:, None] == k, path, 0.0), axis=0)
        certificate, _ = certify(conditions, z, search, game, tol=tol, kinks=False, shape=shape)
        relative = certificate.gain / certificate.payoff_scale
        firm, gain = jnp.argmax(relative).astype(jnp.int32), jnp.max(relative)
        settled = gain <= tol
        mine = np.asarray(layout.owner, np.int32) == firm
        new = jnp.where(mine, layout.flatten(certificate.deviation), z)
        size = strategy_scale(new, new, conditions.lower, conditions.upper, layout)
        back = jnp.all(jnp.abs(path - new[None, :]) <= same * size[None, :], axis=1)
        returned = jnp.any(back)
        first = jnp.argmax(back).astype(jnp.int32)
        # Gaining by a move shorter than the search resolves: a best response that is not attained.
        end = jnp.where(first == k, PathEnd.unattained, PathEnd.cycle)
        end = jnp.where(settled, PathEnd.settled, jnp.where(returned, end, PathEnd.unfinished))
        end = jnp.where(jnp.isnan(gain) | jnp.any(jnp.isnan(new)), PathEnd.undefined, end).astype(jnp.int32)
        period = jnp.where(end == PathEnd.cycle, k + 1 - first, 0).astype(jnp.int32)
        here, there = rows == k, rows == k + 1
        path = jnp.where((there & (end == PathEnd.unfinished))[:, None], new[None, :], path)
        mover = jnp.where(here & (gain > tol), firm, mover)
        return path, mover, jnp.where(here, gain, gains), k + 1, end, period

    zero = jnp.zeros((), jnp.int32)
    begin_state = (path, nobody, no_gain, zero, zero + PathEnd.unfinished, zero)
    path, mover, gains, length, end, period = jax.lax.while_loop(unfinished, move, begin_state)
    return Path(jax.vmap(layout.unflatten)(path), mover, gains, length, end, period)
