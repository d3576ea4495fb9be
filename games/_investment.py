"""How much developers invest in a closed and an open model: closed forms where the same groups are served, and bounds.

With the groups S_j served (mass M, mean need Y; 1 and ybar for all) each developer sells q_i = (Y A_i - m + tau
- b N)/a, b = d/M - eta, a = (1 - d)/M + 1/M - eta. Its own investment adds Y G to it, G = [1 - b (1 + omega (n -
1))/(a + n b)]/a where rivals see it and 1/(2 (1/M - eta)) where they do not, so that the marginal profit is Y f q_i
with f = 2 (1/M - eta) G. While the model is open, total usage rises by sum_{S_j} mu y/(D - M eta) per unit of quality.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._largest import is_largest, largest
from ._release import Release


class Conduct(NamedTuple):
    """By set of groups served: coefficients of the closed phase, and the value of a unit of quality in the open one."""

    need: Float[Array, " set"]
    own: Float[Array, " set"]
    """1/M - eta, half the slope of marginal profit."""
    divisor: Float[Array, " set"]
    """Delta = D/M - eta + (1/M - eta)/n: N_C = (Y A - m + tau)/Delta."""
    incentive: Float[Array, " set"]
    """f."""
    reaction: Float[Array, " set"]
    """The rise of N_C/n if all invest one unit more, per unit of need: (1 + omega (n - 1))/(n Delta)."""
    later: Float[Array, " set"]
    """Rise of open usage per unit of quality. Others than the neediest may be those who host; none rise by more than
    the steepest of these sets."""


def conduct(game: Release, *, seen: bool) -> Conduct:
    """The coefficients by set; `seen`: whether investment is seen before access is sold."""
    users, n, d = game.users(), game.developers, game.substitutability
    inverse, eta = 1.0 / users.reach(), users.network
    own, cross = inverse - eta, d * inverse - eta
    a = (1.0 - d) * inverse + own
    divisor = (a + n * cross) / n
    pooled = 1.0 + game.quality_spillover * (n - 1)
    gain = (1.0 - cross * pooled / (n * divisor)) / a if seen else 0.5 / own
    needs = users.mean_needs()
    later = needs * users.reach() / (users.slope - users.reach() * eta)
    return Conduct(needs, own, divisor, 2.0 * own * gain, pooled / (n * divisor), later)


def most_investment(game: Release, *, seen: bool) -> Float[Array, ""]:
    """Twice the largest investment that could be a best response where every set of groups stays what it is.

    Marginal benefit is at most (1 - theta) Y f (q0 + Y r a) + theta (b + F) rise/n, q0 the sales without investment and
    r the larger of the own and the common effect of investment on sales. NaN if with all served this outgrows the
    marginal cost, or usage has no bound: eta >= D.
    """
    each, closed = conduct(game, seen=seen), 1.0 - game.openness
    first = closed * each.need * each.incentive
    base = jnp.maximum(each.need * game.base_quality - game.closed_cost(), 0.0) / (game.developers * each.divisor)
    effect = jnp.maximum(each.reaction, each.incentive / (2.0 * each.own))
    spare = (1.0 - game.cofunding) * game.investment_cost - first * each.need * effect
    benefit = jnp.maximum(first, 0.0) * base + game.openness * _later(game, each)
    most = largest(jnp.where(spare > 0.0, benefit / jnp.where(spare > 0.0, spare, 1.0), 0.0))
    return jnp.where((_everybody(game, spare) > 0.0) & (game.users().network < game.slope()), 2.0 * most, jnp.nan)


def most_access(game: Release, investment: Float[Array, ""]) -> Float[Array, ""]:
    """Twice the most that a developer alone, or each of them, would sell at the highest quality."""
    each = conduct(game, seen=False)
    pooled = 1.0 + game.quality_spillover * (game.developers - 1)
    value = jnp.maximum(each.need * (game.base_quality + pooled * investment) - game.closed_cost(), 0.0)
    alone, common = value / (2.0 * each.own), value / (game.developers * each.divisor)
    return 2.0 * largest(jnp.maximum(alone, common))


def symmetric_investment(game: Release, *, seen: bool) -> Float[Array, ""]:
    """Every developer's equilibrium investment if all groups are served, whether they are or not.

    [(1 - theta) ybar f (ybar A0 - m + tau)/(n Delta) + theta (b + F) ybar/(n (D - eta))]/[(1 - g) c - (1 - theta)
    ybar^2 f (1 + omega (n - 1))/(n Delta)]; NaN unless the denominator is positive and eta < D.
    """
    each, closed = conduct(game, seen=seen), 1.0 - game.openness
    first = closed * each.need * each.incentive
    spare = _everybody(game, (1.0 - game.cofunding) * game.investment_cost - first * each.need * each.reaction)
    base = (each.need * game.base_quality - game.closed_cost()) / (game.developers * each.divisor)
    benefit = _everybody(game, first * base + game.openness * _later(game, each))
    fine = (spare > 0.0) & (game.users().network < game.slope())
    return jnp.where(fine, benefit / jnp.where(fine, spare, 1.0), jnp.nan)


def _later(game: Release, each: Conduct) -> Float[Array, " set"]:
    return game.open_revenue() * each.later / game.developers


def _everybody(game: Release, values: Float[Array, " set"]) -> Float[Array, ""]:
    """The entry of the set of all groups."""
    return jnp.sum(jnp.where(is_largest(-game.need), values, 0.0))
