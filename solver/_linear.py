"""Dense linear algebra on the small matrices of one game, one per lane.

Batched library factorizations cost a call per lane: for one and two unknowns the closed form is many times faster; from
three on, in batches of one small matrix per lane, the library was faster than inline elimination when measured.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def solve(matrix: Float[Array, "n n"], rhs: Float[Array, "n *m"]) -> Float[Array, "n *m"]:
    """The solution x of matrix @ x = rhs; infinite or NaN where the matrix is singular."""
    n = matrix.shape[0]
    b = rhs.reshape(n, -1)
    if n == 1:
        x = b / matrix[0, 0]
    elif n == 2:
        (p, q), (r, s) = matrix
        x = jnp.stack([s * b[0] - q * b[1], p * b[1] - r * b[0]]) / (p * s - q * r)
    else:
        x = jnp.linalg.solve(matrix, b)
    return x.reshape(rhs.shape)


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
