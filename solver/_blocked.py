"""Elimination of several unknowns at once, for the matrices of games with many firms.

Gauss-Jordan elimination with partial pivoting reads and writes the whole matrix for every unknown. Here a few columns
are eliminated by themselves first, which says which rows are the pivots and what has to be subtracted from the others
(Golub & Van Loan 2013, section 3.2.11); the rest of the matrix follows in one product. Rows are not exchanged: each
keeps its place, and the unknown that it was used for is remembered.
"""

import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp

_FEW, _MANY = 8, 16
"""Unknowns that are eliminated together. In batches of matrices of 50 to 200 rows ten times faster than one by one."""
_CACHED = 256
"""A matrix of more rows is read from farther away each time: the more it is worth to read it less often."""


def solve_blocked(matrix: Float[Array, "n n"], rhs: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """The solution x of matrix @ x = rhs; infinite or NaN where singular."""
    n = matrix.shape[0]
    together = _FEW if n <= _CACHED else _MANY
    more = -n % together
    # Unknowns that are zero, each in an equation of its own.
    ones = jnp.asarray(np.diag(np.r_[np.zeros(n), np.ones(more)]), matrix.dtype)
    matrix = jnp.pad(matrix, ((0, more), (0, more))) + ones
    rhs = jnp.pad(rhs, ((0, more), (0, 0)))

    def block(state, first: Int[Array, ""]):
        matrix, rhs, used = state
        panel = lax.dynamic_slice_in_dim(matrix, first, together, axis=1)
        panel, pivots, swapped = _exchanged(panel, used)

        def eliminate(rows):
            product = jnp.matmul(panel, rows.at[pivots].get(mode="promise_in_bounds"), precision=lax.Precision.HIGHEST)
            return jnp.where(swapped[:, None], product, rows - product)

        # Apart from each other, so that the program is linear in the right-hand side and can be transposed.
        return (eliminate(matrix), eliminate(rhs), used | swapped), pivots

    begin = matrix, rhs, jnp.zeros(n + more, bool)
    firsts = jnp.arange(0, n + more, together, dtype=jnp.int32)
    (_, rhs, _), pivots = lax.scan(block, begin, firsts)
    return rhs.at[pivots.reshape(-1)[:n]].get(mode="promise_in_bounds")


def _exchanged(
    panel: Float[Array, "n k"], used: Bool[Array, " n"]
) -> tuple[Float[Array, "n k"], Int[Array, " k"], Bool[Array, " n"]]:
    """Some columns after their unknowns have been exchanged for the left-hand sides of their pivot rows.

    With P the columns and M their pivot rows, the pivot rows become M^-1, the others P M^-1. Also which rows are the
    pivots, in the order of the columns, and whether each row is one; rows that are `used` are not.
    """
    rows, columns = (np.arange(size, dtype=np.int32) for size in panel.shape)
    swapped, pivots = jnp.zeros_like(used), []
    for k in columns:
        column = panel[:, k]
        size = jnp.where(used | swapped, -1.0, jnp.abs(column))
        at = jnp.argmax(size).astype(jnp.int32)
        here, is_pivot = columns == k, rows == at
        top = jnp.sum(jnp.where(is_pivot[:, None], panel, 0.0), axis=0)
        ratio = column / top[k]
        others = jnp.where(here[None, :], ratio[:, None], panel - ratio[:, None] * top[None, :])
        panel = jnp.where(is_pivot[:, None], (jnp.where(here, 1.0, -top) / top[k])[None, :], others)
        swapped, pivots = swapped | is_pivot, [*pivots, at]
    return panel, jnp.stack(pivots), swapped
