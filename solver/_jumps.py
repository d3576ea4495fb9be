"""The highest value beside a jump of a payoff, which samples miss however many they are.

An undercut pays most just below the rival's price, and the prices at which it pays at all may be arbitrarily few. Where
the payoff's program decides differently at two neighbouring samples (`_signature`) the change is found by bisection to
the last digits, and with it the payoff on both sides: as long as that may be worth it, going by how steep the payoff is
on either side.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from ._hills import first_largest, picked
from ._samples import Line

_CHANGES = 2
"""How many changes along a line are followed, the most promising ones."""
_STEPS = 60

Signed = Callable[[Float[Array, " own"]], tuple[Float[Array, ""], UInt32[Array, ""]]]
"""The payoff of a firm's strategies, and the signature of the decisions on the way to it."""


def beside_jumps(
    payoff: Signed,
    line: Line,
    values: Float[Array, " point"],
    signatures: UInt32[Array, " point"],
    here: Float[Array, " own"],
    value: Float[Array, ""],
) -> tuple[Float[Array, " own"], Float[Array, ""]]:
    """The best strategies found beside changes of the signature along a line of samples, and their payoff; `here` and
    its `value` if nothing is better."""
    intervals = _intervals(line, values, signatures)
    promise = jnp.where(signatures[1:] != signatures[:-1], _promise(intervals), -jnp.inf)
    chosen = []
    for _ in range(_CHANGES):
        at = first_largest(promise) & (promise > value)
        chosen.append(_Interval(*(jnp.sum(jnp.where(at, x.T, 0), axis=-1, dtype=x.dtype) for x in intervals)))
        promise = jnp.where(at, -jnp.inf, promise)
    every = jax.tree.map(lambda *parts: jnp.stack(parts), *chosen)
    found = jax.vmap(lambda one: _bisected(payoff, one, here, value))(every)
    return picked(first_largest(found.value), found.own, found.value)


class _Interval(NamedTuple):
    """Between two samples. Slopes are by the way from one to the other; infinite where nothing is known of them."""

    begin: Float[Array, "*interval own"]
    way: Float[Array, "*interval own"]
    signature: UInt32[Array, "*interval"]
    """At the beginning."""
    left: Float[Array, "*interval"]
    right: Float[Array, "*interval"]
    """Payoffs at both ends."""
    rise: Float[Array, "*interval"]
    """How much the payoff rises from the left end, if it goes on as before it."""
    fall: Float[Array, "*interval"]
    """How much it rises from the right end, backwards."""


def _intervals(line: Line, values, signatures) -> _Interval:
    width = line.points[1:] - line.points[:-1]
    known = (signatures[1:] == signatures[:-1]) & (width > 0)
    slope = jnp.where(known, (values[1:] - values[:-1]) / jnp.where(known, width, 1.0), jnp.inf)
    unknown = jnp.full(1, jnp.inf, values.dtype)
    before = jnp.concatenate([unknown, slope[:-1]])
    after = jnp.concatenate([jnp.where(known, -slope, jnp.inf)[1:], unknown])
    # Where two points are the same there is nothing between them, whatever the slope.
    rise, fall = (jnp.where(width > 0, part * jnp.where(width > 0, width, 1.0), 0.0) for part in (before, after))
    way = line.own[1:] - line.own[:-1]
    return _Interval(line.own[:-1], way, signatures[:-1], values[:-1], values[1:], rise, fall)


def _promise(at: _Interval, width: float | Float[Array, ""] = 1.0) -> Float[Array, "*interval"]:
    """How high the payoff gets in an interval if both sides go on twice as steeply as before."""
    sides = ((at.left, at.rise), (at.right, at.fall))
    each = [jnp.where(jnp.isfinite(v), v + 2.0 * width * jnp.maximum(slope, 0.0), -jnp.inf) for v, slope in sides]
    return jnp.maximum(*each)


class _Found(NamedTuple):
    own: Float[Array, " own"]
    value: Float[Array, ""]


def _bisected(payoff: Signed, interval: _Interval, here: Float[Array, " own"], value: Float[Array, ""]) -> _Found:
    """The best on both sides of a change of signature, `here` if it promises nothing."""

    def unfinished(state) -> Bool[Array, ""]:
        at, low, high, _, steps = state
        return (_promise(at, high - low) > value) & (high - low > jnp.finfo(value.dtype).eps) & (steps < _STEPS)

    def halve(state):
        at, low, high, best, steps = state
        middle = 0.5 * (low + high)
        own = at.begin + middle * at.way
        new, signature = payoff(own)
        new = jnp.where(jnp.isnan(new), -jnp.inf, new)
        same = signature == at.signature
        at = at._replace(
            left=jnp.where(same, new, at.left),
            right=jnp.where(same, at.right, new),
            rise=jnp.where(same, (new - at.left) / (middle - low), at.rise),
            fall=jnp.where(same, at.fall, (new - at.right) / (high - middle)),
        )
        better = new > best.value
        best = _Found(jnp.where(better, own, best.own), jnp.where(better, new, best.value))
        return at, jnp.where(same, middle, low), jnp.where(same, high, middle), best, steps + 1

    zero, steps = jnp.zeros_like(value), jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(unfinished, halve, (interval, zero, zero + 1.0, _Found(here, value), steps))[3]
