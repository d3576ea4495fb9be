"""Dense linear algebra on the small matrices of one game, one per lane.

Batched library factorizations are slow on tiny systems (a call per lane), so up to `_UNROLLED` unknowns are eliminated
inline with partial pivoting; larger systems go to the library.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_UNROLLED = 10


def solve(matrix: Float[Array, "n n"], rhs: Float[Array, "n *m"]) -> Float[Array, "n *m"]:
    """The solution x of matrix @ x = rhs, by elimination with partial pivoting; infinite or NaN where singular."""
    n = matrix.shape[0]
    b = rhs.reshape(n, -1)
    if n > _UNROLLED:
        return jnp.linalg.solve(matrix, b).reshape(rhs.shape)
    rows = jnp.concatenate([matrix, b], axis=1)
    index = np.arange(n)
    for k in range(n):
        size = jnp.where(index >= k, jnp.abs(rows[:, k]), -1.0)
        # The first largest entry; compared by value so that no gather with a traced index is needed.
        is_pivot = size == jnp.max(size)
        is_pivot &= jnp.cumsum(is_pivot) == 1
        pivot = jnp.sum(jnp.where(is_pivot[:, None], rows, 0.0), axis=0)
        rows = jnp.where(is_pivot[:, None], rows[k][None, :], rows)
        pivot = pivot / pivot[k]
        factor = jnp.where(index == k, 0.0, rows[:, k])
        rows = rows - factor[:, None] * pivot[None, :]
        rows = jnp.where((index == k)[:, None], pivot[None, :], rows)
    return rows[:, n:].reshape(rhs.shape)


def spectral_radius(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest modulus of an eigenvalue, as lim |B^k|^(1/k) for k = 2^30 by repeated squaring (Gelfand 1941).

    Unlike an eigenvalue routine it runs on every backend; the relative error is about log(n)/2^30.
    """
    squarings = 30

    def square(k, carry):
        power, log = carry
        norm = jnp.max(jnp.sum(jnp.abs(power), axis=1))
        safe = jnp.where(norm > 0, norm, 1.0)
        power = power / safe
        # One product at a time, in full precision on every device.
        squared = jnp.sum(power[:, :, None] * power[None, :, :], axis=1)
        weight = jnp.exp2(-k.astype(power.dtype))
        return squared, log + jnp.where(norm > 0, jnp.log(safe), -jnp.inf) * weight

    _, log = jax.lax.fori_loop(0, squarings, square, (matrix, jnp.zeros((), matrix.dtype)))
    return jnp.exp(log)


def largest_eigenvalue(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest eigenvalue of a symmetric matrix."""
    if matrix.shape[0] == 1:
        return matrix[0, 0]
    return jnp.linalg.eigvalsh(matrix)[-1]
