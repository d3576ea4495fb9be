"""Evidence that a profile of an aggregative game is an equilibrium, at linear cost.

The same numbers as in `_certificate`, recomputed from the game by other code than the method's: derivatives are taken
along every firm's own deviation, with the totals that it leads to, and deviations are searched for without derivatives.
"""

import jax
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._aggregative import blocked_sum
from ._aggregative_search import all_deviations
from ._certificate import bounded_scale, or_infinite
from ._conditions import curvature_of, own_newton
from ._layout import strategy_scale
from ._low_rank import LowRank, inverse, response_radius
from ._pooled import Pooling
from ._search import GlobalSearch
from ._solution import Certificate


def certify_aggregative(
    pooling: Pooling, z: Float[Array, " strategy"], search: GlobalSearch
) -> tuple[Certificate, Bool[Array, ""]]:
    """The certificate of the profile z, and whether payoffs and derivatives were finite wherever they were needed."""
    lower, upper, layout = pooling.lower, pooling.upper, pooling.layout
    ones = jnp.ones_like(z)
    parts, rise = jax.jvp(pooling.parts, (z,), (ones,))
    totals = pooling.meet(blocked_sum(parts))

    def alone(x, a):
        """Payoffs and their derivatives along own deviations, to x from what adds up to a."""

        def payoff(x):
            return pooling.own(x, a + (pooling.parts(x) - parts))

        return jax.jvp(payoff, (x,), (ones,))

    (payoff, gradient), (_, second) = jax.jvp(lambda x: alone(x, totals), (z,), (ones,))
    by_totals = []
    for k in range(len(totals)):
        way = jnp.zeros_like(totals).at[k].set(1.0)
        by_totals.append(jax.jvp(lambda a: alone(z, a)[1], (totals,), (way,))[1])
    left = jnp.stack(by_totals)

    curvature = curvature_of(gradient, second)
    ahead = own_newton(z, gradient, curvature, layout)
    projected = jnp.clip(ahead, lower, upper)
    size = strategy_scale(z, projected, lower, upper, layout)
    residual = jnp.max(jnp.abs(z - projected) / size)
    free = (ahead > lower) & (ahead < upper)
    best, gain, defined, seen = all_deviations(pooling, z, size, search)
    scale = _payoff_scale(z, payoff, curvature, size, seen)
    # Row j in units of h_j sigma_j, column k in units of sigma_k, as in `_certificate`; -1 for strategies at a bound.
    left, right = (jnp.where(free[None, :], part, 0.0) for part in (left, rise))
    left, right = left / (curvature * size)[None, :], right * size[None, :]
    own = jnp.where(free, second / curvature, -1.0)
    scaled = LowRank(own - jnp.sum(left * right, axis=0), left, right)
    backward = inverse(scaled)
    slope = jnp.where(free, gradient / (curvature * size), 0.0)
    newton = jnp.where(free, backward.times(slope), 0.0)
    conditioning = or_infinite(scaled.norm() * backward.norm())
    to_bound = jnp.minimum(z - lower, upper - z) / size
    push = jnp.abs(gradient) / (curvature * size)
    certificate = Certificate(
        residual=residual,
        regret=jnp.max(gain / scale),
        gain=gain,
        deviation=layout.unflatten(best),
        concavity=jnp.max(jnp.where(free, own, -jnp.inf)),
        stability=or_infinite(response_radius(scaled)),
        conditioning=conditioning,
        margin=jnp.min(jnp.where(lower == upper, jnp.inf, jnp.where(free, to_bound, push))),
        error=or_infinite(jnp.maximum(jnp.max(jnp.abs(newton)), residual)) + jnp.finfo(z.dtype).eps * conditioning,
        payoff_scale=scale,
    )
    finite = jnp.all(jnp.isfinite(payoff)) & jnp.all(jnp.isfinite(jnp.where(free, gradient, 0.0)))
    return certificate, finite & defined & jnp.all(jnp.isfinite(z)) & jnp.isfinite(residual)


def _payoff_scale(z, payoff, curvature, size, seen) -> Float[Array, " firm"]:
    """By firm: what `payoff_scale` is in a game with one strategy per firm."""
    reach = jnp.minimum(jnp.abs(z), size)
    floor = 1e-4 * curvature * size * size
    scale = bounded_scale(jnp.maximum(jnp.maximum(jnp.abs(payoff), curvature * reach * reach), floor), seen)
    scale = jnp.maximum(scale, 1e-6 * jnp.max(scale))
    return jnp.maximum(scale, jnp.finfo(z.dtype).tiny)
