"""A model's release: what closed and open phases of its life have in common, and what comes out of them.

See `quasi_public_good` for the theory.
"""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from nashgrid.solver import parameter

from ._access_report import access_equity, decomposition, first_best, publicness, static_loss
from ._access_stage import Access, access_benefit, access_usage
from ._user_groups import FixedCapacity


class Release(FixedCapacity):
    """What a model's release is about: pooling, hosting, complements, and public money. Abstract.

    Raises:
        ValueError: `hosting_cost` is neither one number nor one by group, or negative.
    """

    openness: Float[Array, ""] = parameter(0.0, "theta in [0, 1]: part of a model's life in which it is open")
    quality_spillover: Float[Array, ""] = parameter(0.2, "omega in [0, 1]: use of another's investment while closed")
    hosting_cost: Float[Array, ""] | Float[Array, " group"] = parameter(
        0.15, "h >= m: what a use of an open model costs its user; one number for all, or one by group"
    )
    hosting_gradient: Float[Array, ""] = parameter(0.0, "varsigma >= 0: rise of the hosting cost as need falls")
    hosting_support: Float[Array, ""] = parameter(0.0, "s in [0, 1]: public part of what hosting costs above m")
    access_fee: Float[Array, ""] = parameter(0.0, "F >= 0: what users of open models pay to their developers, per use")
    complementary_revenue: Float[Array, ""] = parameter(0.2, "b >= 0: developers' revenue per open use")
    subsidy: Float[Array, ""] = parameter(0.0, "tau >= 0: public subsidy (vouchers) per use")
    cofunding: Float[Array, ""] = parameter(0.0, "g in [0, 1): public part of the cost of investment")
    public_funds_cost: Float[Array, ""] = parameter(0.2, "chi >= 0: cost of raising a unit of public money")

    def __check_init__(self):
        groups, given = self.need.shape[-1], self.hosting_cost
        what = f"{type(self).__name__}: hosting_cost must be one number, or one for each of the {groups} user groups"
        if given.ndim > 0 and given.shape[-1] != groups:
            raise ValueError(f"{what} in the order of `need`, not of shape {given.shape}.")
        # By NumPy: under jit a comparison by JAX is traced, also that of a number that is known.
        if not isinstance(given, Tracer) and not bool(np.all(np.asarray(given) >= 0.0)):
            raise ValueError(f"{what}, and not negative or NaN: {given.tolist()}.")

    def closed_quality(self, investment: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """A_i = A0 + a_i + omega sum_{j != i} a_j."""
        every = self.quality_spillover * jnp.sum(investment)
        return self.base_quality + (1.0 - self.quality_spillover) * investment + every

    def open_quality(self, investment: Float[Array, " firm"]) -> Float[Array, ""]:
        """A = A0 + sum_j a_j."""
        return self.base_quality + jnp.sum(investment)

    def closed_cost(self) -> Float[Array, ""]:
        """m - tau, what a use costs a developer net of the subsidy."""
        return self.resource_cost - self.subsidy

    def open_usage(self, investment: Float[Array, " firm"]) -> Float[Array, " group"]:
        """Usage by group while the models are open."""
        return self.users().usage(self.need * self.open_quality(investment) - self.open_prices())

    def hosting_costs(self) -> Float[Array, " group"]:
        """h_k, by group: `hosting_cost`, its own or that of all, and varsigma (ybar - y_k)."""
        return self.hosting_cost - self.hosting_gradient * (self.need - self.users().mean_need())

    def hosting_premiums(self) -> Float[Array, " group"]:
        """max(h_k - m, 0), by group: what public money can pay of hosting; nobody is taxed for hosting cheaply."""
        return jnp.maximum(self.hosting_costs() - self.resource_cost, 0.0)

    def open_prices(self) -> Float[Array, " group"]:
        """h_k + F - tau - s max(h_k - m, 0)."""
        paid = self.hosting_support * self.hosting_premiums()
        return self.hosting_costs() - paid + (self.access_fee - self.subsidy)

    def open_revenue(self) -> Float[Array, ""]:
        """b + F, what a use of an open model brings to developers."""
        return self.complementary_revenue + self.access_fee

    def own_payoff(self, investment: Float[Array, " firm"], profit: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """(1 - theta) profit_i + theta (b + F) N_O/n - (1 - g) c a_i^2/2."""
        total = jnp.sum(self.mass * self.open_usage(investment))
        later = self.openness * self.open_revenue() * total / self.developers
        cost = (1.0 - self.cofunding) * self.investment_cost * jnp.square(investment) / 2.0
        return (1.0 - self.openness) * profit + later - cost

    def report(
        self, investment: Float[Array, " firm"], access: Access, price: Float[Array, " firm"]
    ) -> dict[str, Array]:
        """Outcomes, averages over a model's life; see `QuasiPublicGood.outcomes`."""
        users, theta = self.users(), self.openness
        before, after = self.closed_quality(investment), self.open_quality(investment)
        closed, opened = access_usage(users, before, access), self.open_usage(investment)
        sold, used = jnp.sum(access.quantity), jnp.sum(self.mass * opened)
        worth = access_benefit(users, self.substitutability, before, access), users.benefit(after, opened)
        paid = jnp.sum(price * access.quantity), jnp.sum(self.mass * self.open_prices() * opened)

        def average(first: Array, second: Array) -> Array:
            return (1.0 - theta) * first + theta * second

        total, usage = average(sold, used), average(closed, opened)
        profit = self.own_payoff(investment, (price - self.closed_cost()) * access.quantity)
        cost = self.investment_cost * jnp.sum(jnp.square(investment)) / 2.0
        support = theta * self.hosting_support * jnp.sum(self.mass * self.hosting_premiums() * opened)
        parts = decomposition(
            public_funds_cost=self.public_funds_cost,
            outlay=self.subsidy * total + self.cofunding * cost + support,
            consumer_surplus=average(worth[0] - paid[0], worth[1] - paid[1]),
            developer_profit=jnp.sum(profit),
            complement_buyers_gain=-theta * self.complementary_revenue * used,
            spillover_gain=self.spillover * total,
        )
        level = jnp.mean(before)
        rivals = (self.developers - 1) * jnp.mean(investment)
        wasted = average(
            static_loss(self, users, level, worth[0], sold), static_loss(self, users, after, worth[1], used)
        )
        public = (
            publicness(self, users, level, worth[0], sold),
            publicness(self, users, after, worth[1], used),
        )
        return {
            "quality": average(level, after),
            "knowledge_diffusion": average(self.quality_spillover * rivals, rivals),
            "usage": usage,
            "total_usage": total,
            "price": average(jnp.mean(price), jnp.sum(self.mass * self.open_prices())),
            **parts,
            "static_loss": wasted,
            "dynamic_loss": first_best(self, users).welfare - parts["welfare"] - wasted,
            **access_equity(usage, self.mass),
            **{name: average(public[0][name], public[1][name]) for name in public[0]},
        }
