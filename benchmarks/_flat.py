"""A game whose points need few steps of Newton's method, or a hundred."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter


class FlatTops(Game):
    """Payoffs fall with the distance d to a best quantity, which depends on the rival's: by d^2 or, if `flat`, d^power.

    Where second derivatives vanish at the solution Newton's method takes only 1 / (power - 1) of the distance off with
    each step.
    """

    flat: Float[Array, ""] = parameter(0.0, "weight of d^power instead of d^2")
    size: Float[Array, " firm"] = parameter((2.0, 2.5), "best quantity if the rival produces nothing")
    power: int = eqx.field(static=True, default=8)
    firms = ("A", "B")

    def bounds(self) -> Mapping[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, 4.0)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        q = s["quantity"]
        rival = jnp.sum(q) - q
        away = jnp.square(q - self.size * jnp.exp(-0.3 * rival))
        return 1.0 - (1.0 - self.flat) * away - self.flat * away ** (self.power // 2)
