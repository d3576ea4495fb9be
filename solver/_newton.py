"""Newton's method on the stacked first-order conditions of all firms, with an active set for the bounds.

Quadratic near a solution and blind to who maximizes what: it may stop at a point where a firm's payoff has a minimum,
which the certificate then rejects. Semismooth Newton for box-constrained problems: Qi & Sun (1993). Where second
derivatives vanish at the solution steps shrink by a fixed ratio only, and are extrapolated (`_extrapolate`): a trial
like any other, kept if it halves the residual, else Newton's own step is next.
"""

from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._conditions import Conditions, Point
from ._extrapolate import extrapolation
from ._layout import per_scale
from ._method import Iterate, Method, Steps, iterate
from ._only_if import only_if
from ._pivoting import pivoted

_SHORTEST = 1 / 64
_HOPELESS = 1e-4
_SHRUNK = 0.9
_PLAIN = 6
"""Steps after which the first one is extrapolated: where convergence is quadratic, they are enough."""
_BEYOND = 2.0
"""The length that stands for an extrapolated step: half of it is Newton's."""
_FEW = 5
"""Strategies up to which the bounds that are active are found in a few steps (those of all of 24,000 random games)."""
_STUCK = 8
"""Steps after which they are looked for in another way, where that is known to end."""
_GAINED = 0.5
"""The part of the residual that an extrapolated step must not leave."""


class Newton(Method):
    """Active-set Newton on the stacked conditions, with a non-monotone backtracking line search on the residual.

    >>> Newton(escapes=2)
    Newton(escapes=2)
    """

    escapes: int = eqx.field(static=True, default=0)

    def run(self, conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`."""
        return newton(conditions, z, tol=tol, max_steps=max_steps)[0]


class _Search(NamedTuple):
    """Where the next try is, and the line along which it lies."""

    z: Float[Array, " strategy"]
    base: Float[Array, " strategy"]
    step: Float[Array, " strategy"]
    length: Float[Array, ""]
    per_scale: Float[Array, " strategy"]
    """Of the scale at `base`."""
    allowed: Float[Array, ""]
    base_residual: Float[Array, ""]
    wait: Int[Array, ""]
    """No step is extrapolated before so many have been taken."""


class _State(NamedTuple):
    search: _Search
    residual: Float[Array, ""]
    finite: Bool[Array, ""]
    """Whether all payoffs are, if it has converged."""
    concave: Bool[Array, ""]
    steps: Int[Array, ""]


def newton(
    conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps
) -> tuple[Iterate, Bool[Array, ""]]:
    """Active-set Newton steps from `z`, to the last point tried, converged or not; and whether every payoff is
    strictly concave there in its owner's free strategies (known only if it converged)."""
    infinity = jnp.full((), jnp.inf, z.dtype)
    about = jnp.finfo(z.dtype)
    none = float(about.tiny) / float(about.eps)

    def unfinished(state: _State):
        return (state.residual > tol) & (state.steps < max_steps) & (state.search.length > _HOPELESS)

    def step(state: _State) -> _State:
        point = conditions.at(state.search.z)
        # Nothing can go on from where second derivatives are lost, as they are at flat tops.
        lost = (state.search.length > 1.0) & jnp.any(point.curvature <= none)
        done = (point.residual <= tol) & ~lost
        # More than half of the work, at the last point for nothing.
        search = jax.lax.cond(
            done,
            lambda search, *_: search,
            lambda search, *given: _next(conditions, search, *given),
            *(state.search, point, lost, state.steps),
        )
        return _State(
            search=search,
            residual=jnp.where(done, point.residual, infinity),
            finite=jax.lax.cond(
                done,
                lambda payoff, before: jnp.all(jnp.isfinite(payoff)),
                lambda payoff, before: before,
                point.payoff,
                state.finite,
            ),
            concave=conditions.concave(point),
            steps=state.steps + 1,
        )

    z, begun = _without_bounds(conditions, z, max_steps) if conditions.linear else (z, jnp.zeros((), bool))
    begin = _State(
        search=_Search(
            z=z,
            base=z,
            step=jnp.zeros_like(z),
            length=jnp.ones_like(infinity),
            per_scale=jnp.ones_like(z),
            allowed=infinity,
            base_residual=jnp.zeros_like(infinity),
            wait=jnp.full((), max(_PLAIN, conditions.trial_steps), jnp.int32),
        ),
        residual=infinity,
        finite=jnp.zeros((), bool),
        concave=jnp.zeros((), bool),
        steps=begun.astype(jnp.int32),
    )
    end = iterate(unfinished, step, alike(begin, z))
    return Iterate(end.search.z, end.residual, end.steps, (end.residual <= tol) & end.finite), end.concave


def _next(
    conditions: Conditions, search: _Search, point: Point, lost: Bool[Array, ""], steps: Int[Array, ""]
) -> _Search:
    """A Newton step from the last try if it was a good one, else half of the way back to where it came from."""
    finite = conditions.regular(point) & ~lost
    # A set of active bounds that changes may raise the residual for a step or two: the last two bound it. Strictly, so
    # that two points cannot alternate for ever.
    lower = point.residual < search.allowed
    # On the way to an equilibrium at zero, strategies shrink as fast as their distance to it.
    shrunk = jnp.max(jnp.abs(point.target - point.z) * search.per_scale) < 4.0 * _SHRUNK * search.base_residual
    good = finite & (lower | shrunk | (search.length <= _SHORTEST))
    if conditions.trial_steps:
        good = good | (finite & (steps < conditions.trial_steps))
    beyond = search.length > 1.0
    good = good & (~beyond | (point.residual < _GAINED * search.base_residual))
    # Where a payoff is singular at a bound, halving approaches the bound without reaching it.
    shorter = 0.5 * search.length
    newton = conditions.newton_step(point)
    if conditions.linear and not conditions.trial_steps and len(point.z) > _FEW:
        stuck = finite & (steps == _STUCK)
        given = newton, point.z, point.gradient, point.jacobian, conditions.lower, conditions.upper
        newton, good = only_if(stuck, pivoted, newton, *given), good | stuck
    base = jnp.where(good, point.z, search.base)
    step = jnp.where(good, newton, search.step)
    length = jnp.where(good, 1.0, shorter)

    def farther(along, length, move, last, newton, scale):
        more, linear = extrapolation(move, last, newton, scale)
        return along + more, jnp.where(linear, _BEYOND, length)

    along = length * step
    inputs = along, length, point.z - search.base, search.step, newton, point.scale
    along, length = only_if(good & (steps >= search.wait), farther, (along, length), *inputs)
    return _Search(
        z=jnp.clip(base + along, conditions.lower, conditions.upper),
        base=base,
        step=step,
        length=length,
        per_scale=jnp.where(good, per_scale(point.scale), search.per_scale),
        allowed=jnp.where(good, jnp.maximum(point.residual, search.base_residual), search.allowed),
        base_residual=jnp.where(good, point.residual, search.base_residual),
        # Tried again only after as many steps more: what never helps costs a few of hundreds.
        wait=jnp.where(beyond & ~good, 2 * steps, search.wait),
    )


def _without_bounds(
    conditions: Conditions, z: Float[Array, " strategy"], max_steps: Steps
) -> tuple[Float[Array, " strategy"], Bool[Array, ""]]:
    """One step as if there were no bounds, projected on them; and whether it was taken.

    Of linear conditions it is the solution if no bound is active there. Who starts at a bound may be meant to stay.
    Outside of the loop, as it asks for less than the steps that come after it: which bounds are active, how far to go,
    and how good the start is.
    """
    point = conditions.at(z)
    anywhere = point._replace(free=jnp.ones(z.shape, bool), target=z, reach=jnp.full_like(z, jnp.inf))
    ahead = z + conditions.newton_step(anywhere)
    inside = (z > conditions.lower) & (z < conditions.upper)
    taken = jnp.all(jnp.isfinite(ahead) & inside) & (max_steps > 0)
    return jnp.where(taken, jnp.clip(ahead, conditions.lower, conditions.upper), z), taken
