"""The global search over one firm's own strategies: could it gain by anything it may do?

First- and second-order conditions are not enough: a price game can have points that satisfy all of them while a firm
gains a hundredfold by a distant deviation (Judd, Renner & Schmedders 2012). So each firm's payoff is sampled over its
whole set of strategies and, more finely, around the point at hand; every separate hill is climbed by a compass search,
which uses no derivatives, so that an error in a derivative cannot hide a deviation. Where a payoff seems to have
several hills, the search is repeated in one part of the firm's strategies after the other, with the same points closer
together; at edges of its smooth pieces both sides are looked at.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._conditions import Conditions
from ._dips import dips, samples_of
from ._each import each, in_blocks
from ._edges import beside_edges
from ._errors import GameError
from ._feasible import Feasible
from ._game import Game
from ._hills import bends_often, best_hill, first_largest, highest_hills, picked, summit
from ._samples import Line, around, in_box, one_in_box, over_bounds, parts_of, ridge
from ._search_many import MANY_OWN, Own, look_at_many, rows_of
from ._signature import with_signature

CLIMBS = 40
_PLENTY = 1e-2


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
    seen: Float[Array, ""]
    """The largest payoff seen, in absolute value."""


def deviations(
    conditions: Conditions,
    z: Float[Array, " strategy"],
    scale: Float[Array, " strategy"],
    search: GlobalSearch,
    judged: Game,
    steepest: Float[Array, "firm own"],
    feasible: Feasible | None = None,
    kinked: Bool[Array, " strategy"] | None = None,
    edges: bool = False,
    wanted: Bool[Array, ""] | bool = True,
) -> tuple[Float[Array, " strategy"], Float[Array, " firm"], Bool[Array, ""], Float[Array, " firm"]]:
    """Every firm's best deviation from z found (all in one vector, each against the others in z), the gains, whether
    payoffs were free of NaN, and the largest payoff of each firm that was seen, in absolute value.

    A firm that cannot gain keeps its strategies and has gain 0. Points are sampled in the game `judged`; the hills
    found are climbed in the game of `conditions`. `steepest` is the direction in which each firm's own payoff curves
    upwards most, which firms with several strategies try too. With constraints, points that are not `feasible` are
    moved to where they are, and do not count if that fails. Of those that are `kinked` no parabola tells what the
    nearest summit gains. `edges` says whether payoffs may have kinks or jumps. What is not `wanted` is left out: no
    gain, found by nobody.
    """
    layout = conditions.layout
    firms = jnp.arange(layout.firms, dtype=jnp.int32)

    def one(of):
        firm, way = of
        return _deviation(conditions, z, scale, firm, search, judged, way, feasible, kinked, edges, wanted)

    found = in_blocks(one, (firms, steepest), search.points * layout.size)
    best = z
    for c in range(layout.own.shape[1]):
        chosen = layout.own[:, c]
        hit = chosen[:, None] == np.arange(layout.size)[None, :]
        value = jnp.sum(jnp.where(hit, found.own[:, c][:, None], 0.0), axis=0)
        best = jnp.where(hit.any(axis=0), value, best)
    return best, found.gain, jnp.all(found.defined), found.seen


def _deviation(
    conditions,
    z,
    scale,
    firm: Int[Array, ""],
    search: GlobalSearch,
    judged: Game,
    steepest,
    feasible: Feasible | None,
    kinked,
    edges,
    wanted,
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

    def judge(own):
        """The payoff in the game that is judged, and the signature of its decisions, if it may have edges."""
        if edges:
            return with_signature(lambda own: payoff_in(judged, own), own)
        return payoff_in(judged, own), jnp.zeros(2, jnp.uint32)

    lower, upper, here = (take(v) for v in (conditions.lower, conditions.upper, z))
    size = jnp.where(jnp.any(pick, axis=1), take(scale), 1.0)
    sharp = None if kinked is None else jnp.any(pick & kinked[None, :], axis=1)

    def confine(points):
        """The nearest points inside the bounds and, if there are any, the constraints."""
        points = jnp.clip(points, lower[None, :], upper[None, :])
        if feasible is None:
            return points
        near = functools.partial(feasible.nearest, firm, place, lower=lower, upper=upper, size=size)
        return jax.vmap(near)(points)

    def sample(number):
        return confine(one_in_box(number, here, lower, upper, size)[None, :])[0]

    parts = parts_of(count, alike=count > MANY_OWN)
    # A payoff that contains an equilibrium is too long to be in a program as often as it is wanted at once.
    every_of = each if judged is not conditions.game or count > 1 else lambda function, rows: jax.vmap(function)(rows)

    def look(number, begin, width) -> tuple[Deviation, Bool[Array, ""], Bool[Array, ""]]:
        """Search one part of the firm's strategies; whether the payoff seems to have several hills there, and whether
        the gain is such that the profile is no equilibrium, whatever else there is."""
        # Points around `here` are not the same twice.
        nearer = jnp.exp2(-number.astype(here.dtype) / len(parts[0]))
        half = search.points // 2
        lines = [
            Line(
                points,
                here[c],
                spacing / size[c],
                jnp.where(np.arange(count)[None, :] == c, points[:, None], here[None, :]),
            )
            for c in range(count)
            for points, spacing in (
                over_bounds(here[c], lower[c], upper[c], size[c], half, begin[c], width[c]),
                around(here[c], lower[c], upper[c], size[c], half, nearer),
            )
        ]
        if count > 1:
            lines.append(ridge(here, lower, upper, size, steepest, half))
        box = [in_box(here, lower, upper, size, search.joint, begin, width)] if count > 1 else []
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
        values, signatures = each(judge, jnp.concatenate(tried))
        defined = jnp.isfinite(values[0]) & ~jnp.any(jnp.isnan(values))
        cuts = np.cumsum([len(t) for t in tried])[:-1]
        here_value, *values = jnp.split(jnp.where(jnp.isnan(values), -jnp.inf, values), cuts)
        value, along = here_value[0], values[: len(lines)]

        values_around = values[1 : 2 * count : 2]
        starts = []
        rough = jnp.zeros((), bool)
        for k, (line, height) in enumerate(zip(lines, values, strict=False)):
            hill = best_hill(line.points, height, line.own, line.spacing, line.here, value)
            rough |= hill.there
            if k < 2 * count:
                rough |= bends_often(line.points, height)
            starts.append((hill.own, hill.value, hill.spacing * size))
        reach = 0.25 * jnp.minimum(size, upper - lower)
        for points, heights in zip(box, values[-1:], strict=False):
            tops = [(*picked(hill, points, heights), jnp.any(hill)) for hill in highest_hills(heights, count)]
            starts += [(own, height, jnp.where(there, reach, 0.0)) for own, height, there in tops]
            ways = [(own, there) for own, _, there in tops]
            rough |= dips(lambda own: judge(own)[0], sample, samples_of(search.joint, count), ways, here, number == 0)

        def climb(start):
            own, value, step = start
            return _climb(lambda own: payoff_in(conditions.game, own), own, value, step, confine, size, every_of)

        starts = [jnp.stack(parts) for parts in zip(*starts, strict=True)]
        every = jnp.concatenate(values)
        highest = jnp.maximum(jnp.max(jnp.where(jnp.isfinite(every), jnp.abs(every), 0.0)), jnp.abs(value))
        ends, values = every_of(climb, starts)
        gains = jnp.where(jnp.any(starts[2] > 0, axis=1), values - value, 0.0)
        gains = jnp.where(jnp.isnan(gains), 0.0, gains)
        gain = jnp.maximum(jnp.max(gains), 0.0)
        best = jnp.where(gain > 0, picked(first_largest(gains), ends, gains)[0], here)
        for c in range(count):
            near, nearby = summit(straight[2 * c + 1], values_around[c], here[c], value)
            near = near if sharp is None else jnp.where(sharp[c], 0.0, near)
            best = jnp.where((near > gain) & (np.arange(count) == c), nearby, jnp.where(near > gain, here, best))
            gain = jnp.maximum(near, gain)
        if edges:
            # Over the bounds only: what is around `here` is there as well.
            wide = slice(0, 2 * count, 2)
            every = jax.tree.map(lambda *parts: jnp.stack(parts), *lines[wide])
            signs = jnp.stack(jnp.split(signatures, cuts)[1:][wide])
            beside = jax.vmap(functools.partial(beside_edges, judge), in_axes=(0, 0, 0, None, None))
            owns, tops = beside(every, jnp.stack(along[wide]), signs, here, value)
            own, top = picked(first_largest(tops), owns, tops)
            best = jnp.where(top - value > gain, own, best)
            gain = jnp.maximum(top - value, gain)
        return Deviation(best, gain, defined, highest), rough, gain > _PLENTY * highest

    def look_at_all(number, begin, width) -> tuple[Deviation, Bool[Array, ""], Bool[Array, ""]]:
        """`look` for many strategies."""
        value, climb = (
            functools.partial(payoff_in, conditions.game),
            functools.partial(_climb, confine=confine, size=size, every_of=every_of),
        )
        later, arrays = None, rows_of(layout)
        if arrays is not None:
            row, place_in_row = (jnp.sum(jnp.where(pick, part[None, :], 0), axis=1) for part in arrays)
            real = jnp.any(pick, axis=1)
            later = (row[:, None] == row[None, :]) & (place_in_row[:, None] <= place_in_row[None, :]) & real[None, :]
        own = Own(
            here,
            lower,
            upper,
            size,
            steepest,
            later,
            sharp,
            sample,
            judge,
            value,
            confine,
            functools.partial(climb, value),
        )
        of_search = search.points, search.joint, feasible is not None, edges
        *found, rough = look_at_many(own, *of_search, number, begin, width)
        deviation = Deviation(*found)
        return deviation, rough, deviation.gain > _PLENTY * deviation.seen

    look = look_at_all if count > MANY_OWN else look

    def again(state: _Looks) -> Bool[Array, ""]:
        return wanted & ((state.number == 0) | (state.going & (state.number < len(parts[0]))))

    def go_on(state: _Looks) -> _Looks:
        at = np.arange(len(parts[0]), dtype=np.int32) == state.number
        part = (jnp.sum(jnp.where(at[:, None], jnp.asarray(p, here.dtype), 0.0), axis=0) for p in parts)
        found, rough, plenty = look(state.number, *part)
        best = jax.tree.map(lambda new, old: jnp.where(found.gain > state.found.gain, new, old), found, state.found)
        seen = jnp.maximum(found.seen, state.found.seen)
        best = best._replace(defined=found.defined & state.found.defined, seen=seen)
        going = jnp.where(state.number == 0, rough, state.going) & ~plenty
        return _Looks(best, going, state.number + 1)

    nothing = Deviation(here, jnp.zeros_like(z[0]), jnp.ones((), bool), jnp.zeros_like(z[0]))
    first = _Looks(nothing, jnp.zeros((), bool), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(again, go_on, alike(first, here)).found


class _Looks(NamedTuple):
    """The best that repeated searches have found."""

    found: Deviation
    going: Bool[Array, ""]
    """Whether the first one saw signs of several hills, and none a large gain."""
    number: Int[Array, ""]


def _climb(payoff, own, value, reach, confine, size, every_of):
    """Compass search from `own`: try both ways along each strategy, and a quarter of it, or shorten the steps."""
    count = own.shape[0]
    ways = np.concatenate([s * np.eye(count) for s in (1.0, -1.0, 0.25, -0.25)])
    # Near a smooth maximum a payoff is then off by about eps^(2/3) of what the strategy is worth: by about `tol`.
    finest = float(jnp.finfo(own.dtype).eps) ** (1 / 3)

    def unfinished(state):
        _, _, step, tries = state
        return jnp.any(step > finest * size) & (tries < CLIMBS)

    def improve(state):
        own, value, step, tries = state
        trials = confine(own[None, :] + step[None, :] * jnp.asarray(ways, own.dtype))
        values = every_of(payoff, trials)
        values = jnp.where(jnp.isnan(values), -jnp.inf, values)
        best, highest = picked(first_largest(values), trials, values)
        better = highest > value
        step = jnp.where(better, step, 0.25 * step)
        return jnp.where(better, best, own), jnp.where(better, highest, value), step, tries + 1

    # Where there is no hill to climb the steps are zero and nothing is tried.
    begin = alike((own, value, reach, jnp.zeros((), jnp.int32)), own, value)
    end = jax.lax.while_loop(unfinished, improve, begin)
    return end[0], end[1]
