"""Groups of users who need a language model more or less: what they use at given quality and prices.

A member of group k who uses Q in all, in equal parts of n models of quality A, has the benefit y_k A Q - D Q^2/2 + eta
N Q, D = (1 + d (n - 1))/n, and takes the total N = sum_k mu_k Q_k as given. At the price p_k it uses

    Q_k = max(0, (y_k A - p_k + eta N)/D).

Users' totals in terms of N are convex. Thus with eta < D, S any set of groups and M its mass,

    N = max_S sum_{k in S} mu_k (y_k A - p_k) / (D - M eta),

0 for nobody. Which set it is depends on needs and prices: it is not always the neediest that stay, as hosting may be
dearer for them. From N = 0 on, "those who would use something at N" and "N if just these do" lead there upwards, the
set growing or shrinking with every step, so that as many steps as there are groups are enough: the total is exact.

While a model is closed all pay the same price, and groups leave in the order of their needs. S_j are then the groups
that need the model at least as much as group j, M_j their mass.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, parameter

from ._measures import firm_names


class Users(eqx.Module):
    """The demand side: masses and needs of the groups, and how a use is worth less, or more, with others' uses."""

    mass: Float[Array, " group"]
    need: Float[Array, " group"]
    slope: Float[Array, ""]
    network: Float[Array, ""]

    def sets(self) -> Float[Array, "set group"]:
        """1 where group k is in S_j, the groups that need the model at least as much as group j."""
        return (self.need[None, :] >= self.need[:, None]).astype(self.need.dtype)

    def reach(self) -> Float[Array, " set"]:
        """M_j, the mass of S_j."""
        return jnp.sum(self.sets() * self.mass[None, :], axis=1)

    def mean_need(self) -> Float[Array, ""]:
        """sum_k mu_k y_k."""
        return jnp.sum(self.mass * self.need)

    def mean_needs(self) -> Float[Array, " set"]:
        """The mean need in each S_j."""
        return jnp.sum(self.sets() * (self.mass * self.need)[None, :], axis=1) / self.reach()

    def total(self, value: Float[Array, " group"], times: float = 1.0) -> Float[Array, ""]:
        """N where members of group k use max(0, (v_k + times eta N)/D); NaN unless times eta < D, or at a NaN."""
        feedback = times * self.network
        total = jnp.zeros_like(self.slope)
        for _ in range(value.shape[0]):
            # What is not a number is not idle, so that the total is none.
            idle = value + feedback * total <= 0.0
            worth, reach = jnp.sum(jnp.where(idle, 0.0, self.mass * value)), jnp.sum(jnp.where(idle, 0.0, self.mass))
            total = worth / (self.slope - feedback * reach)
        return jnp.where(feedback < self.slope, total, jnp.nan)

    def usage(self, value: Float[Array, " group"], times: float = 1.0) -> Float[Array, " group"]:
        """Usage of each group, with `total` as the total."""
        total = self.total(value, times)
        return jnp.maximum(value + times * self.network * total, 0.0) / self.slope

    def benefit(self, quality: Float[Array, ""], usage: Float[Array, " group"]) -> Float[Array, ""]:
        """sum_k mu_k (y_k A Q_k - D Q_k^2/2) + eta N^2, for models of the same quality."""
        own = self.need * quality * usage - self.slope * jnp.square(usage) / 2.0
        return jnp.sum(self.mass * own) + self.network * jnp.square(jnp.sum(self.mass * usage))


class UserGroups(Game):
    """What the games about quasi-public goods share: users, the cost of quality and the value to others. Abstract."""

    mass: Float[Array, " group"] = parameter((0.3, 0.4, 0.3), "mu > 0: mass of each user group, sum 1")
    need: Float[Array, " group"] = parameter((0.7, 1.0, 1.3), "y > 0: value of a use per unit of quality, by group")
    substitutability: Float[Array, ""] = parameter(0.6, "d in [0, 1]: substitutability of the developers' models")
    network_externality: Float[Array, ""] = parameter(0.2, "xi: value of a use per unit of all usage")
    rivalry: Float[Array, ""] = parameter(0.1, "rho >= 0: congestion, loss per use and unit of usage over capacity")
    spillover: Float[Array, ""] = parameter(0.15, "eps: value of a use to those who do not use")
    resource_cost: Float[Array, ""] = parameter(0.1, "m >= 0: resource cost per use")
    base_quality: Float[Array, ""] = parameter(1.0, "A0 > 0: quality without investment")
    investment_cost: Float[Array, ""] = parameter(12.0, "c > 0: slope of the marginal cost of a developer's investment")
    developers: int = eqx.field(static=True, default=3)

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.developers, "developer")

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"usage": ("group",)}

    def slope(self) -> Float[Array, ""]:
        """D = (1 + d (n - 1))/n."""
        return (1.0 + self.substitutability * (self.developers - 1)) / self.developers

    def users_at(self, capacity: ArrayLike) -> Users:
        """The demand side at a compute capacity: eta = xi - rho/kappa."""
        return Users(self.mass, self.need, self.slope(), self.network_externality - self.rivalry / capacity)


def check_one_hosting_cost(game: UserGroups, given: Float[Array, ""]) -> None:
    """Refuse a hosting cost by group where a model has one for all: by broadcasting it would be taken for another.

    Raises:
        ValueError: it is no single number.
    """
    if given.ndim:
        raise ValueError(
            f"{type(game).__name__}: hosting_cost must be one number, not of shape {given.shape}; only QuasiPublicGood "
            "and its relatives take one by user group."
        )


class FixedCapacity(UserGroups):
    """User groups who share a given compute capacity. Abstract."""

    capacity: Float[Array, ""] = parameter(1.0, "kappa > 0: compute capacity that all usage shares")

    def users(self) -> Users:
        """The demand side."""
        return self.users_at(self.capacity)
