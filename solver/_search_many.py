"""The search of `_search` for a firm with many strategies, as whole paths are: the same program for every one of them.

Written out strategy by strategy, the program would be as long as there are strategies, and every hill climbed would try
each of them at every step. Here lines of samples are rows of one table, only the highest hills are climbed, and by the
sign of the slope in each strategy, with steps that grow while the sign stays and shrink when it turns (Riedmiller and
Braun, 1993: resilient propagation). What counts as a gain is the payoff at the points visited, so that a wrong
derivative may shorten a climb and hides nothing that the samples see. Besides single strategies, all later entries of
an array's last axis are moved together: deviations "from some period on".
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._dips import dips, samples_of
from ._each import each
from ._edges import beside_edges
from ._hills import HILLS, bends_often, best_hill, first_largest, highest_hills, picked, separate_hills, summit
from ._layout import Layout
from ._low_discrepancy import low_discrepancy
from ._samples import Line, around, in_box, over_bounds, ridge
from ._signature import Signature

MANY_OWN = 4
"""Strategies of a firm; more than so many are searched as here."""
_ALL_CLIMBED = 10
"""Strategies of a firm up to which every hill found is climbed."""
_FOLLOWED = 7
"""Strategies of a firm up to which enough samples to see most hills by are followed to where the firm is."""
_CLIMBED = 3
"""Hills of each kind that are climbed with more strategies, the highest ones."""
_CLIMBS = 64
_LONGER, _SHORTER = 1.2, 0.5


class Own(NamedTuple):
    """One firm's strategies, what they may be, and what they earn."""

    here: Float[Array, " own"]
    lower: Float[Array, " own"]
    upper: Float[Array, " own"]
    size: Float[Array, " own"]
    steepest: Float[Array, " own"]
    later: Bool[Array, "own own"] | None
    """Which strategies come after each one in the same row of an array, itself included; None if rows have no more."""
    sharp: Bool[Array, " own"] | None
    """Those at a kink."""
    sample: Callable[[Int[Array, ""]], Float[Array, " own"]]
    """By number, in the box of all strategies."""
    judge: Callable[[Float[Array, " own"]], tuple[Float[Array, ""], Signature]]
    payoff: Callable[[Float[Array, " own"]], Float[Array, ""]]
    confine: Callable[[Float[Array, "point own"]], Float[Array, "point own"]]
    climb: Callable[..., tuple[Float[Array, " own"], Float[Array, ""]]]
    """Without derivatives, for payoffs that cannot be gone through backwards."""


def rows_of(layout: Layout) -> tuple[np.ndarray, np.ndarray] | None:
    """By strategy: the row of the last axis that it is in, and its place there; None if all rows have one entry."""
    rows, places, begun = [], [], 0
    for shape in layout.shapes:
        length = shape[-1] if len(shape) > 1 else 1
        count = int(np.prod(shape)) // length
        rows.append(begun + np.repeat(np.arange(count), length))
        places.append(np.tile(np.arange(length), count))
        begun += count
    if all(len(shape) < 2 or shape[-1] == 1 for shape in layout.shapes):
        return None
    return np.concatenate(rows).astype(np.int32), np.concatenate(places).astype(np.int32)


def look_at_many(
    own: Own, points: int, joint: int, feasible: bool, edges: bool, k, begin, width
) -> tuple[Float[Array, " own"], Float[Array, ""], Bool[Array, ""], Float[Array, ""], Bool[Array, ""]]:
    """The best strategies found in one part of their ranges, their gain, whether payoffs were free of NaN, the largest
    payoff seen, and whether there seem to be several hills."""
    here, lower, upper, size = own.here, own.lower, own.upper, own.size
    count, half = here.shape[0], points // 2
    nearer = jnp.exp2(-k.astype(here.dtype) / 8.0)
    over, beside = functools.partial(_over, half), functools.partial(_beside, half, nearer)
    wide, wide_spacing = jax.vmap(over)(here, lower, upper, size, begin, width)
    near, near_spacing = jax.vmap(beside)(here, lower, upper, size)
    one = np.eye(count, dtype=bool)[:, None, :]
    tables = [jnp.where(one, at[:, :, None], here[None, None, :]) for at in (wide, near)]
    if own.later is not None:
        tables.append(jnp.where(own.later[:, None, :], wide.T[None, :, :], here[None, None, :]))
    straight = ridge(here, lower, upper, size, own.steepest, half)
    # Other points every time, over all of the box: the sequence goes on where it was left.
    shift = k.astype(here.dtype) * jnp.asarray((low_discrepancy(joint, count)[-1] + 0.5) % 1.0, here.dtype)
    box = in_box(here, lower, upper, size, joint, jnp.zeros_like(begin), jnp.ones_like(width), shift)
    tried = jnp.concatenate([here[None], *(t.reshape(-1, count) for t in tables), straight.own, box])
    tried = own.confine(tried) if feasible else tried
    values, signatures = each(own.judge, tried)
    defined = jnp.isfinite(values[0]) & ~jnp.any(jnp.isnan(values))
    values = jnp.where(jnp.isnan(values), -jnp.inf, values)
    value = values[0]
    highest = jnp.max(jnp.where(jnp.isfinite(values), jnp.abs(values), 0.0))
    lines = count * half

    def table(j: int) -> tuple[Array, Array, Array]:
        part = slice(1 + j * lines, 1 + (j + 1) * lines)
        return tried[part].reshape(count, half, count), values[part].reshape(count, half), signatures[part]

    reach = 0.25 * jnp.minimum(size, upper - lower)
    starts, begun, rough, along = [], [], jnp.zeros((), bool), []
    for j, (at, spacing) in enumerate(((wide, wide_spacing), (near, near_spacing))):
        rows, heights, _ = table(j)
        if feasible:
            # What has been moved is no neighbour on a straight line, whatever is still the same.
            same = jnp.all(rows == tables[j], axis=2)
            at = jnp.where(same, at, here[:, None])
        along.append((at, heights))
        hills = jax.vmap(best_hill, in_axes=(0, 0, 0, 0, 0, None))(at, heights, rows, spacing, here, value)
        rough |= jnp.any(hills.there) | jnp.any(jax.vmap(bends_often)(at, heights))
        steps = jnp.where(one[:, 0, :], hills.spacing[:, None], 0.25 * reach[None, :])
        starts.append(_top(hills.there, hills.own, hills.value, steps))
    at = 1 + 2 * lines
    if own.later is not None:
        rows, heights, _ = table(2)
        hills, several = jax.vmap(separate_hills)(wide, heights, here)
        rough |= jnp.any(several)
        steps = jnp.broadcast_to(reach[None, :], (count, count))
        starts.append(_top(jnp.any(hills, axis=1), *jax.vmap(picked)(hills, rows, heights), steps))
        # The hill of `here` is between the samples if all of them are on another one.
        heights = heights.reshape(-1)
        begun.append((first_largest(heights) & jnp.isfinite(heights), rows.reshape(-1, count), heights))
        at += lines
    part = slice(at, at + half)
    ahead = best_hill(straight.points, values[part], tried[part], straight.spacing, straight.here, value)
    rough |= ahead.there
    hills = highest_hills(values[at + half :], count, shift, most=_ALL_CLIMBED + 1)
    tops = [(hill, tried[at + half :], values[at + half :]) for hill in hills]
    begun += tops
    if count <= _FOLLOWED:
        ways = [(picked(*top)[0], jnp.any(top[0])) for top in tops]
        rough |= dips(lambda at: own.judge(at)[0], own.sample, samples_of(joint, count), ways, here, k == 0)
    elif count <= _ALL_CLIMBED:
        # With even more the points are too few to be each other's neighbours.
        rough |= functools.reduce(jnp.logical_or, map(jnp.any, hills[1::HILLS]))
    singly = [(*picked(*one), jnp.where(jnp.any(one[0]), reach, 0.0)) for one in begun]
    singly.append((ahead.own, ahead.value, jnp.where(ahead.there, reach, 0.0)))
    starts.append(tuple(jnp.stack(parts) for parts in zip(*singly, strict=True)))
    stacked = [jnp.concatenate(parts) for parts in zip(*starts, strict=True)]
    climb = functools.partial(_ascend, own) if _goes_backwards(own) else own.climb
    ends, tops = jax.vmap(climb)(*stacked)
    gains = jnp.where(jnp.any(stacked[2] > 0, axis=1), tops - value, 0.0)
    # Whatever has been looked at and is better counts, climbed or not.
    owns, gains = jnp.concatenate([ends, tried]), jnp.concatenate([gains, values - value])
    gains = jnp.where(jnp.isnan(gains), 0.0, gains)
    gain = jnp.maximum(jnp.max(gains), 0.0)
    best = jnp.where(gain > 0, picked(first_largest(gains), owns, gains)[0], here)
    tops, nearby = jax.vmap(summit, in_axes=(0, 0, 0, None))(along[1][0], along[1][1], here, value)
    tops = tops if own.sharp is None else jnp.where(own.sharp, 0.0, tops)
    chosen = first_largest(tops)
    top = jnp.max(tops)
    best = jnp.where(top > gain, jnp.where(chosen, nearby, here), best)
    gain = jnp.maximum(top, gain)
    if edges:
        # Over the bounds only: what is around `here` is there as well.
        rows, heights, signs = table(0)
        every = Line(along[0][0], here, wide_spacing / size[:, None], rows)
        search = jax.vmap(functools.partial(beside_edges, own.judge), in_axes=(0, 0, 0, None, None))
        owns, tops = search(every, heights, signs.reshape(count, half, 2), here, value)
        at_edge, top = picked(first_largest(tops), owns, tops)
        best = jnp.where(top - value > gain, at_edge, best)
        gain = jnp.maximum(top - value, gain)
    return best, gain, defined, highest, rough


def _over(count: int, here, lower, upper, size, begin, width):
    """`over_bounds`, the number of points first."""
    return over_bounds(here, lower, upper, size, count, begin, width)


def _beside(count: int, nearer, here, lower, upper, size):
    """`around`, what is the same for all strategies first."""
    return around(here, lower, upper, size, count, nearer)


def _top(there: Bool[Array, " line"], owns, tops, steps) -> tuple[Array, Array, Array]:
    """Where to climb of many lines, only the highest ones if these are many, with the steps to climb by; zero where
    there is no hill."""
    if len(owns) <= _ALL_CLIMBED:
        return owns, tops, jnp.where(there[:, None], steps, 0.0)
    found, left = [], jnp.where(there, tops, -jnp.inf)
    for _ in range(_CLIMBED):
        one = first_largest(left) & (left > -jnp.inf)
        own, top = picked(one, owns, tops)
        found.append((own, top, jnp.sum(jnp.where(one[:, None], steps, 0.0), axis=0)))
        left = jnp.where(one, -jnp.inf, left)
    own, top, step = (jnp.stack(parts) for parts in zip(*found, strict=True))
    return own, top, step


def _goes_backwards(own: Own) -> bool:
    """Whether the payoff can be differentiated in all strategies at once."""
    try:
        jax.eval_shape(jax.grad(own.payoff), own.here)
    except (NotImplementedError, TypeError, ValueError):  # What JAX raises where there is no way back.
        return False
    return True


def _ascend(own: Own, start, value, reach) -> tuple[Float[Array, " own"], Float[Array, ""]]:
    """The best place on a way upwards from `start`, by signs of slopes, and the payoff there."""
    finest = float(jnp.finfo(start.dtype).eps) ** (1 / 3)

    def unfinished(state) -> Bool[Array, ""]:
        return jnp.any(state[3] > finest * own.size) & (state[5] < _CLIMBS)

    def improve(state):
        at, best, top, step, last, tries = state
        value, slope = jax.value_and_grad(own.payoff)(at)
        better = value > top
        way = jnp.where(jnp.isnan(slope), 0.0, jnp.sign(slope))
        way = jnp.where(((at <= own.lower) & (way < 0)) | ((at >= own.upper) & (way > 0)), 0.0, way)
        step = step * jnp.where(way * last > 0, _LONGER, jnp.where(way * last < 0, _SHORTER, 1.0))
        # What rests at a bound, or has no slope, needs no more steps; it may go on when others have moved.
        moved = own.confine((at + step * way)[None])[0]
        step = jnp.where((way == 0) & (last == 0), _SHORTER * step, step)
        return moved, jnp.where(better, at, best), jnp.where(better, value, top), step, way, tries + 1

    # Where there is no hill to climb the steps are zero and nothing is tried.
    zero = jnp.zeros((), jnp.int32)
    begin = alike((start, start, value, reach, jnp.zeros_like(start), zero), start, value)
    end = jax.lax.while_loop(unfinished, improve, begin)
    return end[1], end[2]
