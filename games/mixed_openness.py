"""Some developers are open, the others closed, and their models compete.

Of n developers k are open: users host their models at the cost h. What they invest is in every model, the investment of
a closed developer only in its own and, by omega, in the others':

    open:    A_O = A0 + sum_O a_j + omega sum_C a_j,
    closed:  A_i = A0 + a_i + sum_O a_j + omega sum_{C, j != i} a_j.

Access to model i is worth p_i = ybar A_i - (1 - d) q_i - (d - eta) N, all groups served, d < 1. Closed developers
compete in quantities and foresee how much users turn to open models, where p = h: with b' = d - eta and s = 1 + k
b'/(1 - d) a quantity more raises N by 1/s only, and

    q_i = (ybar A_i - m - b' N)/(2 (1 - d) + b'/s),    profit [(1 - d) + b'/s] q_i^2,
    q_O = (ybar A_O - h - b' N)/(1 - d),               revenue from complements b q_O for each open developer.

Investment is chosen before. k = 0 and k = n are the closed and the open regime of `quasi_public_good`, theta = 0 and 1.
Whether developers open is a `Stage` (`opening_by_developers`): opening is then an equilibrium, not a mandate. Derived:
what open models do to the prices of closed ones. Assumed: what is open is of use to all, and is worth b per use to its
developer.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Profile, Stage, StageRule, parameter

from ._access_report import access_equity
from ._access_stage import Access, access_benefit, access_usage
from ._largest import largest
from ._user_groups import FixedCapacity, check_one_hosting_cost


class MixedOpenness(FixedCapacity):
    """Investment of open and closed developers, before users turn to the models of both.

    Firms "developer 1", ...; strategy "investment". Outcomes are NaN where a group would use, or a model be used, a
    negative amount: the formulas have no corners.

    >>> game = MixedOpenness(open=(0.0, 0.0, 1.0))
    >>> [round(float(q), 4) for q in game.sales(jnp.zeros(3))]
    [0.2917, 0.2917, 0.6204]
    """

    open: Float[Array, " firm"] = parameter((0.0, 0.0, 1.0), "0 closed, 1 open, by developer; nothing between")
    quality_spillover: Float[Array, ""] = parameter(0.2, "omega in [0, 1]: use of a closed developer's investment")
    hosting_cost: Float[Array, ""] = parameter(0.15, "h >= m: what a use of an open model costs its user")
    complementary_revenue: Float[Array, ""] = parameter(0.2, "b >= 0: a developer's revenue per use of its open model")

    def __check_init__(self):
        check_one_hosting_cost(self, self.hosting_cost)

    def quality(self, investment: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """A_O and A_i, by developer."""
        free = jnp.sum(self.open * investment)
        kept = (1.0 - self.open) * investment
        spilled = self.quality_spillover * jnp.sum(kept)
        return self.base_quality + free + spilled + (1.0 - self.quality_spillover) * kept

    def sales(self, investment: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """q_i of closed developers and q_O of open ones, as the formulas give them."""
        value, divisor, slack = self._demand(investment)
        total = jnp.sum(value / divisor) / (1.0 + slack * jnp.sum(1.0 / divisor))
        return (value - slack * total) / divisor

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Twice what a best response can be; NaN unless d < 1, eta < D, and the marginal profit of a closed developer
        rises less with all investments together than the marginal cost with its own."""
        sold, rise = self._linear_sales()
        own, closed = jnp.abs(_diagonal(rise)), 1.0 - self.open
        gain = closed * 2.0 * self._margin() * own
        marginal = gain * jnp.maximum(sold, 0.0) + self.open * self.complementary_revenue * own
        spare = self.investment_cost - largest(gain * jnp.sum(jnp.abs(rise), axis=1))
        fine = (spare > 0.0) & (self.substitutability < 1.0) & (self.users().network < self.slope())
        return {"investment": (0.0, jnp.where(fine, 2.0 * largest(marginal) / jnp.where(fine, spare, 1.0), jnp.nan))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        sales = self.sales(s["investment"])
        closed = self._margin() * jnp.square(jnp.maximum(sales, 0.0))
        opened = self.complementary_revenue * sales
        revenue = jnp.where(self.open > 0.0, opened, closed)
        return revenue - self.investment_cost * jnp.square(s["investment"]) / 2.0

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Qualities, sales, prices, the number of open models and their part of usage, usage by group and in total,
        welfare (hosting at its cost h, complements as a transfer) and the measures of `access_equity`."""
        quality, sales, users = self.quality(s["investment"]), self.sales(s["investment"]), self.users()
        everybody = Access(sales, jnp.sum(self.mass), users.mean_need(), jnp.ones_like(self.mass))
        usage, total = access_usage(users, quality, everybody), jnp.sum(sales)
        price = jnp.where(self.open > 0.0, self.hosting_cost, self.resource_cost + self._margin() * sales)
        benefit = access_benefit(users, self.substitutability, quality, everybody)
        spent = self.investment_cost * jnp.sum(jnp.square(s["investment"])) / 2.0
        hosted = jnp.sum(self.open * sales)
        premium = (self.hosting_cost - self.resource_cost) * hosted
        welfare = benefit + (self.spillover - self.resource_cost) * total - premium - spent
        found = {
            "quality": quality,
            "sales": sales,
            "price": price,
            "open_models": jnp.sum(self.open),
            "open_share": hosted / total,
            "usage": usage,
            "total_usage": total,
            "welfare": welfare,
            **access_equity(usage, self.mass),
        }
        inside = jnp.all(sales >= 0.0) & jnp.all(usage >= 0.0)
        return {name: jnp.where(inside, value, jnp.nan) for name, value in found.items()}

    def _demand(
        self, investment: Float[Array, " firm"]
    ) -> tuple[Float[Array, " firm"], Float[Array, " firm"], Float[Array, ""]]:
        """v_i, t_i and b' of q_i = (v_i - b' N)/t_i."""
        d, slack = self.substitutability, self.substitutability - self.users().network
        cost = jnp.where(self.open > 0.0, self.hosting_cost, self.resource_cost)
        value = self.users().mean_need() * self.quality(investment) - cost
        return value, jnp.where(self.open > 0.0, 1.0 - d, 1.0 - d + self._margin()), slack

    def _margin(self) -> Float[Array, ""]:
        """(1 - d) + b'/s, by which the price of a closed model falls with its quantity."""
        d, slack = self.substitutability, self.substitutability - self.users().network
        return 1.0 - d + slack / (1.0 + jnp.sum(self.open) * slack / (1.0 - d))

    def _linear_sales(self) -> tuple[Float[Array, " firm"], Float[Array, "firm firm"]]:
        """Sales without investment, and their derivatives: sales are linear in investment."""
        zero = jnp.zeros_like(self.open)
        return self.sales(zero), jax.jacfwd(self.sales)(zero)


def mixed_openness_investment(game: MixedOpenness) -> Float[Array, " firm"]:
    """Equilibrium investment: with R the derivatives of sales and S the slope of a closed model's price,

        c a_i = b R_ii (open),    c a_i = 2 S R_ii (q_i(0) + sum_j R_ij a_j) (closed).

    NaN where the bounds of the game are.
    """
    sold, rise = game._linear_sales()
    own, opened = _diagonal(rise), game.open
    gain = (1.0 - opened) * 2.0 * game._margin() * own
    matrix = game.investment_cost * jnp.eye(len(game.firms), dtype=sold.dtype) - gain[:, None] * rise
    a = jnp.linalg.solve(matrix, gain * sold + opened * game.complementary_revenue * own)
    return jnp.where(jnp.isnan(game.bounds()["investment"][1]), jnp.nan, a)


def opening_by_developers(game: MixedOpenness, *, rule: StageRule | None = None) -> Stage:
    """The whole game: all developers decide at once whether to open, then invest, then access is sold."""
    return Stage(game, "open", choices=(0.0, 1.0), rule=rule)


def _diagonal(matrix: Float[Array, "firm firm"]) -> Float[Array, " firm"]:
    return jnp.sum(jnp.where(np.eye(matrix.shape[0], dtype=bool), matrix, 0.0), axis=1)
