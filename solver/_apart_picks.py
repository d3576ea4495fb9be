"""Reading and writing at places that differ between lanes, in arrays that are taken apart (`_apart`).

Such a place is one of a few: what is to be done is known for each of them, and comparisons choose.

A rule returns None where it does not apply; the primitive's own batching rule is used then.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from . import _numpy as jnp
from ._apart import Value, filled, long, out
from ._elements import Element, Elements

_MOST = 2**16
"""Choices between two entries; more of them are left to the primitive's own rule."""


def gather(elements: Elements, equation: Any, a: Value, index: Value) -> Value | None:
    """Reading at any indices."""
    p, (shape, dtype) = equation.params, out(equation)
    dims = p["dimension_numbers"]
    counts = [a.shape[k] - p["slice_sizes"][k] + 1 for k in dims.start_index_map]
    if p["mode"] == lax.GatherScatterMode.ONE_HOT or _many(counts, shape) or a.kept or index.kept or long(shape):
        return None
    inside = {**p, "mode": lax.GatherScatterMode.PROMISE_IN_BOUNDS}

    def read(start: jax.Array) -> jax.Array:
        at = jnp.broadcast_to(start, index.shape)
        return equation.primitive.bind(_numbers(a), at, **inside)

    numbers = _for_each(read, counts)
    # By entry of the result, which of the indices it is read at.
    batch = index.shape[:-1]
    sides = [1 if k in dims.offset_dims else side for k, side in enumerate(shape)]
    whose = np.broadcast_to(np.arange(int(np.prod(batch, dtype=int))).reshape(sides), shape).reshape(-1)
    places = [list(row) for row in index.parts.reshape(-1, index.shape[-1])]
    made = []
    for k, which in enumerate(whose):
        x = _at(elements, places[which], counts, [a.flat[j] for j in numbers[:, k]])
        if p["mode"] == lax.GatherScatterMode.FILL_OR_DROP:
            fill = np.asarray(p["fill_value"]).astype(dtype)[()]
            x = elements.op(lax.select_n_p, _within(elements, places[which], counts), fill, x)
        made.append(x)
    return filled(shape, dtype, made)


def dynamic_slice(elements: Elements, equation: Any, a: Value, *index: Value) -> Value | None:
    """A part that begins anywhere."""
    shape, dtype = out(equation)
    counts = [side - size + 1 for side, size in zip(a.shape, shape, strict=True)]
    if _many(counts, shape) or a.kept or long(shape):
        return None
    numbers = _for_each(lambda start: lax.dynamic_slice(_numbers(a), list(start), shape), counts)
    places = [i.flat[0] for i in index]
    return filled(shape, dtype, [_at(elements, places, counts, [a.flat[j] for j in row]) for row in numbers.T])


def dynamic_update_slice(elements: Elements, equation: Any, a: Value, new: Value, *index: Value) -> Value | None:
    """The same replaced."""
    counts = [side - size + 1 for side, size in zip(a.shape, new.shape, strict=True)]
    if _many(counts, a.shape) or a.kept or new.kept:
        return None
    pool, added = [*a.flat, *new.flat], _numbers(new, len(a.flat))
    numbers = _for_each(lambda start: lax.dynamic_update_slice(_numbers(a), added, list(start)), counts)
    places = [i.flat[0] for i in index]
    return filled(a.shape, a.dtype, [_at(elements, places, counts, [pool[j] for j in row]) for row in numbers.T])


def scatter(
    elements: Elements, equation: Any, a: Value, index: Value, new: Value, put: Callable[[Element, Element], Element]
) -> Value | None:
    """Writing at any indices, one after the other; `put` makes an entry of what was there and what is written."""
    p, clips = equation.params, equation.params["mode"] == lax.GatherScatterMode.CLIP
    counts = _starts(a.shape, new.shape, p["dimension_numbers"])
    places = [list(row) for row in index.parts.reshape(-1, index.shape[-1])]
    if _many(counts, (len(places), *a.shape)) or a.kept or index.kept or new.kept:
        return None
    made, first = list(a.flat), len(a.flat)
    for k, at in enumerate(places):

        def write(start: jax.Array, k: int = k) -> jax.Array:
            # Only this one: the others are dropped.
            mine = np.arange(len(places)) == k
            where = jnp.where(mine[:, None], start[None, :], np.int32(-1)).reshape(index.shape)
            return lax.scatter(_numbers(a), where, _numbers(new, first), p["dimension_numbers"], mode="drop")

        numbers = _for_each(write, counts)
        within = np.bool_(True) if clips else _within(elements, at, counts)
        for j, row in enumerate(numbers.T):
            if np.any(row >= first):
                choices = [made[j] if i < first else put(made[j], new.flat[i - first]) for i in row]
                made[j] = elements.op(lax.select_n_p, within, made[j], _at(elements, at, counts, choices))
    return filled(a.shape, a.dtype, made)


def _numbers(value: Value, first: int = 0) -> np.ndarray:
    """An array of the shape of a value that holds the numbers of its elements."""
    return np.arange(first, first + len(value.flat), dtype=np.int32).reshape(value.shape)


def _for_each(numbers: Callable[[jax.Array], jax.Array], counts: Sequence[int]) -> np.ndarray:
    """What `numbers` is at every start, the last one running fastest; shape (starts, entries)."""
    starts = np.array(list(itertools.product(*map(range, counts))), np.int32).reshape(-1, len(counts))
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.vmap(numbers)(jnp.asarray(starts))).reshape(len(starts), -1)


def _at(elements: Elements, place: Sequence[Element], counts: Sequence[int], choices: Sequence[Element]) -> Element:
    """The choice for a place; for one that is outside, that for the nearest."""
    if not counts:
        return choices[0]
    each = len(choices) // counts[0]
    rows = [_at(elements, place[1:], counts[1:], choices[k : k + each]) for k in range(0, len(choices), each)]
    first, chosen = place[0], rows[0]
    for k, (before, x) in enumerate(itertools.pairwise(rows[: int(np.iinfo(first.dtype).max) + 1]), 1):
        if elements.key(x) != elements.key(before):
            further = elements.op(lax.ge_p, first, np.dtype(first.dtype).type(k))
            chosen = elements.op(lax.select_n_p, further, chosen, x)
    return chosen


def _within(elements: Elements, place: Sequence[Element], counts: Sequence[int]) -> Element:
    """Whether a place is one of those that there are."""
    inside = np.bool_(True)
    for x, count in zip(place, counts, strict=True):
        kind = np.dtype(x.dtype).type
        last = kind(min(count - 1, np.iinfo(x.dtype).max))
        for each in (elements.op(lax.ge_p, x, kind(0)), elements.op(lax.le_p, x, last)):
            inside = elements.op(lax.and_p, inside, each)
    return inside


def _starts(shape: Sequence[int], new: Sequence[int], dims: Any) -> list[int]:
    """How many starts there are along each axis that an index is for."""
    window = iter(dims.update_window_dims)
    fixed = (*dims.inserted_window_dims, *dims.operand_batching_dims)
    sizes = [1 if k in fixed else new[next(window)] for k in range(len(shape))]
    return [shape[k] - sizes[k] + 1 for k in dims.scatter_dims_to_operand_dims]


def _many(counts: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether there is too much to choose from, or nothing."""
    total = int(np.prod(counts, dtype=int)) * int(np.prod(shape, dtype=int))
    return total > _MOST or min(counts, default=0) < 1
