"""Cournot competition for access by user groups, some of which may be priced out, without iteration.

Developers offer quantities q_i of access at one price each. With the groups S served, mass M and mean need Y, the price
of access to model i is

    p_i = Y A_i - ((1 - d) q_i + d N)/M + eta N,        N = sum_i q_i,

and with marginal cost m the equilibrium is q_i = max(0, (Y A_i - m - b N)/a), b = d/M - eta, a = (1 - d)/M + 1/M - eta,
with profit (1/M - eta) q_i^2: as with everybody served, 1/M in the place of 1. Who is served follows from the
quantities: inverse demand is the highest of these prices over the sets S_j of the neediest groups. It has a kink where
a group leaves, at which marginal revenue jumps up; so a developer may prefer to serve few at a high price, and an
equilibrium of one set S_j is an equilibrium only if nobody gains by a quantity that serves another. With one price and
several groups the stage can have equilibria with different sets: the widest is played. Where there is none in which all
developers serve the same groups (only off the path, as equal developers always have one), the set at which the gain
from serving another one is the least is taken.

That groups use the models of all developers or none is exact for equal quantities and qualities, for d = 1 and for one
developer; else a group on the verge gives up some models before others. It matters only for what a deviation is worth,
and there little: with two developers and two groups, whose every use q_ik >= 0 is solved for, 3 of 300 verdicts on
random candidates differ, all at d = 0.2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._aggregate import aggregate_quantity
from ._largest import is_largest
from ._user_groups import Users


class Access(NamedTuple):
    """What the stage ends with: quantities, and mass M, mean need Y and members of the groups served."""

    quantity: Float[Array, " firm"]
    reach: Float[Array, ""]
    mean_need: Float[Array, ""]
    served: Float[Array, " group"]


class Candidates(NamedTuple):
    """The solution for each set of groups, and whether it is an equilibrium of the stage."""

    quantity: Float[Array, "set firm"]
    is_equilibrium: Bool[Array, " set"]
    gain: Float[Array, " set"]


def access_candidates(
    users: Users, substitutability: Float[Array, ""], quality: Float[Array, " firm"], cost: Float[Array, ""]
) -> Candidates:
    """For each S_j: quantities if just S_j is served, and what some developer gains at most by serving others.

    Against the others' quantity N - q_i, serving S_l is worth at most max(0, Y_l A_i - m - b_l (N - q_i))^2/(4 (1/M_l -
    eta)).
    """
    inverse, needs, d = 1.0 / users.reach(), users.mean_needs(), substitutability
    rivals, own = d * inverse - users.network, inverse - users.network
    divisor = (1.0 - d) * inverse + own
    value = needs[:, None] * quality[None, :] - cost
    every = jnp.ones_like(value)
    total = jax.vmap(aggregate_quantity)(value, every, divisor[:, None] * every, rivals)
    quantity = jnp.maximum(value - (rivals * total)[:, None], 0.0) / divisor[:, None]
    profit = own[:, None] * jnp.square(quantity)
    left = total[:, None] - quantity
    other = jnp.maximum(value[None, :, :] - rivals[None, :, None] * left[:, None, :], 0.0)
    gains = jnp.square(other) / (4.0 * own[None, :, None]) - profit[:, None, :]
    # Sets of equal needs are the same set; against itself a set gains nothing but rounding.
    different = users.need[:, None] != users.need[None, :]
    gain = jnp.max(jax.lax.stop_gradient(jnp.where(different[:, :, None], gains, -jnp.inf)), axis=(1, 2))
    return Candidates(quantity, gain <= 0.0, gain)


def access_stage(
    users: Users, substitutability: Float[Array, ""], quality: Float[Array, " firm"], cost: Float[Array, ""]
) -> Access:
    """The equilibrium of the stage, with the most users served if there are several."""
    every = access_candidates(users, substitutability, quality, cost)
    order = jnp.where(every.is_equilibrium, users.reach(), -every.gain)
    return serving(users, order, every.quantity)


def serving(users: Users, order: Float[Array, " set"], quantity: Float[Array, "set firm"]) -> Access:
    """What comes of it if the set that is highest in the order is served."""
    chosen = is_largest(order)

    def at(values: Float[Array, " set"]) -> Float[Array, ""]:
        return jnp.sum(jnp.where(chosen, values, 0.0))

    served = jnp.sum(jnp.where(chosen[:, None], users.sets(), 0.0), axis=0)
    sold = jnp.sum(jnp.where(chosen[:, None], quantity, 0.0), axis=0)
    return Access(sold, at(users.reach()), at(users.mean_needs()), served)


def all_are_served(
    users: Users, substitutability: Float[Array, ""], developers: int, quality: Float[Array, ""], cost: Float[Array, ""]
) -> Bool[Array, ""]:
    """Whether serving everybody is an equilibrium of the stage if all n developers have the same quality.

    None gains by serving S_l only, at the others' (n - 1) N/n, N = (ybar A - m)/Delta > 0; then no usage is negative.
    """
    inverse, needs, n = 1.0 / users.reach(), users.mean_needs(), developers
    everybody = is_largest(users.reach())
    own, rivals = inverse - users.network, substitutability * inverse - users.network
    value, divisor = needs * quality - cost, (1.0 - substitutability) * inverse + own + n * rivals
    sold = jnp.sum(jnp.where(everybody, value / divisor, 0.0))
    profit = jnp.sum(jnp.where(everybody, own, 0.0)) * jnp.square(sold)
    other = jnp.maximum(value - rivals * (n - 1) * sold, 0.0)
    gain = jnp.square(other) / (4.0 * own) - profit
    return (sold > 0.0) & jnp.all(everybody | (gain <= 0.0))


def access_prices(
    users: Users,
    substitutability: Float[Array, ""],
    quality: Float[Array, " firm"],
    quantity: Float[Array, " firm"],
) -> Float[Array, "set firm"]:
    """Inverse demand for each developer's access if just S_j is served; the highest is the price."""
    total = jnp.sum(quantity)
    crowd = (1.0 - substitutability) * quantity + substitutability * total
    need, reach = users.mean_needs()[:, None], users.reach()[:, None]
    return need * quality[None, :] - crowd[None, :] / reach + users.network * total


def access_usage(users: Users, quality: Float[Array, " firm"], access: Access) -> Float[Array, " group"]:
    """Usage by group: Q_k = N/M + (y_k - Y) A/D in the groups served, A the mean quality."""
    spread = (users.need - access.mean_need) * jnp.mean(quality) / users.slope
    return access.served * (jnp.sum(access.quantity) / access.reach + spread)


def access_benefit(
    users: Users, substitutability: Float[Array, ""], quality: Float[Array, " firm"], access: Access
) -> Float[Array, ""]:
    """sum_k mu_k [sum_i (y_k A_i q_ik - (1 - d) q_ik^2/2) - d Q_k^2/2] + eta N^2, models of different quality too.

    q_ik = q_i/M + (y_k - Y)(A/(n D) + (A_i - A)/(1 - d)), A the mean quality.
    """
    d, n = substitutability, quality.shape[0]
    mean = jnp.mean(quality)
    apart = d < 1.0
    better = jnp.where(apart, (quality - mean) / jnp.where(apart, 1.0 - d, 1.0), 0.0)
    taste = (users.need - access.mean_need)[:, None] * (mean / (n * users.slope) + better)[None, :]
    use = access.served[:, None] * ((access.quantity / access.reach)[None, :] + taste)
    worth = jnp.sum(users.need[:, None] * quality[None, :] * use - (1.0 - d) * jnp.square(use) / 2.0, axis=1)
    within = worth - d * jnp.square(jnp.sum(use, axis=1)) / 2.0
    return jnp.sum(users.mass * within) + users.network * jnp.square(jnp.sum(access.quantity))
