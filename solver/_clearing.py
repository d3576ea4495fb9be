"""The totals at which everybody's answer to them adds up to them, as a start for Newton's method.

Firm j's replacement function r_j(A) is what it does if the total is A, its own part included (Novshek 1985; Cornes &
Hartley 2005). Totals of an equilibrium solve sum_j g(r_j(A)) = A: as many equations as there are totals, however many
firms there are, where simultaneous best responses overshoot by a factor that grows with their number. A single total
is bracketed between one at which firms want to add up to more and one at which they want less.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._aggregative import blocked_sum
from ._alike import alike
from ._ascent import ascend
from ._best_response import BestResponse
from ._linear import solve
from ._method import Iterate, Method, Steps, iterate
from ._newton import newton
from ._pooled import Pooling
from ._response import best_responses

_ROUNDS = 64
_NEWTON_STEPS = 16
_ITERATIONS = 48
_SHORTEST = 1 / 64
_TRIALS = 8


class Clearing(Method):
    """Totals first, then Newton's method; where that ends at no maximum of every payoff, best responses from `z`."""

    method: BestResponse
    escapes: int = eqx.field(static=True)

    def describe(self) -> str:
        """The method that the user gave: this is what it does in an aggregative game."""
        return self.method.describe()

    def run(self, conditions: Any, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`."""
        begin, rounds = clear(conditions, z, max_steps)
        left = max_steps - rounds
        end, concave = newton(conditions, begin, tol=tol, max_steps=jnp.minimum(left, _NEWTON_STEPS))
        good = (end.residual <= tol) & concave
        steps = rounds + end.steps
        after = self.method.run(conditions, z, tol=tol, max_steps=jnp.where(good, 0, max_steps - steps))
        return Iterate(
            jnp.where(good, end.z, after.z), jnp.where(good, end.residual, after.residual), steps + after.steps
        )


class _State(NamedTuple):
    x: Float[Array, " firm"]
    a: Float[Array, " total"]
    """The totals to be tried."""
    base: Float[Array, " total"]
    """The last ones from which a step was taken."""
    step: Float[Array, " total"]
    length: Float[Array, ""]
    low: Float[Array, " total"]
    high: Float[Array, " total"]
    excess: Float[Array, ""]
    """How far answers to `base` added up to something else, relative."""
    done: Bool[Array, ""]
    rounds: Int[Array, ""]


def clear(
    pooling: Pooling, z: Float[Array, " strategy"], max_steps: Steps
) -> tuple[Float[Array, " strategy"], Int[Array, ""]]:
    """The firms' answers to the totals to which they add up, searched for from z; and the rounds that it took.

    Best effort: where answers are not defined, or nothing is found, the last answers that are finite.
    """
    eps = float(jnp.finfo(z.dtype).eps)
    # Answers of many firms add up their shares of the rounding of the total.
    close = max(eps ** (2 / 3), 8 * eps * len(z))
    following = _bracketed if len(pooling.totals) == 1 else _shortened

    def unfinished(state: _State):
        return ~state.done & (state.rounds < jnp.minimum(max_steps, _ROUNDS))

    def round_(state: _State) -> _State:
        a = pooling.meet(state.a)
        x = ascend(
            lambda x: pooling.given_totals(x, a),
            state.x,
            pooling.lower,
            pooling.upper,
            tol=close,
            iterations=_ITERATIONS,
        )
        total = blocked_sum(pooling.parts(x))
        excess = total - state.a
        size = jnp.maximum(jnp.maximum(jnp.abs(total), jnp.abs(state.a)), jnp.finfo(z.dtype).tiny)
        relative = jnp.max(jnp.abs(excess) / size)
        defined = jnp.all(jnp.isfinite(excess)) & jnp.all(jnp.isfinite(x))
        done = defined & (relative <= close)
        # Where answers are not defined the next ones start from those that were.
        state = state._replace(x=jnp.where(defined, x, state.x), done=done, rounds=state.rounds + 1)
        return following(state, excess, relative, defined, _newton(pooling, x, a, excess))

    infinite = jnp.full((len(pooling.totals),), jnp.inf, z.dtype)
    zero = jnp.zeros_like(infinite)
    begin = _State(
        z, blocked_sum(pooling.parts(z)), zero, zero, jnp.ones((), z.dtype), -infinite, infinite, infinite[0],
        jnp.zeros((), bool), jnp.zeros((), jnp.int32),
    )  # fmt: skip
    end = iterate(unfinished, round_, alike(begin, begin.a))
    return end.x, end.rounds


def _newton(pooling: Pooling, x, a, excess) -> Float[Array, " total"]:
    """Newton's step for the totals: firms between their bounds answer by dr/dA = -(dm/dA) / (dm/dx)."""
    _, rise = jax.jvp(pooling.parts, (x,), (jnp.ones_like(x),))
    _, slope = pooling.given_totals(x, a)
    free = (x > pooling.lower) & (x < pooling.upper) & (slope < 0)
    answer = jnp.where(free[None, :], -pooling.by_totals(x, a) / jnp.where(free, slope, 1.0)[None, :], 0.0)
    rise = jnp.where(free[None, :], rise, 0.0)
    feedback = jnp.stack([blocked_sum(rise * row[None, :]) for row in answer], axis=1)
    return solve(jnp.eye(len(excess), dtype=x.dtype) - feedback, excess)


def _bracketed(state: _State, excess, relative, defined, step) -> _State:
    """One total: Newton's step if it stays in the bracket and the last one helped, else a cut through the bracket."""
    a, tried = state.a, jnp.isfinite(state.excess)
    # Undefined answers close the bracket on the side from which they were come upon.
    more = jnp.where(defined, excess > 0, tried & (a < state.base))
    fewer = jnp.where(defined, excess < 0, tried & (a > state.base))
    low, high = jnp.where(more, a, state.low), jnp.where(fewer, a, state.high)
    closed = jnp.isfinite(high - low)
    newton = a + step
    inside = defined & jnp.isfinite(newton) & (newton > low) & (newton < high)
    good = inside & (~closed | (relative <= 0.5 * state.excess) | (state.rounds <= 2))
    # A total that may be anything between zero and the start is sought by its magnitude.
    middle = low + 0.5 * (high - low)
    middle = jnp.where((low == 0) & (high > 0), high / 8.0, middle)
    middle = jnp.where((high == 0) & (low < 0), low / 8.0, middle)
    apart = jnp.where((low > 0) & (high > 0), high > 16.0 * low, (low < 0) & (high < 0) & (low < 16.0 * high))
    middle = jnp.where(apart, jnp.sign(low) * jnp.sqrt(jnp.abs(low)) * jnp.sqrt(jnp.abs(high)), middle)
    beyond = a + 4.0 * jnp.where(defined, excess, 0.25 * (state.base - a))
    new = jnp.where(good, newton, jnp.where(closed, middle, beyond))
    return state._replace(
        a=jnp.where(state.done, a, new),
        base=jnp.where(defined, a, state.base),
        low=low,
        high=high,
        excess=jnp.where(defined, relative, state.excess),
    )


def _shortened(state: _State, excess, relative, defined, step) -> _State:
    """Several totals: Newton's step, halved until it leads to answers that fit better."""
    # The first steps find out which firms are at their bounds; what they add up to says little yet.
    good = defined & ((relative < state.excess) | (state.length <= _SHORTEST) | (state.rounds <= _TRIALS))
    length = jnp.where(good, 1.0, 0.5 * state.length)
    step = jnp.where(jnp.all(jnp.isfinite(step)), step, 0.5 * excess)
    base, step = jnp.where(good, state.a, state.base), jnp.where(good, step, state.step)
    return state._replace(
        a=jnp.where(state.done, state.a, base + length * step),
        base=base,
        step=step,
        length=length,
        excess=jnp.where(good, relative, state.excess),
    )


@best_responses.register
def _(conditions: Pooling, z: Float[Array, " strategy"], *, tol: float, iterations: int) -> Float[Array, " strategy"]:
    """Every firm's best response, all at once."""
    parts = conditions.parts(z)
    others = conditions.meet(blocked_sum(parts)) - parts

    def slope(x):
        def along(x):
            return conditions.slope(x, others + conditions.parts(x))

        return jax.jvp(along, (x,), (jnp.ones_like(x),))

    return ascend(slope, z, conditions.lower, conditions.upper, tol=tol, iterations=iterations)
