"""The total of a linear aggregative game with corners, in as many steps as there are firms.

In linear oligopoly firm k supplies q_k = max(0, (v_k - r Q) / D_k): its own value v_k less the pressure r of
the total Q = sum_k w_k q_k. The supply sum_k w_k max(0, (v_k - r Q) / D_k) is convex and falls in Q, so that
Newton's method from Q = 0 approaches the true total from below: with A the firms that would supply at the last
total,

    Q = sum_{j in A} w_j v_j / D_j  /  (1 + r sum_{j in A} w_j / D_j).

Every step but the last drops a firm, and the one with the highest value always stays: n steps are enough. Only
the set A is taken from the step before, so that derivatives are those of the active firms.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def aggregate_quantity(
    value: Float[Array, " firm"],
    weight: Float[Array, " firm"],
    divisor: Float[Array, " firm"],
    pressure: Float[Array, ""],
) -> Float[Array, ""]:
    """The Q that solves Q = sum_k w_k max(0, (v_k - r Q) / D_k), for w, D > 0 and r >= 0."""
    supply, response = weight * value / divisor, weight / divisor
    total = jnp.zeros_like(pressure)
    for _ in range(value.shape[0]):
        stays = value > pressure * total
        supplied = jnp.sum(jnp.where(stays, supply, 0.0))
        total = supplied / (1.0 + pressure * jnp.sum(jnp.where(stays, response, 0.0)))
    return total
