"""Which of several pure equilibria of a discrete stage is played: an explicit rule, stated in every result.

By default the one that best responses reach from a profile that is named (the status quo), one player moving at a time;
in games with a potential (Monderer & Shapley 1996) they always arrive. A planner's pick is `HighestOutcome`.
"""

import abc

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._errors import GameError
from ._payoff_table import PayoffTable, alternatives, digits, strides
from ._pure import PureEquilibria


class StageRule(eqx.Module):
    """A rule that picks one profile of a table; subclass it with `pick` and `describe`. Its fields are static.

    Where there is an equilibrium, an equilibrium has to be picked; where there is none, `least_regret`.
    """

    @abc.abstractmethod
    def pick(self, table: PayoffTable, pure: PureEquilibria) -> Int[Array, ""]:
        """The number of the profile (profiles are counted in C order); pure, may be vmapped."""

    @abc.abstractmethod
    def describe(self) -> str:
        """The rule in words, e.g. "reached by best responses from (0, 0)"."""

    def outcome(self) -> str | None:
        """The firm or scalar outcome of the subgame that the rule looks at, if any."""
        return None


class StatusQuo(StageRule):
    """The equilibrium that best responses reach from a start; players move in turn, and only if they gain.

    If they go round in a circle although there is an equilibrium, it is the one in which the fewest players choose
    otherwise than at the start (the first of these in the order of the table).

    Args:
        start: what all players, or each of them, choose to begin with; by default the first of the choices.

    >>> StatusQuo(start=(0.0, 1.0)).describe()
    'reached by best responses from (0, 1)'
    """

    start: float | tuple[float, ...] | None = eqx.field(static=True, default=None)

    def pick(self, table: PayoffTable, pure: PureEquilibria) -> Int[Array, ""]:
        """The number of the profile."""
        k, n = table.shape
        every = digits(k, n)
        better = best_responses(table, pure)
        begin = self.begin(table.choices, n)
        origin = jnp.sum(begin * strides(k, n), dtype=jnp.int32)
        players = np.int32(n)

        def unfinished(state):
            return (state[2] < players) & (state[3] < n * k**n)

        def move(state):
            at, mover, quiet, moves = state
            onward = better[at, mover]
            return onward, (mover + 1) % players, jnp.where(onward == at, quiet + 1, 0), moves + 1

        zero = jnp.zeros((), jnp.int32)
        end = jax.lax.while_loop(unfinished, move, (origin, zero, zero, zero))[0]
        mask = pure.mask.reshape(-1)
        apart = jnp.sum(jnp.asarray(every) != begin[None, :], axis=1, dtype=jnp.int32)
        nearest = jnp.argmin(jnp.where(mask, apart, n + 1)).astype(jnp.int32)
        return jnp.where(mask[end], end, jnp.where(jnp.any(mask), nearest, least_regret(table, pure)))

    def describe(self) -> str:
        """The rule in words."""
        if self.start is None:
            return "reached by best responses from the first choice of all"
        if isinstance(self.start, tuple):
            return f"reached by best responses from ({', '.join(f'{value:g}' for value in self.start)})"
        return f"reached by best responses from {self.start:g} of all"

    def begin(self, choices: Float[Array, " choice"], players: int) -> Int[Array, " player"]:
        """The number of the choice of each player at the start."""
        if self.start is None:
            return jnp.zeros(players, jnp.int32)
        start = self.start if isinstance(self.start, tuple) else (self.start,) * players
        if len(start) != players:
            raise GameError(f"StatusQuo: start has {len(start)} choices for {players} players.")
        apart = jnp.abs(jnp.asarray(start, choices.dtype)[:, None] - choices[None, :])
        if not isinstance(apart, Tracer) and np.any(np.min(apart, axis=1) > 0):
            raise GameError(f"StatusQuo: start={self.start} has a value that is not one of the choices.")
        return jnp.argmin(apart, axis=1).astype(jnp.int32)


def least_regret(table: PayoffTable, pure: PureEquilibria) -> Int[Array, ""]:
    """The number of the profile in which the largest gain by a deviation, relative to payoffs, is smallest."""
    scale = jnp.maximum(pure.scale, jnp.finfo(table.payoff.dtype).tiny)
    gain = jnp.max(jnp.maximum(-pure.margin, 0.0) / scale, axis=-1).reshape(-1)
    return jnp.argmin(jnp.where(jnp.isnan(gain), jnp.inf, gain)).astype(jnp.int32)


def best_responses(table: PayoffTable, pure: PureEquilibria) -> Int[Array, "profiles player"]:
    """By profile and player: the profile after it has made its best choice; the same where it does not gain."""
    k, n = table.shape
    at = np.arange(k**n, dtype=np.int32)[:, None]
    own = digits(k, n)
    every = alternatives(table.rows, k)
    every = jnp.where(jnp.isnan(every), -jnp.inf, every)
    best = jnp.argmax(every, axis=2).astype(jnp.int32)
    gains = jnp.max(every, axis=2) - table.rows > table.tol * pure.scale.reshape(-1, n)
    return jnp.where(gains, at + (best - own) * strides(k, n)[None, :], at)
