"""The oligopoly on which algorithms for Cournot equilibria have been compared since 1982."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter


class MurphySheraliSoyster(Game):
    """Cournot oligopoly with isoelastic demand and convex power costs (Murphy, Sherali and Soyster, 1982).

    Profit of firm i: P(Q) q_i - c_i q_i - beta_i/(beta_i + 1) K^(-1/beta_i) q_i^((beta_i + 1)/beta_i) with P(Q) =
    (D/Q)^(1/e) (Mathematical Programming 24, 92-106). The defaults are its five firms, with the published
    quantities 36.9325, 41.8181, 43.7066, 42.6592, 39.1790.
    """

    demand: Float[Array, ""] = parameter(5000.0, "D > 0: quantity demanded at a price of 1")
    elasticity: Float[Array, ""] = parameter(1.1, "e > 1: price elasticity of demand")
    capacity: Float[Array, ""] = parameter(5.0, "K > 0: quantity at which the rising part of marginal cost is 1")
    cost: Float[Array, " firm"] = parameter((10.0, 8.0, 6.0, 4.0, 2.0), "c >= 0: marginal cost at 0, price units")
    exponent: Float[Array, " firm"] = parameter((1.2, 1.1, 1.0, 0.9, 0.8), "beta > 0: 1/beta is the power of its rise")

    @property
    def firms(self) -> tuple[str, ...]:
        return tuple(f"firm {i + 1}" for i in range(self.cost.shape[-1]))

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        # Above, marginal cost is at least the price a firm would get if it were alone. Below, the smallest quantity
        # that is looked at: at 0 there is no second derivative of a cost with beta > 1, and no price if all are there.
        power, rise = 1.0 / self.elasticity, 1.0 / self.exponent
        both = jnp.power(self.capacity, rise) * jnp.power(self.demand, power)
        return {"quantity": (1e-3, jnp.power(both, 1.0 / (rise + power)))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        q, rise = s["quantity"], 1.0 / self.exponent
        price = jnp.power(self.demand / jnp.sum(q), 1.0 / self.elasticity)
        rising = jnp.power(self.capacity, -rise) * jnp.power(q, 1.0 + rise) / (1.0 + rise)
        return (price - self.cost) * q - rising
