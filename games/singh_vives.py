"""Quantity and price competition in differentiated goods.

The model of Singh and Vives (1984, RAND Journal of Economics 15). A consumer with quasi-linear utility
sum_i alpha_i q_i - (1 - gamma)/2 sum_i q_i^2 - gamma/2 (sum_i q_i)^2 buys one good from each of n firms.
Inverse demand is p_i = alpha_i - q_i - gamma sum_{j != i} q_j (own slope normalized to 1), where gamma = 0
makes the goods independent and gamma = 1 the same good; n > 2 as in Haeckner (2000, Journal of Economic
Theory 93). Below, a_i = alpha_i - c_i. Substitutes make quantities strategic substitutes and prices strategic
complements, and prices are lower in price competition.

Corners. A consumer never buys a negative quantity, so the demand system in prices is not linear: a firm with
too high a price sells nothing, and the others then face the demand of a market without it.
`singh_vives_demand` solves the consumer's problem with these corners. A firm's profit has a kink, with the
steeper side at higher prices, at the price that just drives a rival out; profits stay quasi-concave. In the
duopoly, with a_1 > a_2 (Zanchettin, 2006, Journal of Economics & Management Strategy 15):

    a_2/a_1 > gamma/(2 - gamma^2)                 both sell
    gamma/2 < a_2/a_1 <= gamma/(2 - gamma^2)      firm 1 sets a limit price, at the kink
    a_2/a_1 <= gamma/2                            firm 1 is an unconstrained monopolist

At a limit price no first-order condition holds, so that no method that solves them can find it; see
`singh_vives_bertrand_duopoly`.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter

from ._aggregate import aggregate_quantity
from ._measures import firm_names, herfindahl


class SinghVivesCournot(Game):
    """Quantity competition in differentiated goods.

    Profit of firm i: (alpha_i - q_i - gamma sum_{j != i} q_j - c_i) q_i. The number of firms is the length of
    `value`.

    >>> from nashgrid.solver import solve
    >>> [round(float(q), 4) for q in solve(SinghVivesCournot(), tol=1e-4).strategy["quantity"]]
    [0.4, 0.4]
    """

    value: Float[Array, " firm"] = parameter((1.0, 1.0), "alpha > 0: price at which nothing of a good is bought")
    cost: Float[Array, " firm"] = parameter((0.0, 0.0), "c >= 0: marginal cost by firm, price units")
    substitutability: Float[Array, ""] = parameter(0.5, "gamma in [0, 1]: 0 independent goods, 1 the same good")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.value.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, self.value)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return (self._price(s["quantity"]) - self.cost) * s["quantity"]

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Prices, consumer surplus, welfare and the Herfindahl index of quantities (0 to 1)."""
        price = self._price(s["quantity"])
        return {"price": price, **_welfare(s["quantity"], price, self.cost, self.substitutability)}

    def _price(self, q: Float[Array, " firm"]) -> Float[Array, " firm"]:
        gamma = self.substitutability
        return self.value - (1.0 - gamma) * q - gamma * jnp.sum(q)


class SinghVivesBertrand(Game):
    """Price competition in differentiated goods.

    Profit of firm i: (p_i - c_i) q_i(p), with the demand of `singh_vives_demand`, corners included. Each
    price lies between c_i and alpha_i.

    >>> from nashgrid.solver import solve
    >>> [round(float(p), 4) for p in solve(SinghVivesBertrand(), tol=1e-4).strategy["price"]]
    [0.3333, 0.3333]
    """

    value: Float[Array, " firm"] = parameter((1.0, 1.0), "alpha > 0: price at which nothing of a good is bought")
    cost: Float[Array, " firm"] = parameter((0.0, 0.0), "c >= 0: marginal cost by firm, price units")
    substitutability: Float[Array, ""] = parameter(0.5, "gamma in [0, 1): 0 independent goods, 1 the same good")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.value.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"price": (self.cost, jnp.maximum(self.cost, self.value))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return (s["price"] - self.cost) * singh_vives_demand(self.value - s["price"], self.substitutability)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Quantities, consumer surplus, welfare and the Herfindahl index of quantities (0 to 1)."""
        q = singh_vives_demand(self.value - s["price"], self.substitutability)
        return {"quantity": q, **_welfare(q, s["price"], self.cost, self.substitutability)}


def singh_vives_demand(surplus: Float[Array, " firm"], substitutability: Float[Array, ""]) -> Float[Array, " firm"]:
    """Quantities the consumer buys at prices p, given `surplus` v = alpha - p: never negative.

    The consumer's conditions are q_i = max(0, (v_i - gamma Q)/(1 - gamma)) with Q = sum_j q_j. Where all n
    goods are bought, q_i = [(1 + gamma (n - 2)) v_i - gamma sum_{j != i} v_j] / ((1 - gamma)(1 + gamma (n -
    1))).

    Args:
        surplus: alpha_i - p_i, by firm, price units.
        substitutability: gamma in [0, 1).

    >>> singh_vives_demand(jnp.asarray([0.9, 0.1]), jnp.asarray(0.5)).round(4).tolist()
    [0.9, 0.0]
    """
    every = jnp.ones_like(surplus)
    total = aggregate_quantity(surplus, every, (1.0 - substitutability) * every, substitutability)
    return jnp.maximum(surplus - substitutability * total, 0.0) / (1.0 - substitutability)


def singh_vives_cournot_equilibrium(
    value: Float[Array, " firm"], cost: Float[Array, " firm"], substitutability: Float[Array, ""]
) -> Float[Array, " firm"]:
    """Equilibrium quantities of `SinghVivesCournot`, for any number of firms, corners included.

    q_i = max(0, (a_i - gamma Q)/(2 - gamma)); in the duopoly with both active q_i = (2 a_i - gamma a_j)/(4 -
    gamma^2).

    Args:
        value: alpha, by firm, price units.
        cost: c, by firm, price units.
        substitutability: gamma in [0, 1].
    """
    every = jnp.ones_like(value)
    total = aggregate_quantity(value - cost, every, (2.0 - substitutability) * every, substitutability)
    return jnp.maximum(value - cost - substitutability * total, 0.0) / (2.0 - substitutability)


def singh_vives_bertrand_equilibrium(
    value: Float[Array, " firm"], cost: Float[Array, " firm"], substitutability: Float[Array, ""]
) -> Float[Array, " firm"]:
    """Equilibrium prices of `SinghVivesBertrand` where every firm sells.

    With k = 1 + gamma (n - 2), markups solve (2 k + gamma) m_i = (k + gamma) a_i - gamma sum_j (a_j - m_j).
    In the duopoly m_i = ((2 - gamma^2) a_i - gamma a_j)/(4 - gamma^2). Valid if all m_i > 0.

    Args:
        value: alpha, by firm, price units.
        cost: c, by firm, price units.
        substitutability: gamma in [0, 1).
    """
    gamma, margin, n = substitutability, value - cost, value.shape[0]
    k = 1.0 + gamma * (n - 2)
    every = jnp.sum(margin)
    markups = (k + gamma - n * gamma) * every / (2.0 * k + gamma - n * gamma)
    return cost + ((k + gamma) * margin - gamma * (every - markups)) / (2.0 * k + gamma)


def singh_vives_bertrand_duopoly(
    value: Float[Array, " firm"], cost: Float[Array, " firm"], substitutability: Float[Array, ""]
) -> Float[Array, " firm"]:
    """Equilibrium prices of the duopoly `SinghVivesBertrand` in all three regions of the module's table.

    Where a firm sells nothing its price is its cost; the other charges the limit price alpha_1 - a_2/gamma
    or, if lower, its monopoly price (alpha_1 + c_1)/2.

    Args:
        value: alpha, of two firms, price units.
        cost: c, of two firms, price units.
        substitutability: gamma in (0, 1).
    """
    gamma, own = substitutability, value - cost
    other = own[::-1]
    both = ((2.0 - jnp.square(gamma)) * own - gamma * other) / (4.0 - jnp.square(gamma))
    alone = jnp.minimum(own - other / gamma, own / 2.0)
    shut_out = (2.0 - jnp.square(gamma)) * own <= gamma * other
    return cost + jnp.where(shut_out, 0.0, jnp.where(shut_out[::-1], alone, both))


def _welfare(
    q: Float[Array, " firm"],
    price: Float[Array, " firm"],
    cost: Float[Array, " firm"],
    gamma: Float[Array, ""],
) -> dict[str, Array]:
    # Utility net of expenditure, at the consumer's optimum: half of q' (dp/dq) q.
    surplus = ((1.0 - gamma) * jnp.sum(jnp.square(q)) + gamma * jnp.square(jnp.sum(q))) / 2.0
    return {
        "consumer_surplus": surplus,
        "welfare": surplus + jnp.sum((price - cost) * q),
        "hhi": herfindahl(q),
    }
