"""Compute capacity that an operator provides: congestion as a choice.

Congestion takes (rho/kappa) N from the value of each use. An operator hosts open models at the price h and builds the
capacity kappa at the cost r kappa, while developers invest as in the open regime of `quasi_public_good`: a = b ybar/(n
c (D - eta)), eta = xi - rho/kappa. With Delta = D - xi and V = ybar A - h usage is N = V kappa/(Delta kappa + rho). The
operator maximizes lambda W + (1 - lambda)[(h - m) N - r kappa]:

* for profit, lambda = 0: kappa = [sqrt((h - m) V rho/r) - rho]/Delta at the quality A, where positive
  (`operator_capacity`): capacity rises with the root of the margin, and at h = m nobody builds any.
* a planner who also chooses usage and quality follows a square-root rule, kappa = N sqrt(rho/r): what congestion and
  capacity cost together is 2 sqrt(rho r) per use, as if capacity were a resource (`planned_capacity`).

An operator that counts welfare but has to take usage as it comes at the price h is between: no closed form. All choose
at once. Derived: the three rules. Assumed: one operator, constant cost of capacity, a given price h.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Profile, parameter

from ._access_report import FirstBest, access_equity, first_best
from ._largest import largest
from ._measures import firm_names
from ._user_groups import UserGroups, Users, check_one_hosting_cost

# The least capacity, in parts of the largest: congestion has no limit at none.
_LEAST = 1e-3


class ComputeCapacity(UserGroups):
    """An operator chooses compute capacity, developers investment in open models.

    Firms "operator", "developer 1", ...; strategies "capacity", of shape (1,), and "investment" by developer. Capacity
    is between 0.001 and 2 times what could pay if nothing else were scarce.

    >>> from nashgrid.solver import Newton, solve
    >>> game = ComputeCapacity(complementary_revenue=0.0, hosting_cost=0.5)
    >>> eq = solve(game, Newton(), tol=1e-4, certify=False)
    >>> round(float(eq.strategy["capacity"][0]), 4), round(float(operator_capacity(game, game.base_quality)), 4)
    (1.6875, 1.6875)
    """

    hosting_cost: Float[Array, ""] = parameter(0.3, "h >= m: price of a use of an open model at the operator")
    capacity_cost: Float[Array, ""] = parameter(0.02, "r > 0: cost of a unit of compute capacity")
    complementary_revenue: Float[Array, ""] = parameter(0.2, "b >= 0: developers' revenue per open use")
    welfare_weight: Float[Array, ""] = parameter(0.0, "lambda in [0, 1]: weight of welfare for the operator")

    def __check_init__(self):
        check_one_hosting_cost(self, self.hosting_cost)

    @property
    def firms(self) -> tuple[str, ...]:
        return ("operator", *firm_names(self.developers, "developer"))

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"capacity": (0,), "investment": tuple(range(1, self.developers + 1))}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"capacity": ("operator",), "investment": ("developer",), "usage": ("group",)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """NaN unless xi < D."""
        free = Users(self.mass, self.need, self.slope(), self.network_externality)
        spare = free.slope - free.network
        fine = spare > 0.0
        gap = jnp.where(fine, spare, 1.0)
        rise = self.complementary_revenue * free.mean_need() / (self.developers * self.investment_cost * gap)
        quality = self.base_quality + 2.0 * self.developers * rise
        usage = largest(free.usage(self.need * quality - self.hosting_cost))
        worth = jnp.abs(self.hosting_cost - self.resource_cost) + jnp.abs(self.spillover) + self.slope() * usage
        most = 2.0 * jnp.sqrt(worth * usage * self.rivalry / (self.capacity_cost * gap)) + self.rivalry
        most = jnp.where(fine, most, jnp.nan)
        return {"capacity": (_LEAST * most, most), "investment": (0.0, jnp.where(fine, 2.0 * rise, jnp.nan))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        usage, total = self._use(s)
        profit = self._profit(s, total)
        lam = self.welfare_weight
        operator = lam * self._welfare(s, usage, total) + (1.0 - lam) * profit
        cost = self.investment_cost * jnp.square(s["investment"]) / 2.0
        revenue = self.complementary_revenue * total / self.developers
        return jnp.concatenate([operator[None], revenue - cost])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Quality, usage, congestion (rho/kappa) N per use, the operator's profit, welfare, and the measures of
        `access_equity`."""
        usage, total = self._use(s)
        return {
            "quality": self._quality(s),
            "usage": usage,
            "total_usage": total,
            "congestion": self.rivalry / s["capacity"][0] * total,
            "operator_profit": self._profit(s, total),
            "welfare": self._welfare(s, usage, total),
            **access_equity(usage, self.mass),
        }

    def _quality(self, s: Profile) -> Float[Array, ""]:
        return self.base_quality + jnp.sum(s["investment"])

    def _use(self, s: Profile) -> tuple[Float[Array, " group"], Float[Array, ""]]:
        usage = self.users_at(s["capacity"][0]).usage(self.need * self._quality(s) - self.hosting_cost)
        return usage, jnp.sum(self.mass * usage)

    def _profit(self, s: Profile, total: Float[Array, ""]) -> Float[Array, ""]:
        return (self.hosting_cost - self.resource_cost) * total - self.capacity_cost * s["capacity"][0]

    def _welfare(self, s: Profile, usage: Float[Array, " group"], total: Float[Array, ""]) -> Float[Array, ""]:
        benefit = self.users_at(s["capacity"][0]).benefit(self._quality(s), usage)
        spent = self.capacity_cost * s["capacity"][0]
        cost = self.investment_cost * jnp.sum(jnp.square(s["investment"])) / 2.0
        return benefit + (self.spillover - self.resource_cost) * total - spent - cost


def operator_capacity(game: ComputeCapacity, quality: Float[Array, ""]) -> Float[Array, ""]:
    """The capacity of an operator for profit at a given quality, all groups served.

    max(0, sqrt((h - m) V rho/r) - rho)/(D - xi), V = ybar A - h.
    """
    value = jnp.sum(game.mass * game.need) * quality - game.hosting_cost
    margin = jnp.maximum((game.hosting_cost - game.resource_cost) * value, 0.0)
    positive = margin * game.rivalry > 0.0
    root = jnp.sqrt(jnp.where(positive, margin * game.rivalry / game.capacity_cost, 1.0))
    root = jnp.where(positive, root, 0.0)
    return jnp.maximum(root - game.rivalry, 0.0) / (game.slope() - game.network_externality)


def planned_capacity(game: ComputeCapacity) -> tuple[FirstBest, Float[Array, ""]]:
    """What a planner chooses: quality, usage, welfare, and the capacity N sqrt(rho/r).

    The first best without congestion, at a resource cost higher by 2 sqrt(rho r).
    """
    costly = eqx.tree_at(
        lambda g: g.resource_cost, game, game.resource_cost + 2.0 * jnp.sqrt(game.rivalry * game.capacity_cost)
    )
    free = Users(game.mass, game.need, game.slope(), game.network_externality)
    best = first_best(costly, free)
    return best, jnp.sum(game.mass * best.usage) * jnp.sqrt(game.rivalry / game.capacity_cost)
