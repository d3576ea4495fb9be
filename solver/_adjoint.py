"""Exact derivatives of an equilibrium by the implicit function theorem.

On the free strategies F the conditions g_F(z, theta) = 0 hold identically in theta, and the others stay at their bounds
b(theta), so J_FF dz_F = -(dg_F/dtheta dtheta + J_FB db) and dz_B = db. The rule is a JVP: forward and reverse mode,
batching and higher derivatives follow from it. A derivative at a point that is not a first-order point has no meaning
and is NaN; so is one at a kink of a payoff in its owner's strategy, where no such condition holds. At
`certificate.margin` 0 because a strategy just reaches its bound it is one-sided.
"""

from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._conditions import Conditions, conditions_of
from ._game import Game
from ._kinks import kinked
from ._layout import layout_of
from ._method import Steps


class Found(NamedTuple):
    """What an attempt to solve leaves behind; only `z` has a derivative."""

    z: Float[Array, " strategy"]
    residual: Float[Array, ""]
    record: dict
    """Anything else to report, by name; constants for differentiation."""


@eqx.filter_custom_jvp
def implicit(
    game: Game,
    z: Float[Array, " strategy"],
    *,
    search,
    max_steps: Steps,
    final: Bool[Array, ""] | bool,
    tol: float,
    kinks: bool,
) -> Found:
    """`search(game, z, max_steps, final)`, differentiated by the implicit function theorem, not through its iterations.

    The most steps may be traced, and JAX has to know: what `search` holds is hidden from it.
    """
    del tol, kinks
    return search(game, z, max_steps, final)


@implicit.def_jvp
def _rule(primals, tangents, *, search, max_steps, final, tol, kinks):
    game, start = primals
    tangent, _ = tangents
    found = implicit(game, start, search=search, max_steps=max_steps, final=final, tol=tol, kinks=kinks)
    z = found.z
    layout = layout_of(game)
    point = conditions_of(game, layout, z.dtype).at(z)

    def at_fixed_profile(game):
        conditions: Conditions = conditions_of(game, layout, z.dtype)
        return conditions.gradient(z), conditions.lower, conditions.upper

    (_, lower, upper), moved = eqx.filter_jvp(at_fixed_profile, (game,), (tangent,))
    by_game, d_lower, d_upper = (jnp.zeros_like(z) if part is None else part for part in moved)
    free = jax.lax.stop_gradient(point.free)
    d_bound = jnp.where(jax.lax.stop_gradient(z - lower <= upper - z), d_lower, d_upper)
    d_bound = jnp.where(free, 0.0, d_bound)
    d_z = conditions_of(game, layout, z.dtype).moved(point, by_game, d_bound, free)
    valid = jax.lax.stop_gradient((found.residual <= tol) & jnp.all(lower <= upper))
    if kinks:
        # There the conditions hold by what JAX calls a derivative, if at all. (Twice: computed once more, the residual
        # may differ in its last digits.)
        fixed = conditions_of(jax.lax.stop_gradient(game), layout, z.dtype)
        smooth = ~kinked(fixed, jax.lax.stop_gradient(z))[1]
        valid &= smooth & jax.lax.stop_gradient(point.residual <= 2.0 * tol)
    # As a factor: selecting NaN would leave NaN in every reverse-mode derivative, valid or not.
    d_z = d_z * jnp.where(valid, 1.0, jnp.nan).astype(z.dtype)
    zeros = jax.tree.map(zero_tangent, found)
    return found, zeros._replace(z=d_z)


def zero_tangent(leaf):
    """The tangent of what does not depend on the parameters."""
    return jnp.zeros_like(leaf) if jnp.issubdtype(leaf.dtype, jnp.inexact) else None
