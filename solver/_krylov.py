"""Linear systems of games with many firms, by products with the matrix instead of elimination.

Where each firm reacts to its rivals through few sums, or to each of them a little, all but a few eigenvalues of the
Jacobian, in units of its diagonal, are close together, and generalized conjugate residuals (Eisenstat, Elman & Schultz
1983) end after about as many products as there are others. A product costs as many operations as the matrix has
entries, elimination as many again for each unknown. Whether the residual is small is known at the end; where it is not,
the system is eliminated after all.
"""

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._alike import alike
from ._linear import own_diagonal, solve
from ._only_if import only_if

MANY = 40
"""Up to so many unknowns it takes hardly longer to eliminate them, and the program is shorter."""
_PRODUCTS = 24
_STARTS, _ROUNDS = 2, 6


def solve_once(matrix: Float[Array, "n n"], rhs: Float[Array, " n"]) -> Float[Array, " n"]:
    """The solution x of matrix @ x = rhs, as `solve`; not to be differentiated backwards."""
    if matrix.shape[0] <= MANY:
        return solve(matrix, rhs)
    x, found = conjugate_residuals(matrix, rhs)
    return only_if(~found, solve, x, matrix, rhs)


def with_inverse_norm(
    matrix: Float[Array, "n n"], rhs: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """The solution, and the infinity norm of the inverse; infinite or NaN where singular.

    Of more than 40 rows the norm is estimated from below (Hager 1984; Higham 1988), in most cases to within a third,
    unless the system has to be eliminated anyway.
    """
    if matrix.shape[0] <= MANY:
        return _eliminated(matrix, rhs)
    x, found = conjugate_residuals(matrix, rhs)
    size, known = _inverse_norm(matrix)
    return only_if(~(found & known), _eliminated, (x, size), matrix, rhs)


def _eliminated(matrix: Float[Array, "n n"], rhs: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    everything = solve(matrix, jnp.concatenate([jnp.eye(len(rhs), dtype=rhs.dtype), rhs[:, None]], axis=1))
    return everything[:, -1], jnp.max(jnp.sum(jnp.abs(everything[:, :-1]), axis=1))


def _inverse_norm(matrix: Float[Array, "n n"]) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The largest |x A^-1| (sum of moduli) of a few x with |x| = 1, uphill from one to the next; and whether every
    system was solved."""
    n, dtype = matrix.shape[0], matrix.dtype
    index, eye = np.arange(n, dtype=np.int32), np.eye(n, dtype=bool)
    # Rows with a diagonal only, as of strategies at a bound, are known, and hide the others.
    coupled = jnp.any((matrix != 0) & ~eye, axis=1)
    known = jnp.max(jnp.where(coupled, 0.0, 1.0 / jnp.abs(own_diagonal(matrix))))
    # What no uphill path leads to is often seen by this one (Higham 1988).
    swinging = np.where(index % 2 == 0, 1.0, -1.0) * (1.0 + index / (n - 1))

    def spread(values) -> Float[Array, " n"]:
        x = jnp.where(coupled, jnp.asarray(values, dtype), 0.0)
        return x / jnp.maximum(jnp.sum(jnp.abs(x)), 1.0)

    def unfinished(state):
        _, _, found, going, k = state
        return found & going & (k < _ROUNDS)

    def step(state):
        x, best, _, _, k = state
        y, solved = conjugate_residuals(matrix.T, x)
        z, again = conjugate_residuals(matrix, jnp.where(y < 0, -1.0, 1.0).astype(dtype))
        size, heights = jnp.sum(jnp.abs(y)), jnp.where(coupled, jnp.abs(z), -1.0)
        # Where firms are alike both of these starts may be level: from there on to a single one in any case.
        uphill = (k < _STARTS) | ((size > best) & (jnp.max(heights) > jnp.sum(z * x)))
        top = (jnp.argmax(heights).astype(jnp.int32) == index).astype(dtype)
        return jnp.where(k == 0, spread(swinging), top), jnp.maximum(best, size), solved & again, uphill, k + 1

    yes = jnp.ones((), bool)
    begin = spread(np.ones(n)), known, yes, jnp.any(coupled), jnp.zeros((), jnp.int32)
    _, best, found, _, _ = jax.lax.while_loop(unfinished, step, alike(begin, matrix))
    return best, found


def conjugate_residuals(
    matrix: Float[Array, "n n"], rhs: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    """The solution x of matrix @ x = rhs, and whether it has been found."""
    eps = float(jnp.finfo(rhs.dtype).eps)
    diagonal = own_diagonal(matrix)
    inverse = 1.0 / jnp.where(diagonal == 0.0, 1.0, diagonal)
    index = np.arange(_PRODUCTS, dtype=np.int32)
    begin = rhs * inverse
    goal = 64.0 * eps * jnp.max(jnp.abs(begin))

    def unfinished(state):
        _, left, _, _, k = state
        return (jnp.max(jnp.abs(left)) > goal) & (k < _PRODUCTS)

    def step(state):
        x, left, ways, images, k = state
        image = jnp.matmul(matrix, left, precision=jax.lax.Precision.HIGHEST) * inverse
        share = jnp.sum(images * image[None, :], axis=1)
        way, image = left - jnp.sum(ways * share[:, None], axis=0), image - jnp.sum(images * share[:, None], axis=0)
        length = jnp.sqrt(jnp.sum(jnp.square(image)))
        way, image = way / length, image / length
        along = jnp.sum(image * left)
        now = (index == k)[:, None]
        ways, images = jnp.where(now, way[None, :], ways), jnp.where(now, image[None, :], images)
        return x + along * way, left - along * image, ways, images, k + 1

    none = jnp.zeros((_PRODUCTS, len(rhs)), rhs.dtype)
    begin = jnp.zeros_like(rhs), begin, none, none, jnp.zeros((), jnp.int32)
    x = jax.lax.while_loop(unfinished, step, alike(begin, matrix, rhs))[0]
    # Computed anew: what was subtracted step by step may have drifted.
    left = (rhs - jnp.matmul(matrix, x, precision=jax.lax.Precision.HIGHEST)) * inverse
    return x, jnp.max(jnp.abs(left)) <= 16.0 * goal
