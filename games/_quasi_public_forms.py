"""Closed forms for the quasi-public good where every group is served, and NaN where one is not.

See `quasi_public_good` for the equations. They are for the symmetric equilibrium. That no developer gains by serving
fewer groups at a higher price is checked at its qualities (`_access_stage`). Not checked is whether one gains by an
investment after which others are served, as can happen close to where a group drops out: `solve` finds it.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._access_report import first_best
from ._access_stage import all_are_served
from ._investment import symmetric_investment
from ._release import Release
from ._user_groups import FixedCapacity
from .quasi_public_good import SimultaneousQuasiPublicGood


class Regime(NamedTuple):
    """Each developer's investment, and quality, total usage, price and welfare."""

    investment: Float[Array, ""]
    quality: Float[Array, ""]
    total_usage: Float[Array, ""]
    price: Float[Array, ""]
    welfare: Float[Array, ""]


def delayed_release_investment(game: Release) -> Float[Array, ""]:
    """Every developer's equilibrium investment at the openness of the game, where all groups are served.

    [(1 - theta) ybar f (ybar A0 - m + tau)/(n Delta) + theta b ybar/(n (D - eta))]/[(1 - g) c - (1 - theta) ybar^2 f
    (1 + omega (n - 1))/(n Delta)], f = 1 for a `SimultaneousQuasiPublicGood`. NaN where a group is excluded in a phase,
    or a condition fails.
    """
    a = symmetric_investment(game, seen=not isinstance(game, SimultaneousQuasiPublicGood))
    n = game.developers
    quality = game.base_quality + a * (1.0 + game.quality_spillover * (n - 1))
    closed = all_are_served(game.users(), game.substitutability, n, quality, game.closed_cost())
    opened = jnp.all(game.open_usage(jnp.broadcast_to(a, (n,))) > 0.0)
    served = (closed | (game.openness >= 1.0)) & (opened | (game.openness <= 0.0))
    return jnp.where(served, a, jnp.nan)


def closed_equilibrium(game: Release) -> Regime:
    """The closed regime, whatever the openness of the game: N = (ybar A - m + tau)/Delta, p = m - tau + (1 - eta) N/n.

    >>> from nashgrid.games import QuasiPublicGood
    >>> round(float(closed_equilibrium(QuasiPublicGood()).price), 4)
    0.4024
    """
    return closed_regime(game, delayed_release_investment(_at(game, 0.0)))


def open_equilibrium(game: Release) -> Regime:
    """The open regime, whatever the openness of the game: N = (ybar A - h + tau)/(D - eta), the price h - tau.

    h is the mean hosting cost, and h - m a real cost of it. a = b ybar/(n (1 - g) c (D - eta)). Where hosting is dearer
    for those who need the model less, usage is Q_k = N + (y_k - ybar)(A + varsigma)/D: welfare has sigma^2 (A +
    varsigma)^2/(2 D) in the place of sigma^2 A^2/(2 D).
    """
    return open_regime(game, delayed_release_investment(_at(game, 1.0)))


def closed_regime(game: Release, investment: Float[Array, ""]) -> Regime:
    """What closed access comes to if all groups are served and every developer invests so much."""
    users, n = game.users(), game.developers
    quality = game.base_quality + investment * (1.0 + game.quality_spillover * (n - 1))
    slope = users.slope - users.network + (1.0 - users.network) / n
    total = (users.mean_need() * quality - game.closed_cost()) / slope
    price = game.closed_cost() + (1.0 - users.network) * total / n
    return Regime(investment, quality, total, price, _welfare(game, quality, total, investment))


def open_regime(game: Release, investment: Float[Array, ""]) -> Regime:
    """What open access comes to if all groups are served and every developer invests so much."""
    users, price = game.users(), game.hosting_cost - game.subsidy
    quality = game.base_quality + game.developers * investment
    total = (users.mean_need() * quality - price) / (users.slope - users.network)
    premium = (game.hosting_cost - game.resource_cost) * total
    dearer = quality + game.hosting_gradient
    sorting = _spread(game, dearer) - _spread(game, quality)
    return Regime(investment, quality, total, price, _welfare(game, quality, total, investment) + sorting - premium)


def planned_equilibrium(game: FixedCapacity) -> Regime:
    """The first best: N = (ybar A + eps - m)/(D - 2 eta), the price m - eps - eta N; NaN if a group is excluded.

    A - A0 = [ybar (ybar A0 + eps - m)/(D - 2 eta) + sigma^2 A0/D]/[c/n - ybar^2/(D - 2 eta) - sigma^2/D], the
    denominator positive, eta < D/2.
    """
    users, n = game.users(), game.developers
    mean, margin = users.mean_need(), game.spillover - game.resource_cost
    spread = jnp.sum(game.mass * jnp.square(game.need - mean)) / users.slope
    slope = users.slope - 2.0 * users.network
    left = game.investment_cost / n - jnp.square(mean) / slope - spread
    fine = (slope > 0.0) & (left > 0.0) & jnp.all(first_best(game, users).usage > 0.0)
    more = (mean * (mean * game.base_quality + margin) / slope + spread * game.base_quality) / left
    quality = jnp.where(fine, game.base_quality + more, jnp.nan)
    total = (mean * quality + margin) / slope
    welfare = _value(game, quality, total) - game.investment_cost * jnp.square(more) / (2.0 * n)
    return Regime(more / n, quality, total, -margin - users.network * total, welfare)


def _at(game: Release, openness: float) -> Release:
    return eqx.tree_at(lambda g: g.openness, game, jnp.full_like(game.openness, openness))


def _value(game: FixedCapacity, quality: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
    users = game.users()
    used = users.mean_need() * quality * total - (users.slope / 2.0 - users.network) * jnp.square(total)
    return used + _spread(game, quality) + (game.spillover - game.resource_cost) * total


def _spread(game: FixedCapacity, slope: Float[Array, ""]) -> Float[Array, ""]:
    """sigma^2 b^2/(2 D), what it is worth that those use more who need it more, Q_k = N + (y_k - ybar) b/D."""
    users = game.users()
    variance = jnp.sum(game.mass * jnp.square(game.need - users.mean_need()))
    return variance * jnp.square(slope) / (2.0 * users.slope)


def _welfare(
    game: Release, quality: Float[Array, ""], total: Float[Array, ""], investment: Float[Array, ""]
) -> Float[Array, ""]:
    cost = game.developers * game.investment_cost * jnp.square(investment) / 2.0
    outlay = game.subsidy * total + game.cofunding * cost
    return _value(game, quality, total) - cost - game.public_funds_cost * outlay
