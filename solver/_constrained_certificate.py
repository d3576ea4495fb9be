"""Evidence that a profile is a variational equilibrium of a game with constraints.

As without constraints nothing is taken from the method but the profile and the multipliers: derivatives of Lagrangians
are taken afresh, by name. The residual includes feasibility and complementarity. Deviations are compared by the true
payoffs, not the penalized ones, and have to satisfy the constraints.
"""

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._certificate import norm, or_infinite, own_derivatives, payoff_scale
from ._conditions import conditions_of, own_curvature, own_newton
from ._feasible import Feasible
from ._game import Game, Profile
from ._kkt import KKT
from ._layout import Layout, same_owner, strategy_scale
from ._linear import own_diagonal, solve, spectral_radius, top_eigenvector
from ._priced import PRICES, Priced
from ._search import GlobalSearch, deviations
from ._solution import Certificate
from ._tangent import largest_curvature, tangent_blocks


def certify_constrained(
    conditions: KKT, z: Float[Array, " strategy"], search: GlobalSearch, judged: Game
) -> tuple[Certificate, Bool[Array, ""]]:
    """The certificate of strategies and multipliers; for the arguments see `certify`."""
    del judged
    everything, layout, n = conditions.priced, conditions.base, conditions.layout.chosen
    game, lower, upper = everything.game, conditions.lower, conditions.upper
    s, prices = z[:n], z[n:]
    profile = layout.unflatten(s)
    penalized, gradient, jacobian = own_derivatives(_AtPrices(everything, prices), layout, s)
    payoff = game.payoff(profile)
    excess, slopes = _slopes(everything, profile)

    curvature = own_curvature(gradient, jacobian)
    ahead = own_newton(s, gradient, curvature, layout)
    projected = jnp.clip(ahead, lower[:n], upper[:n])
    size = strategy_scale(s, projected, lower[:n], upper[:n], layout)
    free = (ahead > lower[:n]) & (ahead < upper[:n])
    dual = conditions.dual(prices, excess, slopes, curvature, size)
    residual = jnp.maximum(jnp.max(jnp.abs(s - projected) / size), dual.residual)

    # Strategies, then multipliers, each in units of its own size: see `certify`.
    unit = jnp.concatenate([size, dual.size / dual.weight])
    stiffness = jnp.concatenate([curvature, dual.weight])
    both = jnp.concatenate([free, dual.binding])
    pay = conditions.paid(slopes)
    none = jnp.zeros((len(prices), len(prices)), z.dtype)
    system = jnp.concatenate(
        [jnp.concatenate([jacobian, -pay.T], axis=1), jnp.concatenate([slopes, none], axis=1)], axis=0
    )
    scaled = system * (unit[None, :] / unit[:, None]) / stiffness[:, None]
    scaled = jnp.where(both[:, None] & both[None, :], scaled, jnp.where(np.eye(len(z), dtype=bool), -1.0, 0.0))
    left = jnp.concatenate([gradient, excess])
    solved = solve(
        scaled, jnp.concatenate([jnp.eye(len(z), dtype=z.dtype), (left / (stiffness * unit))[:, None]], axis=1)
    )
    inverse, newton = solved[:, :-1], jnp.where(both, solved[:, -1], 0.0)
    conditioning = or_infinite(norm(scaled) * norm(inverse))

    root = jnp.sqrt(curvature)
    mine = same_owner(layout)
    hessian = jnp.where(free[:, None] & free[None, :] & mine, jacobian / (root[:, None] * root[None, :]), 0.0)
    rows = jnp.where(dual.binding[:, None], pay / root[None, :], 0.0)
    rounding = 16.0 * float(jnp.finfo(z.dtype).eps) * dual.size
    feasible = Feasible(everything, jnp.maximum(excess, 0.0), rounding, layout)
    ways = _steepest(hessian, rows, free, root, layout)
    alone = conditions_of(game, layout, z.dtype)
    best, gain, defined, seen = deviations(alone, s, size, search, game, ways, feasible)
    scale = payoff_scale(layout, s, payoff, curvature, size, seen)
    responses = jnp.where(mine, scaled[:n, :n], 0.0)
    one = layout.own.shape[1] == 1
    moved = responses - scaled[:n, :n]
    response = moved / own_diagonal(responses)[:, None] if one else solve(responses, moved)

    to_bound = jnp.minimum(z - lower, upper - z) / unit
    push = jnp.abs(left) / (stiffness * unit)
    margin = jnp.min(jnp.where(lower == upper, jnp.inf, jnp.where(both, to_bound, push)))
    certificate = Certificate(
        residual=residual,
        regret=jnp.max(gain / scale),
        gain=gain,
        deviation=layout.unflatten(best),
        concavity=largest_curvature(hessian, rows, free, layout),
        stability=or_infinite(spectral_radius(response)),
        conditioning=conditioning,
        margin=margin,
        error=or_infinite(jnp.maximum(jnp.max(jnp.abs(newton)), residual)) + jnp.finfo(z.dtype).eps * conditioning,
        payoff_scale=scale,
    )
    finite = jnp.all(jnp.isfinite(payoff)) & jnp.all(jnp.isfinite(jnp.where(free, gradient, 0.0)))
    finite &= jnp.all(jnp.isfinite(penalized)) & jnp.all(jnp.isfinite(excess))
    return certificate, finite & defined & jnp.all(jnp.isfinite(z)) & jnp.isfinite(residual)


class _AtPrices(Game):
    """The penalized game at given multipliers."""

    everything: Priced
    prices: Float[Array, " row"]

    @property
    def firms(self) -> tuple[str, ...]:
        return self.everything.firms

    def bounds(self):
        return self.everything.game.bounds()

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self.everything.payoff({**s, PRICES: self.prices})


def _slopes(game: Priced, s: Profile) -> tuple[Float[Array, " row"], Float[Array, "row strategy"]]:
    """Every row's excess and its derivatives, differentiating by name."""

    def excess(s):
        value = game.excess(s)
        return value, value

    by_name, value = jax.jacfwd(excess, has_aux=True)(s)
    return value, jnp.concatenate([by_name[name].reshape(len(value), -1) for name in s], axis=1)


def _steepest(hessian, rows, free, root, layout: Layout) -> Float[Array, "firm own"]:
    """As without constraints, but along those that bind."""
    if layout.own.shape[1] == 1:
        return jnp.zeros(layout.own.shape, hessian.dtype)
    ways = jax.vmap(top_eigenvector)(tangent_blocks(hessian, rows, free, layout)[0])
    real = layout.own < layout.size
    return jnp.where(real, ways / root[np.minimum(layout.own, layout.size - 1)], 0.0)
