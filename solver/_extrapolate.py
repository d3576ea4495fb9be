"""Steps beyond Newton's where these shrink by a fixed ratio, as at payoffs with flat tops.

Where the own payoff falls with a power p of the distance to its top, Newton's steps w are 1/(p - 1) of that distance,
and convergence is linear with ratio (p - 2)/(p - 1): a hundred steps for p = 8. Two points and their steps say how w
changes along the way, and so where it vanishes: Anderson's acceleration with a memory of one, which makes Newton's
method fast at singular solutions (Pollock & Schwartz 2020; in one dimension it is the secant method for w). A part of
the way is left, so that a solution with singular derivatives is approached from one side and never hit exactly.
"""

from jaxtyping import Array, Bool, Float

from . import _numpy as jnp

_LEFT = 1 / 32
"""The part of the distance after a step of Newton's that is left."""
_SLOWEST, _FASTEST = 1 / 32, 3 / 4
"""Shares of the distance that steps may take: with less nothing can be said, with more there is nothing to gain."""
_ALIGNED = 0.99
"""The squared cosine from which on two directions are one."""


def extrapolation(
    move: Float[Array, " strategy"],
    last: Float[Array, " strategy"],
    step: Float[Array, " strategy"],
    scale: Float[Array, " strategy"],
) -> tuple[Float[Array, " strategy"], Bool[Array, ""]]:
    """What to add to Newton's step from a point, and whether convergence is linear; nothing to add where it is not.

    `move` leads there from the point before, whose step is `last`; `scale` makes all of them dimensionless.
    """
    change = step - last
    moves, changes, steps = (v / scale for v in (move, change, step))
    along, across = jnp.sum(moves * changes), jnp.sum(steps * changes)
    moved, squares = jnp.sum(moves * moves), jnp.sum(changes * changes)
    one_way = along * along >= _ALIGNED * moved * squares
    one_way = one_way & (across * across >= _ALIGNED * jnp.sum(steps * steps) * squares)
    # Strictly, so that what is zero, infinite or no number is none of it.
    linear = one_way & (-along > _SLOWEST * moved) & (-along < _FASTEST * moved)
    beyond = -(1.0 - _LEFT) * (across / squares) * (move + change)
    return jnp.where(linear, beyond, 0.0), linear
