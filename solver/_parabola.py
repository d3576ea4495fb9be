"""Deviations where every payoff is quadratic in the strategies: three points say where its owner's best one is.

No derivative is used. The parabola through the point at hand and two others within the
bounds is the payoff itself, so that its highest point within the bounds is the best response; what the payoff gains
there is computed from the payoff, not from the parabola.
"""

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._conditions import Conditions
from ._hills import first_largest

_FARTHEST = 1024.0
"""How many times its size, or that of an own Newton step, a strategy moves where a bound is infinite."""
_STEP = 1e3
_ROUNDING = 8.0


def parabolic_deviations(
    conditions: Conditions, z: Float[Array, " strategy"], size: Float[Array, " strategy"]
) -> tuple[Float[Array, " strategy"], Float[Array, " firm"], Bool[Array, ""]]:
    """Best deviations, gains, and whether payoffs were finite, as `deviations`, for firms with one strategy each."""
    layout = conditions.layout
    pick = np.asarray(layout.own) == np.arange(layout.size)[None, :]
    firms = np.eye(layout.firms, dtype=bool)

    def take(vector: Float[Array, " strategy"]) -> Float[Array, " firm"]:
        return jnp.sum(jnp.where(pick, vector[None, :], 0.0), axis=1)

    def payoffs(own: Float[Array, "place firm"]) -> Float[Array, "place firm"]:
        """Of each firm alone at each place."""

        def one(x: Float[Array, ""], mine: Bool[Array, " strategy"], firm: Bool[Array, " firm"]) -> Float[Array, ""]:
            return jnp.sum(jnp.where(firm, conditions.payoffs(jnp.where(mine, x, z)), 0.0))

        each = jax.vmap(one)
        return jax.vmap(lambda row: each(row, jnp.asarray(pick), jnp.asarray(firms)))(own)

    here, lower, upper, scale = (take(v) for v in (z, conditions.lower, conditions.upper, size))
    step = jnp.minimum(scale, 0.5 * (upper - lower))
    moves = step > 0
    step = jnp.where(moves, step, 1.0)
    # Both on the same side where a bound is near.
    one = jnp.where(here - step >= lower, -step, 0.5 * step)
    two = jnp.where(here + step <= upper, step, -0.5 * step)
    near = jnp.where(moves[None, :], jnp.stack([jnp.zeros_like(one), one, two]), 0.0) + here[None, :]
    value, first, second = payoffs(near)
    rise, fall = (first - value) / one, (second - value) / two
    bend = (rise - fall) / (one - two)
    slope = rise - bend * one
    low, high = room(here, lower, upper, farthest(scale, slope, 2.0 * bend))
    top = jnp.clip(-slope / jnp.where(bend < 0, 2.0 * bend, -1.0), low, high)
    # Both ends as well: next to nothing, a curvature may have come out with the wrong sign.
    far = jnp.clip(
        here[None, :] + jnp.stack([jnp.where(bend < 0, top, 0.0), low, high]), lower[None, :], upper[None, :]
    )
    tried, values = jnp.concatenate([near[1:], far]), jnp.concatenate([jnp.stack([first, second]), payoffs(far)])
    highest = jax.vmap(first_largest, in_axes=1, out_axes=1)(values)
    most = jnp.sum(jnp.where(highest, values, 0.0), axis=0)
    gain = most - value
    better = moves & (gain > rounding(jnp.stack([value, most])))
    own = jnp.where(better, jnp.sum(jnp.where(highest, tried, 0.0), axis=0), here)
    found = jnp.sum(jnp.where(pick, own[:, None], 0.0), axis=0)
    defined = jnp.all(jnp.isfinite(value)) & ~jnp.any(jnp.isnan(values))
    return found, jnp.where(better, gain, 0.0), defined


def rounding(values: Float[Array, "place *firm"]) -> Float[Array, "*firm"]:
    """What payoffs of such sizes may differ by without there being a difference; infinite ones differ from others."""
    sizes = jnp.where(jnp.isfinite(values), jnp.abs(values), 0.0)
    return _ROUNDING * float(jnp.finfo(values.dtype).eps) * jnp.max(sizes, axis=0)


def farthest(size: Float[Array, "*n"], slope: Float[Array, "*n"], bend: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """How far a strategy is moved where nothing bounds it: so far that an own curvature outweighs the slope."""
    step = jnp.abs(slope) / jnp.where(bend == 0, 1.0, jnp.abs(bend))
    return _FARTHEST * jnp.maximum(size, jnp.minimum(step, _STEP * jnp.maximum(size, 1.0)))


def room(
    here: Float[Array, "*n"], lower: Float[Array, "*n"], upper: Float[Array, "*n"], far: Float[Array, "*n"]
) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """The moves that bounds allow, as `far` as a number can be where they are infinite."""
    return (
        jnp.where(jnp.isfinite(lower), lower - here, -far),
        jnp.where(jnp.isfinite(upper), upper - here, far),
    )
