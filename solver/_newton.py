"""Newton's method on the stacked first-order conditions of all firms, with an active set for the bounds.

Quadratic near a solution and blind to who maximizes what: it may stop at a point where a firm's payoff has a minimum,
which the certificate then rejects. Semismooth Newton for box-constrained problems: Qi & Sun (1993).
"""

from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._conditions import Conditions
from ._method import Iterate, Method, Steps, iterate

_SHORTEST = 1 / 64
_HOPELESS = 1e-4
_SHRUNK = 0.9


class Newton(Method):
    """Active-set Newton on the stacked conditions, with a non-monotone backtracking line search on the residual.

    >>> Newton(escapes=2)
    Newton(escapes=2)
    """

    escapes: int = eqx.field(static=True, default=0)

    def run(self, conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`."""
        return newton(conditions, z, tol=tol, max_steps=max_steps)[0]


class _State(NamedTuple):
    z: Float[Array, " strategy"]
    base: Float[Array, " strategy"]
    step: Float[Array, " strategy"]
    length: Float[Array, ""]
    per_scale: Float[Array, " strategy"]
    """One over the scale at `base`."""
    allowed: Float[Array, ""]
    base_residual: Float[Array, ""]
    residual: Float[Array, ""]
    concave: Bool[Array, ""]
    steps: Int[Array, ""]


def newton(
    conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps
) -> tuple[Iterate, Bool[Array, ""]]:
    """Active-set Newton steps from `z`, to the last point tried, converged or not; and whether every payoff is
    strictly concave there in its owner's free strategies (known only if it converged)."""
    infinity = jnp.full((), jnp.inf, z.dtype)

    def unfinished(state: _State):
        return (state.residual > tol) & (state.steps < max_steps) & (state.length > _HOPELESS)

    def step(state: _State) -> _State:
        point = conditions.at(state.z)
        finite = conditions.regular(point)
        # A set of active bounds that changes may raise the residual for a step or two: the last two bound it. Strictly,
        # so that two points cannot alternate for ever.
        lower = point.residual < state.allowed
        # On the way to an equilibrium at zero, strategies shrink as fast as their distance to it.
        shrunk = jnp.max(jnp.abs(point.target - point.z) * state.per_scale) < _SHRUNK * state.base_residual
        good = finite & (lower | shrunk | (state.length <= _SHORTEST))
        if conditions.trial_steps:
            good = good | (finite & (state.steps < conditions.trial_steps))
        # Where a payoff is singular at a bound, halving approaches the bound without reaching it.
        shorter = state.length * jnp.where(good, 0.0, 0.5)
        done = finite & (point.residual <= tol)
        # Half of the work, at the last point for nothing.
        direction = jax.lax.cond(
            done, lambda point: jnp.zeros_like(point.z), lambda point: conditions.newton_step(point), point
        )
        onward = jnp.clip(point.z + direction, conditions.lower, conditions.upper)
        backward = jnp.clip(state.base + shorter * state.step, conditions.lower, conditions.upper)
        return _State(
            z=jnp.where(done, point.z, jnp.where(good, onward, backward)),
            base=jnp.where(good, point.z, state.base),
            step=jnp.where(good, direction, state.step),
            length=jnp.where(good, 1.0, shorter),
            per_scale=jnp.where(good, 1.0 / point.scale, state.per_scale),
            allowed=jnp.where(good, jnp.maximum(point.residual, state.base_residual), state.allowed),
            base_residual=jnp.where(good, point.residual, state.base_residual),
            residual=jnp.where(done, point.residual, infinity),
            concave=conditions.concave(point),
            steps=state.steps + 1,
        )

    z, begun = _without_bounds(conditions, z, max_steps) if conditions.linear else (z, jnp.zeros((), bool))
    begin = _State(
        z=z,
        base=z,
        step=jnp.zeros_like(z),
        length=jnp.ones_like(infinity),
        per_scale=jnp.ones_like(z),
        allowed=infinity,
        base_residual=jnp.zeros_like(infinity),
        residual=infinity,
        concave=jnp.zeros((), bool),
        steps=begun.astype(jnp.int32),
    )
    end = iterate(unfinished, step, alike(begin, z))
    return Iterate(end.z, end.residual, end.steps, end.residual <= tol), end.concave


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
