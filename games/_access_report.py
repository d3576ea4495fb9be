"""What access to a language model does: efficiency, who gains, how equal it is, and how public the good is.

Welfare W is the users' benefit, network externality included, plus the value eps N to non-users, less the resource cost
of use, the cost of quality, and the cost chi of each unit of public money. Against the first best W* (`first_best`)
what is lost is in two parts: the static loss, from the wrong use of what there is, and the rest, the dynamic loss, from
quality; what hosting by users costs more than a provider's own use, and public money, are part of the rest.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._largest import is_largest, largest
from ._measures import ratio
from ._user_groups import UserGroups, Users


class FirstBest(NamedTuple):
    """Quality, usage by group and welfare of a planner who chooses everything."""

    quality: Float[Array, ""]
    usage: Float[Array, " group"]
    welfare: Float[Array, ""]


def usage_gini(usage: Float[Array, " group"], mass: Float[Array, " group"]) -> Float[Array, ""]:
    """The Gini coefficient of usage, in [0, 1): sum_jk mu_j mu_k |Q_j - Q_k| / (2 N) at total mass 1.

    With all groups served at one price it is A G_y ybar/(D N), G_y that of needs; with open models, one `hosting_cost`
    and a gradient (A + (1 - s) varsigma) G_y ybar/(D N), all h_k >= m. With costs by group there is no such form.

    Args:
        usage: Q >= 0, by group.
        mass: mu > 0.

    >>> round(float(usage_gini(jnp.asarray([1.0, 3.0]), jnp.asarray([0.5, 0.5]))), 4)
    0.25
    """
    between = jnp.abs(usage[:, None] - usage[None, :]) * mass[:, None] * mass[None, :]
    return ratio(jnp.sum(between), 2.0 * jnp.sum(mass * usage) * jnp.sum(mass))


def lorenz_curve(
    usage: Float[Array, " group"], mass: Float[Array, " group"]
) -> tuple[Float[Array, " point"], Float[Array, " point"]]:
    """The Lorenz curve: shares of users, least use first, and what they have of all usage; it starts at (0, 0).

    Args:
        usage: Q >= 0 by group, not all 0.
        mass: mu > 0.

    >>> [x.tolist() for x in lorenz_curve(jnp.asarray([3.0, 1.0]), jnp.asarray([0.5, 0.5]))]
    [[0.0, 0.5, 1.0], [0.0, 0.25, 1.0]]
    """
    order = jnp.argsort(usage)
    people = jnp.cumsum(jnp.take(mass, order))
    used = jnp.cumsum(jnp.take(mass * usage, order))
    start = jnp.zeros_like(people[:1])
    return jnp.concatenate([start, people / people[-1]]), jnp.concatenate([start, used / used[-1]])


def served_share(usage: Float[Array, " group"], mass: Float[Array, " group"]) -> Float[Array, ""]:
    """The share of users who use the model at all."""
    return jnp.sum(jnp.where(usage > 0.0, mass, 0.0)) / jnp.sum(mass)


def access_equity(usage: Float[Array, " group"], mass: Float[Array, " group"]) -> dict[str, Array]:
    """The Gini coefficient of usage, the share of users served, and the usage of the group that uses least."""
    return {
        "gini": usage_gini(usage, mass),
        "served_share": served_share(usage, mass),
        "poorest_usage": jnp.min(usage),
    }


def publicness(
    game: UserGroups, users: Users, quality: Float[Array, ""], benefit: Float[Array, ""], total: Float[Array, ""]
) -> dict[str, Array]:
    """How far the good is public, from what is used: three parts in [0, 1], their mean and their geometric mean.

    * non-rivalry NR = 1 - (m + rho N/kappa)/(ybar A + xi N): what a use takes from others, against what it is worth;
    * non-exclusion NE = N/N_free, N_free the usage at the resource cost;
    * external value EX = (eps N + eta N^2)/(benefit + eps N): what of the benefit goes to others.

    The weights are this library's own: no theory says that the three count the same.

    Args:
        game: the primitives.
        users: the demand side, `game.users()`.
        quality: A, the mean of the models.
        benefit: the users' benefit, network externality included.
        total: N >= 0.
    """
    congestion = (game.network_externality - users.network) * total
    worth = users.mean_need() * quality + game.network_externality * total
    usage_free = users.usage(users.need * quality - game.resource_cost)
    free = jnp.sum(users.mass * usage_free)
    external = game.spillover * total + users.network * jnp.square(total)
    gross = benefit + game.spillover * total
    rival = ratio(game.resource_cost + congestion, worth)
    parts = jnp.stack([1.0 - rival, ratio(total, free), ratio(external, gross)])
    parts = jnp.clip(jnp.where(worth > 0.0, parts, jnp.zeros_like(parts)), 0.0, 1.0)
    product = jnp.prod(parts)
    positive = product > 0.0
    return {
        "non_rivalry": parts[0],
        "non_exclusion": parts[1],
        "external_value": parts[2],
        "publicness": jnp.mean(parts),
        "publicness_geometric": jnp.where(positive, jnp.cbrt(jnp.where(positive, product, 1.0)), 0.0),
    }


def best_use(game: UserGroups, users: Users, quality: Float[Array, ""]) -> Float[Array, " group"]:
    """The usage that maximizes welfare at a given quality: max(0, (y_k A + eps - m + 2 eta N)/D).

    With all groups served the total is N* = (ybar A + eps - m)/(D - 2 eta). NaN unless eta < D/2.
    """
    return users.usage(_social_value(game, users, quality), 2.0)


def best_use_welfare(game: UserGroups, users: Users, quality: Float[Array, ""]) -> Float[Array, ""]:
    """Welfare of the best use of a given quality, its cost not counted: sum_k mu_k (y_k A + eps - m) Q_k/2."""
    value = _social_value(game, users, quality)
    return jnp.sum(users.mass * value * users.usage(value, 2.0)) / 2.0


def first_best(game: UserGroups, users: Users) -> FirstBest:
    """What a planner chooses who pools the developers' investments: quality, usage, and welfare.

    With all groups served A - A0 = [ybar (ybar A0 + eps - m)/(D - 2 eta) + sigma^2 A0/D]/[c/n - ybar^2/(D - 2 eta) -
    sigma^2/D]. Each set of the neediest groups gives such a candidate, the best of them is the optimum. NaN unless eta
    < D/2 and the denominator is positive: else welfare is not bounded.
    """
    sets, reach, base = users.sets(), users.reach(), game.base_quality
    worth = jnp.sum(sets * (users.mass * users.need)[None, :], axis=1)
    squares = jnp.sum(sets * (users.mass * jnp.square(users.need))[None, :], axis=1)
    margin = game.spillover - game.resource_cost
    left = users.slope - 2.0 * users.network * reach
    rise = (squares + 2.0 * users.network * jnp.square(worth) / left) / users.slope
    fall = game.investment_cost / game.developers - rise
    bounded = (2.0 * users.network < users.slope) & jnp.all(fall > 0.0)
    more = jnp.maximum((rise * base + worth * margin / left) / jnp.where(bounded, fall, 1.0), 0.0)
    more = jnp.concatenate([jnp.zeros_like(more[:1]), more])
    values = jax.vmap(lambda rise: best_use_welfare(game, users, base + rise))(more)
    values = values - game.investment_cost * jnp.square(more) / (2.0 * game.developers)
    quality = jnp.where(bounded, base + jnp.sum(jnp.where(is_largest(values), more, 0.0)), jnp.nan)
    welfare = jnp.where(bounded, largest(values), jnp.nan)
    return FirstBest(quality, best_use(game, users, quality), welfare)


def static_loss(
    game: UserGroups, users: Users, quality: Float[Array, ""], benefit: Float[Array, ""], total: Float[Array, ""]
) -> Float[Array, ""]:
    """Deadweight loss of the use of a given quality: the best use's welfare less that of this one.

    With all groups served at one price, in equal amounts of each model, (D - 2 eta)(N* - N)^2/2.

    Args:
        game: the primitives.
        users: the demand side, `game.users()`.
        quality: A, the mean of the models.
        benefit: the users' benefit, network externality included.
        total: N.
    """
    own = benefit + (game.spillover - game.resource_cost) * total
    return best_use_welfare(game, users, quality) - own


def decomposition(*, public_funds_cost: Float[Array, ""], outlay: Float[Array, ""], **gains: Array) -> dict[str, Array]:
    """Who gains: each party's part, the cost (1 + chi) of public outlay, and welfare, their sum."""
    taxpayers = -(1.0 + public_funds_cost) * outlay
    welfare = taxpayers
    for gain in gains.values():
        welfare = welfare + gain
    return gains | {"public_outlay": outlay, "taxpayer_gain": taxpayers, "welfare": welfare}


def _social_value(game: UserGroups, users: Users, quality: Float[Array, ""]) -> Float[Array, " group"]:
    return users.need * quality + (game.spillover - game.resource_cost)
