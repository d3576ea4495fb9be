"""Quantity competition in a homogeneous good (Cournot, 1838, Recherches sur les principes mathématiques).

Firms choose quantities q_i at once; the market price P(Q) clears the total Q. The equilibrium is in pure
strategies and unique where inverse demand is linear and costs are convex; a firm whose marginal cost is above
the equilibrium price does not produce. Simultaneous best responses without damping converge only for two
firms: with linear demand the slope of each reply to the rivals' total is -1/2, so that the best-response map
of n active firms has spectral radius (n - 1)/2 (Theocharis, 1960, Review of Economic Studies 27).
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter

from ._aggregate import aggregate_quantity
from ._measures import firm_names, herfindahl, ratio


class LinearCournot(Game):
    """Cournot oligopoly with linear demand and constant, possibly different, marginal costs.

    Profit of firm i: (a - b Q - c_i) q_i, with Q = sum_j q_j. The number of firms is the length of `cost`.
    See `linear_cournot_equilibrium` for the closed form.

    >>> from nashgrid.solver import solve
    >>> [round(float(q), 4) for q in solve(LinearCournot(cost=(1, 2, 3)), tol=1e-4).strategy["quantity"]]
    [3.0, 2.0, 1.0]
    """

    intercept: Float[Array, ""] = parameter(10.0, "a > 0: price at which demand is zero, price units")
    slope: Float[Array, ""] = parameter(1.0, "b > 0: fall of the price per unit of quantity")
    cost: Float[Array, " firm"] = parameter((1.0, 2.0), "c >= 0: marginal cost by firm, price units")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, self.intercept / self.slope)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        q = s["quantity"]
        return (self.intercept - self.slope * jnp.sum(q) - self.cost) * q

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Price, consumer surplus b Q^2/2, welfare, the Herfindahl index (0 to 1) and the industry's Lerner
        index, the average of (P - c_i)/P weighted by market shares."""
        q = s["quantity"]
        total = jnp.sum(q)
        price = self.intercept - self.slope * total
        surplus = self.slope * jnp.square(total) / 2.0
        profit = jnp.sum((price - self.cost) * q)
        return {
            "price": price,
            "consumer_surplus": surplus,
            "welfare": surplus + profit,
            "hhi": herfindahl(q),
            "lerner": ratio(profit, price * total),
        }


def linear_cournot_equilibrium(
    intercept: Float[Array, ""], slope: Float[Array, ""], cost: Float[Array, " firm"]
) -> Float[Array, " firm"]:
    """Equilibrium quantities of `LinearCournot`, corners included.

    The highest-cost firm is dropped while its quantity is negative. With k active firms P = (a + sum of their
    costs)/(k + 1) and q_i = (P - c_i)/b. (The right k gives the lowest of these prices, so that nothing has
    to be sorted.)

    Args:
        intercept: a, price units.
        slope: b > 0.
        cost: marginal costs, by firm.

    >>> linear_cournot_equilibrium(jnp.asarray(10.0), jnp.asarray(1.0), jnp.asarray([1.0, 1.0, 6.0])).tolist()
    [3.0, 3.0, 0.0]
    """
    margin, every = intercept - cost, jnp.ones_like(cost)
    # In units of price: by how much all quantities together lower it.
    fall = aggregate_quantity(margin, every, every, jnp.ones_like(slope))
    return jnp.maximum(margin - fall, 0.0) * (1.0 / slope)


class IsoelasticCournot(Game):
    """Cournot oligopoly with isoelastic demand and quadratic costs.

    Profit of firm i: Q^(-1/e) q_i - c_i q_i^2 / 2 (Miranda and Fackler, 2002, Applied Computational Economics
    and Finance, ch. 3). With e > 1 every payoff is quasi-concave in the own quantity and consumer surplus is
    finite.

    >>> from nashgrid.solver import solve
    >>> [round(float(q), 3) for q in solve(IsoelasticCournot(), tol=1e-4).strategy["quantity"]]
    [0.84, 0.689]
    """

    elasticity: Float[Array, ""] = parameter(1.6, "e > 1: price elasticity of demand")
    cost: Float[Array, " firm"] = parameter((0.6, 0.8), "c > 0: slope of marginal cost by firm, price per unit")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        # At this quantity marginal cost is the price a firm would get if it were alone.
        return {"quantity": (0.0, jnp.power(self.cost, -self.elasticity / (1.0 + self.elasticity)))}

    def price(self, quantity: Float[Array, " firm"]) -> Float[Array, ""]:
        """Q^(-1/e); where nothing is sold, the price of a negligible quantity, so that payoffs stay
        finite."""
        negligible = 1e-6 * jnp.max(self.bounds()["quantity"][1])
        return jnp.power(jnp.maximum(jnp.sum(quantity), negligible), -1.0 / self.elasticity)

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        q = s["quantity"]
        return self.price(q) * q - self.cost * jnp.square(q) / 2.0

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Price, consumer surplus P Q/(e - 1), welfare, the Herfindahl index (0 to 1) and the industry's
        Lerner index, the average of (P - c_i q_i)/P weighted by market shares."""
        q = s["quantity"]
        price = self.price(q)
        revenue = price * jnp.sum(q)
        surplus = revenue / (self.elasticity - 1.0)
        return {
            "price": price,
            "consumer_surplus": surplus,
            "welfare": surplus + jnp.sum(self.payoff(s)),
            "hhi": herfindahl(q),
            "lerner": ratio(jnp.sum((price - self.cost * q) * q), revenue),
        }


def isoelastic_cournot_equilibrium(
    elasticity: Float[Array, ""], cost: Float[Array, ""], firms: int
) -> Float[Array, ""]:
    """Quantity of each of `firms` identical firms in `IsoelasticCournot`.

    Marginal revenue P (1 - 1/(n e)) equals marginal cost c q: q = [(1 - 1/(n e)) n^(-1/e) / c]^(e/(1 + e)).

    Args:
        elasticity: e > 1/n.
        cost: c > 0, the slope of marginal cost.
        firms: n >= 1.
    """
    marginal_revenue = (1.0 - 1.0 / (firms * elasticity)) * jnp.power(firms, -1.0 / elasticity)
    return jnp.power(marginal_revenue / cost, elasticity / (1.0 + elasticity))
