"""Price competition for a mass market or a niche (Judd, Renner and Schmedders, 2012, Quantitative Economics 3, sec. 2).

Two firms sell two goods at marginal cost m to three groups of customers: one wants only the first good and demands
A - p_x of it, one only the second, and n customers buy both, with elasticity of substitution s and elasticity of total
demand g:

    D_x = A - p_x + n p_x^-s (p_x^(1-s) + p_y^(1-s))^((g-s)/(s-1)).

A high price serves the niche of those who want this good only; a low price wins the customers who compare. Each payoff
has two separate maxima, so that first- and second-order conditions hold at points from which a firm gains much by the
other kind of price, and the equilibria change with n: both firms at the high price, one at each (two mirror images),
both at the low price. There is no closed form; the source finds all solutions of the polynomial conditions at n = 2700.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter


class NicheDemand(Game):
    """Two firms' prices for a mass of customers who compare, and a niche each who do not.

    Payoff of firm i: (p_i - m) D_i, prices from m to A, where the niche demand is 0.

    >>> from nashgrid.solver import solve
    >>> [round(float(p), 3) for p in solve(NicheDemand(), tol=1e-4, start={"price": (2.0, 25.0)}).strategy["price"]]
    [2.168, 25.157]
    """

    mass: Float[Array, ""] = parameter(2700.0, "n >= 0: number of customers who buy both goods")
    choke: Float[Array, ""] = parameter(50.0, "A > m: price at which customers of one good only stop buying")
    cost: Float[Array, ""] = parameter(1.0, "m > 0: marginal cost, price units")
    substitution: Float[Array, ""] = parameter(3.0, "s > 1: elasticity of substitution between the goods")
    elasticity: Float[Array, ""] = parameter(2.0, "g > 0: elasticity of the demand for both goods together")
    firms = ("A", "B")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"price": (self.cost, self.choke)}

    def demand(self, price: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """D_i at given prices."""
        s, g = self.substitution, self.elasticity
        index = jnp.sum(jnp.power(price, 1.0 - s))
        return self.choke - price + self.mass * jnp.power(price, -s) * jnp.power(index, (g - s) / (s - 1.0))

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        p = s["price"]
        return (p - self.cost) * self.demand(p)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Each firm's demand."""
        return {"quantity": self.demand(s["price"])}
