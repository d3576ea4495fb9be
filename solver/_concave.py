"""Firms whose payoffs are quadratic in the strategies and concave in their own: first-order conditions say it all.

With own Hessian B, slopes g and any mu > 0 for which B + mu diag(h) is negative definite, no move e within the bounds
gains more than

    sum_j (g_j e_j - mu h_j e_j^2 / 2) <= sum_j min(|g_j| d_j, g_j^2 / (2 mu h_j)),

d_j being how far strategy j can go the way its payoff rises. Nothing has to be searched for where this is next to
nothing. What derivatives of sums and products are is not in doubt, but for rounding.
"""

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._conditions import Conditions
from ._layout import own_blocks


def best_by_concavity(
    conditions: Conditions,
    z: Float[Array, " strategy"],
    gradient: Float[Array, " strategy"],
    jacobian: Float[Array, "strategy strategy"],
    curvature: Float[Array, " strategy"],
    negligible: Float[Array, " firm"],
) -> Bool[Array, ""]:
    """Whether no firm gains more than what is `negligible`, all payoffs being quadratic in the strategies.

    `gradient` and `jacobian` are those of the own derivatives at z, `curvature` is h.
    """
    layout = conditions.layout
    # Half of the digits are left to the rounding of the Hessian and of the elimination.
    mu = float(jnp.finfo(z.dtype).eps) ** 0.5
    size = jnp.sqrt(curvature)
    scaled = own_blocks(jacobian / (size[:, None] * size[None, :]), layout)
    spare = mu * jnp.eye(scaled.shape[1], dtype=z.dtype)
    concave = jnp.all(jax.vmap(_positive_definite)(-scaled - spare[None]))
    slope = jnp.abs(gradient)
    room = jnp.where(gradient > 0, conditions.upper - z, z - conditions.lower)
    most = slope * jnp.minimum(room, slope / (2.0 * mu * curvature))
    most = jnp.where((slope == 0) | (room <= 0), 0.0, most)
    mine = np.asarray(layout.owner)[None, :] == np.arange(layout.firms)[:, None]
    return concave & jnp.all(jnp.sum(jnp.where(mine, most[None, :], 0.0), axis=1) <= negligible)


def _positive_definite(matrix: Float[Array, "n n"]) -> Bool[Array, ""]:
    """Whether all pivots of a symmetric matrix are positive; not if any is NaN."""
    index = np.arange(matrix.shape[0], dtype=np.int32)

    def eliminate(matrix, k):
        row = jnp.sum(jnp.where((index == k)[:, None], matrix, 0.0), axis=0)
        pivot = jnp.sum(jnp.where(index == k, row, 0.0))
        rest = index > k
        taken = row[:, None] * row[None, :] / pivot
        return jnp.where(rest[:, None] & rest[None, :], matrix - taken, matrix), pivot

    return jnp.all(jax.lax.scan(eliminate, matrix, jnp.asarray(index))[1] > 0)
