"""Which strategies are at their bounds, where all derivatives are linear: block principal pivoting.

Newton's method takes or frees all strategies that are on the wrong side at once, which can go round for ever: of linear
Cournot games with thirty firms, half of which produce nothing, it left a third unsolved. Here the same is done as long
as fewer strategies are wrong than ever before, now and then; else one at a time, the first of them, which ends if every
principal minor of -J is positive (Murty 1974, Opsearch 11; Judice and Pires 1994, Computers & Operations Research 21).
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._krylov import solve_once

_PATIENCE = 10
"""Rounds in which all that are wrong are changed though there are no fewer of them."""
_ROUNDS = 10
"""The most rounds, for each strategy."""
_ROUNDING = 64.0


class _Sides(NamedTuple):
    inside: Bool[Array, " strategy"]
    above: Bool[Array, " strategy"]
    """At which bound those are that are not inside."""
    step: Float[Array, " strategy"]
    fewest: Int[Array, ""]
    patience: Int[Array, ""]
    wrong: Int[Array, ""]
    rounds: Int[Array, ""]


def pivoted(
    step: Float[Array, " strategy"],
    z: Float[Array, " strategy"],
    gradient: Float[Array, " strategy"],
    jacobian: Float[Array, "strategy strategy"],
    lower: Float[Array, " strategy"],
    upper: Float[Array, " strategy"],
) -> Float[Array, " strategy"]:
    """The step d from z to where the linear conditions hold: with w = gradient + J d, w = 0 within the bounds, w <= 0
    at lower and w >= 0 at upper ones. Another one if there is none, and `step` if a system on the way is singular."""
    rounding = _ROUNDING * float(jnp.finfo(z.dtype).eps)
    begin = z + step

    def look(inside, above):
        held = jnp.where(inside, 0.0, jnp.where(above, upper, lower) - z)
        both = inside[:, None] & inside[None, :]
        matrix = jnp.where(both, jacobian, jnp.eye(len(z), dtype=z.dtype))
        rhs = jnp.where(inside, -(gradient + jnp.sum(jacobian * held[None, :], axis=1)), held)
        step = solve_once(matrix, rhs)
        slope = gradient + jnp.sum(jacobian * step[None, :], axis=1)
        flat = rounding * (jnp.abs(gradient) + jnp.sum(jnp.abs(jacobian * step[None, :]), axis=1))
        near = rounding * (jnp.abs(z) + jnp.abs(step))
        low, high = inside & (z + step < lower - near), inside & (z + step > upper + near)
        return step, low, high, ~inside & jnp.where(above, slope < -flat, slope > flat)

    def turn(sides: _Sides) -> _Sides:
        step, low, high, freed = look(sides.inside, sides.above)
        wrong = low | high | freed
        count = jnp.sum(wrong, dtype=jnp.int32)
        patience = jnp.where(count < sides.fewest, _PATIENCE, sides.patience - 1)
        first = wrong & (jnp.cumsum(wrong, dtype=jnp.int32) == 1)
        change = jnp.where(patience >= 0, wrong, first)
        return _Sides(
            inside=jnp.where(change, freed, sides.inside),
            above=jnp.where(change & ~freed, high, sides.above),
            step=step,
            fewest=jnp.minimum(count, sides.fewest),
            patience=patience,
            wrong=count,
            rounds=sides.rounds + 1,
        )

    many = np.int32(len(z) + 1)
    start = _Sides(
        inside=(begin > lower) & (begin < upper),
        above=begin >= upper,
        step=step,
        fewest=jnp.full((), many, jnp.int32),
        patience=jnp.full((), _PATIENCE, jnp.int32),
        wrong=jnp.full((), many, jnp.int32),
        rounds=jnp.zeros((), jnp.int32),
    )
    most = _ROUNDS * len(z)
    end = jax.lax.while_loop(lambda s: (s.wrong > 0) & (s.rounds < most), turn, alike(start, z))
    return jnp.where(jnp.all(jnp.isfinite(end.step)), end.step, step)
