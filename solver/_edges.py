"""The highest value beside an edge of a payoff, which samples miss however many they are.

An undercut pays most just below the rival's price, and the prices at which it pays at all may be arbitrarily few; the
top of a roof is at a single point. Where the payoff's program decides differently at two neighbouring samples
(`_signature`) there is an edge between them, and it is found by bisection to the last digits, with the payoff on both
sides: as long as that may be worth it, going by how steep the payoff is on either side.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._hills import first_largest
from ._only_if import only_if
from ._samples import Line
from ._signature import Signature, differ, differ_once

_PLACES = 8
"""How many intervals are kept at a time, the most promising ones."""
_STEPS = 128
_NARROW = 2.0**-5
"""Of an interval between samples: where several decisions change within less, they are taken for one."""

Signed = Callable[[Float[Array, " own"]], tuple[Float[Array, ""], Signature]]
"""The payoff of a firm's strategies, and the signature of the decisions on the way to it."""


def beside_edges(
    payoff: Signed,
    line: Line,
    values: Float[Array, " point"],
    signatures: Signature,
    here: Float[Array, " own"],
    value: Float[Array, ""],
) -> tuple[Float[Array, " own"], Float[Array, ""]]:
    """The best strategies found beside edges along a line of samples, and their payoff; `here` and its `value` if
    nothing is better."""

    def look(line: Line, values, signatures, here, value) -> tuple[Float[Array, " own"], Float[Array, ""]]:
        every = _intervals(line, values, signatures)
        promise = _promise(every)
        bisected = functools.partial(_bisected, payoff)
        return only_if(jnp.any(promise > value), bisected, (here, value), every, promise, here, value)

    some = jnp.any(differ(signatures[1:], signatures[:-1]))
    return only_if(some, look, (here, value), line, values, signatures, here, value)


def _bisected(
    payoff: Signed,
    every: "_Interval",
    promise: Float[Array, " interval"],
    here: Float[Array, " own"],
    value: Float[Array, ""],
) -> tuple[Float[Array, " own"], Float[Array, ""]]:
    """The best strategies and payoff found in the intervals that may hold something better than `value`."""

    def unfinished(state: _State) -> Bool[Array, ""]:
        return (jnp.max(_promise(state.intervals)) > state.value) & (state.steps < _STEPS)

    def halve(state: _State) -> _State:
        promise = _promise(state.intervals)
        chosen = first_largest(promise)
        at = _picked(chosen, state.intervals)
        middle = 0.5 * (at.low + at.high)
        own = at.begin + middle * at.way
        new, sign = payoff(own)
        new = jnp.where(jnp.isnan(new), -jnp.inf, new)
        rise = jnp.where(differ(sign, at.signs[0]), jnp.inf, (new - at.left) / (middle - at.low))
        fall = jnp.where(differ(sign, at.signs[1]), jnp.inf, (new - at.right) / (at.high - middle))
        before = at._replace(high=middle, right=new, fall=fall, signs=jnp.stack([at.signs[0], sign]))
        after = at._replace(low=middle, left=new, rise=rise, signs=jnp.stack([sign, at.signs[1]]))
        # The half before replaces the whole, the half after what promises least.
        least = first_largest(jnp.where(chosen, -jnp.inf, -promise))
        least &= _promise(after) > jnp.sum(jnp.where(least, promise, 0.0))
        intervals = _put(least, after, _put(chosen, before, state.intervals))
        better = new > state.value
        own, new = jnp.where(better, own, state.own), jnp.where(better, new, state.value)
        return _State(intervals, own, new, state.steps + 1)

    begin = _most_promising(every, promise, value)
    first = alike(_State(begin, here, value, jnp.zeros((), jnp.int32)), value)
    end = jax.lax.while_loop(unfinished, halve, first)
    return end.own, end.value


def _most_promising(intervals: "_Interval", promise: Float[Array, " interval"], value: Float[Array, ""]) -> "_Interval":
    """Those that are kept; where there are fewer, intervals without edges."""

    def pick(promise: Float[Array, " interval"], _: None) -> tuple[Float[Array, " interval"], _Interval]:
        at = first_largest(promise) & (promise > value)
        return jnp.where(at, -jnp.inf, promise), _picked(at, intervals)

    return jax.lax.scan(pick, promise, None, length=_PLACES)[1]


class _Interval(NamedTuple):
    """Between two places on a segment of the line.

    Slopes are by the length of the segment, and infinite where nothing is known of them.
    """

    begin: Float[Array, "*interval own"]
    way: Float[Array, "*interval own"]
    """Where the segment begins, and the way to its end."""
    low: Float[Array, "*interval"]
    high: Float[Array, "*interval"]
    """Between which shares of it."""
    left: Float[Array, "*interval"]
    right: Float[Array, "*interval"]
    """Payoffs at both ends."""
    rise: Float[Array, "*interval"]
    """The slope with which the payoff leaves the left end, if it goes on as before it."""
    fall: Float[Array, "*interval"]
    """The slope, backwards, with which it leaves the right end."""
    signs: Array
    """Signatures at both ends, shape (*interval, 2, 2)."""


class _State(NamedTuple):
    intervals: _Interval
    own: Float[Array, " own"]
    value: Float[Array, ""]
    steps: Int[Array, ""]


def _intervals(line: Line, values: Float[Array, " point"], signatures: Signature) -> _Interval:
    width = line.points[1:] - line.points[:-1]
    real = width > 0
    known = real & ~differ(signatures[1:], signatures[:-1])
    slope = jnp.where(known, (values[1:] - values[:-1]) / jnp.where(known, width, 1.0), jnp.inf)
    unknown = jnp.full(1, jnp.inf, values.dtype)
    before = jnp.concatenate([unknown, slope[:-1]])
    after = jnp.concatenate([jnp.where(known, -slope, jnp.inf)[1:], unknown])
    # Where two points are the same there is nothing between them, whatever the slope.
    rise, fall = (jnp.where(real, part * jnp.where(real, width, 1.0), 0.0) for part in (before, after))
    low = jnp.zeros_like(width)
    way = line.own[1:] - line.own[:-1]
    signs = jnp.stack([signatures[:-1], signatures[1:]], axis=1)
    return _Interval(line.own[:-1], way, low, low + 1.0, values[:-1], values[1:], rise, fall, signs)


def _promise(at: _Interval) -> Float[Array, "*interval"]:
    """How high the payoff gets in an interval if both sides go on twice as steeply as before; no promise without an
    edge, and any where there may be a piece between two edges of which nothing is known."""
    width = at.high - at.low
    sides = ((at.left, at.rise), (at.right, at.fall))
    each = [jnp.where(jnp.isfinite(v), v + 2.0 * width * jnp.maximum(slope, 0.0), -jnp.inf) for v, slope in sides]
    left, right = at.signs[..., 0, :], at.signs[..., 1, :]
    between = ~differ_once(left, right) & (width > _NARROW)
    promise = jnp.where(between, jnp.inf, jnp.maximum(*each))
    return jnp.where(differ(left, right) & (width > jnp.finfo(width.dtype).eps), promise, -jnp.inf)


def _picked(one_hot: Bool[Array, " interval"], intervals: _Interval) -> _Interval:
    """The interval that a one-hot mask selects; one without edges if it selects none."""

    def sum_of(x):
        mask = one_hot.reshape(-1, *[1] * (x.ndim - 1))
        return jnp.sum(jnp.where(mask, x, jnp.zeros((), x.dtype)), axis=0, dtype=x.dtype)

    return jax.tree.map(sum_of, intervals)


def _put(one_hot: Bool[Array, " interval"], new: _Interval, intervals: _Interval) -> _Interval:
    """The intervals with the one that a mask selects replaced."""
    return jax.tree.map(
        lambda x, old: jnp.where(one_hot.reshape(-1, *[1] * (old.ndim - 1)), x[None], old), new, intervals
    )
