"""The corrector of pseudo-arclength continuation, compiled once for a game and a parameter.

Along a branch the unknowns are u = (z, theta), the strategies and one parameter. Each strategy is either free, with the
condition g_j(z, theta) = 0, or held at one of its bounds, z_j = b_j(theta); given which is which, these are N smooth
equations in N + 1 unknowns. One more closes them: row . (u - base) = 0, where the row is the tangent of the last point
(Keller 1977), so that the system is regular at folds too, or the parameter's own direction.

Everything is measured in sizes of the unknowns, and each condition in its own change over them, so that the steps
depend on no unit.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._axes import Knob, put
from ._best_response import best_response
from ._conditions import Conditions, conditions_of
from ._game import Game
from ._layout import Layout
from ._linear import solve

_STEPS = 12
_FARTHEST = 1.0
_RESPONSE_STEPS = 60


class Curve(eqx.Module):
    """The first-order points of a game along one parameter."""

    game: Game
    where: Knob = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)

    def at(self, value: Float[Array, ""]) -> Game:
        """The game at one value of the parameter."""
        game = put(self.game, (self.where,), (value,))
        assert isinstance(game, Game)
        return game

    def conditions(self, value: Float[Array, ""]) -> Conditions:
        """The first-order conditions at one value of the parameter."""
        return conditions_of(self.at(value), self.layout, value.dtype)


class Local(NamedTuple):
    """The conditions at one point, with their derivatives in the strategies and the parameter."""

    u: Float[Array, " unknown"]
    gradient: Float[Array, " strategy"]
    slopes: Float[Array, "strategy unknown"]
    lower: Float[Array, " strategy"]
    upper: Float[Array, " strategy"]
    lower_rate: Float[Array, " strategy"]
    upper_rate: Float[Array, " strategy"]


class Corrected(NamedTuple):
    """The end of a correction."""

    local: Local
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


def _local(curve: Curve, u: Float[Array, " unknown"]) -> Local:
    def values(u):
        conditions = curve.conditions(u[-1])
        every = conditions.gradient(u[:-1]), conditions.lower, conditions.upper
        return every, every

    (slopes, lower_rates, upper_rates), (gradient, lower, upper) = jax.jacfwd(values, has_aux=True)(u)
    return Local(u, gradient, slopes, lower, upper, lower_rates[:, -1], upper_rates[:, -1])


class _State(NamedTuple):
    local: Local
    u: Float[Array, " unknown"]
    moved: Float[Array, ""]
    finished: Bool[Array, ""]
    failed: Bool[Array, ""]
    steps: Int[Array, ""]


@eqx.filter_jit
def correct(
    curve: Curve,
    base: Float[Array, " unknown"],
    held: Int[Array, " strategy"],
    row: Float[Array, " unknown"],
    size: Float[Array, " unknown"],
    tol: Float[Array, ""],
) -> Corrected:
    """Newton's method from `base` for the conditions of the pieces `held` and row . (u - base)/size = 0.

    Args:
        curve: the game and the parameter.
        base: the predicted point.
        held: -1 for a strategy at its lower bound, 1 at its upper one, 0 for a free one.
        row: the last equation's coefficients, in sizes.
        size: the unit of each unknown.
        tol: it ends when a step is at most this long, in sizes, or when steps below its root no longer shrink; at
            `base` itself if infinite.
    """
    eye = jnp.asarray(np.eye(len(held), len(base)), base.dtype)
    last = np.arange(len(base)) == len(held)

    def step(state: _State) -> _State:
        u = state.u
        local = _local(curve, u)
        bound = jnp.where(held < 0, local.lower, local.upper)
        rate = jnp.where(held < 0, local.lower_rate, local.upper_rate)
        free = held == 0
        value = jnp.where(free, local.gradient, u[:-1] - bound)
        slopes = jnp.where(free[:, None], local.slopes, eye - jnp.where(last[None, :], rate[:, None], 0.0))
        slopes = slopes * size[None, :]
        height = jnp.sqrt(jnp.sum(jnp.square(slopes), axis=1))
        matrix = jnp.concatenate([slopes / height[:, None], row[None, :]])
        off = jnp.sum(row * (u - base) / size)
        move = solve(matrix, -jnp.concatenate([value / height, off[None]]))
        length = jnp.max(jnp.abs(move))
        # Next to a singular point rounding ends the convergence earlier.
        stagnant = (state.moved <= jnp.sqrt(tol)) & (length >= 0.5 * state.moved)
        finished = (state.moved <= tol) | stagnant
        failed = ~(length <= _FARTHEST)
        onward = jnp.where(finished | failed, u, u + size * move)
        return _State(local, onward, length, finished, failed & ~finished, state.steps + 1)

    def unfinished(state: _State):
        return ~(state.finished | state.failed) & (state.steps < _STEPS)

    n, dtype = len(held), base.dtype
    blank = Local(base, *(jnp.zeros(shape, dtype) for shape in ((n,), (n, n + 1), (n,), (n,), (n,), (n,))))
    false = jnp.zeros((), bool)
    begin = _State(blank, base, jnp.full((), jnp.inf, dtype), false, false, jnp.zeros((), jnp.int32))
    end = jax.lax.while_loop(unfinished, step, begin)
    return Corrected(end.local, end.finished, end.steps)


@eqx.filter_jit
def gain_of(
    curve: Curve,
    u: Float[Array, " unknown"],
    firm: Int[Array, ""],
    deviation: Float[Array, " strategy"],
    tol: float,
) -> Float[Array, ""]:
    """What `firm` gains, or loses if negative, at the local maximum of its payoff next to its `deviation`."""
    conditions, z = curve.conditions(u[-1]), u[:-1]
    owner = np.asarray(curve.layout.owner, np.int32)
    moved = jnp.clip(jnp.where(owner == firm, deviation, z), conditions.lower, conditions.upper)
    best = best_response(conditions, moved, firm, tol=tol, iterations=_RESPONSE_STEPS)
    change = conditions.payoffs(best) - conditions.payoffs(z)
    return jnp.sum(jnp.where(np.arange(curve.layout.firms, dtype=np.int32) == firm, change, 0.0))
