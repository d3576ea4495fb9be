"""The global search over every firm's own strategies at once, in aggregative games.

The same points, hills and climbs as in `_search`, but a payoff is evaluated for all firms together: against the others'
contributions, which do not move while a firm looks around, a firm's payoff is a function of its own action. The cost is
that of the points times the firms; what is kept of the points is worked through in blocks of firms.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._aggregative import blocked_sum
from ._alike import alike
from ._hills import bends_often, best_hill, summit
from ._pooled import Pooling
from ._samples import around, over_bounds, parts_of
from ._search import CLIMBS, GlobalSearch

_TOGETHER = 2**16
"""Firms whose hills are looked at together."""
_VALUES = 2**21
"""Payoffs that are computed together."""

Payoff = Callable[[Float[Array, " firm"]], Float[Array, " firm"]]


class _Looks(NamedTuple):
    """The best that repeated searches have found."""

    best: Float[Array, " firm"]
    gain: Float[Array, " firm"]
    defined: Bool[Array, ""]
    seen: Float[Array, " firm"]
    rough: Bool[Array, " firm"]
    """Where the first one saw signs of several hills."""
    number: Int[Array, ""]


def all_deviations(
    pooling: Pooling, z: Float[Array, " strategy"], size: Float[Array, " strategy"], search: GlobalSearch
) -> tuple[Float[Array, " strategy"], Float[Array, " firm"], Bool[Array, ""], Float[Array, " firm"]]:
    """What `deviations` returns: every firm's best deviation, the gains, whether payoffs were free of NaN, and the
    largest seen."""
    parts = pooling.parts(z)
    others = pooling.meet(blocked_sum(parts)) - parts
    lower, upper, half = pooling.lower, pooling.upper, search.points // 2
    sections = parts_of(1)
    count = len(sections[0])

    def payoff(x):
        return pooling.own(x, others + pooling.parts(x))

    here_value = payoff(z)

    def look(number, begin, width):
        # Points around `here` are not the same twice.
        nearer = jnp.exp2(-number.astype(z.dtype) / count)

        def lines(here, lower, upper, size):
            points, spacing = over_bounds(here, lower, upper, size, half, begin, width)
            points_around, spacing_around = around(here, lower, upper, size, half, nearer)
            return jnp.concatenate([points, points_around]), jnp.concatenate([spacing, spacing_around])

        def hills(here, lower, upper, size, value, values):
            points, spacing = lines(here, lower, upper, size)
            rough, starts = jnp.zeros((), bool), []
            for at, spaces, heights in zip(
                *(jnp.split(part, [half]) for part in (points, spacing, values)), strict=True
            ):
                hill = best_hill(at, heights, at[:, None], spaces, here, value)
                rough |= hill.there | bends_often(at, heights)
                starts.append((hill.own[0], hill.value, hill.spacing * size))
            return (*(jnp.stack(part) for part in zip(*starts, strict=True)), rough), summit(
                points[half:], values[half:], here, value
            )

        points = _by_firm(lambda *firm: lines(*firm)[0], z, lower, upper, size)
        together = max(1, min(2 * half, _VALUES // len(z)))
        values = jax.lax.map(payoff, points.T, batch_size=together).T
        defined = jnp.all(jnp.isfinite(here_value)) & ~jnp.any(jnp.isnan(values))
        values = jnp.where(jnp.isnan(values), -jnp.inf, values)
        seen = jnp.max(jnp.where(jnp.isfinite(values), jnp.abs(values), 0.0), axis=1)
        seen = jnp.maximum(seen, jnp.abs(here_value))
        (starts, heights, reach, rough), (near, nearby) = _by_firm(hills, z, lower, upper, size, here_value, values)
        ends, tops = _climb(payoff, starts.T, heights.T, reach.T, lower, upper, size)
        gains = jnp.where(reach.T > 0, tops - here_value[None, :], 0.0)
        gains = jnp.where(jnp.isnan(gains), 0.0, gains)
        second = gains[1] > gains[0]
        gain = jnp.maximum(jnp.where(second, gains[1], gains[0]), 0.0)
        best = jnp.where(gain > 0, jnp.where(second, ends[1], ends[0]), z)
        return jnp.where(near > gain, nearby, best), jnp.maximum(gain, near), defined, seen, rough

    def again(state: _Looks):
        return (state.number == 0) | (jnp.any(state.rough) & (state.number < count))

    def go_on(state: _Looks) -> _Looks:
        at = np.arange(count, dtype=np.int32) == state.number
        begin, width = (jnp.sum(jnp.where(at, jnp.asarray(part[:, 0], z.dtype), 0.0)) for part in sections)
        best, gain, defined, seen, rough = look(state.number, begin, width)
        first = state.number == 0
        better = (first | state.rough) & (gain > state.gain)
        return _Looks(
            jnp.where(better, best, state.best),
            jnp.where(better, gain, state.gain),
            defined & state.defined,
            jnp.maximum(seen, state.seen),
            jnp.where(first, rough, state.rough),
            state.number + 1,
        )

    zeros = jnp.zeros_like(z)
    nothing = _Looks(z, zeros, jnp.ones((), bool), zeros, jnp.zeros(z.shape, bool), jnp.zeros((), jnp.int32))
    found = jax.lax.while_loop(again, go_on, alike(nothing, z))
    return found.best, found.gain, found.defined, found.seen


def _by_firm(function: Callable[..., Any], *values: Float[Array, "firm ..."]) -> Any:
    """A function of one firm's values for all firms, block by block."""
    if len(values[0]) <= _TOGETHER:
        return jax.vmap(function)(*values)
    return jax.lax.map(lambda firm: function(*firm), values, batch_size=_TOGETHER)


def _climb(payoff: Payoff, own, value, reach, lower, upper, size):
    """Compass search from every start of every firm, as `_climb` in `_search`; arrays are (start, firm)."""
    ways = np.array([1.0, -1.0, 0.25, -0.25])
    finest = float(jnp.finfo(own.dtype).eps) ** (1 / 3)

    def active(step):
        return step > finest * size[None, :]

    def unfinished(state):
        _, _, step, tries = state
        return jnp.any(active(step)) & (tries < CLIMBS)

    def improve(state):
        own, value, step, tries = state
        best, highest = own, jnp.full_like(value, -jnp.inf)
        for way in ways:
            trial = jnp.clip(own + step * jnp.asarray(way, own.dtype), lower[None, :], upper[None, :])
            height = jax.vmap(payoff)(trial)
            higher = height > highest
            best, highest = jnp.where(higher, trial, best), jnp.where(higher, height, highest)
        better = (highest > value) & active(step)
        shorter = jnp.where(active(step), 0.25 * step, step)
        return (
            jnp.where(better, best, own),
            jnp.where(better, highest, value),
            jnp.where(better, step, shorter),
            tries + 1,
        )

    begin = alike((own, value, reach, jnp.zeros((), jnp.int32)), own, value)
    end = jax.lax.while_loop(unfinished, improve, begin)
    return end[0], end[1]
