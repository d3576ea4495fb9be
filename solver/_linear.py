"""Dense linear algebra on the small matrices of one game, one per lane.

Written out instead of calling a library: in batches of small matrices inline elimination is several times faster than
batched LAPACK, and batched LAPACK inside programs on several CPU devices can stop for ever, each device waiting for
threads that the other one holds (seen with jaxlib 0.10.2). The functions here also run unchanged on accelerators.
"""

import jax
import numpy as np
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._blocked import solve_blocked
from ._each import rolling
from ._radius import limit, radius_of_many, squared

# Beyond this many unknowns the written-out program takes longer to compile than it saves.
_WRITTEN_OUT = 6
_BLOCKED = 24
"""Beyond this many unknowns it pays to eliminate several at once, and to multiply matrices by a library."""

_SQUARED = 40
"""Beyond this many rows products with vectors are worth trying before squares of the matrix."""


def solve(matrix: Float[Array, "n n"], rhs: Float[Array, "n *m"]) -> Float[Array, "n *m"]:
    """The solution x of matrix @ x = rhs, by elimination with partial pivoting; infinite or NaN where singular."""
    rows = rhs.reshape(matrix.shape[0], -1)
    if matrix.shape[0] <= _WRITTEN_OUT:
        eliminated = _written_out
    elif rolling():
        eliminated = _at_once
    else:
        eliminated = solve_blocked if matrix.shape[0] > _BLOCKED else _looped
    return eliminated(matrix, rows).reshape(rhs.shape)


def _at_once(matrix, rhs):
    """Elimination as one operation, derivatives included, which a kernel recognizes by its name."""

    def product(x):
        return jnp.matmul(matrix, x, precision=jax.lax.Precision.HIGHEST)

    return jax.lax.custom_linear_solve(
        product,
        rhs,
        lambda _, rhs: nashgrid_eliminated(matrix, rhs),
        transpose_solve=lambda _, rhs: nashgrid_eliminated(matrix.T, rhs),
    )


def _written_out(matrix, rhs):
    """Elimination entry by entry: under vmap every entry is one contiguous vector over the lanes."""
    n = matrix.shape[0]
    a = [[matrix[i, j] for j in range(n)] for i in range(n)]
    b = [rhs[i] for i in range(n)]
    for k in range(n):
        for i in range(k + 1, n):
            larger = jnp.abs(a[i][k]) > jnp.abs(a[k][k])
            for j in range(k, n):
                a[k][j], a[i][j] = jnp.where(larger, a[i][j], a[k][j]), jnp.where(larger, a[k][j], a[i][j])
            b[k], b[i] = jnp.where(larger, b[i], b[k]), jnp.where(larger, b[k], b[i])
        # A division takes as long as many products.
        inverse = 1.0 / a[k][k]
        for i in range(k + 1, n):
            factor = a[i][k] * inverse
            a[i] = [*a[i][: k + 1], *(a[i][j] - factor * a[k][j] for j in range(k + 1, n))]
            b[i] = b[i] - factor * b[k]
    for k in reversed(range(n)):
        for j in range(k + 1, n):
            b[k] = b[k] - a[k][j] * b[j]
        b[k] = b[k] / a[k][k]
    return jnp.stack(b)


def _looped(matrix, rhs):
    """Elimination (Gauss-Jordan) column by column in a loop; rows are selected by masks, not by gathers."""
    index = np.arange(matrix.shape[0], dtype=np.int32)

    def column(k, state):
        matrix, rhs = state
        at_k = index == k
        entries = jnp.sum(jnp.where(at_k[None, :], matrix, 0.0), axis=1)
        size = jnp.where(index >= k, jnp.abs(entries), -1.0)
        is_pivot = size == jnp.max(size)
        is_pivot &= jnp.cumsum(is_pivot) == 1
        pivot = jnp.sum(jnp.where(is_pivot, entries, 0.0))
        displaced = jnp.sum(jnp.where(at_k, entries, 0.0))
        factor = jnp.where(at_k, 0.0, jnp.where(is_pivot, displaced, entries))

        def eliminate(rows):
            top = jnp.sum(jnp.where(is_pivot[:, None], rows, 0.0), axis=0) / pivot
            old = jnp.sum(jnp.where(at_k[:, None], rows, 0.0), axis=0)
            rows = jnp.where(is_pivot[:, None], old[None, :], rows) - factor[:, None] * top[None, :]
            return jnp.where(at_k[:, None], top[None, :], rows)

        # Apart from each other, so that the program is linear in the right-hand side and can be transposed.
        return eliminate(matrix), eliminate(rhs)

    return jax.lax.scan(lambda state, k: (column(k, state), None), (matrix, rhs), jnp.asarray(index))[0][1]


@jax.jit
def nashgrid_eliminated(matrix: Float[Array, "n n"], rhs: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """What a kernel does in a loop over its memory (`_kernel_memory`)."""
    return _looped(matrix, rhs)


IN_MEMORY = "nashgrid_eliminated"
"""The name of that."""


def own_diagonal(matrix: Float[Array, "n n"]) -> Float[Array, " n"]:
    """The diagonal, without a gather (slow in batches)."""
    return jnp.sum(jnp.where(np.eye(matrix.shape[0], dtype=bool), matrix, 0.0), axis=1)


def spectral_radius(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest modulus of an eigenvalue, by products alone (see `_radius`): it runs on every backend."""
    if matrix.shape[0] == 2:
        return _radius_of_two(matrix)
    return radius_of_many(matrix) if matrix.shape[0] > _SQUARED else _radius_of_some(matrix)


@jax.custom_jvp
def _radius_of_some(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    return squared(matrix, _square)[1]


@_radius_of_some.defjvp
def _rule(primals, tangents):
    return jax.jvp(lambda matrix: limit(matrix, _square), primals, tangents)


def _square(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """matrix @ matrix, in full precision on every device."""
    if matrix.shape[0] > (_WRITTEN_OUT if rolling() else _BLOCKED):
        return jnp.matmul(matrix, matrix, precision=jax.lax.Precision.HIGHEST)
    # One product at a time: inline, and in batches of small matrices several times faster.
    return jnp.sum(matrix[:, :, None] * matrix[None, :, :], axis=1)


def _radius_of_two(matrix: Float[Array, "2 2"]) -> Float[Array, ""]:
    """From the roots of the characteristic polynomial, in units in which the largest entry is 1."""
    size = _largest_or_one(matrix)
    (a, b), (c, d) = matrix / size
    middle, apart = 0.5 * (a + d), 0.5 * (a - d)
    spread = jnp.square(apart) + b * c
    real = jnp.abs(middle) + jnp.sqrt(jnp.maximum(spread, 0.0))
    turning = jnp.sqrt(jnp.square(middle) + jnp.maximum(-spread, 0.0))
    return size * jnp.where(spread >= 0, real, turning)


def top_eigenvector(matrix: Float[Array, "n n"]) -> Float[Array, " n"]:
    """A unit eigenvector of the largest eigenvalue of a symmetric matrix, by repeated squaring; of two rows in closed
    form."""
    if matrix.shape[0] == 2:
        return _eigenvector_of_two(matrix)
    shift = jnp.max(jnp.sum(jnp.abs(matrix), axis=1))
    projector, _ = squared(matrix + shift * jnp.eye(matrix.shape[0], dtype=matrix.dtype), _square)
    lengths = jnp.sqrt(jnp.sum(jnp.square(projector), axis=0))
    # Not `lengths == max(lengths)`: compiled, the two sides may be computed apart and differ in their last digit.
    longest = np.arange(matrix.shape[0], dtype=np.int32) == jnp.argmax(lengths).astype(jnp.int32)
    column = jnp.sum(jnp.where(longest[None, :], projector, 0.0), axis=1)
    length = jnp.sqrt(jnp.sum(jnp.square(column)))
    return column / jnp.where(length > 0, length, 1.0)


def _eigenvector_of_two(matrix: Float[Array, "2 2"]) -> Float[Array, "2"]:
    """The first of the standard basis where every vector is one."""
    (a, b), (_, d) = matrix / _largest_or_one(matrix)
    apart = 0.5 * (a - d)
    spread = jnp.sqrt(jnp.square(apart) + jnp.square(b))
    # The one of the two expressions in which nothing cancels.
    first = jnp.where(apart >= 0, apart + spread, b)
    second = jnp.where(apart >= 0, b, spread - apart)
    length = jnp.sqrt(jnp.square(first) + jnp.square(second))
    safe = jnp.where(length > 0, length, 1.0)
    return jnp.stack([jnp.where(length > 0, first / safe, 1.0), second / safe])


def _largest_or_one(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest modulus of an entry, by which others can be divided."""
    size = jnp.max(jnp.abs(matrix))
    return jnp.where(size > 0, size, 1.0)


def largest_eigenvalue(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest eigenvalue of a symmetric matrix: shifted to be positive semidefinite, it is a spectral radius."""
    if matrix.shape[0] == 1:
        return matrix[0, 0]
    if matrix.shape[0] == 2:
        size = _largest_or_one(matrix)
        (a, b), (_, d) = matrix / size
        return size * (0.5 * (a + d) + jnp.sqrt(jnp.square(0.5 * (a - d)) + jnp.square(b)))
    shift = jnp.max(jnp.sum(jnp.abs(matrix), axis=1))
    return spectral_radius(matrix + shift * jnp.eye(matrix.shape[0], dtype=matrix.dtype)) - shift
