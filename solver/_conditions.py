"""The stacked first-order conditions of a game, as a method sees them.

With g_j the derivative of its owner's payoff in strategy j, z is a first-order point if and only if
z = clip(z + g/h, lower, upper) for any h > 0. The own curvature h_j = |dg_j/dz_j| makes a step of the right-hand side a
Newton step on the own payoff, and makes the active-set test independent of units.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._each import rolling
from ._game import Game
from ._krylov import MANY, solve_once
from ._layout import Layout, bounds_of, own_blocks, per_scale, shared_size, strategy_scale
from ._linear import largest_eigenvalue, own_diagonal, solve
from ._rows import by_rows, reversible
from ._status import Status

_FARTHEST = 1e3
_AT_ONCE = 24
"""The most strategies whose second derivatives are taken all at once: beyond, what is on the way fills the caches."""


class Point(NamedTuple):
    """A profile with the first-order conditions and their Jacobian there."""

    z: Float[Array, " strategy"]
    payoff: Float[Array, " firm"]
    gradient: Float[Array, " strategy"]
    curvature: Float[Array, " strategy"]
    """h."""
    jacobian: Float[Array, "strategy strategy"]
    target: Float[Array, " strategy"]
    """clip(z + g/h): the own Newton steps, projected."""
    free: Bool[Array, " strategy"]
    """Whether z + g/h lies strictly inside the bounds, at a distance at which it means anything."""
    scale: Float[Array, " strategy"]
    reach: Float[Array, " strategy"]
    """No Newton step is longer than ten times this."""
    residual: Float[Array, ""]


class Conditions(eqx.Module):
    """First-order conditions of one game, in the stacked strategies."""

    game: Game
    lower: Float[Array, " strategy"]
    upper: Float[Array, " strategy"]
    layout: Layout = eqx.field(static=True)
    linear: bool = eqx.field(static=True, default=False, kw_only=True)
    """Whether the derivatives are known to be linear in the strategies."""

    def payoffs(self, z: Float[Array, " strategy"]) -> Float[Array, " firm"]:
        """Every firm's payoff."""
        return self.game.payoff(self.layout.unflatten(z))

    def gradient(self, z: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
        """Every strategy's derivative of its owner's payoff."""
        return self.gradient_and_payoffs(z)[0]

    def gradient_and_payoffs(
        self, z: Float[Array, " strategy"]
    ) -> tuple[Float[Array, " strategy"], Float[Array, " firm"]]:
        """`gradient`, and the payoffs themselves."""

        def twice(z):
            payoff = self.payoffs(z)
            return payoff, payoff

        chooses = np.asarray(self.layout.owner)[None, :] == np.arange(self.layout.firms)[:, None]
        slopes, payoff = jax.jacfwd(twice, has_aux=True)(z)
        return jnp.sum(jnp.where(chooses, slopes, 0.0), axis=0), payoff

    def at(self, z: Float[Array, " strategy"]) -> Point:
        """The conditions at z, with all that a Newton step needs."""

        many = z.shape[0] > MANY and reversible(self.payoffs, self.layout, z.dtype)
        if many:
            (gradient, jacobian), payoff = _row_by_row(self, z), self.payoffs(z)
        else:
            gradient, payoff, jacobian = _with_jacobian(self, z)
        curvature = own_curvature(gradient, jacobian)
        target, free, scale, residual = own_targets(z, gradient, curvature, self.lower, self.upper, self.layout)
        return Point(z, payoff, gradient, curvature, jacobian, target, free, scale, scale, residual)

    @property
    def trial_steps(self) -> int:
        """How many Newton steps are taken without a look at the residual, to find the active set."""
        return 0

    def regular(self, point: Point) -> Bool[Array, ""]:
        """Whether a Newton step can be taken from there."""
        # A strategy that stays at its bound may be singular there.
        return jnp.isfinite(point.residual) & jnp.all(jnp.isfinite(point.jacobian) | ~point.free[:, None])

    def newton_step(self, point: Point) -> Float[Array, " strategy"]:
        """The active-set Newton step."""
        return newton_step(point)

    def moved(
        self,
        point: Point,
        by_game: Float[Array, " strategy"],
        d_bound: Float[Array, " strategy"],
        free: Bool[Array, " strategy"],
    ) -> Float[Array, " strategy"]:
        """How a first-order point moves with the game: J d = -by_game on the free strategies, d = d_bound on others."""
        both = free[:, None] & free[None, :]
        matrix = jnp.where(both, point.jacobian, jnp.eye(len(free), dtype=d_bound.dtype))
        cross = jnp.where(free[:, None] & ~free[None, :], point.jacobian, 0.0)
        through_bounds = jnp.sum(cross * d_bound[None, :], axis=1)
        return solve(matrix, jnp.where(free, -(by_game + through_bounds), d_bound))

    def concave(self, point: Point) -> Bool[Array, ""]:
        """Whether every firm is at a strict local maximum, if its first-order conditions hold."""
        return own_concave(point, self.layout)

    def respond(self, z: Float[Array, " strategy"], responses: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
        """The best responses of all firms to z, with what else reacts to them."""
        del z
        return responses

    def unsolved(self, z: Float[Array, " strategy"], tol: float) -> Int[Array, ""] | Status:
        """The status of a bounded point at which the first-order conditions do not hold."""
        del z, tol
        return Status.max_steps


def _with_jacobian(
    conditions: Conditions, z: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " firm"], Float[Array, "n n"]]:
    """The gradient, the payoffs and the gradient's Jacobian at z, in forward mode, which every payoff has."""
    if z.shape[0] > (_AT_ONCE if rolling() < 2 else 1):
        gradient, along, payoff = jax.linearize(conditions.gradient_and_payoffs, z, has_aux=True)
        places = np.arange(z.shape[0], dtype=np.int32)
        columns = jax.lax.map(lambda j: along(jnp.where(places == j, 1.0, 0.0).astype(z.dtype)), jnp.asarray(places))
        return gradient, payoff, columns.T

    def twice(z):
        gradient, payoff = conditions.gradient_and_payoffs(z)
        return gradient, (gradient, payoff)

    jacobian, (gradient, payoff) = jax.jacfwd(twice, has_aux=True)(z)
    return gradient, payoff, jacobian


def _gradient_and_jacobian(conditions: Conditions, z: Float[Array, " n"]):
    gradient, _, jacobian = _with_jacobian(conditions, z)
    return gradient, jacobian


@eqx.filter_custom_jvp
def _row_by_row(conditions: Conditions, z: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """The same of own derivatives; differentiated by columns, as the choice between the two has no way back."""
    return by_rows(conditions.payoffs, conditions.layout, z, lambda z: _gradient_and_jacobian(conditions, z))


@_row_by_row.def_jvp
def _rule(primals, tangents):
    return eqx.filter_jvp(_gradient_and_jacobian, primals, tangents)


def own_targets(
    z: Float[Array, " strategy"],
    gradient: Float[Array, " strategy"],
    curvature: Float[Array, " strategy"],
    lower: Float[Array, " strategy"],
    upper: Float[Array, " strategy"],
    layout: Layout,
) -> tuple[Float[Array, " strategy"], Bool[Array, " strategy"], Float[Array, " strategy"], Float[Array, ""]]:
    """`target`, `free`, `scale` and `residual` of a `Point`."""
    ahead = own_newton(z, gradient, curvature, layout)
    target = jnp.clip(ahead, lower, upper)
    scale = strategy_scale(z, target, lower, upper, layout)
    residual = 0.25 * jnp.max(jnp.abs(target - z) * per_scale(scale))
    # A payoff that is linear has no interior maximum to step to, only a way to go.
    sloped = jnp.abs(gradient) >= curvature * _limit(z, layout)
    return target, (ahead > lower) & (ahead < upper) & ~sloped, scale, residual


@functools.singledispatch
def conditions_of(game: Game, layout: Layout, dtype: jnp.dtype) -> Conditions:
    """The first-order conditions of a game."""
    lower, upper = bounds_of(game, layout, dtype)
    return Conditions(game, lower, upper, layout)


def own_curvature(
    gradient: Float[Array, " strategy"], jacobian: Float[Array, "strategy strategy"]
) -> Float[Array, " strategy"]:
    """The moduli h of the own second derivatives; a positive number stands in for zero and for infinity."""
    return curvature_of(gradient, own_diagonal(jacobian))


def curvature_of(gradient: Float[Array, " strategy"], second: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
    """h from the own first and second derivatives.

    For infinity, which is what a power between 1 and 2 has at its bound, it is the gradient's: a gain must not vanish.
    """
    h = jnp.maximum(jnp.abs(second), jnp.finfo(gradient.dtype).tiny)
    return jnp.where(h == jnp.inf, jnp.maximum(jnp.abs(gradient), 1.0), h)


def own_newton(
    z: Float[Array, " strategy"],
    gradient: Float[Array, " strategy"],
    curvature: Float[Array, " strategy"],
    layout: Layout,
) -> Float[Array, " strategy"]:
    """z + g/h, no farther than a thousand times the size of the strategies (of 1, if that is larger).

    The limit keeps numbers finite where a payoff is linear; no step near a first-order point is that long.
    """
    limit = _limit(z, layout)
    return z + jnp.clip(gradient / curvature, -limit, limit)


def _limit(z, layout: Layout):
    return _FARTHEST * jnp.maximum(shared_size(jnp.abs(z), layout), 1.0)


def newton_step(point: Point) -> Float[Array, " strategy"]:
    """The active-set Newton step: strategies outside `free` go to their bound, the others solve J d = -g given that.

    Capped at ten times the size of the strategy; where the system is singular, the projected own Newton steps.
    """
    own = point.target - point.z
    fixed = jnp.where(point.free, 0.0, own)
    both = point.free[:, None] & point.free[None, :]
    matrix = jnp.where(both, point.jacobian, jnp.eye(len(own), dtype=own.dtype))
    rhs = jnp.where(point.free, -(point.gradient + _times(point.jacobian, fixed)), own)
    step = solve_once(matrix, rhs)
    # Onto a bound exactly, not to within the tolerance of the solution.
    step = jnp.where(jnp.all(jnp.isfinite(step)) & point.free, step, own)
    return jnp.clip(step, -10.0 * point.reach, 10.0 * point.reach)


def own_concave(point: Point, layout: Layout) -> Bool[Array, ""]:
    """Whether every payoff is locally strictly concave in its owner's free strategies."""
    both = point.free[:, None] & point.free[None, :]
    hessian = jnp.where(both, point.jacobian, -jnp.eye(len(point.z), dtype=point.z.dtype))
    if layout.own.shape[1] == 1:
        return jnp.all(own_diagonal(hessian) < 0)
    return jnp.all(jax.vmap(largest_eigenvalue)(own_blocks(hessian, layout)) < 0)


def _times(matrix: Float[Array, "n n"], vector: Float[Array, " n"]) -> Float[Array, " n"]:
    """matrix @ vector, with 0 times infinity = 0 and in full precision on every device."""
    return jnp.sum(jnp.where(vector[None, :] == 0.0, 0.0, matrix * vector[None, :]), axis=1)
