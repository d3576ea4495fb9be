"""Equilibria at kinks of a payoff, where no derivative is zero: limit prices, prices at which capacities are sold out.

A strategy at which its owner's payoff rises on the left and falls on the right is a local maximum (Clarke's necessary
condition, with the sign that tells a maximum from a minimum), and at a kink both slopes may be far from zero. What JAX
calls the derivative exactly at the kink is a convention and is not used: slopes are taken a few dozen roundings to
either side. Where the payoff jumps between the two, its highest value is a limit that may not be attained, and nothing
is concluded. For a firm with several strategies slopes along each are not enough, and nothing is concluded either.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._conditions import Conditions
from ._each import each
from ._layout import Layout, strategy_scale

_ROUNDINGS = 32.0
_BESIDE = 1e-3
_BEGIN = 1e-2
_CELLS = 12
_STEPS = 256
_SLOW = 0.05


def lone(layout: Layout) -> np.ndarray:
    """Whether the owner of each strategy has no other."""
    owner = np.asarray(layout.owner)
    return np.bincount(owner)[owner] == 1


def nearby(z: Float[Array, " strategy"], size: Float[Array, " strategy"]) -> Float[Array, " strategy"]:
    """How far to either side of each strategy its own slopes are taken: what the place of a kink may be off by."""
    return _ROUNDINGS * float(jnp.finfo(z.dtype).eps) * jnp.maximum(size, jnp.abs(z))


def continuous(here, below, above, steepest, distance):
    """Whether values at `distance` from `here` differ from its value by no more than slopes and roundings explain."""
    most = 4.0 * distance * steepest + 64.0 * float(jnp.finfo(here.dtype).eps) * jnp.abs(here)
    return (jnp.abs(below - here) <= most) & (jnp.abs(above - here) <= most)


def kinked(conditions: Conditions, z: Float[Array, " strategy"]) -> tuple[Bool[Array, ""], Bool[Array, ""]]:
    """Whether every strategy is at a local maximum of its owner's payoff and one of them at a kink; and whether any
    is at a kink, maximum or not."""
    size = _sizes(conditions, z)
    distance = nearby(z, size)

    def look(pick):
        x, near, scale = (jnp.sum(jnp.where(pick, part, 0.0)) for part in (z, distance, size))
        at = _look(conditions, z, pick, x, near, scale, jnp.zeros(0, z.dtype))
        return at.top, at.sharp

    top, sharp = each(look, jnp.asarray(np.eye(len(z), dtype=bool)))
    some = jnp.any(sharp)
    return jnp.all(top) & some & ~jnp.any(sharp & ~lone(conditions.layout)), some


def settle(
    conditions: Conditions, z: Float[Array, " strategy"], wanted: Bool[Array, ""]
) -> tuple[Float[Array, " strategy"], Bool[Array, ""]]:
    """A profile near z in which every strategy is at a local maximum of its owner's payoff and one of them at a kink,
    and whether there is one; without a step unless it is `wanted`.

    Strategies move one after the other, each all the way to where its own slope changes from rising to falling: first
    to the nearest change among a few places in an interval around it, which then shrinks, or to the end that is
    higher, and the interval grows.
    """
    count = conditions.layout.size
    alone = lone(conditions.layout)
    places = jnp.linspace(-1.0, 1.0, _CELLS + 1, dtype=z.dtype)

    def unfinished(state: _Turn) -> Bool[Array, ""]:
        return wanted & (state.still < count) & (state.steps < _STEPS * count) & ~state.hopeless

    def step(state: _Turn) -> _Turn:
        pick = np.arange(count, dtype=np.int32) == state.strategy % count
        size = _sizes(conditions, state.z)
        every = (state.z, nearby(state.z, size), size, conditions.lower, conditions.upper, state.moved)
        x, distance, size, lower, upper, moved = (jnp.sum(jnp.where(pick, part, 0.0)) for part in every)
        width = state.width * size
        move = x - jnp.sum(jnp.where(pick, state.last, 0.0))
        at = _look(conditions, state.z, pick, x, distance, size, width * places)
        change = (at.slopes[:-1] >= 0) & (at.slopes[1:] <= 0)
        # The nearest one, the first of two that are equally near; where the payoff is flat only if there is no other.
        flat = (at.slopes[:-1] == 0) & (at.slopes[1:] == 0)
        gap = jnp.where(change, jnp.abs(places[1:] + places[:-1]) + jnp.where(flat, 4.0, 0.0), jnp.inf)
        cell = np.arange(_CELLS, dtype=np.int32) == jnp.argmin(gap).astype(jnp.int32)
        left, right = (x + width * jnp.sum(jnp.where(cell, part, 0.0)) for part in (places[:-1], places[1:]))
        within = jnp.where(left <= lower, lower, jnp.where(right >= upper, upper, 0.5 * (left + right)))
        beyond = jnp.where(at.slopes[_CELLS // 2] > 0, x + width, x - width)
        found = jnp.any(change)
        least = 0.25 * distance
        # Slopes near a smooth maximum may be rounded by more than those few dozen: this is as near as it gets.
        narrow = found & (width <= least)
        there = at.top | narrow
        # Moves that shrink at a rate add up to a limit (Aitken's process).
        rate = move / jnp.where(moved == 0.0, jnp.inf, moved)
        shrinks = there & (jnp.abs(move) > distance) & (rate > _SLOW) & (rate < 1.0 - _SLOW)
        limit = x + move * jnp.where(shrinks, rate / (1.0 - jnp.where(shrinks, rate, 0.0)), 0.0)
        new = jnp.clip(jnp.where(there, limit, jnp.where(found, within, beyond)), lower, upper)
        onward = jnp.where(found, jnp.maximum(width / 8.0, least), jnp.minimum(4.0 * width, size)) / size
        moves = jnp.where(pick & there, jnp.abs(move) / size, state.moves)
        again = jnp.minimum(4.0 * jnp.max(moves) + 4.0 * distance / size, 1.0)
        still = there & (jnp.abs(move) <= distance)
        return _Turn(
            z=jnp.where(pick, new, state.z),
            last=jnp.where(pick & there, new, state.last),
            moved=jnp.where(pick & there, jnp.where(shrinks, 0.0, move), state.moved),
            moves=moves,
            width=jnp.where(there, again, onward),
            strategy=state.strategy + jnp.where(there, 1, 0),
            # What moved to a limit has not been looked at there.
            still=jnp.where(there, jnp.where(shrinks, 0, jnp.where(still, state.still + 1, 1)), state.still),
            sharp=jnp.where(there, (at.top & at.sharp) | (state.sharp & still), state.sharp),
            # Where the payoff jumps there is no best place.
            hopeless=(at.sharp & ~jnp.any(pick & alone)) | (narrow & ~at.level),
            steps=state.steps + 1,
        )

    zero, no = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    # So large, the first moves: nobody has been anywhere yet.
    far, nowhere = jnp.full_like(z, _BEGIN), jnp.zeros_like(z)
    begin = _Turn(z, z, nowhere, far, far[0], zero, zero, no, no, zero)
    end = jax.lax.while_loop(unfinished, step, alike(begin, z))
    return end.z, wanted & (end.still >= count) & end.sharp & ~end.hopeless


class _Turn(NamedTuple):
    z: Float[Array, " strategy"]
    last: Float[Array, " strategy"]
    """Where each strategy was at the end of its last turn."""
    moved: Float[Array, " strategy"]
    """By how much it moved then; 0 after a move to the limit."""
    moves: Float[Array, " strategy"]
    """The same, relative to its size."""
    width: Float[Array, ""]
    """Half of the interval that is looked at next, relative to the size of the strategy."""
    strategy: Int[Array, ""]
    """Whose turn it is, counting on."""
    still: Int[Array, ""]
    """How many strategies in a row are where they belong."""
    sharp: Bool[Array, ""]
    """Whether one of those is at a kink."""
    hopeless: Bool[Array, ""]
    steps: Int[Array, ""]


def _sizes(conditions: Conditions, z):
    return strategy_scale(z, z, conditions.lower, conditions.upper, conditions.layout)


class _Look(NamedTuple):
    """What is seen of the owner's payoff around one strategy."""

    top: Bool[Array, ""]
    """Whether it is at a local maximum."""
    sharp: Bool[Array, ""]
    """Whether it is at a kink."""
    level: Bool[Array, ""]
    """Whether the payoff does not jump there."""
    slopes: Float[Array, " place"]
    """The own slopes at other places; beyond a bound the payoff counts as falling."""


def _look(conditions: Conditions, z, pick, x, distance, size, others) -> _Look:
    """Look at the picked strategy, and at the slopes that far from it at `others`."""
    layout = conditions.layout
    mine = jnp.any(pick[None, :] & (np.asarray(layout.owner)[None, :] == np.arange(layout.firms)[:, None]), axis=1)
    lower, upper = (jnp.sum(jnp.where(pick, part, 0.0)) for part in (conditions.lower, conditions.upper))
    way = jnp.where(pick, 1.0, 0.0).astype(z.dtype)

    def at(own):
        value, slope = jax.jvp(conditions.payoffs, (jnp.where(pick, own, z),), (way,))
        return jnp.sum(jnp.where(mine, value, 0.0)), jnp.sum(jnp.where(mine, slope, 0.0))

    steps = jnp.stack([0.0 * distance, -distance, distance, -_BESIDE * size, _BESIDE * size])
    tried = x + jnp.concatenate([steps, others])
    values, slopes = each(at, jnp.clip(tried, lower, upper))
    infinity = jnp.full((), jnp.inf, z.dtype)
    signed = jnp.where(tried < lower, infinity, jnp.where(tried > upper, -infinity, slopes))
    level = continuous(values[0], values[1], values[2], jnp.max(jnp.abs(slopes[1:5])), distance)
    top = (signed[1] >= 0) & (signed[2] <= 0) & level
    bend = slopes[1] - slopes[2] > float(jnp.finfo(z.dtype).eps) ** (1 / 3) * (jnp.abs(slopes[3]) + jnp.abs(slopes[4]))
    # At a bound there is one slope only, which the convention at a kink contradicts.
    against = jnp.where(tried[1] < lower, slopes[0] > 0, slopes[0] < 0)
    inside = (tried[1] >= lower) & (tried[2] <= upper)
    sharp = jnp.where(inside, bend, top & against & (lower < upper))
    return _Look(top, sharp, level, signed[len(steps) :])
