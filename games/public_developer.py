"""A public developer among private ones: how much should it care for welfare?

The access stage of `quasi_public_good` at a given quality, with n developers, of whom the first is public: it maximizes
lambda W + (1 - lambda) pi_0, private ones maximize pi_i (a mixed oligopoly: De Fraja and Delbono, 1989, Oxford Economic
Papers 41; with a partly public firm: Matsumura, 1998, Journal of Public Economics 70). With all groups served

    private:  ybar A - m - (d - eta) N - (2 - d - eta) q_i = 0,
    public:   lambda [ybar A - m + eps - (1 - d) q_0 - (d - 2 eta) N]
              + (1 - lambda)[ybar A - m - (d - eta) N - (2 - d - eta) q_0] = 0.

A public developer that counts welfare only drives private ones back so far that the variety of models suffers; the best
lambda for welfare can be inside (0, 1) (`public_weight`). Derived here, at given quality and without the cost of public
money: neither incentives to invest nor the public developer's own efficiency are modelled.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Leader, Profile, parameter

from ._access_report import access_equity, best_use_welfare
from ._access_stage import Access, access_benefit, access_prices, access_usage, serving
from ._largest import largest
from ._measures import firm_names, herfindahl
from ._user_groups import FixedCapacity


class PublicDeveloper(FixedCapacity):
    """Access sold by one public developer and n - 1 private ones, at the base quality.

    Firms "public", "private 1", ...; strategy "access", q_i, at the price at which the neediest groups, all or a few,
    demand the quantities. The equilibrium with all groups served is `public_developer_access`. Investments play no
    part.

    >>> [round(float(q), 4) for q in public_developer_access(PublicDeveloper(welfare_weight=0.5))]
    [0.564, 0.2687, 0.2687]
    """

    welfare_weight: Float[Array, ""] = parameter(1.0, "lambda in [0, 1]: weight of welfare for the public developer")

    @property
    def firms(self) -> tuple[str, ...]:
        return ("public", *firm_names(self.developers - 1, "private"))

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Up to twice the most usage that a planner or a free market could want; NaN unless eta < D/2."""
        users = self.users()
        margin = self.need * self.base_quality - self.resource_cost + jnp.maximum(self.spillover, 0.0)
        most = users.total(margin, 2.0), users.total(margin)
        return {"access": (0.0, 2.0 * jnp.maximum(most[0], most[1]))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        profit, lam = self._profit(s), self.welfare_weight
        first = lam * self._welfare(s) + (1.0 - lam) * profit[0]
        return jnp.concatenate([first[None], profit[1:]])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Prices, profits, total usage, usage by group, consumer surplus, welfare, what of it is lost by the use that
        is made of the models, the Herfindahl index, and the measures of `access_equity`."""
        access, profit, welfare = self._access(s), self._profit(s), self._welfare(s)
        usage, total = access_usage(self.users(), self._quality(), access), jnp.sum(s["access"])
        return {
            "price": self._prices(s),
            "profit": profit,
            "total_usage": total,
            "usage": usage,
            "consumer_surplus": welfare - jnp.sum(profit) - self.spillover * total,
            "welfare": welfare,
            "static_loss": best_use_welfare(self, self.users(), self.base_quality) - welfare,
            "hhi": herfindahl(s["access"]),
            **access_equity(usage, self.mass),
        }

    def _quality(self) -> Float[Array, " firm"]:
        return jnp.broadcast_to(self.base_quality, (self.developers,))

    def _prices(self, s: Profile) -> Float[Array, " firm"]:
        return largest(access_prices(self.users(), self.substitutability, self._quality(), s["access"]))

    def _profit(self, s: Profile) -> Float[Array, " firm"]:
        return (self._prices(s) - self.resource_cost) * s["access"]

    def _access(self, s: Profile) -> Access:
        prices = access_prices(self.users(), self.substitutability, self._quality(), s["access"])
        sold = jnp.broadcast_to(s["access"][None, :], prices.shape)
        return serving(self.users(), jnp.mean(prices, axis=1), sold)

    def _welfare(self, s: Profile) -> Float[Array, ""]:
        benefit = access_benefit(self.users(), self.substitutability, self._quality(), self._access(s))
        return benefit + (self.spillover - self.resource_cost) * jnp.sum(s["access"])


def public_developer_access(game: PublicDeveloper) -> Float[Array, " firm"]:
    """Equilibrium quantities where all groups are served; private ones sell nothing where the formula is negative.

    Two linear equations, see the module. NaN unless eta < D/2, which bounds what a planner wants.
    """
    users, n, d, lam = game.users(), game.developers, game.substitutability, game.welfare_weight
    eta = users.network
    value = users.mean_need() * game.base_quality - game.resource_cost
    common, own = d - eta, 2.0 - d - eta
    # lambda-weighted: how the public developer's gain falls with its own quantity, and with all.
    direct, crowd = lam * (1.0 - d) + (1.0 - lam) * own, lam * (d - 2.0 * eta) + (1.0 - lam) * common
    wanted = value + lam * game.spillover
    private = own + common * (n - 1)
    determinant = (direct + crowd) * private - crowd * (n - 1) * common
    first = (wanted * private - crowd * (n - 1) * value) / determinant
    others = ((direct + crowd) * value - common * wanted) / determinant
    alone = others < 0.0
    first = jnp.where(alone, wanted / (direct + crowd), first)
    others = jnp.where(alone, 0.0, others)
    both = jnp.concatenate([first[None], jnp.broadcast_to(others, (n - 1,))])
    return jnp.where(2.0 * eta < users.slope, both, jnp.nan)


def public_weight(game: PublicDeveloper) -> Leader:
    """The sequential game: the weight of welfare is chosen for welfare before access is sold."""
    return Leader(game, choose="welfare_weight", maximize="welfare", interval=(0.0, 1.0))
