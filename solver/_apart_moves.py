"""Moving the elements of arrays that are taken apart (`_apart`): done by NumPy while tracing, at no cost, unless places
differ between lanes (`_apart_picks`).

A rule returns None where it does not apply; the primitive's own batching rule is used then.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax

from . import _apart_picks as picks
from . import _numpy as jnp
from ._apart import Rule, Value, along, filled, is_short, joined, long, out, short, uniform
from ._apart_sort import sort
from ._elements import Element, Elements, is_known


def _reshape(elements: Elements, equation: Any, a: Value, *rest: Any) -> Value | None:
    shape, dtype = out(equation)
    order = equation.params.get("dimensions") if equation.primitive.name == "reshape" else None
    if rest or (order is not None and a.kept):
        return None
    if order is not None:
        # As if transposed before.
        a = filled(tuple(a.shape[k] for k in order), dtype, list(np.transpose(a.parts, order).reshape(-1)))

    def between(shape: tuple[int, ...]) -> list[int]:
        """Products of the short axes before, between and after the long ones."""
        products = [1]
        for side in shape:
            products = [*products[:-1], products[-1] * side] if is_short(side) else [*products, 1]
        return products

    same = [a.shape[k] for k in a.kept] == [shape[k] for k in long(shape)] and between(a.shape) == between(shape)
    return filled(shape, dtype, a.flat) if same else None


def _broadcast_in_dim(elements: Elements, equation: Any, a: Value, *rest: Any) -> Value | None:
    shape, dtype = out(equation)
    if rest:
        return None
    to = equation.params["broadcast_dimensions"]
    kept = long(shape)
    # Element by element: which of its axes are the long ones of the result.
    source = {to[k]: position for position, k in enumerate(a.kept)}
    if list(source) != sorted(source):
        return None

    def element(x: Element) -> Element:
        if np.ndim(x) == 0 or not kept:
            return x
        sides = [np.shape(x)[source[k]] if k in source else 1 for k in kept]
        return x.reshape(*sides, np.shape(x)[-1]) if sides != list(np.shape(x)[:-1]) else x

    if any(np.ndim(x) and not a.kept for x in a.flat) and kept:
        # Elements of an array without long axes get some.
        made = [x.reshape(*[1] * len(kept), -1) if np.ndim(x) else x for x in a.flat]
    else:
        made = [element(x) for x in a.flat]
    parts = np.empty(len(made), object)
    for k, x in enumerate(made):
        parts[k] = x
    parts = parts.reshape(a.parts.shape)
    # The short axes of the operand among the short axes of the result; one that becomes long has a single entry.
    apart = short(shape)
    sides = [1] * len(apart)
    for position, k in enumerate(a.apart):
        if to[k] in apart:
            sides[apart.index(to[k])] = a.parts.shape[position]
    if [to[k] for k in a.apart] != sorted(to[k] for k in a.apart):
        return None
    spread_out = np.broadcast_to(parts.reshape(sides), [shape[k] for k in apart])
    return filled(shape, dtype, list(spread_out.reshape(-1)))


def _transpose(elements: Elements, equation: Any, a: Value) -> Value:
    shape, dtype = out(equation)
    order = equation.params["permutation"]
    apart = [a.apart.index(k) for k in order if k in a.apart]
    kept = [a.kept.index(k) for k in order if k in a.kept]
    parts = np.transpose(a.parts, apart) if apart else a.parts
    made = list(parts.reshape(-1))
    if kept != sorted(kept):
        made = [x.transpose([*kept, len(kept)]) if np.ndim(x) else x for x in made]
    return filled(shape, dtype, made)


def _concatenate(elements: Elements, equation: Any, *arguments: Value) -> Value | None:
    shape, dtype = out(equation)
    axis = equation.params["dimension"]
    if is_short(shape[axis]):
        position = along(arguments[0], axis)[1]
        parts = np.concatenate([a.parts for a in arguments], axis=position)
        return filled(shape, dtype, list(parts.reshape(-1)))
    # The axis is long in the result, and may be short in some arguments.
    position = long(shape).index(axis)
    sides = tuple(shape[k] for k in long(shape))
    rest = [shape[k] for k in short(shape)]
    columns: list[list[list[Element]]] = [[] for _ in range(int(np.prod(rest, dtype=int)))]
    for a in arguments:
        apart, at = along(a, axis)
        if apart:
            moved = np.moveaxis(a.parts, at, 0)
            for k, column in enumerate(columns):
                for piece in moved.reshape(moved.shape[0], -1)[:, k] if moved.size else []:
                    column.append([_with_axis(piece, position), 1])
        else:
            for k, column in enumerate(columns):
                column.append([a.flat[k], a.shape[axis]])
    made = [_joined_along(elements, column, position, sides) for column in columns]
    return filled(shape, dtype, made)


def _with_axis(x: Element, position: int) -> Element:
    """An element with one more long axis, of one entry."""
    return x if np.ndim(x) == 0 else x.reshape(*x.shape[:position], 1, *x.shape[position:])


def _joined_along(elements: Elements, column: list, position: int, sides: tuple[int, ...]) -> Element:
    axes = len(sides) + 1
    shapes = [np.shape(x) if np.ndim(x) else (1,) * axes for x, _ in column]
    others = np.broadcast_shapes(*((*s[:position], 1, *s[position + 1 :]) for s in shapes))
    wanted = [(*others[:position], length, *others[position + 1 :]) for _, length in column]
    if all(is_known(x) for x, _ in column):
        return np.concatenate([np.broadcast_to(x, w) for (x, _), w in zip(column, wanted, strict=True)], axis=position)
    parts = [elements.wide(x, w) for (x, _), w in zip(column, wanted, strict=True)]
    return jnp.concatenate(parts, axis=position)


def _cut(value: Value, axis: int, take: Callable[[Any, int], Any], at: np.ndarray) -> Value:
    """The entries numbered `at` along one axis; `take` does it to an array whose axis is the long one."""
    shape = (*value.shape[:axis], len(at), *value.shape[axis + 1 :])
    apart, position = along(value, axis)
    if apart:
        return filled(shape, value.dtype, list(np.take(value.parts, at, axis=position).reshape(-1)))
    made = []
    for x in value.flat:
        if np.ndim(x) and np.shape(x)[position] > 1:
            x = np.take(x, at, axis=position) if is_known(x) else take(x, position)
        made.append(x)
    if not is_short(len(at)):
        return filled(shape, value.dtype, made)
    # The axis has become a short one.
    sides = tuple(value.shape[k] for k in value.kept)
    before = sum(k < axis for k in value.apart)
    stacked = np.empty((len(at), len(made)), object)
    for k, x in enumerate(made):
        for j in range(len(at)):
            stacked[j, k] = _entry(x, position, j, len(sides))
    parts = stacked.reshape(len(at), *value.parts.shape)
    return filled(shape, value.dtype, list(np.moveaxis(parts, 0, before).reshape(-1)))


def _entry(x: Element, position: int, j: int, count: int) -> Element:
    """One entry along a long axis."""
    if np.ndim(x) == 0:
        return x
    x = x[(slice(None),) * position + (j if np.shape(x)[position] > 1 else 0,)]
    return x[0] if count == 1 and np.shape(x) == (1,) else x


def _slice(elements: Elements, equation: Any, a: Value) -> Value:
    p = equation.params
    steps = p["strides"] or (1,) * len(a.shape)
    for axis, (lo, hi, step) in enumerate(zip(p["start_indices"], p["limit_indices"], steps, strict=True)):
        if (lo, hi, step) != (0, a.shape[axis], 1):
            a = _between(a, axis, lo, hi, step)
    return a


def _between(a: Value, axis: int, lo: int, hi: int, step: int = 1) -> Value:
    return _cut(
        a, axis, lambda x, position: lax.slice_in_dim(x, lo, hi, step, position), np.arange(lo, hi, step, dtype=int)
    )


def _rev(elements: Elements, equation: Any, a: Value) -> Value:
    for axis in equation.params["dimensions"]:
        a = _cut(a, axis, lambda x, position: lax.rev(x, (position,)), np.arange(a.shape[axis])[::-1])
    return a


def _split(elements: Elements, equation: Any, a: Value) -> list[Value]:
    ends = np.cumsum([0, *equation.params["sizes"]])
    axis = equation.params["axis"]
    return [_between(a, axis, int(lo), int(hi)) for lo, hi in itertools.pairwise(ends)]


def _unstack(elements: Elements, equation: Any, a: Value) -> list[Value]:
    axis = equation.params["axis"]
    cut = [_between(a, axis, k, k + 1) for k in range(a.shape[axis])]
    shape = (*a.shape[:axis], *a.shape[axis + 1 :])
    return [filled(shape, a.dtype, v.flat) for v in cut]


def _stack(elements: Elements, equation: Any, *arguments: Value) -> Value | None:
    shape, dtype = out(equation)
    axis = equation.params["axis"]
    if not is_short(shape[axis]):
        return None
    before = sum(k < axis for k in short(shape))
    parts = np.stack([a.parts for a in arguments], axis=before)
    return filled(shape, dtype, list(parts.reshape(-1)))


def _pad(elements: Elements, equation: Any, a: Value, fill: Value) -> Value | None:
    shape, dtype = out(equation)
    if a.kept or long(shape):
        return None
    with jax.ensure_compile_time_eval():
        numbers = lax.pad(
            jnp.arange(len(a.flat), dtype=jnp.int32).reshape(a.shape),
            jnp.int32(len(a.flat)),
            equation.params["padding_config"],
        )
    pool = [*a.flat, *fill.flat]
    return filled(shape, dtype, [pool[k] for k in np.asarray(numbers).reshape(-1)])


def _known_index(*index: Value) -> list[np.ndarray] | None:
    return [np.asarray(joined(i)) for i in index] if all(i.known for i in index) else None


def _gather(elements: Elements, equation: Any, a: Value, index: Value) -> Value | None:
    """Where indices are known and inside, nothing is left to be done."""
    given = _known_index(index)
    if given is None or a.kept or long(out(equation)[0]):
        return picks.gather(elements, equation, a, index)
    params = equation.params | {"mode": lax.GatherScatterMode.FILL_OR_DROP, "fill_value": -1}
    if equation.params["mode"] == lax.GatherScatterMode.CLIP:
        params = equation.params
    return _by_number(elements, equation, a, params, given) or picks.gather(elements, equation, a, index)


def _dynamic_slice(elements: Elements, equation: Any, a: Value, *index: Value) -> Value | None:
    given = _known_index(*index)
    if given is None or a.kept or long(out(equation)[0]):
        return picks.dynamic_slice(elements, equation, a, *index)
    return _by_number(elements, equation, a, equation.params, given)


def _by_number(elements: Elements, equation: Any, a: Value, params: Any, index: list[np.ndarray]) -> Value | None:
    shape, dtype = out(equation)
    with jax.ensure_compile_time_eval():
        numbers = equation.primitive.bind(
            *map(jnp.asarray, (np.arange(len(a.flat), dtype=np.int32).reshape(a.shape), *index)), **params
        )
    numbers = np.asarray(numbers).reshape(-1)
    return None if np.any(numbers < 0) else filled(shape, dtype, [a.flat[k] for k in numbers])


def _scatter(elements: Elements, equation: Any, a: Value, index: Value, updates: Value) -> Value | None:
    """Replacing entries."""
    given = _known_index(index)
    if given is None or a.kept or updates.kept:
        return picks.scatter(elements, equation, a, index, updates, lambda old, new: new)
    old = np.arange(len(a.flat), dtype=np.int32).reshape(a.shape)
    new = len(a.flat) + np.arange(len(updates.flat), dtype=np.int32).reshape(updates.shape)
    with jax.ensure_compile_time_eval():
        numbers = equation.primitive.bind(*map(jnp.asarray, (old, given[0], new)), **equation.params)
    pool = [*a.flat, *updates.flat]
    return filled(a.shape, a.dtype, [pool[k] for k in np.asarray(numbers).reshape(-1)])


def _scatter_add(elements: Elements, equation: Any, a: Value, index: Value, updates: Value) -> Value | None:
    """Adding to entries."""
    given = _known_index(index)
    if given is None or a.kept or updates.kept:
        add = functools.partial(elements.op, lax.add_p)
        return picks.scatter(elements, equation, a, index, updates, add)
    if not updates.flat:
        return a
    count = len(updates.flat)
    each = np.eye(count, dtype=a.dtype).reshape(count, *updates.shape)
    with jax.ensure_compile_time_eval():
        zeros, at = jnp.asarray(np.zeros(a.shape, a.dtype)), jnp.asarray(given[0])
        params = equation.params
        where = jax.vmap(lambda update: equation.primitive.bind(zeros, at, update, **params))(jnp.asarray(each))
    made = list(a.flat)
    for update, target in zip(*np.nonzero(np.asarray(where).reshape(count, -1)), strict=True):
        made[target] = elements.op(lax.add_p, made[target], updates.flat[update])
    return filled(a.shape, a.dtype, made)


def _iota(elements: Elements, equation: Any) -> Value:
    shape, dtype = out(equation)
    axis = equation.params["dimension"]
    line = np.arange(shape[axis]).astype(dtype).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return uniform(np.broadcast_to(line, shape))


MOVES: dict[str, Rule] = {
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "broadcast_in_dim": _broadcast_in_dim,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "slice": _slice,
    "rev": _rev,
    "split": _split,
    "stack": _stack,
    "unstack": _unstack,
    "pad": _pad,
    "gather": _gather,
    "scatter": _scatter,
    "scatter-add": _scatter_add,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": picks.dynamic_update_slice,
    "sort": sort,
    "iota": _iota,
}
"""Name of a primitive -> its rule."""
