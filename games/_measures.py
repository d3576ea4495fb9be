"""Names and measures that several models share."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def firm_names(count: int, stem: str = "firm") -> tuple[str, ...]:
    """("firm 1", "firm 2", ...)."""
    return tuple(f"{stem} {i + 1}" for i in range(count))


def herfindahl(sales: Float[Array, " firm"]) -> Float[Array, ""]:
    """The Herfindahl-Hirschman index sum of squared market shares, in (0, 1]; 0 where nothing is sold."""
    total = jnp.sum(sales)
    return jnp.sum(jnp.square(sales / jnp.where(total > 0.0, total, 1.0)))


def ratio(numerator: Float[Array, "*shape"], denominator: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """numerator / denominator; 0, with zero derivatives, where the denominator is not positive."""
    positive = denominator > 0.0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)
