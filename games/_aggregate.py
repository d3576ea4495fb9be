"""The total of a linear aggregative game with corners, without iteration.

In linear oligopoly firm k supplies q_k = max(0, (v_k - r Q) / D_k): its own value v_k less the pressure r of
the total Q = sum_k w_k q_k. Firms leave in the order of their values, so at the true total the active firms
are those with the highest v. The supply sum_k w_k max(0, (v_k - r Q) / D_k) is the largest, over sets of
firms, of the supply of that set with its corners ignored, and all of these fall in Q. The true total is
therefore the largest of the sets' own totals,

    Q = max over k of  sum_{j: v_j >= v_k} w_j v_j / D_j  /  (1 + r sum_{j: v_j >= v_k} w_j / D_j),   or 0.

One maximum instead of a search for the active set: it has no branches, and its derivatives are those of the
active set.
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
    stays = value[None, :] >= value[:, None]
    supply = jnp.sum(jnp.where(stays, (weight * value / divisor)[None, :], 0.0), axis=1)
    response = jnp.sum(jnp.where(stays, (weight / divisor)[None, :], 0.0), axis=1)
    return jnp.max(supply / (1.0 + pressure * response), initial=0.0)
