"""The propensity to open as the share of a population of owners that opens.

`propensity` lets one owner's gain have a logistic disturbance. Here nothing is disturbed, but owners differ: sizes s
are Beta distributed with a mean and a precision nu, Beta(nu mean, nu (1 - mean)), and edges e uniform between 0 and
twice their mean, independently. An owner opens iff its edge is at most the threshold of its size, so that

    P = integral of min(1, max(0, threshold(s))/(2 mean edge)) over the distribution of s.

The threshold comes from `threshold_edge` (linear value of technology) or from solved games. Each owner decides as if
it were alone: a population is many separate markets, not many owners in one (for those see `open_sourcing_owners`).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def population_propensity(
    size: Float[Array, " size"],
    threshold: Float[Array, " size"],
    mean_size: Float[Array, ""],
    precision: Float[Array, ""],
    mean_edge: Float[Array, ""],
) -> Float[Array, ""]:
    """The share of a population that opens, in [0, 1]; the integral over sizes by the values given.

    Args:
        size: evenly spaced sizes inside (0, 1).
        threshold: the edge up to which an owner of each size opens; infinite if at all edges, below 0 if at none.
        mean_size: in (0, 1).
        precision: nu > 0; the variance of sizes is mean (1 - mean)/(1 + nu).
        mean_edge: above 0; edges are between 0 and twice this.

    >>> size = jnp.linspace(0.005, 0.995, 100)
    >>> low = jnp.where(size < 0.5, 0.02, -1.0)  # small owners open up to an edge of 0.02, large ones never
    >>> nu, mean = jnp.asarray(6.0), jnp.asarray(0.5)
    >>> round(float(population_propensity(size, low, mean, nu, jnp.asarray(0.02))), 2)
    0.25
    """
    first, second = precision * mean_size - 1.0, precision * (1.0 - mean_size) - 1.0
    log_density = first * jnp.log(size) + second * jnp.log1p(-size)
    density = jnp.exp(log_density - jnp.max(log_density))
    opens = jnp.clip(threshold / (2.0 * mean_edge), 0.0, 1.0)
    return jnp.sum(density * opens) / jnp.sum(density)
