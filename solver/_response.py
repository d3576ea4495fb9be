"""One firm's best response to the others' strategies, found by projected Newton ascent on its own payoff.

Where the payoff is concave a step is Newton's; elsewhere the Hessian is shifted until the step ascends (the modified
Newton method; Nocedal & Wright 2006, section 3.4). The best of several step lengths is taken, so no step lowers the
payoff.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._conditions import Conditions
from ._each import in_blocks
from ._layout import strategy_scale
from ._linear import largest_eigenvalue, solve

_LENGTHS = (1.0, 0.5, 0.25, 0.0625, 0.004)
_TRUSTED = 1e-3


@functools.singledispatch
def best_responses(
    conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, iterations: int
) -> Float[Array, " strategy"]:
    """Every firm's (local) best response to the others' strategies in z, all in one vector."""
    layout = conditions.layout
    firms = jnp.arange(layout.firms, dtype=jnp.int32)

    def one(firm):
        return best_response(conditions, z, firm, tol=tol, iterations=iterations)

    mine = jnp.asarray(layout.owner, jnp.int32)[None, :] == firms[:, None]
    every = in_blocks(one, firms, (len(_LENGTHS) + 1) * layout.size)
    return jnp.sum(jnp.where(mine, every, 0.0), axis=0)


class _Own(NamedTuple):
    own: Float[Array, " own"]
    moved: Float[Array, ""]
    steps: Int[Array, ""]


def best_response(
    conditions: Conditions,
    z: Float[Array, " strategy"],
    firm: Int[Array, ""],
    *,
    tol: float,
    iterations: int,
) -> Float[Array, " strategy"]:
    """The profile z with `firm`'s strategies replaced by a (local) best response to the others'.

    `iterations` bounds the ascent; it stops when a step is at most `tol` of the size of the strategies.
    """
    layout = conditions.layout
    entries = jnp.asarray(layout.own, jnp.int32)[firm]
    # One-hot rows instead of gathers and scatters, which are slow in batches; padded entries select nothing.
    pick = entries[:, None] == np.arange(layout.size, dtype=np.int32)[None, :]
    real = entries < layout.size

    def take(vector, padding):
        return jnp.where(real, jnp.sum(jnp.where(pick, vector[None, :], 0.0), axis=1), padding)

    def place(own):
        chosen = jnp.sum(jnp.where(pick, own[:, None], 0.0), axis=0)
        return jnp.where(jnp.any(pick, axis=0), chosen, z)

    def payoff(own):
        return jnp.sum(jnp.where(np.arange(layout.firms, dtype=np.int32) == firm, conditions.payoffs(place(own)), 0.0))

    def derivatives(own):
        def twice(own):
            gradient = jax.jacfwd(payoff)(own)
            return gradient, gradient

        hessian, gradient = jax.jacfwd(twice, has_aux=True)(own)
        return gradient, hessian

    # The sums above may not see infinite bounds times zero, hence where() in `take`.
    lower, upper = take(conditions.lower, -1.0), take(conditions.upper, 1.0)
    scale = take(strategy_scale(z, z, conditions.lower, conditions.upper, layout), 1.0)
    trust = 10.0 * jnp.maximum(scale, jnp.where(jnp.isfinite(upper - lower), upper - lower, 1.0))

    def step(state: _Own) -> _Own:
        own = state.own
        gradient, hessian = derivatives(own)
        direction, concave = _ascent(own, gradient, hessian, lower, upper, trust, real)
        # At a bound where the payoff is singular there is no derivative: move inside.
        size = jnp.maximum(scale, jnp.abs(own))
        inward = jnp.where(own <= lower, 0.1, jnp.where(own >= upper, -0.1, 0.0)) * size
        finite = ~jnp.any(jnp.isnan(direction))
        direction = jnp.clip(jnp.where(finite, direction, inward), -trust, trust)
        trials = jnp.stack([jnp.clip(own + t * direction, lower, upper) for t in (*_LENGTHS, 0.0)])
        values = jax.vmap(payoff)(trials)
        gains = values - values[-1]
        gains = jnp.where(jnp.isfinite(gains), gains, -jnp.inf)
        best = jnp.max(gains)
        chosen = jnp.sum(jnp.where(_largest(gains)[:, None], trials, 0.0), axis=0)
        # Close to the maximum, payoffs differ by less than their rounding; there the Newton step is trusted.
        small = concave & finite & jnp.all(jnp.abs(trials[0] - own) <= _TRUSTED * size)
        new = jnp.where(small, trials[0], jnp.where((best > 0) | ~finite, chosen, own))
        return _Own(new, jnp.max(jnp.abs(new - own) / size), state.steps + 1)

    def unfinished(state: _Own):
        return (state.moved > tol) & (state.steps < iterations)

    begin = _Own(take(z, 0.0), jnp.full((), jnp.inf, z.dtype), jnp.zeros((), jnp.int32))
    return place(jax.lax.while_loop(unfinished, step, alike(begin, begin.own)).own)


def _largest(values):
    """One-hot: the first of the largest values; not by comparing with the maximum, whose last digit may differ."""
    return np.arange(len(values), dtype=np.int32) == jnp.argmax(values).astype(jnp.int32)


def _ascent(own, gradient, hessian, lower, upper, trust, real):
    """An ascent direction that respects the bounds, and whether the payoff is concave in the free strategies."""
    count = own.shape[0]
    eye = np.eye(count, dtype=bool)
    gradient = jnp.where(real, gradient, 0.0)
    curvature = jnp.maximum(jnp.abs(jnp.sum(jnp.where(eye, hessian, 0.0), axis=1)), jnp.finfo(own.dtype).tiny)
    ahead = own + jnp.clip(gradient / curvature, -trust, trust)
    target = jnp.clip(ahead, lower, upper)
    if count == 1:
        return target - own, jnp.all((hessian[0] < 0) | ~((ahead > lower) & (ahead < upper)))
    free = (ahead > lower) & (ahead < upper) & real
    # In units in which every own curvature is 1, so that the result does not depend on the strategies' units.
    root = jnp.sqrt(curvature)
    scaled = hessian / root[:, None] / root[None, :]
    masked = jnp.where(free[:, None] & free[None, :], scaled, jnp.where(eye, -1.0, 0.0))
    masked = jnp.where(jnp.isfinite(masked), masked, 0.0)
    size = jnp.max(jnp.sum(jnp.abs(masked), axis=1))
    top = largest_eigenvalue(masked)
    # Where the payoff is not concave, curvatures are shifted below zero, by enough that the step still ascends.
    shift = jnp.where(top < -1e-6 * size, 0.0, 2.0 * jnp.maximum(top, 0.0) + 1e-3 * size)
    identity = jnp.where(eye, 1.0, 0.0).astype(own.dtype)
    newton = solve(masked - shift * identity, jnp.where(free, -gradient / root, 0.0)) / root
    return jnp.where(free, newton, target - own), top < 0
