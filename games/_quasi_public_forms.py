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
    """Each developer's investment, and quality, total usage, price, welfare and consumer surplus."""

    investment: Float[Array, ""]
    quality: Float[Array, ""]
    total_usage: Float[Array, ""]
    price: Float[Array, ""]
    welfare: Float[Array, ""]
    consumer_surplus: Float[Array, ""]


def delayed_release_investment(game: Release) -> Float[Array, ""]:
    """Every developer's equilibrium investment at the openness of the game, where all groups are served.

    [(1 - theta) ybar f (ybar A0 - m + tau)/(n Delta) + theta (b + F) ybar/(n (D - eta))]/[(1 - g) c - (1 - theta)
    ybar^2 f (1 + omega (n - 1))/(n Delta)], f = 1 for a `SimultaneousQuasiPublicGood`. NaN where a group is excluded in
    a phase, or a condition fails.
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
    """The open regime, whatever the openness of the game: N = (ybar A - p)/(D - eta), p the mean of the prices p_k.

    p_k = h_k + F - tau - s max(h_k - m, 0), and a = (b + F) ybar/(n (1 - g) c (D - eta)). Usage is Q_k = N + t_k/D, t_k
    = (y_k - ybar) A - (p_k - p), and consumer surplus D N^2/2 + sum_k mu_k t_k^2/(2 D). Both follow prices; welfare has
    costs: h_k - m per use is a real one, F and tau are transfers, and public money costs chi per unit.

    >>> from nashgrid.games import QuasiPublicGood
    >>> round(float(open_equilibrium(QuasiPublicGood(hosting_cost=(0.3, 0.15, 0.12))).welfare), 4)
    0.9085
    """
    return open_regime(game, delayed_release_investment(_at(game, 1.0)))


def closed_regime(game: Release, investment: Float[Array, ""]) -> Regime:
    """What closed access comes to if all groups are served and every developer invests so much."""
    users, n = game.users(), game.developers
    quality = game.base_quality + investment * (1.0 + game.quality_spillover * (n - 1))
    slope = users.slope - users.network + (1.0 - users.network) / n
    total = (users.mean_need() * quality - game.closed_cost()) / slope
    price = game.closed_cost() + (1.0 - users.network) * total / n
    surplus = _surplus(game, total, _taste(game, quality))
    return Regime(investment, quality, total, price, _welfare(game, quality, total, investment), surplus)


def open_regime(game: Release, investment: Float[Array, ""]) -> Regime:
    """What open access comes to if all groups are served and every developer invests so much."""
    users, costs, prices, premiums = game.users(), game.hosting_costs(), game.open_prices(), game.hosting_premiums()
    cost, price = jnp.sum(users.mass * costs), jnp.sum(users.mass * prices)
    quality = game.base_quality + game.developers * investment
    total = (users.mean_need() * quality - price) / (users.slope - users.network)
    alike = _taste(game, quality)
    worth, taste = alike - (costs - cost), alike - (prices - price)
    sorting = _mean(game, worth * taste - (jnp.square(taste) + jnp.square(alike)) / 2.0)
    dearer = (cost - game.resource_cost) * total
    support = game.hosting_support * (jnp.sum(users.mass * premiums) * total + _mean(game, premiums * taste))
    welfare = _welfare(game, quality, total, investment) + sorting - dearer - game.public_funds_cost * support
    return Regime(investment, quality, total, price, welfare, _surplus(game, total, taste))


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
    surplus = _surplus(game, total, _taste(game, quality))
    return Regime(more / n, quality, total, -margin - users.network * total, welfare, surplus)


def _at(game: Release, openness: float) -> Release:
    return eqx.tree_at(lambda g: g.openness, game, jnp.full_like(game.openness, openness))


def _value(game: FixedCapacity, quality: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
    users = game.users()
    used = users.mean_need() * quality * total - (users.slope / 2.0 - users.network) * jnp.square(total)
    sorting = _mean(game, jnp.square(_taste(game, quality))) / 2.0
    return used + sorting + (game.spillover - game.resource_cost) * total


def _taste(game: FixedCapacity, quality: Float[Array, ""]) -> Float[Array, " group"]:
    """t_k = (y_k - ybar) A, so that at one price for all Q_k = N + t_k/D."""
    return (game.need - game.users().mean_need()) * quality


def _mean(game: FixedCapacity, value: Float[Array, " group"]) -> Float[Array, ""]:
    """The mean over all users, by D."""
    return jnp.sum(game.mass * value) / game.slope()


def _surplus(game: FixedCapacity, total: Float[Array, ""], taste: Float[Array, " group"]) -> Float[Array, ""]:
    """D N^2/2 and the mean of t_k^2/(2 D)."""
    return game.slope() * jnp.square(total) / 2.0 + _mean(game, jnp.square(taste)) / 2.0


def _welfare(
    game: Release, quality: Float[Array, ""], total: Float[Array, ""], investment: Float[Array, ""]
) -> Float[Array, ""]:
    cost = game.developers * game.investment_cost * jnp.square(investment) / 2.0
    outlay = game.subsidy * total + game.cofunding * cost
    return _value(game, quality, total) - cost - game.public_funds_cost * outlay
