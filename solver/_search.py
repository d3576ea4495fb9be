"""The global search over one firm's own strategies: could it gain by anything it may do?

First- and second-order conditions are not enough: a price game can have points that satisfy all of them while a firm
gains a hundredfold by a distant deviation (Judd, Renner & Schmedders 2012). So each firm's payoff is sampled over its
whole set of strategies and, more finely, around the point at hand; every separate hill is climbed by a compass search,
which uses no derivatives, so that an error in a derivative cannot hide a deviation.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ._conditions import Conditions
from ._errors import GameError
from ._feasible import Feasible
from ._game import Game
from ._low_discrepancy import low_discrepancy

_FINEST = 10
_FARTHEST = 10
_CLIMBS = 40
_HILLS = 2


class GlobalSearch(eqx.Module):
    """How thoroughly unilateral deviations are searched for; a hill narrower than the spacing can be missed.

    >>> GlobalSearch(points=64).points
    64
    """

    points: int = eqx.field(static=True, default=32)
    """Points along each strategy of a firm: half spread over its bounds, half around the point that is judged."""
    joint: int = eqx.field(static=True, default=256)
    """Points in the whole box of a firm's strategies, for firms with more than one."""

    def __check_init__(self):
        if self.points < 8 or self.joint < 1:
            raise GameError(f"{self}: give at least 8 points and at least 1 joint point.")


class Deviation(NamedTuple):
    """The best found for one firm against the others' given strategies."""

    own: Float[Array, " own"]
    gain: Float[Array, ""]
    defined: Bool[Array, ""]
    """Whether the payoff was free of NaN wherever it was sampled."""


def deviations(
    conditions: Conditions,
    z: Float[Array, " strategy"],
    scale: Float[Array, " strategy"],
    search: GlobalSearch,
    judged: Game,
    steepest: Float[Array, "firm own"],
    feasible: Feasible | None = None,
) -> tuple[Float[Array, " strategy"], Float[Array, " firm"], Bool[Array, ""]]:
    """Every firm's best deviation from z found (all in one vector, each against the others in z), the gains, and
    whether payoffs were free of NaN. A firm that cannot gain keeps its strategies and has gain 0.

    Points are sampled in the game `judged`; the hills found are climbed in the game of `conditions`. `steepest` is
    the direction in which each firm's own payoff curves upwards most, which firms with several strategies try too. With
    constraints, points that are not `feasible` are moved to where they are, and do not count if that fails.
    """
    layout = conditions.layout
    firms = jnp.arange(layout.firms, dtype=jnp.int32)
    found = jax.vmap(lambda i, way: _deviation(conditions, z, scale, i, search, judged, way, feasible))(firms, steepest)
    best = z
    for c in range(layout.own.shape[1]):
        chosen = layout.own[:, c]
        hit = chosen[:, None] == np.arange(layout.size)[None, :]
        value = jnp.sum(jnp.where(hit, found.own[:, c][:, None], 0.0), axis=0)
        best = jnp.where(hit.any(axis=0), value, best)
    return best, found.gain, jnp.all(found.defined)


def _deviation(
    conditions, z, scale, firm: Int[Array, ""], search: GlobalSearch, judged: Game, steepest, feasible: Feasible | None
) -> Deviation:
    layout = conditions.layout
    count = layout.own.shape[1]
    entries = jnp.asarray(layout.own, jnp.int32)[firm]
    pick = entries[:, None] == np.arange(layout.size, dtype=np.int32)[None, :]
    chosen = jnp.any(pick, axis=0)
    mine = np.arange(layout.firms, dtype=np.int32) == firm

    def take(vector):
        # Strategies that only pad the firm's row are held at zero by equal bounds.
        return jnp.sum(jnp.where(pick, vector[None, :], 0.0), axis=1)

    def place(own):
        moved = jnp.sum(jnp.where(pick, own[:, None], 0.0), axis=0)
        return jnp.where(chosen, moved, z)

    def payoff_in(game, own):
        everyone = place(own)
        value = jnp.sum(jnp.where(mine, game.payoff(layout.unflatten(everyone)), 0.0))
        return value if feasible is None else jnp.where(feasible.allows(firm, everyone), value, -jnp.inf)

    lower, upper, here = (take(v) for v in (conditions.lower, conditions.upper, z))
    size = jnp.where(jnp.any(pick, axis=1), take(scale), 1.0)

    def confine(points):
        """The nearest points inside the bounds and, if there are any, the constraints."""
        points = jnp.clip(points, lower[None, :], upper[None, :])
        if feasible is None:
            return points
        near = functools.partial(feasible.nearest, firm, place, lower=lower, upper=upper, size=size)
        return jax.vmap(near)(points)

    half = search.points // 2
    lines = [
        _Line(
            points,
            here[c],
            spacing / size[c],
            jnp.where(np.arange(count)[None, :] == c, points[:, None], here[None, :]),
        )
        for c in range(count)
        for points, spacing in (
            _over_bounds(here[c], lower[c], upper[c], size[c], half),
            _around(here[c], lower[c], upper[c], size[c], half),
        )
    ]
    if count > 1:
        lines.append(_ridge(here, lower, upper, size, steepest, half))
    box = [_in_box(here, lower, upper, size, search.joint)] if count > 1 else []
    straight = [line.points for line in lines]
    if feasible is not None:
        tried = [*(line.own for line in lines), *box]
        inside = jnp.split(confine(jnp.concatenate(tried)), np.cumsum([len(t) for t in tried])[:-1])
        box = inside[len(lines) :]
        for k, (line, own) in enumerate(zip(lines, inside, strict=False)):
            # What has been moved is no neighbour on a straight line, whatever is still the same.
            straight[k] = jnp.where(jnp.any(own != line.own, axis=1), line.here, line.points)
            lines[k] = line._replace(own=own, points=own[:, k // 2] if k < 2 * count else line.points)
    # All in one batch: a payoff may be a whole later stage, and every separate call compiles it again.
    tried = [here[None, :], *(line.own for line in lines), *box]
    values = jax.vmap(lambda own: payoff_in(judged, own))(jnp.concatenate(tried))
    defined = jnp.isfinite(values[0]) & ~jnp.any(jnp.isnan(values))
    here_value, *values = jnp.split(
        jnp.where(jnp.isnan(values), -jnp.inf, values), np.cumsum([len(t) for t in tried])[:-1]
    )
    value = here_value[0]

    values_around = values[1 : 2 * count : 2]
    starts = []
    for line, height in zip(lines, values, strict=False):
        hill = _best_hill(line.points, height, line.here, value)
        starts.append((*_pick(hill, line.own, height), jnp.sum(jnp.where(hill, line.spacing, 0.0)) * size))
    reach = 0.25 * jnp.minimum(size, upper - lower)
    for points, heights in zip(box, values[-1:], strict=False):
        for hill in _highest_hills(heights, count):
            starts.append((*_pick(hill, points, heights), jnp.where(jnp.any(hill), reach, 0.0)))

    def climb(own, value, step):
        return _climb(lambda own: payoff_in(conditions.game, own), own, value, step, confine, size)

    starts = [jnp.stack(parts) for parts in zip(*starts, strict=True)]
    ends, values = jax.vmap(climb)(*starts)
    gains = jnp.where(jnp.any(starts[2] > 0, axis=1), values - value, 0.0)
    gains = jnp.where(jnp.isnan(gains), 0.0, gains)
    gain = jnp.maximum(jnp.max(gains), 0.0)
    best = jnp.where(gain > 0, _pick(_first_largest(gains), ends, gains)[0], here)
    for c in range(count):
        near, nearby = _summit(straight[2 * c + 1], values_around[c], here[c], value)
        best = jnp.where((near > gain) & (np.arange(count) == c), nearby, jnp.where(near > gain, here, best))
        gain = jnp.maximum(near, gain)
    return Deviation(best, gain, defined)


class _Line(NamedTuple):
    """Points in increasing order along a line through `here`."""

    points: Float[Array, " point"]
    here: Float[Array, ""]
    spacing: Float[Array, " point"]
    own: Float[Array, "point own"]


def _ridge(here, lower, upper, size, direction, count) -> _Line:
    """The line through all strategies of a firm in one direction, scaled to their sizes."""
    largest = jnp.max(jnp.abs(direction) / size)
    way = direction / jnp.where(largest > 0, largest, 1.0)
    share = jnp.asarray(_both_sides(count, 1), here.dtype)
    own = jnp.clip(here[None, :] + share[:, None] * way[None, :], lower[None, :], upper[None, :])
    return _Line(share, jnp.zeros_like(share[0]), 0.5 * jnp.abs(share), own)


def _summit(points, values, here, value):
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
    slope, curvature = fine + (fine - coarse) / (jnp.square(ratio) - 1.0), 2.0 * value - above - below
    distance = near
    noise = 16.0 * jnp.finfo(values.dtype).eps * jnp.maximum(jnp.abs(above), jnp.abs(below))
    clear = inside & (curvature > noise) & (jnp.abs(slope) > noise) & (jnp.abs(slope) < 2.0 * curvature)
    safe = jnp.where(clear, curvature, 1.0)
    gain = jnp.where(clear, jnp.square(slope) / (8.0 * safe), 0.0)
    return gain, here + jnp.where(clear, 0.5 * distance * slope / safe, 0.0)


def _pick(one_hot, rows, values):
    """The row and the value that a one-hot mask selects."""
    return jnp.sum(jnp.where(one_hot[:, None], rows, 0.0), axis=0), jnp.sum(jnp.where(one_hot, values, 0.0))


def _first_largest(values):
    """One-hot: the first of the largest values."""
    # Not `values == max(values)`: compiled, the two sides may be computed apart and differ in their last digit.
    return np.arange(len(values), dtype=np.int32) == jnp.argmax(values).astype(jnp.int32)


def _over_bounds(here, lower, upper, size, count):
    """Points over the whole range: evenly if it is finite, in growing steps from its finite end otherwise."""
    share = jnp.asarray(np.linspace(0.0, 1.0, count), here.dtype)
    far = size * jnp.asarray(np.r_[0.0, np.exp2(np.linspace(-5.0, _FARTHEST, count - 1))], here.dtype)
    even = lower + share * (upper - lower)
    bounded = jnp.isfinite(upper - lower)
    points = jnp.where(bounded, even, jnp.where(jnp.isfinite(lower), lower + far, upper - far[::-1]))
    # With no finite end the points around `here` are all there is; shifted half a step so that none is repeated.
    centred = here + 0.7 * size * jnp.asarray(_both_sides(count, _FARTHEST), here.dtype)
    points = jnp.where(jnp.isfinite(lower) | jnp.isfinite(upper), points, centred)
    points = jnp.minimum(points, upper)
    spacing = jnp.concatenate([points[1:] - points[:-1], points[-1:] - points[-2:-1]])
    return points, spacing


def _around(here, lower, upper, size, count):
    """Points at growing distances on both sides, from 2^-10 to 2 times the strategy's size."""
    offsets = _both_sides(count, 1)
    points = jnp.clip(here + size * jnp.asarray(offsets, here.dtype), lower, upper)
    return points, 0.5 * size * jnp.asarray(np.abs(offsets), here.dtype)


def _both_sides(count: int, farthest: int) -> np.ndarray:
    """`count` signed distances in increasing order, moduli growing from 2^-_FINEST to 2^farthest."""
    half = np.exp2(np.linspace(-_FINEST, farthest, count // 2))
    return np.concatenate([-half[::-1], half]) if count % 2 == 0 else np.concatenate([-half[::-1], half, half[-1:]])


def _best_hill(points, values, here, value):
    """One-hot: the highest local maximum of an ordered line that is not just the hill on which `here` stands."""
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
    return _first_largest(height) & (height > -jnp.inf)


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


def _in_box(here, lower, upper, size, count):
    """Low-discrepancy points in the whole box of a firm's strategies, and the same at the size of `here`."""
    share = jnp.asarray(low_discrepancy(count, here.shape[0]), here.dtype)
    bounded = jnp.isfinite(upper - lower)
    wide = jnp.where(bounded, lower, 0.0)[None, :] + share * jnp.where(bounded, upper - lower, 0.0)[None, :]
    near = jnp.clip(here[None, :] + size[None, :] * (4.0 * share - 2.0), lower[None, :], upper[None, :])
    even = jnp.asarray(np.arange(count) % 2 == 0)[:, None]
    return jnp.where(even & bounded[None, :], wide, near)


def _highest_hills(values, dimension: int) -> list:
    """One-hot: among the points of `_in_box`, the highest ones with no higher neighbour, for each of its two halves.

    The halves, every other point, are lattices but for their wrapping around: the neighbours of a point are always at
    the same few distances in the numbering.
    """
    count = len(values)
    share = low_discrepancy(count, dimension)
    found = []
    for half in (0, 1):
        mine = np.arange(count) % 2 == half
        distances = np.arange(2, count // 2, 2)
        moves = (share[distances] - share[0] + 0.5) % 1.0 - 0.5
        nearest = distances[np.argsort(np.linalg.norm(moves, axis=1))[: dimension + 1]]
        height = jnp.where(mine, values, -jnp.inf)
        hill = mine
        for distance in nearest:
            direct = np.linalg.norm(share[distance:] - share[:-distance], axis=1)
            beside = direct < 1.01 * np.linalg.norm((share[distance] - share[0] + 0.5) % 1.0 - 0.5)
            lower, upper = values[:-distance], values[distance:]
            none = np.ones(distance, bool)
            hill &= jnp.concatenate([~beside | (lower >= upper), none])
            hill &= jnp.concatenate([none, ~beside | (upper > lower)])
        height = jnp.where(hill, values, -jnp.inf)
        for _ in range(_HILLS):
            top = _first_largest(height) & (height > -jnp.inf)
            found.append(top)
            height = jnp.where(top, -jnp.inf, height)
    return found


def _climb(payoff, own, value, reach, confine, size):
    """Compass search from `own`: try both ways along each strategy, and a quarter of it, or shorten the steps."""
    count = own.shape[0]
    ways = np.concatenate([s * np.eye(count) for s in (1.0, -1.0, 0.25, -0.25)])
    # Near a smooth maximum a payoff is then off by about eps^(2/3) of what the strategy is worth: by about `tol`.
    finest = float(jnp.finfo(own.dtype).eps) ** (1 / 3)

    def unfinished(state):
        _, _, step, tries = state
        return jnp.any(step > finest * size) & (tries < _CLIMBS)

    def improve(state):
        own, value, step, tries = state
        trials = confine(own[None, :] + step[None, :] * jnp.asarray(ways, own.dtype))
        values = jax.vmap(payoff)(trials)
        values = jnp.where(jnp.isnan(values), -jnp.inf, values)
        best, highest = _pick(_first_largest(values), trials, values)
        better = highest > value
        step = jnp.where(better, step, 0.25 * step)
        return jnp.where(better, best, own), jnp.where(better, highest, value), step, tries + 1

    # Where there is no hill to climb the steps are zero and nothing is tried.
    end = jax.lax.while_loop(unfinished, improve, (own, value, reach, jnp.zeros((), jnp.int32)))
    return end[0], end[1]
