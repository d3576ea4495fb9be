"""Cournot competition under a cap on the emissions of the whole industry.

The cap is a constraint that all firms share. Its variational equilibrium (Rosen, 1965, Econometrica 33) puts one price
on emissions, the multiplier of the cap: the same outputs and the same price as if firms had to hold permits, traded in
a market in which they take the price of permits as given (Montgomery, 1972, J. Economic Theory 5), whoever gets
the permits. Market power in the goods market stays; in the market for permits there is none.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Constraint, Game, Profile, parameter

from ._measures import firm_names, herfindahl


class EmissionCap(Game):
    """Cournot oligopoly with linear demand in which sum_i e_i q_i may not exceed a cap.

    Profit of firm i, permits apart: (a - b Q - c_i) q_i. The multiplier of "cap" is the price of permits. See
    `emission_cap_equilibrium` for the closed form.

    >>> from nashgrid.solver import solve
    >>> eq = solve(EmissionCap(cost=(1, 2), intensity=(1, 0.5), cap=3), tol=1e-4)
    >>> [round(float(q), 3) for q in eq.strategy["quantity"]], round(float(eq.multipliers["cap"]), 3)
    ([1.833, 2.333], 3.0)
    """

    intercept: Float[Array, ""] = parameter(10.0, "a > 0: price at which demand is zero, price units")
    slope: Float[Array, ""] = parameter(1.0, "b > 0: fall of the price per unit of quantity")
    cost: Float[Array, " firm"] = parameter((1.0, 2.0), "c >= 0: marginal cost by firm, price units")
    intensity: Float[Array, " firm"] = parameter((1.0, 0.5), "e >= 0: emissions per unit of quantity by firm")
    cap: Float[Array, ""] = parameter(3.0, "emissions of all firms together may not be higher")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, self.intercept / self.slope)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        q = s["quantity"]
        return (self.intercept - self.slope * jnp.sum(q) - self.cost) * q

    def constraints(self, s: Profile) -> dict[str, Constraint]:
        return {"cap": Constraint(jnp.sum(self.intensity * s["quantity"]), upper=self.cap)}

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Price, emissions, consumer surplus b Q^2/2, welfare without the damage of emissions, and the
        Herfindahl index (0 to 1)."""
        q = s["quantity"]
        total = jnp.sum(q)
        surplus = self.slope * jnp.square(total) / 2.0
        return {
            "price": self.intercept - self.slope * total,
            "emissions": jnp.sum(self.intensity * q),
            "consumer_surplus": surplus,
            "welfare": surplus + jnp.sum(self.payoff(s)),
            "hhi": herfindahl(q),
        }


def emission_cap_equilibrium(
    intercept: Float[Array, ""],
    slope: Float[Array, ""],
    cost: Float[Array, " firm"],
    intensity: Float[Array, " firm"],
    cap: Float[Array, ""],
) -> tuple[Float[Array, " firm"], Float[Array, ""]]:
    """Quantities and the price of permits of `EmissionCap`, where all firms produce.

    At the price t of permits the quantities are those of Cournot competition at the costs c_i + t e_i, and emissions
    fall linearly: t = max(0, E_0 - cap)/K, with E_0 the emissions without a cap and K = (sum_i e_i^2 - (sum_i
    e_i)^2/(n + 1))/b. Where this gives a negative quantity, a firm is out and the formula does not hold.

    Args:
        intercept: a, price units.
        slope: b > 0.
        cost: marginal costs, by firm.
        intensity: e >= 0, not all zero.
        cap: the most emissions.

    >>> numbers = (10.0, 1.0, jnp.asarray([1.0, 2.0]), jnp.asarray([1.0, 0.5]), 3.0)
    >>> q, price = emission_cap_equilibrium(*numbers)
    >>> q.round(3).tolist(), round(float(price), 3)
    ([1.833, 2.333], 3.0)
    """
    n = cost.shape[-1]

    def quantities(cost):
        return ((intercept + jnp.sum(cost)) / (n + 1) - cost) / slope

    fall = (jnp.sum(jnp.square(intensity)) - jnp.square(jnp.sum(intensity)) / (n + 1)) / slope
    permit = jnp.maximum(jnp.sum(intensity * quantities(cost)) - cap, 0.0) / fall
    return quantities(cost + permit * intensity), permit
