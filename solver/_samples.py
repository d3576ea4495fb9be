"""Where a firm's payoff is sampled when deviations are searched for: over its bounds, around a point, in its box."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._low_discrepancy import low_discrepancy, low_discrepancy_steps

_FINEST = 10
_FARTHEST = 10
_NEAREST = 5
HALVINGS = 4
"""Into how many parts, as a power of two, the strategies of a firm are cut where the search is repeated: half of that
for a single strategy."""


class Line(NamedTuple):
    """Points in increasing order along a line through `here`."""

    points: Float[Array, " point"]
    here: Float[Array, ""]
    spacing: Float[Array, " point"]
    own: Float[Array, "point own"]


def parts_of(count: int, *, alike: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Where the parts of a firm's strategies begin and how wide they are, as shares, by part and strategy: all of
    them first, then a grid, or `alike` for all strategies."""
    if alike:
        number = 2**HALVINGS
        begin = np.concatenate([[0.0], np.arange(number) / number])
        width = np.concatenate([[1.0], np.full(number, 1.0 / number)])
        shape = number + 1, count
        return np.broadcast_to(begin[:, None], shape), np.broadcast_to(width[:, None], shape)
    halvings = HALVINGS if count > 1 else HALVINGS - 1
    sides = [2 ** len(range(c, halvings, count)) for c in range(count)]
    corners = np.stack(np.meshgrid(*[np.arange(n) / n for n in sides], indexing="ij"), axis=-1).reshape(-1, count)
    begin = np.concatenate([np.zeros((1, count)), corners])
    width = np.concatenate([np.ones((1, count)), np.broadcast_to(1.0 / np.array(sides), corners.shape)])
    return begin, width


def ridge(here, lower, upper, size, direction, count) -> Line:
    """The line through all strategies of a firm in one direction, scaled to their sizes."""
    largest = jnp.max(jnp.abs(direction) / size)
    way = direction / jnp.where(largest > 0, largest, 1.0)
    share = jnp.asarray(_both_sides(count, 1), here.dtype)
    own = jnp.clip(here[None, :] + share[:, None] * way[None, :], lower[None, :], upper[None, :])
    return Line(share, jnp.zeros_like(share[0]), 0.5 * jnp.abs(share), own)


def over_bounds(here, lower, upper, size, count, begin, width):
    """Points over a part of the range: evenly if it is finite, in growing steps from its finite end otherwise."""
    share = begin + width * jnp.asarray(np.linspace(0.0, 1.0, count), here.dtype)
    doublings = _FARTHEST + _NEAREST
    nearest, ratio = jnp.exp2(doublings * begin - _NEAREST), jnp.exp2(doublings * width / (count - 1))
    steps = nearest * _powers(ratio, count)
    far = size * jnp.where(share > 0, steps, 0.0)
    even = lower + share * (upper - lower)
    bounded = jnp.isfinite(upper - lower)
    points = jnp.where(bounded, even, jnp.where(jnp.isfinite(lower), lower + far, upper - far[::-1]))
    # With no finite end the points around `here` are all there is; shifted half a step so that none is repeated.
    centred = here + 0.7 * size * jnp.asarray(_both_sides(count, _FARTHEST), here.dtype)
    points = jnp.where(jnp.isfinite(lower) | jnp.isfinite(upper), points, centred)
    points = jnp.minimum(points, upper)
    spacing = jnp.concatenate([points[1:] - points[:-1], points[-1:] - points[-2:-1]])
    return points, spacing


def _powers(x: Float[Array, ""], count: int) -> Float[Array, " power"]:
    """1, x, x^2 and so on, by products alone: a power takes as long as many of them."""
    made, square = jnp.ones((1,), x.dtype), x
    while len(made) < count:
        made = jnp.concatenate([made, made * square])
        square = square * square
    return made[:count]


def around(here, lower, upper, size, count, nearer):
    """Points at growing distances on both sides, from 2^-10 to 2 times the strategy's size, all that much nearer."""
    offsets = nearer * jnp.asarray(_both_sides(count, 1), here.dtype)
    return jnp.clip(here + size * offsets, lower, upper), 0.5 * size * jnp.abs(offsets)


def _both_sides(count: int, farthest: int) -> np.ndarray:
    """`count` signed distances in increasing order, moduli growing from 2^-_FINEST to 2^farthest."""
    half = np.exp2(np.linspace(-_FINEST, farthest, count // 2))
    return np.concatenate([-half[::-1], half]) if count % 2 == 0 else np.concatenate([-half[::-1], half, half[-1:]])


def in_box(here, lower, upper, size, count, begin, width, shift=None):
    """Low-discrepancy points in a part of the box of a firm's strategies, and the same at the size of `here`; `shift`
    makes others of them."""
    share = jnp.asarray(low_discrepancy(count, here.shape[0]), here.dtype)
    share = share if shift is None else (share + shift[None, :]) % 1.0
    share = begin[None, :] + width[None, :] * share
    placed = jax.vmap(_placed, in_axes=(0, 0, None, None, None, None))
    return placed(share, np.arange(count) % 2 == 0, here, lower, upper, size)


def one_in_box(number: Int[Array, ""], here, lower, upper, size):
    """One of the points of `in_box` in the whole box."""
    steps = jnp.asarray(low_discrepancy_steps(here.shape[0]), here.dtype)
    share = (0.5 + (number + 1).astype(here.dtype) * steps) % 1.0
    return _placed(share, number % 2 == 0, here, lower, upper, size)


def _placed(share, wide, here, lower, upper, size):
    """The point at these shares of the box if it is to be `wide` and there is one, else of what is around `here`."""
    bounded = jnp.isfinite(upper - lower)
    over = jnp.where(bounded, lower, 0.0) + share * jnp.where(bounded, upper - lower, 0.0)
    near = jnp.clip(here + size * (4.0 * share - 2.0), lower, upper)
    return jnp.where(wide & bounded, over, near)
