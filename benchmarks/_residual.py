"""How far a profile is from the first-order conditions: one function for all competitors, from the payoff alone.

The natural residual max_i |z_i - clip(z_i + g_i/h_i, lower, upper)| / sigma, with g_i the own derivative of the payoff,
h_i the modulus of the own second derivative and sigma the largest strategy. It is zero at a first-order point only, and
does not depend on units. Derivatives are taken here, one firm at a time; no code of a solver is used.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._cases import Case

_LANES = 2**14


def natural_residual(case: Case, values: Float[Array, " parameter"], z: Float[Array, " firm"]) -> Float[Array, ""]:
    """The residual of the profile `z` in the game with the parameters `values`."""
    game = case.at(values)
    lower, upper = case.bounds(game)

    def own(x, i):
        return case.payoff(game, z.at[i].set(x))[i]

    slope = jax.grad(own)
    firms = range(case.firms)
    gradient = jnp.stack([slope(z[i], i) for i in firms])
    curvature = jnp.abs(jnp.stack([jax.grad(slope)(z[i], i) for i in firms]))
    target = jnp.clip(z + gradient / jnp.maximum(curvature, jnp.finfo(z.dtype).tiny), lower, upper)
    size = jnp.maximum(jnp.max(jnp.maximum(jnp.abs(z), jnp.abs(target))), 1e-6 * jnp.max(upper - lower))
    return jnp.max(jnp.abs(z - target)) / size


def residuals(
    case: Case, points: Float[np.ndarray, "point parameter"], z: Float[np.ndarray, "point firm"]
) -> Float[np.ndarray, " point"]:
    """`natural_residual` at every point; infinite where it is NaN."""
    judge = _compiled(case)
    parts = []
    for i in range(0, len(points), _LANES):
        rows, profiles = points[i : i + _LANES], z[i : i + _LANES]
        # One shape for all blocks, so that nothing is compiled twice.
        padding = min(_LANES, len(points)) - len(rows)
        rows, profiles = (np.concatenate([a, np.repeat(a[-1:], padding, axis=0)]) for a in (rows, profiles))
        parts.append(np.asarray(judge(rows, profiles))[: len(points) - i])
    found = np.concatenate(parts)
    return np.where(np.isnan(found), np.inf, found)


@functools.cache
def _compiled(case: Case):
    return jax.jit(jax.vmap(functools.partial(natural_residual, case)))
