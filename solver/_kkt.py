"""The conditions of Karush, Kuhn and Tucker of all firms at once, as a method sees them.

Strategies have the conditions of penalized payoffs; a multiplier has lambda = clip(lambda + c/w, 0, inf), the step of
a dual ascent: c is the derivative of the dual, and w_k = sum_j (dc_k/ds_j)^2 / h_j estimates how far a multiplier moves
its constraint if firms respond alone. So w is to a multiplier what the own curvature is to a strategy. Multipliers are
measured by what they move, sigma_k = C_k / w_k with C_k = sum_j |dc_k/ds_j| sigma_j: the residual of a constraint is
its excess, relative to what strategies of their size make of it.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._conditions import Conditions, Point, conditions_of, own_curvature, own_targets
from ._layout import Layout, bounds_of
from ._priced import Priced, strategies_of
from ._status import Status
from ._tangent import largest_curvature


class Dual(NamedTuple):
    """The conditions of the multipliers, and what makes them dimensionless."""

    weight: Float[Array, " row"]
    """w; 1 where no firm that is subject to the constraint can move it."""
    size: Float[Array, " row"]
    """C."""
    target: Float[Array, " row"]
    """clip(lambda + c/w)."""
    binding: Bool[Array, " row"]
    """Whether lambda + c/w lies strictly inside its bounds."""
    residual: Float[Array, ""]
    """The largest violation of feasibility or complementarity, relative to C."""


class KKT(Conditions):
    """Conditions of a priced game: those of the strategies, then those of the multipliers."""

    @property
    def base(self) -> Layout:
        """The layout of the strategies alone."""
        return strategies_of(self.layout)

    @property
    def priced(self) -> Priced:
        """The game, as what it is."""
        assert isinstance(self.game, Priced)
        return self.game

    @property
    def trial_steps(self) -> int:
        """A change of the active constraints may raise the residual by much on the way to the right ones."""
        return 8

    def gradient(self, z: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
        """Every strategy's derivative of its owner's penalized payoff, and every constraint's excess."""
        n = self.layout.chosen
        chooses = np.asarray(self.base.owner)[None, :] == np.arange(self.layout.firms)[:, None]
        slopes = jax.jacfwd(lambda s: self.payoffs(jnp.concatenate([s, z[n:]])))(z[:n])
        excess = self.priced.excess(self.layout.unflatten(z))
        return jnp.concatenate([jnp.sum(jnp.where(chooses, slopes, 0.0), axis=0), excess])

    def at(self, z: Float[Array, " strategy"]) -> Point:
        """The conditions at z, with all that a Newton step needs."""

        def twice(z):
            gradient = self.gradient(z)
            return gradient, gradient

        jacobian, gradient = jax.jacfwd(twice, has_aux=True)(z)
        n = self.layout.chosen
        lower, upper = self.lower, self.upper
        h = own_curvature(gradient[:n], jacobian[:n, :n])
        target, free, scale, residual = own_targets(z[:n], gradient[:n], h, lower[:n], upper[:n], self.base)
        dual = self.dual(z[n:], gradient[n:], jacobian[n:, :n], h, scale)
        size = dual.size / dual.weight
        # A price may have far to go, while strategies are small already.
        reach = jnp.maximum(size, jnp.maximum(jnp.abs(z[n:]), jnp.abs(dual.target)))
        # Constraints that say the same leave the division of their price open; this picks one, and moves nothing else.
        none = jnp.zeros((n,), z.dtype)
        weight = jax.lax.stop_gradient(dual.weight) * (64.0 * float(jnp.finfo(z.dtype).eps))
        tie = jnp.where(np.eye(len(z), dtype=bool), jnp.concatenate([none, weight])[:, None], 0.0)
        return Point(
            z,
            self.payoffs(z),
            gradient,
            jnp.concatenate([h, dual.weight]),
            jacobian - tie,
            jnp.concatenate([target, dual.target]),
            jnp.concatenate([free, dual.binding]),
            jnp.concatenate([scale, size]),
            jnp.concatenate([scale, reach]),
            jnp.maximum(residual, dual.residual),
        )

    def dual(
        self,
        prices: Float[Array, " row"],
        excess: Float[Array, " row"],
        slopes: Float[Array, "row strategy"],
        curvature: Float[Array, " strategy"],
        scale: Float[Array, " strategy"],
    ) -> Dual:
        """The conditions of the multipliers; `curvature` and `scale` are those of the strategies."""
        lower, upper = (bound[self.layout.chosen :] for bound in (self.lower, self.upper))
        paid = self.paid(slopes)
        tiny = float(jnp.finfo(slopes.dtype).tiny)
        size = jnp.maximum(jnp.sum(jnp.abs(slopes) * scale[None, :], axis=1), tiny)
        weight = jnp.sum(jnp.square(paid) / curvature[None, :], axis=1)
        movable = weight > 0
        weight = jnp.where(movable, weight, 1.0)
        ahead = prices + excess / weight
        target = jnp.where(movable, jnp.clip(ahead, lower, upper), 0.0)
        violated = jnp.where(lower < 0, jnp.abs(excess), excess)
        off = jnp.where(movable, weight * jnp.abs(prices - target), jnp.where(upper > lower, violated, 0.0))
        binding = (ahead > lower) & (ahead < upper) & movable
        return Dual(weight, size, target, binding, jnp.max(jnp.maximum(off, 0.0) / size))

    def paid(self, slopes: Float[Array, "row strategy"]) -> Float[Array, "row strategy"]:
        """Slopes of the constraints in the strategies of the firms that are subject to them; 0 in others."""
        return jnp.where(self.priced.rules.applies()[:, np.asarray(self.base.owner)], slopes, 0.0)

    def concave(self, point: Point) -> Bool[Array, ""]:
        """Whether every Lagrangian is strictly concave where active constraints leave its firm free."""
        n = self.layout.chosen
        root = jnp.sqrt(point.curvature[:n])
        slopes = self.paid(point.jacobian[n:, :n])
        hessian = point.jacobian[:n, :n] / root[:, None] / root[None, :]
        slopes = jnp.where(point.free[n:, None], slopes / root[None, :], 0.0)
        return largest_curvature(hessian, slopes, point.free[:n], self.base) < 0

    def respond(self, z: Float[Array, " strategy"], responses: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
        """The best responses, and prices that rise with the excess that these leave."""
        n = self.layout.chosen
        point = self.at(z)
        excess = self.priced.excess(self.layout.unflatten(responses))
        slopes = point.jacobian[n:, :n]
        # One price also moves what the others are for: with the sum over all of them no step goes too far.
        paid = self.paid(slopes) / point.curvature[None, :n]
        moved = jnp.sum(jnp.abs(jnp.sum(slopes[:, None, :] * paid[None, :, :], axis=2)), axis=1)
        rise = excess / jnp.where(moved > 0, moved, jnp.inf)
        prices = jnp.clip(z[n:] + rise, self.lower[n:], self.upper[n:])
        return jnp.concatenate([responses[:n], prices])

    def unsolved(self, z: Float[Array, " strategy"], tol: float) -> Int[Array, ""]:
        """`infeasible` if a constraint is violated, else `max_steps`."""
        n = self.layout.chosen
        point = self.at(z)
        excess = jnp.where(self.lower[n:] < 0, jnp.abs(point.gradient[n:]), point.gradient[n:])
        size = point.scale[n:] * point.curvature[n:]
        violated = jnp.any(excess > tol * size)
        return jnp.where(violated, Status.infeasible, Status.max_steps)


@conditions_of.register
def _(game: Priced, layout: Layout, dtype: jnp.dtype) -> KKT:
    lower, upper = bounds_of(game, layout, dtype)
    return KKT(game, lower, upper, layout)
