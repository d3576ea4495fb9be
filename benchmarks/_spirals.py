"""A game whose points need few rounds of plain best responses, or a hundred: nothing makes these fewer."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter


class Spirals(Game):
    """One firm's best quantity rises with the rival's, the other's falls: best responses turn about the equilibrium.

    Each round is a quarter of a turn, and leaves a part of the distance that is the slope.
    """

    slow: Float[Array, ""] = parameter(0.0, "weight of a slope of 0.83 instead of one of 0.05")
    size: Float[Array, " firm"] = parameter((2.0, 2.5), "best quantity if the rival produces 2")
    firms = ("A", "B")

    def bounds(self) -> Mapping[str, tuple[ArrayLike, ArrayLike]]:
        return {"quantity": (0.0, 4.0)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        q = s["quantity"]
        rival = jnp.sum(q) - q
        slope = (0.05 + 0.78 * self.slow) * jnp.asarray([1.0, -1.0], q.dtype)
        return -jnp.square(q - self.size - slope * (rival - 2.0))
