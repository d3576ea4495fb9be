"""Whether a payoff that was sampled in a box is one hill around a point, as far as can be seen.

On the way from anywhere to the top of a single hill it only rises, if the hill is star-shaped, as every quasiconcave
one is. So a payoff that falls on such a way has other hills, or a bent ridge. That none of the nearest samples is
higher says less: with several strategies samples on any ridge are so, and those on the slope of a hill are not.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._each import each
from ._only_if import only_if
from ._samples import HALVINGS

_AHEAD = np.array([0.0, 0.25, 0.5])
"""How far towards the top every sample is followed: far, as a hill is on the way from everything behind it."""
_ALL_THE_WAY = np.concatenate([[0.0], 2.0 ** np.arange(-9.0, -4.0), np.arange(1, 17) / 17, [1.0]])
"""Where it is looked at on the way from those that may be tops themselves: closer together at first."""
_TOGETHER, _ROW = 512, 4096
"""Samples that are followed together, and most that are in one row: kernels have no longer ones."""


def samples_of(joint: int, count: int) -> int:
    """How many samples are to be followed for so many strategies, where a search in one part of the box has `joint`: as
    many as searches in all parts, and twice as many with more than two strategies, where hills are narrower in it."""
    return joint * 2 ** (HALVINGS + (count > 2))


def dips(
    payoff: Callable[[Float[Array, " own"]], Float[Array, ""]],
    sample: Callable[[Int[Array, ""]], Float[Array, " own"]],
    count: int,
    tops: Sequence[tuple[Float[Array, " own"], Bool[Array, ""]]],
    here: Float[Array, " own"],
    wanted: Bool[Array, ""],
) -> Bool[Array, ""]:
    """Whether the payoff falls at first on the way from one of `count` samples (or a few more) to `here`, or anywhere
    on the way from one of the `tops`, those that there are; False if it is not `wanted`."""
    row = min(count, _ROW)

    def look(starts, there, here):
        def falls(start: Float[Array, " own"], shares: np.ndarray) -> Bool[Array, ""]:
            way = start[None, :] + jnp.asarray(shares, here.dtype)[:, None] * (here - start)[None, :]
            return _falls(each(payoff, way))

        def ahead_of(k: Int[Array, ""]) -> Bool[Array, ""]:
            return functools.reduce(jnp.logical_or, [falls(sample(k + b), _AHEAD) for b in range(0, count, row)])

        ahead = each(ahead_of, np.arange(row, dtype=np.int32), min(_TOGETHER, row))
        whole = each(lambda start: falls(start, _ALL_THE_WAY), starts)
        return jnp.any(ahead) | jnp.any(whole & there)

    starts, there = (jnp.stack(parts) for parts in zip(*tops, strict=True))
    return only_if(wanted, look, jnp.zeros((), bool), starts, there, here)


def _falls(values: Float[Array, " step"]) -> Bool[Array, ""]:
    """Whether a payoff falls anywhere by more than its rounding."""
    values = jnp.where(jnp.isnan(values), -jnp.inf, values)
    size = jnp.max(jnp.where(jnp.isfinite(values), jnp.abs(values), 0.0))
    return jnp.any(values[1:] < values[:-1] - 8.0 * float(jnp.finfo(values.dtype).eps) * size)
