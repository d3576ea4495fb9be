"""Deviations where every payoff is quadratic in the strategies and firms have a few: the best one is known exactly.

The highest point of a quadratic function over a box is stationary on one of its faces: some strategies at their bounds,
the others where the slopes in them are zero given those. Where such a face has no single stationary point there is a
highest one on a smaller face as well. So the stationary points of all faces are tried, three to the power of the number
of strategies of them, whether the payoff is concave or not.

Slopes and curvatures say where they are; the program was read to be made of sums and products alone, so that no
derivative in it is anybody's own. What is gained there is computed from the payoff.
"""

import itertools

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._conditions import Conditions
from ._each import each
from ._hills import first_largest, picked
from ._layout import own_blocks
from ._linear import own_diagonal, solve
from ._parabola import farthest, room, rounding

FEW = 4
"""The most strategies of a firm of which all faces are tried: 81 then."""


def stationary_deviations(
    conditions: Conditions,
    z: Float[Array, " strategy"],
    size: Float[Array, " strategy"],
    gradient: Float[Array, " strategy"],
    jacobian: Float[Array, "strategy strategy"],
) -> tuple[Float[Array, " strategy"], Float[Array, " firm"], Bool[Array, ""]]:
    """Best deviations, gains, and whether payoffs were finite, as `deviations`, for firms with `FEW` strategies each.

    `gradient` and `jacobian` are those of the own derivatives at z.
    """
    layout = conditions.layout
    count = layout.own.shape[1]
    pick = np.asarray(layout.own)[:, :, None] == np.arange(layout.size)[None, None, :]
    sides = np.array(list(itertools.product((0, 1, 2), repeat=count)), np.int32)

    def take(vector: Float[Array, " strategy"]) -> Float[Array, "firm own"]:
        # Strategies that only pad a firm's row cannot move.
        return jnp.sum(jnp.where(pick, vector[None, None, :], 0.0), axis=2)

    far = farthest(size, gradient, own_diagonal(jacobian))
    low, high = map(take, room(z, conditions.lower, conditions.upper, far))

    def of_firm(firm) -> tuple[Array, Array, Array]:
        mine, chosen, slope, bend, low, high = firm

        def payoff(move: Float[Array, " own"]) -> Float[Array, ""]:
            moved = jnp.sum(jnp.where(chosen, move[:, None], 0.0), axis=0)
            moved = jnp.clip(z + moved, conditions.lower, conditions.upper)
            return jnp.sum(jnp.where(mine, conditions.payoffs(moved), 0.0))

        def on_face(side) -> tuple[Float[Array, " own"], Float[Array, ""]]:
            inside = side == 2
            held = jnp.where(inside, 0.0, jnp.where(side == 1, high, low))
            both = inside[:, None] & inside[None, :]
            matrix = jnp.where(both, bend, jnp.eye(count, dtype=bend.dtype))
            against = slope + jnp.sum(bend * held[None, :], axis=1)
            move = solve(matrix, jnp.where(inside, -against, held))
            move = jnp.clip(jnp.where(jnp.isnan(move), 0.0, move), low, high)
            return move, payoff(move)

        moves, values = each(on_face, jnp.asarray(sides))
        value = payoff(jnp.zeros_like(low))
        best, top = picked(first_largest(jnp.where(jnp.isnan(values), -jnp.inf, values)), moves, values)
        better = top - value > rounding(jnp.stack([value, top]))
        gain = jnp.where(better, top - value, 0.0)
        return jnp.where(better, best, 0.0), gain, jnp.isfinite(value) & ~jnp.any(jnp.isnan(values))

    firms = np.eye(layout.firms, dtype=bool)
    every = (jnp.asarray(firms), jnp.asarray(pick), take(gradient), own_blocks(jacobian, layout), low, high)
    moves, gain, defined = jax.vmap(of_firm)(every)
    move = jnp.sum(jnp.where(pick, moves[:, :, None], 0.0), axis=(0, 1))
    return jnp.clip(z + move, conditions.lower, conditions.upper), gain, jnp.all(defined)
