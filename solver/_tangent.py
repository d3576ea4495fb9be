"""Second-order conditions on what active constraints leave free.

A firm whose constraints c_k = 0 bind is at a local maximum if the Hessian of its Lagrangian is negative definite on the
directions along which they stay zero (Nocedal & Wright 2006, section 12.5).
"""

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._layout import Layout, own_blocks
from ._linear import largest_eigenvalue, own_diagonal


def tangent_blocks(
    hessian: Float[Array, "strategy strategy"],
    slopes: Float[Array, "row strategy"],
    free: Bool[Array, " strategy"],
    layout: Layout,
) -> tuple[Float[Array, "firm own own"], Bool[Array, ""]]:
    """The own blocks of a Hessian restricted to free strategies and to directions without `slopes` (the active rows,
    others zero); far below zero in all other directions. And whether any direction is left to any firm."""
    eye = np.eye(layout.size, dtype=bool)
    hessian = jnp.where(free[:, None] & free[None, :], hessian, jnp.where(eye, -1.0, 0.0))
    slopes = jnp.where(free[None, :], slopes, 0.0)
    real = layout.own < layout.size
    entries = np.minimum(layout.own, layout.size - 1)
    rows = jnp.where(real[:, None, :], jnp.moveaxis(slopes[:, entries], 1, 0), 0.0)
    inside = jnp.where(real, free[entries], False)
    blocks, left = jax.vmap(_restricted)(own_blocks(hessian, layout), rows, inside)
    return blocks, jnp.any(left)


def largest_curvature(
    hessian: Float[Array, "strategy strategy"],
    slopes: Float[Array, "row strategy"],
    free: Bool[Array, " strategy"],
    layout: Layout,
) -> Float[Array, ""]:
    """The largest eigenvalue of all blocks of `tangent_blocks`; -inf where no firm has a direction left."""
    if layout.own.shape[1] == 1:
        left = free & ~jnp.any(slopes != 0.0, axis=0)
        return jnp.max(jnp.where(left, own_diagonal(hessian), -jnp.inf))
    blocks, left = tangent_blocks(hessian, slopes, free, layout)
    return jnp.where(left, jnp.max(jax.vmap(largest_eigenvalue)(blocks)), -jnp.inf)


def _restricted(hessian, rows, inside):
    """P H P - size (1 - P), P the projector on the free directions; and whether there are any."""
    count = hessian.shape[0]
    keep = jnp.where(np.eye(count, dtype=bool), jnp.where(inside, 1.0, 0.0)[:, None], 0.0).astype(hessian.dtype)
    negligible = 100.0 * float(jnp.finfo(hessian.dtype).eps)

    def remove(projector, row):
        rest = _times(projector, row[:, None])[:, 0]
        length = jnp.sum(jnp.square(rest))
        new = length > negligible * jnp.sum(jnp.square(row))
        rest = rest / jnp.sqrt(jnp.where(new, length, 1.0))
        return projector - jnp.where(new, rest[:, None] * rest[None, :], 0.0), None

    projector, _ = jax.lax.scan(remove, keep, rows)
    size = 1.0 + jnp.max(jnp.sum(jnp.abs(hessian), axis=1))
    other = jnp.eye(count, dtype=hessian.dtype) - projector
    restricted = _times(projector, _times(hessian, projector)) - size * other
    return restricted, jnp.sum(own_diagonal(projector)) > 0.5


def _times(one, other):
    """A small matrix product, in full precision on every device."""
    return jnp.sum(one[:, :, None] * other[None, :, :], axis=1)
