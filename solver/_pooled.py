"""The first-order conditions of an aggregative game, whose Jacobian is never written out.

With u_i(x_i, A) the payoff and m_i = du_i/dx_i + sum_l du_i/dA_l g_l'(x_i) the derivative along the own action, the
Jacobian is J = diag(dm_i/dx_i at given A) + sum_l (dm_i/dA_l)(g_l'(x_j))^T. `Point.jacobian` holds these rows: first
the diagonal, then dm/dA_l for all l, then g_l' for all l.
"""

from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from . import _numpy as jnp
from ._aggregative import AggregativeGame, blocked_sum
from ._conditions import Conditions, Point, conditions_of, curvature_of, own_targets
from ._game import Game, Profile
from ._layout import Layout, bounds_of, layout_of
from ._low_rank import LowRank, combine, inverse


class Pooled(Game):
    """An aggregative game as one whose conditions are solved at linear cost."""

    aggregative: AggregativeGame

    @property
    def firms(self) -> tuple[str, ...] | range:
        return self.aggregative.firms

    def bounds(self) -> Mapping[str, tuple[ArrayLike, ArrayLike]]:
        return self.aggregative.bounds()

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self.aggregative.payoff(s)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        return self.aggregative.outcomes(s)

    def start(self) -> Mapping[str, ArrayLike]:
        return self.aggregative.start()

    def concept(self) -> str:
        return self.aggregative.concept()


class Pooling(Conditions):
    """First-order conditions of a pooled game."""

    totals: tuple[str, ...] = eqx.field(static=True)
    """Names of the totals, in the order of rows below."""

    @property
    def aggregative(self) -> AggregativeGame:
        """The game, as what it is."""
        assert isinstance(self.game, Pooled)
        return self.game.aggregative

    def parts(self, x: Float[Array, " firm"]) -> Float[Array, "total firm"]:
        """What each firm adds to each total."""
        parts = self.aggregative.contribution(x)
        return jnp.stack([parts[name] for name in self.totals])

    def own(self, x: Float[Array, " firm"], a: Float[Array, "total firm"]) -> Float[Array, " firm"]:
        """Every firm's payoff if it meets the totals a."""
        return self.aggregative.own_payoff(x, {name: a[k] for k, name in enumerate(self.totals)})

    def meet(self, a: Float[Array, " total"]) -> Float[Array, "total firm"]:
        """The totals as every firm meets them."""
        return jnp.broadcast_to(a[:, None], (len(self.totals), self.layout.firms))

    def slope(self, x: Float[Array, " firm"], a: Float[Array, "total firm"]) -> Float[Array, " firm"]:
        """m: the derivatives of the payoffs along the own actions."""
        _, rise = jax.jvp(self.parts, (x,), (jnp.ones_like(x),))
        return jax.jvp(self.own, (x, a), (jnp.ones_like(x), rise))[1]

    def given_totals(
        self, x: Float[Array, " firm"], a: Float[Array, "total firm"]
    ) -> tuple[Float[Array, " firm"], Float[Array, " firm"]]:
        """m and dm/dx at given totals."""
        return jax.jvp(lambda x: self.slope(x, a), (x,), (jnp.ones_like(x),))

    def by_totals(self, x: Float[Array, " firm"], a: Float[Array, "total firm"]) -> Float[Array, "total firm"]:
        """dm/dA_l."""
        ways = np.eye(len(self.totals))[:, :, None]
        ways = [jnp.broadcast_to(jnp.asarray(way, a.dtype), a.shape) for way in ways]
        return jnp.stack([jax.jvp(lambda a: self.slope(x, a), (a,), (way,))[1] for way in ways])

    def payoffs(self, z: Float[Array, " strategy"]) -> Float[Array, " firm"]:
        """Every firm's payoff."""
        return self.own(z, self.meet(blocked_sum(self.parts(z))))

    def gradient(self, z: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
        """Every strategy's derivative of its owner's payoff."""
        return self.slope(z, self.meet(blocked_sum(self.parts(z))))

    def at(self, z: Float[Array, " strategy"]) -> Point:
        """The conditions at z; `jacobian` has the rows that the module describes."""
        parts, rise = jax.jvp(self.parts, (z,), (jnp.ones_like(z),))
        a = self.meet(blocked_sum(parts))
        gradient, diagonal = self.given_totals(z, a)
        left = self.by_totals(z, a)
        curvature = curvature_of(gradient, diagonal + jnp.sum(left * rise, axis=0))
        target, free, scale, residual = own_targets(z, gradient, curvature, self.lower, self.upper, self.layout)
        rows = jnp.concatenate([diagonal[None, :], left, rise])
        return Point(z, self.payoffs(z), gradient, curvature, rows, target, free, scale, scale, residual)

    def jacobian(self, point: Point) -> LowRank:
        """The rows of a point as the matrix that they are."""
        k = len(self.totals)
        return LowRank(point.jacobian[0], point.jacobian[1 : k + 1], point.jacobian[k + 1 :])

    def newton_step(self, point: Point) -> Float[Array, " strategy"]:
        """The active-set Newton step, as in `newton_step` of a matrix."""
        own = point.target - point.z
        # What may be infinite at a bound counts only if the strategy leaves it.
        stays = ~point.free & (own == 0.0)
        point = point._replace(jacobian=jnp.where(stays[None, :], 0.0, point.jacobian))
        step = self.moved(point, point.gradient, jnp.where(point.free, 0.0, own), point.free)
        step = jnp.where(jnp.all(jnp.isfinite(step)), step, own)
        return jnp.clip(step, -10.0 * point.reach, 10.0 * point.reach)

    def moved(
        self,
        point: Point,
        by_game: Float[Array, " strategy"],
        d_bound: Float[Array, " strategy"],
        free: Bool[Array, " strategy"],
    ) -> Float[Array, " strategy"]:
        """J d = -by_game on the free strategies, d = d_bound on others."""
        matrix = self.jacobian(point)
        h = jax.lax.stop_gradient(point.curvature)
        outside = jnp.where(free, 0.0, d_bound)
        through_bounds = combine(matrix.left, blocked_sum(matrix.right * outside[None, :]))
        scaled = on_free(matrix, free, h)
        rhs = jnp.where(free, -(by_game + through_bounds) / h, outside)
        solution = inverse(scaled)
        step = solution.times(rhs)
        # Refined once: eliminating rows one by one has no pivots to choose.
        return step + solution.times(rhs - scaled.times(step))

    def regular(self, point: Point) -> Bool[Array, ""]:
        """Whether a Newton step can be taken from there."""
        return jnp.isfinite(point.residual) & jnp.all(jnp.isfinite(jnp.where(point.free[None, :], point.jacobian, 0.0)))

    def concave(self, point: Point) -> Bool[Array, ""]:
        """Whether every firm is at a strict local maximum, if its first-order conditions hold."""
        return jnp.all(jnp.where(point.free, self.jacobian(point).own() < 0, True))


def on_free(matrix: LowRank, free: Bool[Array, " n"], divisor: Float[Array, " n"]) -> LowRank:
    """The rows and columns of free strategies, rows divided; ones on the diagonal of the others."""
    left, right = (jnp.where(free[None, :], part, 0.0) for part in (matrix.left, matrix.right))
    return LowRank(jnp.where(free, matrix.diagonal / divisor, 1.0), left / divisor[None, :], right)


@layout_of.register
def _(game: Pooled) -> Layout:
    return layout_of(game.aggregative)


@conditions_of.register
def _(game: Pooled, layout: Layout, dtype: jnp.dtype) -> Pooling:
    lower, upper = bounds_of(game, layout, dtype)
    return Pooling(game, lower, upper, layout, tuple(game.aggregative.contribution(lower)))
