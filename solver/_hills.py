"""The hills of a payoff that was sampled along a line or in a box, and what is seen of their tops."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._low_discrepancy import low_discrepancy
from ._only_if import only_if

HILLS = 2
"""How many hills of each half of the points in a box are climbed."""


class Hill(NamedTuple):
    """A hill of a sampled payoff; zeros if there is none."""

    there: Bool[Array, ""]
    own: Float[Array, " own"]
    value: Float[Array, ""]
    """The highest sample on it, and the payoff there."""
    spacing: Float[Array, ""]
    """How far the next samples are."""


def best_hill(points, values, rows, spacing, here, value) -> Hill:
    """The highest local maximum of an ordered line that is not just the hill on which `here` stands.

    Args:
        points: where the samples are along the line.
        values: the payoffs there.
        rows: the same places, as strategies of the firm.
        spacing: how far the next samples are.
        here: the place that is judged, along the line.
        value: the payoff there.
    """

    def highest(points, values, rows, spacing, here, value) -> Hill:
        low = jnp.full((1,), -jnp.inf, values.dtype)
        left, right = jnp.concatenate([low, values[:-1]]), jnp.concatenate([values[1:], low])
        before = jnp.concatenate([points[:1], points[:-1]])
        after = jnp.concatenate([points[1:], points[-1:]])
        # Seen from `here`, a hill of its own needs a rise after a dip; next to `here` it must be higher than `here`.
        # Strictly, so that neither plateaus nor points clipped to the same bound count.
        rise_left = (points < here) & (values > jnp.where(after >= here, value, right)) & (values >= left)
        rise_right = (points > here) & (values > jnp.where(before <= here, value, left)) & (values >= right)
        # Compared by their tops, not by the points that happened to be sampled on them.
        height = jnp.where(rise_left | rise_right, _tops(points, values), -jnp.inf)
        hill = first_largest(height) & (height > -jnp.inf)
        return Hill(jnp.any(hill), *picked(hill, rows, values), jnp.sum(jnp.where(hill, spacing, 0.0)))

    # Most payoffs have no other hill: they rise nowhere on the way from `here`, and to nothing higher.
    away = ((values[:-1] > values[1:]) & (points[1:] < here)) | ((values[1:] > values[:-1]) & (points[:-1] > here))
    some = jnp.any(away) | jnp.any(values > value)
    none = jnp.zeros_like(value)
    none = Hill(jnp.zeros((), bool), jnp.zeros_like(rows[0]), none, none)
    return only_if(some, highest, none, points, values, rows, spacing, here, value)


def separate_hills(points, values, here):
    """One-hot: the highest local maximum of an ordered line beside `here` to which the line does not just rise from
    there; and whether the line has more than one."""
    low = jnp.full((1,), -jnp.inf, values.dtype)
    left, right = jnp.concatenate([low, values[:-1]]), jnp.concatenate([values[1:], low])
    top = (values > left) & (values >= right)
    number = np.arange(len(points), dtype=np.int32)
    nearest = number == jnp.argmin(jnp.abs(points - here)).astype(jnp.int32)
    before = number[:, None] >= number[None, 1:]

    def steps_from_nearest(some):
        so_far = jnp.sum(before & some[None, :], axis=1, dtype=np.int32)
        return so_far - jnp.sum(jnp.where(nearest, so_far, 0), dtype=np.int32)

    falls, rises = steps_from_nearest(values[1:] < values[:-1]), steps_from_nearest(values[1:] > values[:-1])
    after = number > jnp.argmax(nearest).astype(jnp.int32)
    apart = ~nearest & (jnp.where(after, falls, -rises) > 0)
    height = jnp.where(top & apart, values, -jnp.inf)
    return first_largest(height) & (height > -jnp.inf), jnp.sum(top) > 1


def _tops(points, values):
    """By point: the top of the parabola through it and its neighbours, if it has one between them; else the value."""
    before, after = points[1:-1] - points[:-2], points[2:] - points[1:-1]
    left, right = values[1:-1] - values[:-2], values[2:] - values[1:-1]
    apart = (before > 0) & (after > 0) & jnp.isfinite(left) & jnp.isfinite(right) & (left >= 0) & (right <= 0)
    rise, fall = (jnp.where(apart, d, 0.0) / jnp.where(apart, h, 1.0) for d, h in ((left, before), (right, after)))
    width = jnp.where(apart, before + after, 1.0)
    bend = jnp.where(apart & (rise > fall), (rise - fall) / width, 1.0)
    slope = (rise * after + fall * before) / width
    # No higher than the steeper side leads within half of it.
    most = 0.5 * jnp.maximum(rise * before, -fall * after)
    return values.at[1:-1].add(jnp.where(apart, jnp.minimum(jnp.square(slope) / (4.0 * bend), most), 0.0))


def bends_often(points, values):
    """Whether the payoff along a line is concave in two places and convex between, as on two hills."""
    distance = points[1:] - points[:-1]
    step = jnp.where(distance > 0, distance, 1.0)
    per_step = 1.0 / step  # A division takes as long as many products.
    slope = jnp.where(distance > 0, values[1:] - values[:-1], 0.0) * per_step
    # Points moved to the same bound are no bend.
    bend = jnp.where((distance[1:] > 0) & (distance[:-1] > 0), slope[1:] - slope[:-1], 0.0)
    eps = float(jnp.finfo(values.dtype).eps)
    steepest, highest = (jnp.max(jnp.where(jnp.isfinite(part), jnp.abs(part), 0.0)) for part in (slope, values))
    noise = eps**0.5 * steepest + 8.0 * eps * highest * (per_step[1:] + per_step[:-1])
    number = np.arange(len(bend), dtype=np.int32)
    first = jnp.min(jnp.where(bend < -noise, number, len(bend)))
    last = jnp.max(jnp.where(bend < -noise, number, -1))
    return jnp.any((bend > noise) & (number > first) & (number < last))


def highest_hills(values, dimension: int, shift=None, most: int | None = None) -> list:
    """One-hot: among the points of `in_box`, the highest ones with no higher neighbour, for each of its two halves.

    The halves, every other point, are lattices but for their wrapping around: the neighbours of a point are always at
    the same few distances in the numbering. With a `shift` they wrap around elsewhere. At `most` so many are looked at.
    """
    count = len(values)
    share = low_discrepancy(count, dimension)
    shifted = share if shift is None else (jnp.asarray(share, values.dtype) + shift[None, :]) % 1.0
    norm = np.linalg.norm if shift is None else jnp.linalg.norm
    found = []
    for half in (0, 1):
        mine = np.arange(count) % 2 == half
        distances = np.arange(2, count // 2, 2)
        moves = (share[distances] - share[0] + 0.5) % 1.0 - 0.5
        nearest = distances[np.argsort(np.linalg.norm(moves, axis=1))[: dimension + 1][:most]]
        height = jnp.where(mine, values, -jnp.inf)
        hill = mine
        for distance in nearest:
            direct = norm(shifted[distance:] - shifted[:-distance], axis=1)
            beside = direct < 1.01 * np.linalg.norm((share[distance] - share[0] + 0.5) % 1.0 - 0.5)
            lower, upper = values[:-distance], values[distance:]
            none = np.ones(distance, bool)
            hill &= jnp.concatenate([~beside | (lower >= upper), none])
            hill &= jnp.concatenate([none, ~beside | (upper > lower)])
        height = jnp.where(hill, values, -jnp.inf)
        for _ in range(HILLS):
            top = first_largest(height) & (height > -jnp.inf)
            found.append(top)
            height = jnp.where(top, -jnp.inf, height)
    return found


def summit(points, values, here, value):
    """What the parabola through `here` and its nearest neighbours gains over `here`, and where.

    An estimate of the local gain that owes nothing to derivatives: a wrong derivative cannot hide it.
    """
    middle = len(points) // 2
    below, above, lower, upper = (values[i] for i in (middle - 1, middle, middle - 2, middle + 1))
    near, far = points[middle] - here, points[middle + 1] - here

    def even(i, distance):
        # Only between points equally far on both sides: not where a bound has cut one of them off.
        return (jnp.abs(here - points[i] - distance) < 1e-3 * distance) & (distance > 0)

    inside = even(middle - 1, near) & even(middle - 2, far) & (far > near)
    ratio = jnp.where(inside, far / jnp.where(inside, near, 1.0), 2.0)
    # Richardson's extrapolation: the third derivative alone must not look like a slope.
    coarse, fine = (upper - lower) / ratio, above - below
    correction = (fine - coarse) / (jnp.square(ratio) - 1.0)
    slope, curvature = fine + correction, 2.0 * value - above - below
    distance = near
    noise = 16.0 * jnp.finfo(values.dtype).eps * jnp.maximum(jnp.abs(above), jnp.abs(below))
    # What is small beside the correction may be the fifth derivative's, where the payoff bends a lot within a step.
    sure = jnp.abs(slope) > jnp.maximum(noise, 0.5 * jnp.abs(correction))
    clear = inside & (curvature > noise) & sure & (jnp.abs(slope) < 2.0 * curvature)
    safe = jnp.where(clear, curvature, 1.0)
    gain = jnp.where(clear, jnp.square(slope) / (8.0 * safe), 0.0)
    return gain, here + jnp.where(clear, 0.5 * distance * slope / safe, 0.0)


def picked(one_hot, rows, values):
    """The row and the value that a one-hot mask selects."""
    return jnp.sum(jnp.where(one_hot[:, None], rows, 0.0), axis=0), jnp.sum(jnp.where(one_hot, values, 0.0))


def first_largest(values):
    """One-hot: the first of the largest values."""
    # Not `values == max(values)`: compiled, the two sides may be computed apart and differ in their last digit.
    return np.arange(len(values), dtype=np.int32) == jnp.argmax(values).astype(jnp.int32)
