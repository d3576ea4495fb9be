"""Quantity leadership (von Stackelberg, 1934, Marktform und Gleichgewicht).

One firm commits to a quantity q_0; n followers see it and play the Cournot equilibrium of the demand it
leaves. The followers' game is `StackelbergFollowers`, with the leader's quantity as a parameter; the whole is
played by a `Leader` that sets this parameter. With several followers see Sherali, Soyster and Murphy (1983,
Operations Research 31).
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Leader, Profile, parameter

from ._measures import firm_names, herfindahl


class StackelbergFollowers(Game):
    """Cournot competition of the followers after the leader's quantity is known.

    Profit of follower i: (a - b (q_0 + sum_j q_j) - c_i) q_i. The number of followers is the length of
    `cost`.
    """

    intercept: Float[Array, ""] = parameter(13.0, "a > 0: price at which demand is zero, price units")
    slope: Float[Array, ""] = parameter(1.0, "b > 0: fall of the price per unit of quantity")
    leader_cost: Float[Array, ""] = parameter(1.0, "c_0 >= 0: marginal cost of the leader, price units")
    cost: Float[Array, " firm"] = parameter((1.0,), "c >= 0: marginal cost by follower, price units")
    leader_quantity: Float[Array, ""] = parameter(0.0, "q_0 >= 0: quantity to which the leader has committed")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.cost.shape[-1], "follower")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, self.intercept / self.slope)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return (self._price(s) - self.cost) * s["quantity"]

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Price, the leader's profit, consumer surplus b Q^2/2, welfare and the Herfindahl index, leader
        included."""
        price = self._price(s)
        leader_profit = (price - self.leader_cost) * self.leader_quantity
        every = jnp.concatenate([self.leader_quantity[None], s["quantity"]])
        surplus = self.slope * jnp.square(jnp.sum(every)) / 2.0
        return {
            "price": price,
            "leader_profit": leader_profit,
            "consumer_surplus": surplus,
            "welfare": surplus + leader_profit + jnp.sum(self.payoff(s)),
            "hhi": herfindahl(every),
        }

    def _price(self, s: Profile) -> Float[Array, ""]:
        return self.intercept - self.slope * (self.leader_quantity + jnp.sum(s["quantity"]))


def stackelberg(followers: StackelbergFollowers) -> Leader:
    """The sequential game: the leader chooses `leader_quantity` to maximize its profit, then followers play.

    It chooses from [0, a/b], at the a and b that `followers` has when this is called.

    >>> from nashgrid.solver import solve
    >>> game = StackelbergFollowers(intercept=13.0, cost=(1.0,))
    >>> eq = solve(stackelberg(game), tol=1e-4, certify=False)  # quicker, without a search for deviations
    >>> round(float(eq.strategy["leader_quantity"]), 3), round(float(eq.payoff[0]), 3)
    (6.0, 18.0)
    """
    most = followers.intercept / followers.slope
    return Leader(followers, choose="leader_quantity", maximize="leader_profit", interval=(0.0, most))


def stackelberg_equilibrium(
    intercept: Float[Array, ""],
    slope: Float[Array, ""],
    leader_cost: Float[Array, ""],
    cost: Float[Array, ""],
    followers: int,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Quantities of the leader and of each of n followers with the same cost.

    While followers produce, the leader faces P = (a - b q_0 + n c)/(n + 1) and sets q_0 = (a + n c - (n + 1)
    c_0)/(2b); each follower adds (a - c - b q_0)/(b (n + 1)). For n = 1 and equal costs these are (a -
    c)/(2b) and (a - c)/(4b). If this q_0 would drive them out, the leader sets the larger of the quantity
    that just does, (a - c)/b, and the monopoly quantity (a - c_0)/(2b).

    Args:
        intercept: a, price units.
        slope: b > 0.
        leader_cost: c_0, price units.
        cost: c, marginal cost of every follower, price units.
        followers: n >= 1.

    >>> q = stackelberg_equilibrium(*(jnp.asarray(v) for v in (13.0, 1.0, 1.0, 1.0)), followers=1)
    >>> float(q[0]), float(q[1])
    (6.0, 3.0)
    """
    n = followers
    accommodating = jnp.maximum(intercept + n * cost - (n + 1) * leader_cost, 0.0) / (2.0 * slope)
    limit = jnp.maximum(intercept - cost, 0.0) / slope
    monopoly = jnp.maximum(intercept - leader_cost, 0.0) / (2.0 * slope)
    leader = jnp.where(accommodating <= limit, accommodating, jnp.maximum(limit, monopoly))
    follower = jnp.maximum(intercept - cost - slope * leader, 0.0) / (slope * (n + 1))
    return leader, follower
