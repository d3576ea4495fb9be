"""Where each of many functions of one variable crosses zero from above: all firms' own first-order conditions at once.

Newton's method inside a bracket that every evaluation narrows, as in `rtsafe` (Press et al. 2007, section 9.4). What is
found is a local maximum of each firm's payoff between its bounds, or the bound that it is driven to.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike

_FARTHEST = 10.0


class _State(NamedTuple):
    x: Float[Array, " firm"]
    low: Float[Array, " firm"]
    high: Float[Array, " firm"]
    low_known: Bool[Array, " firm"]
    """Whether the function is known to be positive at `low`."""
    high_known: Bool[Array, " firm"]
    moving: Bool[Array, " firm"]
    steps: Int[Array, ""]


def ascend(
    slope: Callable[[Float[Array, " firm"]], tuple[Float[Array, " firm"], Float[Array, " firm"]]],
    x: Float[Array, " firm"],
    lower: Float[Array, " firm"],
    upper: Float[Array, " firm"],
    *,
    tol: float,
    iterations: int,
) -> Float[Array, " firm"]:
    """From x to where `slope`, which returns m and its derivative, elementwise, falls through zero.

    Stops when no step is longer than `tol` times the largest x, or after so many iterations.
    """

    def unfinished(state: _State):
        return jnp.any(state.moving) & (state.steps < iterations)

    def step(state: _State) -> _State:
        m, change = slope(state.x)
        # Where a payoff is singular, at a bound or beyond what makes sense, inside is the way to go.
        inward = jnp.where(state.x <= lower, 1.0, jnp.where(state.x >= upper, -1.0, x - state.x))
        m = jnp.where(jnp.isnan(m), inward, m)
        rises, falls = m > 0, m < 0
        low, high = jnp.where(rises, state.x, state.low), jnp.where(falls, state.x, state.high)
        low_known, high_known = state.low_known | rises, state.high_known | falls
        size = jnp.maximum(jnp.max(jnp.abs(state.x)), jnp.finfo(x.dtype).tiny)
        far = state.x + _FARTHEST * jnp.sign(m) * jnp.maximum(jnp.abs(state.x), 0.1 * jnp.minimum(size, 10.0))
        newton = state.x - m / change
        ahead = jnp.clip(jnp.where((change < 0) & jnp.isfinite(newton), newton, far), low, high)
        # An end of the bracket that has been seen is not looked at again.
        seen = (low_known & (ahead <= low)) | (high_known & (ahead >= high))
        middle = jnp.where(jnp.isfinite(high - low), low + 0.5 * (high - low), jnp.clip(far, low, high))
        new = jnp.where(seen, middle, ahead)
        # A Newton step that rounds to nothing is one to the end of the bracket where x is: the middle of the bracket
        # may be on another hill.
        there = (change < 0) & jnp.isfinite(change) & (newton == state.x)
        done = (m == 0) | there | ((state.x <= lower) & falls) | ((state.x >= upper) & rises) | ~state.moving
        new = jnp.where(done, state.x, new)
        moving = ~done & (jnp.abs(new - state.x) > tol * size)
        return _State(new, low, high, low_known, high_known, moving, state.steps + 1)

    none = jnp.zeros(x.shape, bool)
    begin = _State(x, lower, upper, none, none, ~none, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(unfinished, step, alike(begin, x)).x
