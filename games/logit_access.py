"""Access to a language model with bounded shares: the quasi-public good with smooth (logit) demand.

A member of group k takes one of n models or none (Anderson, de Palma and Thisse, 1992, Discrete Choice Theory of
Product Differentiation), with the utilities

    u_ik = y_k A_i + eta N - alpha_k p_i,     eta = xi - rho/kappa,     none: 0,

and tastes that are extreme-value distributed with scale t: s_ik = exp(u_ik/t)/(1 + sum_j exp(u_jk/t)). Usage N = sum_k
mu_k sum_i s_ik lies in (0, 1) whatever the parameters; nobody is excluded, some hardly use a model. Users and
developers take the network that is expected as given, and expectations are fulfilled (Katz and Shapiro, 1985, American
Economic Review 75): N is the strategy of a player of its own, "network", that gains by being right. One N fits given
prices and qualities if eta < 4 t; above, several may.

Closed models: price p_i and investment a_i at once, A_i = A0 + a_i + omega sum_{j != i} a_j, profit sum_k mu_k (p_i -
m) s_ik - c a_i^2/2. Open models: A = A0 + sum_j a_j for all, the price is the hosting cost h, and developers share the
revenue b N. For one group the closed price is p = m + t/(alpha (1 - s_i)).

The same questions as in `quasi_public_good`, with demand that has no kinks and no closed form; and the developers do
not count the network that their own users make, as they do there.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Profile, parameter

from ._access_report import access_equity
from ._largest import largest
from ._measures import firm_names, herfindahl
from ._user_groups import FixedCapacity, check_one_hosting_cost


class LogitAccess(FixedCapacity):
    """Developers choose prices of access and investment; users choose one model or none; expectations are fulfilled.

    Firms "developer 1", ... and "network"; strategies "price" and "investment" by developer, and "total_usage", of
    shape (1,). With `openness` 1 the price is held at the hosting cost.

    >>> game = LogitAccess()
    >>> usage = game.choice(jnp.full(3, game.resource_cost), jnp.ones(3), jnp.asarray(0.5)).sum(axis=1)
    >>> [round(float(share), 3) for share in usage]
    [0.917, 0.953, 0.973]
    """

    openness: Float[Array, ""] = parameter(0.0, "0 closed, 1 open; nothing between")
    price_sensitivity: Float[Array, " group"] = parameter((1.0, 1.0, 1.0), "alpha > 0: fall of utility per price unit")
    scale: Float[Array, ""] = parameter(0.5, "t > 0: scale of tastes, utility units")
    quality_spillover: Float[Array, ""] = parameter(0.2, "omega in [0, 1]: use of another's investment while closed")
    hosting_cost: Float[Array, ""] = parameter(0.15, "h >= m: what a use of an open model costs its user")
    complementary_revenue: Float[Array, ""] = parameter(0.2, "b >= 0: developers' revenue per open use")

    def __check_init__(self):
        check_one_hosting_cost(self, self.hosting_cost)

    @property
    def firms(self) -> tuple[str, ...]:
        return (*firm_names(self.developers, "developer"), "network")

    def owners(self) -> dict[str, tuple[int, ...]]:
        every = tuple(range(self.developers))
        return {"price": every, "investment": every, "total_usage": (self.developers,)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        every = ("developer",)
        return {
            "price": every,
            "investment": every,
            "total_usage": ("network",),
            "usage": ("group",),
            "sales": every,
        }

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Prices up to m plus twice (t + max(u, 0))/alpha, u the utility at p = 0, bounds of a monopolist's."""
        opened, users = self.openness, self.users()
        most = self._most_investment()
        pooled = 1.0 + self.quality_spillover * (self.developers - 1)
        utility = self.need * (self.base_quality + pooled * most) + jnp.maximum(users.network, 0.0)
        markup = largest((self.scale + jnp.maximum(utility, 0.0)) / self.price_sensitivity)
        host, cost = opened * self.hosting_cost, (1.0 - opened) * self.resource_cost
        return {
            "price": (host + cost, host + cost + (1.0 - opened) * 2.0 * markup),
            "investment": (0.0, most),
            "total_usage": (0.0, jnp.sum(self.mass)),
        }

    def start(self) -> dict[str, ArrayLike]:
        """At the markup t/alpha of very many developers, with little investment and half of all as users."""
        opened = self.openness
        markup = self.scale / jnp.mean(self.price_sensitivity)
        price = opened * self.hosting_cost + (1.0 - opened) * (self.resource_cost + markup)
        return {"price": price, "investment": 0.1 * self._most_investment(), "total_usage": 0.5 * jnp.sum(self.mass)}

    def quality(self, investment: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """A_i = A0 + a_i + omega sum_{j != i} a_j, with omega = 1 for open models."""
        spill = self.quality_spillover + (1.0 - self.quality_spillover) * self.openness
        return self.base_quality + (1.0 - spill) * investment + spill * jnp.sum(investment)

    def choice(
        self, price: Float[Array, " firm"], quality: Float[Array, " firm"], expected: Float[Array, ""]
    ) -> Float[Array, "group firm"]:
        """s_ik: the shares of each group that take each model."""
        utility = self.utility(price, quality, expected)
        most = jnp.maximum(jax.lax.stop_gradient(jnp.max(utility, axis=1)), 0.0)
        odds = jnp.exp(utility - most[:, None])
        return odds / (jnp.exp(-most) + jnp.sum(odds, axis=1))[:, None]

    def utility(
        self, price: Float[Array, " firm"], quality: Float[Array, " firm"], expected: Float[Array, ""]
    ) -> Float[Array, "group firm"]:
        """u_ik/t."""
        worth = self.need[:, None] * quality[None, :] - self.price_sensitivity[:, None] * price[None, :]
        return (worth + self.users().network * expected) / self.scale

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        sales = self._sales(s)
        total = jnp.sum(sales)
        closed = (s["price"] - self.resource_cost) * sales
        opened = self.complementary_revenue * total / self.developers
        revenue = (1.0 - self.openness) * closed + self.openness * opened
        profit = revenue - self.investment_cost * jnp.square(s["investment"]) / 2.0
        return jnp.concatenate([profit, -jnp.square(s["total_usage"] - total)])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Mean quality, sales, usage by group, consumer surplus (log-sums in money), spillover, welfare (payoffs of
        developers, surplus and spillover less the revenue that buyers of complements pay), the Herfindahl index, and
        the measures of `access_equity`."""
        quality, sales = self.quality(s["investment"]), self._sales(s)
        utility = self.utility(s["price"], quality, s["total_usage"][0])
        inclusive = jax.nn.logsumexp(jnp.concatenate([jnp.zeros_like(utility[:, :1]), utility], axis=1), axis=1)
        surplus = jnp.sum(self.mass * self.scale / self.price_sensitivity * inclusive)
        usage = jnp.sum(self.choice(s["price"], quality, s["total_usage"][0]), axis=1)
        total = jnp.sum(sales)
        paid = self.openness * self.complementary_revenue * total
        return {
            "quality": jnp.mean(quality),
            "sales": sales,
            "usage": usage,
            "consumer_surplus": surplus,
            "spillover_gain": self.spillover * total,
            "welfare": surplus + jnp.sum(self.payoff(s)[:-1]) + self.spillover * total - paid,
            "hhi": herfindahl(sales),
            **access_equity(usage, self.mass),
        }

    def _sales(self, s: Profile) -> Float[Array, " firm"]:
        chosen = self.choice(s["price"], self.quality(s["investment"]), s["total_usage"][0])
        return jnp.sum(self.mass[:, None] * chosen, axis=0)

    def _most_investment(self) -> Float[Array, ""]:
        """A unit of quality raises a closed profit by at most max y/alpha per user, open sales by max y/(4 t)."""
        closed = largest(self.need / self.price_sensitivity) * jnp.sum(self.mass)
        opened = self.complementary_revenue * largest(self.need) * jnp.sum(self.mass) / (4.0 * self.scale)
        benefit = (1.0 - self.openness) * closed + self.openness * opened / self.developers
        return 1.1 * benefit / self.investment_cost
