"""One vector for all strategies of a game, and who chooses each of its entries.

Users write strategies by name; first-order conditions are solved in the stacked vector z of all of them. A `Layout` is
the static dictionary between the two.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._errors import GameError
from ._game import Game, Problem, Profile


@dataclasses.dataclass(frozen=True)
class Layout:
    """Names and shapes of the strategies, and the firm that chooses each entry of the stacked vector."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    owner: tuple[int, ...]
    firms: int

    @property
    def size(self) -> int:
        """How many strategy variables there are in all."""
        return len(self.owner)

    @property
    def chosen(self) -> int:
        """How many of them, the first ones, are chosen by a firm."""
        return sum(i < self.firms for i in self.owner)

    @functools.cached_property
    def name_of(self) -> np.ndarray:
        """The number of the name of each entry, shape (size,)."""
        return np.repeat(np.arange(len(self.names)), [math.prod(shape) for shape in self.shapes])

    @functools.cached_property
    def own(self) -> np.ndarray:
        """The entries that each firm chooses, shape (firms, most); rows of firms with fewer are padded by `size`."""
        entries = [np.flatnonzero(np.asarray(self.owner) == i) for i in range(self.firms)]
        most = max(len(e) for e in entries)
        return np.stack([np.pad(e, (0, most - len(e)), constant_values=self.size) for e in entries])

    def flatten(self, s: Profile) -> Float[Array, " strategy"]:
        """The stacked vector of a profile."""
        return jnp.concatenate([s[name].reshape(-1) for name in self.names])

    def unflatten(self, z: Float[Array, " strategy"]) -> Profile:
        """The profile of a stacked vector."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = jnp.split(z, ends[:-1])
        return {name: part.reshape(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}

    def stack(self, values: Mapping[str, Any], dtype: jnp.dtype) -> Float[Array, " strategy"]:
        """The stacked vector of scalars or arrays by name, broadcast to the shapes of the strategies."""
        parts = []
        for name, shape in zip(self.names, self.shapes, strict=True):
            value = jnp.asarray(values[name], dtype)
            parts.append(jnp.broadcast_to(value.reshape((1,) * (len(shape) - value.ndim) + value.shape), shape))
        return self.flatten(dict(zip(self.names, parts, strict=True)))


@functools.singledispatch
def layout_of(game: Game) -> Layout:
    """The layout of a game, from the shapes of its bounds, its firms and `owners`.

    Raises:
        GameError: a strategy's shape does not fit the number of firms or its `owners`.
    """
    firms = len(game.firms)
    owners = game.owners()
    names, shapes, owner = [], [], []
    bounds = game.bounds()
    if unknown := set(owners) - set(bounds):
        raise GameError(f"owners() names {sorted(unknown)}, but bounds() has only {sorted(bounds)}.")
    for name, (lower, upper) in bounds.items():
        try:
            shape = np.broadcast_shapes(np.shape(lower), np.shape(upper))
        except ValueError:
            raise GameError(
                f"Strategy {name!r} has a lower bound of shape {np.shape(lower)} and an upper bound of shape "
                f"{np.shape(upper)}; give both the same shape, or scalars."
            ) from None
        expected = len(owners[name]) if name in owners else firms
        shape = shape or (expected,)
        if shape[0] != expected:
            what = "items in owners()" if name in owners else f"firms {game.firms}"
            raise GameError(
                f"Strategy {name!r} has bounds of shape {shape}, but there are {expected} {what}: give scalars, or "
                f"arrays whose first axis is {expected} long."
            )
        by_item = owners.get(name, tuple(range(firms)))
        if any(not 0 <= i < firms for i in by_item):
            raise GameError(f"owners()[{name!r}] = {by_item} names a firm outside 0..{firms - 1}.")
        names.append(name)
        shapes.append(shape)
        owner += list(np.repeat(by_item, math.prod(shape[1:])))
    missing = set(range(firms)) - set(owner)
    if missing:
        idle = [game.firms[i] for i in sorted(missing)]
        raise GameError(f"Firms {idle} choose nothing: every firm must own a strategy in bounds() and owners().")
    return Layout(tuple(names), tuple(shapes), tuple(int(i) for i in owner), firms)


def bounds_of(game: Game, layout: Layout, dtype: jnp.dtype) -> tuple[Float[Array, " strategy"], ...]:
    """The stacked lower and upper bounds."""
    bounds = game.bounds()
    return (
        layout.stack({name: pair[0] for name, pair in bounds.items()}, dtype),
        layout.stack({name: pair[1] for name, pair in bounds.items()}, dtype),
    )


def dtype_of(game: Problem) -> jnp.dtype:
    """The floating dtype of a game's parameters; JAX's default one if it has none."""
    for leaf in jax.tree.leaves(game):
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf.dtype
    return jnp.result_type(float)


def strategy_scale(
    z: Float[Array, " strategy"],
    reach: Float[Array, " strategy"],
    lower: Float[Array, " strategy"],
    upper: Float[Array, " strategy"],
    layout: Layout,
) -> Float[Array, " strategy"]:
    """The size sigma of each strategy in a profile, in the strategy's own unit.

    The largest magnitude of the current and the `reach`ed value over all entries of the same name, so that an inactive
    firm is measured by its rivals and nothing depends on units; at most the width of its own bounds, so that neither
    their origin nor much larger rivals count; at least 1e-6 of the width of the bounds (of 1, where
    they are infinite), so that an equilibrium at exactly zero has a scale too.
    """
    size = _larger(jnp.abs(z), jnp.abs(reach))
    width = upper - lower
    floor = 1e-6 * jnp.where(jnp.isfinite(width), width, 1.0)
    shared = shared_size(size, layout)
    own = jnp.where(jnp.isfinite(width) & (width < shared), width, shared)
    return jnp.maximum(_larger(floor, own), 4.0 * float(jnp.finfo(z.dtype).tiny))


def per_scale(scale: Float[Array, " n"]) -> Float[Array, " n"]:
    """Four over a scale. One over the largest numbers there are is denormal, and processors may take it for zero."""
    return 4.0 / scale


def _larger(x: Float[Array, " n"], y: Float[Array, " n"]) -> Float[Array, " n"]:
    """The larger one; y if either is NaN: one instruction, where what passes on both takes three. What is measured by
    a scale is NaN itself where the scale should be."""
    return jnp.where(x > y, x, y)


def shared_size(size: Float[Array, " strategy"], layout: Layout) -> Float[Array, " strategy"]:
    """The largest over all entries of the same name."""
    if len(layout.names) == 1:
        return jnp.broadcast_to(jnp.max(size), size.shape)
    same = jnp.asarray(layout.name_of[:, None] == layout.name_of[None, :])
    return jnp.max(jnp.where(same, size[None, :], 0.0), axis=1)


def same_owner(layout: Layout) -> Bool[Array, "strategy strategy"]:
    """Whether two entries are chosen by the same firm."""
    owner = np.asarray(layout.owner)
    return jnp.asarray(owner[:, None] == owner[None, :])


def own_blocks(matrix: Float[Array, "strategy strategy"], layout: Layout) -> Float[Array, "firm own own"]:
    """Each firm's own block; firms that choose fewer strategies than others are padded by -1 on the diagonal."""
    own = np.minimum(layout.own, layout.size - 1)
    real = layout.own < layout.size
    blocks = matrix[own[:, :, None], own[:, None, :]]
    return jnp.where(real[:, :, None] & real[:, None, :], blocks, -jnp.eye(own.shape[1], dtype=matrix.dtype))
