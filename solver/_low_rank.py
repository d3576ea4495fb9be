"""Linear algebra of matrices that are a diagonal plus few rank-one terms, at a cost in proportion to their size.

M = diag(d) + sum_l left_l right_l^T. The inverse is of the same kind (Sherman & Morrison 1950; Woodbury 1950). Their
formula divides by all of d, also where d_i = 0 and M is regular all the same; so as many rows as there are terms, those
with the smallest d_i, are not eliminated but kept in the small system. If more than these are zero, M is singular.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._aggregative import blocked_sum
from ._linear import solve, spectral_radius

_EXACT = 64
_VECTORS = 12


class LowRank(NamedTuple):
    """diag(diagonal) + left^T right."""

    diagonal: Float[Array, " n"]
    left: Float[Array, "rank n"]
    right: Float[Array, "rank n"]

    def own(self) -> Float[Array, " n"]:
        """The diagonal of the whole matrix."""
        return self.diagonal + jnp.sum(self.left * self.right, axis=0)

    def times(self, vector: Float[Array, " n"]) -> Float[Array, " n"]:
        """The product with a vector."""
        return self.diagonal * vector + combine(self.left, blocked_sum(self.right * vector[None, :]))

    def norm(self) -> Float[Array, ""]:
        """The infinity norm; an upper bound if several terms have entries in the same column."""
        size = jnp.abs(self.right)
        others = blocked_sum(size)[:, None] - size
        return jnp.max(jnp.abs(self.own()) + jnp.sum(jnp.abs(self.left) * jnp.maximum(others, 0.0), axis=0))


def combine(rows: Float[Array, "rank n"], weights: Float[Array, " rank"]) -> Float[Array, " n"]:
    """The sum of the rows with these weights, in full precision on every device."""
    return jnp.sum(rows * weights[:, None], axis=0)


def inverse(matrix: LowRank) -> LowRank:
    """The inverse; infinite or NaN where singular."""
    rank, n = matrix.left.shape
    # Each term in units in which the entries of its right part add up to 1: the small system is then well scaled.
    size = jax.lax.stop_gradient(blocked_sum(jnp.abs(matrix.right)))
    size = jnp.where((size > 0) & jnp.isfinite(size), size, 1.0)
    left, right = matrix.left * size[:, None], matrix.right / size[:, None]
    kept = jax.lax.top_k(-jnp.abs(jax.lax.stop_gradient(matrix.diagonal)), min(rank, n))[1]
    pick = kept[:, None].astype(jnp.int32) == np.arange(n, dtype=np.int32)[None, :]
    aside = jnp.any(pick, axis=0)
    e = jnp.where(aside, 0.0, 1.0 / jnp.where(aside, 1.0, matrix.diagonal))

    def at_kept(vector):
        return jnp.sum(jnp.where(pick, vector[None, :], 0.0), axis=1)

    eye = jnp.eye(rank, dtype=e.dtype)
    through = jnp.stack([blocked_sum(right * (left[m] * e)[None, :]) for m in range(rank)], axis=1)
    own = jnp.where(np.eye(len(kept), dtype=bool), at_kept(matrix.diagonal)[:, None], 0.0)
    by_kept = jnp.stack([at_kept(row) for row in right])
    of_kept = jnp.stack([at_kept(row) for row in left], axis=1)
    core = jnp.concatenate(
        [jnp.concatenate([eye + through, -by_kept], axis=1), jnp.concatenate([of_kept, own], axis=1)]
    )
    small = solve(core, jnp.eye(len(core), dtype=e.dtype))
    one_hot = pick.astype(e.dtype)
    out = jnp.concatenate([-left * e[None, :], one_hot])
    mixed = jnp.stack([combine(out, small[:, q]) for q in range(len(core))])
    return LowRank(e, mixed, jnp.concatenate([right * e[None, :], one_hot]))


def response_radius(matrix: LowRank) -> Float[Array, ""]:
    """The spectral radius of -(M - diag M) / diag M: what Jacobi's iteration, or simultaneous best responses, do.

    Of up to 64 rows exactly. Of more, the largest Ritz value of 12 Arnoldi vectors (Arnoldi 1951), which is exact where
    few eigenvalues lie apart from many close ones, as in most games of many firms, and mostly a lower bound elsewhere.
    """
    own = matrix.own()
    n = len(own)
    left = matrix.left / own[None, :]
    if n <= _EXACT:
        dense = jnp.sum(left[:, :, None] * matrix.right[:, None, :], axis=0)
        return spectral_radius(jnp.where(np.eye(n, dtype=bool), 0.0, -dense))
    response = LowRank(jnp.sum(left * matrix.right, axis=0), -left, matrix.right)
    return spectral_radius(_hessenberg(response))


def _hessenberg(matrix: LowRank) -> Float[Array, "vectors vectors"]:
    """The matrix in an orthonormal basis of its Krylov space; zero beyond an invariant one."""
    n, dtype = len(matrix.diagonal), matrix.diagonal.dtype
    index = np.arange(_VECTORS, dtype=np.int32)
    # Any start will do that is not orthogonal to what is looked for: irregular, and where M is not zero.
    begin = jnp.asarray(0.5 + (np.arange(1, n + 1) * 0.6180339887498949) % 1.0, dtype)
    begin = matrix.times(begin)
    eps = float(jnp.finfo(dtype).eps)

    def unit(vector, least):
        length = jnp.sqrt(jnp.sum(jnp.square(vector)))
        useful = length > least
        return jnp.where(useful, vector / jnp.where(useful, length, 1.0), 0.0), jnp.where(useful, length, 0.0)

    def column(k, state):
        basis, table = state
        new = matrix.times(basis[k])
        size = jnp.sqrt(jnp.sum(jnp.square(new)))
        first = jnp.sum(basis * new[None, :], axis=1)
        new = new - combine(basis, first)
        # Twice is enough (Giraud et al. 2005).
        again = jnp.sum(basis * new[None, :], axis=1)
        following, length = unit(new - combine(basis, again), 64 * eps * size)
        entries = first + again + jnp.where(index == k + 1, length, 0.0)
        # Behind the last row nothing is written: there is no place for what follows it.
        basis = basis.at[k + 1].set(following, mode="drop")
        return basis, jnp.where(index[None, :] == k, entries[:, None], table)

    basis = jnp.where(index[:, None] == 0, unit(begin, 0.0)[0][None, :], 0.0)
    table = jnp.zeros((_VECTORS, _VECTORS), dtype)
    return jax.lax.fori_loop(0, _VECTORS, column, (basis, table))[1]
