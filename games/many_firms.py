"""Competition of any number of firms that meet in one total: Cournot, logit prices, a contest.

In these games a firm needs to know one number about all others (aggregative games: Selten, 1970, Preispolitik der
Mehrproduktenunternehmung; Anderson, Erkal and Piccinin, 2020, RAND Journal of Economics 51; Nocke and Schutz, 2018,
Econometrica 86): the quantity on the market, the attractions of all products, the effort spent. A million firms can be
solved for at once. Each of the games here has exactly one equilibrium in pure strategies: the shares of a total that
firms want fall as it rises (Cornes and Hartley, 2005, Economic Theory 26, for contests; Anderson, de Palma and Thisse,
1992, Discrete Choice Theory of Product Differentiation, for logit prices). Firms are numbered from 0.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import AggregativeGame, Profile, parameter

from ._measures import herfindahl


class ManyFirmCournot(AggregativeGame):
    """Cournot oligopoly with linear demand and constant marginal costs, with any number of firms.

    Profit of firm i: (a - b Q - c_i) q_i, with Q = sum_j q_j: `LinearCournot`, solved at a cost in proportion to the
    number of firms, the length of `cost`. See `many_firm_cournot_equilibrium` for the closed form.

    >>> from nashgrid.solver import solve
    >>> answer = solve(ManyFirmCournot(cost=jnp.linspace(1.0, 9.0, 5000)), tol=0.02)
    >>> round(float(answer.outcomes["price"]), 2)
    1.17
    """

    intercept: Float[Array, ""] = parameter(10.0, "a > 0: price at which demand is zero, price units")
    slope: Float[Array, ""] = parameter(1.0, "b > 0: fall of the price per unit of quantity")
    cost: Float[Array, " firm"] = parameter((1.0, 2.0, 3.0), "c >= 0: marginal cost by firm, price units")

    @property
    def firms(self) -> range:
        return range(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, self.intercept / self.slope)}

    def contribution(self, x: Float[Array, " firm"]) -> dict[str, Float[Array, " firm"]]:
        return {"total": x}

    def own_payoff(self, x: Float[Array, " firm"], total: Mapping[str, Float[Array, " firm"]]) -> Float[Array, " firm"]:
        return (self.intercept - self.slope * total["total"] - self.cost) * x

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Total quantity, price, consumer surplus b Q^2/2, welfare, the Herfindahl index and how many firms produce."""
        q = s["quantity"]
        total = self.aggregates(s)["total"]
        surplus = self.slope * jnp.square(total) / 2.0
        return {
            "total": total,
            "price": self.intercept - self.slope * total,
            "consumer_surplus": surplus,
            "welfare": surplus + jnp.sum(self.payoff(s)),
            "hhi": herfindahl(q),
            "active": jnp.sum((q > 0).astype(q.dtype)),
        }


def many_firm_cournot_equilibrium(
    intercept: Float[Array, ""], slope: Float[Array, ""], cost: Float[Array, " firm"]
) -> Float[Array, " firm"]:
    """Equilibrium quantities of `ManyFirmCournot`, inactive firms included.

    If the k firms with the lowest costs produce, P_k = (a + sum of their costs)/(k + 1); the right k gives the lowest
    of these prices, and q_i = max(0, P - c_i)/b.

    Args:
        intercept: a, price units.
        slope: b > 0.
        cost: marginal costs, by firm.
    """
    count = jnp.arange(1, cost.shape[0] + 1, dtype=cost.dtype)
    price = jnp.minimum(intercept, jnp.min((intercept + jnp.cumsum(jnp.sort(cost))) / (count + 1.0)))
    return jnp.maximum(price - cost, 0.0) / slope


class ManyFirmContest(AggregativeGame):
    """A contest for a prize, won with the probability of one's share in all effort (Tullock, 1980).

    Payoff of contestant i: v x_i / X - c_i x_i, with X = sum_j x_j, for at least two contestants. A race for a patent
    or for rents is the same game (Baye and Hoppe, 2003, Games and Economic Behavior 44). See
    `many_firm_contest_equilibrium` for the closed form.

    >>> from nashgrid.solver import solve
    >>> answer = solve(ManyFirmContest(cost=(1.0, 1.0, 3.0)), tol=1e-3)
    >>> [round(float(x), 3) for x in answer.strategy["effort"]]
    [0.25, 0.25, 0.0]
    """

    prize: Float[Array, ""] = parameter(1.0, "v > 0: value of the prize")
    cost: Float[Array, " firm"] = parameter((1.0, 1.0, 1.5), "c > 0: cost per unit of effort, by contestant")

    @property
    def firms(self) -> range:
        return range(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        # More effort costs more than the prize is worth.
        return {"effort": (0.0, self.prize / self.cost)}

    def contribution(self, x: Float[Array, " firm"]) -> dict[str, Float[Array, " firm"]]:
        return {"total": x}

    def own_payoff(self, x: Float[Array, " firm"], total: Mapping[str, Float[Array, " firm"]]) -> Float[Array, " firm"]:
        return self.prize * x / total["total"] - self.cost * x

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Total effort, the part of the prize that it costs, the Herfindahl index of the chances to win, and how many
        make an effort."""
        x = s["effort"]
        return {
            **self.aggregates(s),
            "dissipation": jnp.sum(self.cost * x) / self.prize,
            "hhi": herfindahl(x),
            "active": jnp.sum((x > 0).astype(x.dtype)),
        }


def many_firm_contest_equilibrium(prize: Float[Array, ""], cost: Float[Array, " firm"]) -> Float[Array, " firm"]:
    """Equilibrium efforts of `ManyFirmContest`, inactive contestants included (Hillman and Riley, 1989; Stein, 2002).

    If the k contestants with the lowest costs make an effort, X_k = v (k - 1)/(sum of their costs); the right k gives
    the highest of these totals, and x_i = X max(0, 1 - c_i X / v).

    Args:
        prize: v > 0.
        cost: costs per unit of effort, by contestant; at least two.
    """
    before = jnp.arange(cost.shape[0], dtype=cost.dtype)
    total = jnp.max(prize * before / jnp.cumsum(jnp.sort(cost)))
    return total * jnp.maximum(1.0 - cost * total / prize, 0.0)


class ManyFirmLogit(AggregativeGame):
    """Price competition under logit demand with an outside good, one product a firm, with any number of firms.

    Payoff of firm i: m (p_i - c_i) s_i with s_i = exp(d_i - alpha p_i)/(1 + H) and H = sum_j exp(d_j - alpha p_j): the
    single-product case of `LogitBertrand`, for a market of m consumers. In equilibrium p_i - c_i = 1/(alpha (1 - s_i));
    with many firms of the same size, 1/alpha: monopolistic competition (Anderson, de Palma and Thisse, 1992, ch. 7).

    >>> from nashgrid.solver import solve
    >>> answer = solve(ManyFirmLogit(quality=(1.0, 1.0, 1.0), cost=(0.0, 0.0, 0.0)), tol=1e-4)
    >>> [round(float(p), 3) for p in answer.strategy["price"]]
    [1.299, 1.299, 1.299]
    """

    quality: Float[Array, " firm"] = parameter((1.0, 1.0, 0.5), "d: mean utility at price 0, by firm")
    cost: Float[Array, " firm"] = parameter((0.0, 0.0, 0.0), "c: marginal cost by firm, price units")
    price_coefficient: Float[Array, ""] = parameter(1.0, "alpha > 0: fall of utility per price unit")
    mass: Float[Array, ""] = parameter(1.0, "m > 0: consumers")

    @property
    def firms(self) -> range:
        return range(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        # W0(exp(y)) < log(1 + exp(y)) bounds the markup (1 + W0)/alpha of a monopolist, which no best response exceeds.
        appeal = self.quality - self.price_coefficient * self.cost - 1.0
        return {"price": (self.cost, self.cost + 2.0 * (1.0 + jax.nn.softplus(appeal)) / self.price_coefficient)}

    def contribution(self, x: Float[Array, " firm"]) -> dict[str, Float[Array, " firm"]]:
        return {"attraction": jnp.exp(self.quality - self.price_coefficient * x)}

    def own_payoff(self, x: Float[Array, " firm"], total: Mapping[str, Float[Array, " firm"]]) -> Float[Array, " firm"]:
        share = jnp.exp(self.quality - self.price_coefficient * x) / (1.0 + total["attraction"])
        return self.mass * (x - self.cost) * share

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """The sum of attractions H, the share of the outside good, consumer surplus m log(1 + H)/alpha, welfare and the
        Herfindahl index of the firms' sales."""
        attraction = self.aggregates(s)["attraction"]
        surplus = self.mass * jnp.log1p(attraction) / self.price_coefficient
        return {
            "attraction": attraction,
            "outside": 1.0 / (1.0 + attraction),
            "consumer_surplus": surplus,
            "welfare": surplus + jnp.sum(self.payoff(s)),
            "hhi": herfindahl(self.contribution(s["price"])["attraction"]),
        }
