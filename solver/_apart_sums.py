"""Sums, maxima and other reductions of arrays that are taken apart (`_apart`), and elementwise operations.

A rule returns None where it does not apply; the primitive's own batching rule is used then.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from . import _numpy as jnp
from ._apart import Rule, Value, along, filled, full_along, long, out, short
from ._elements import ELEMENTWISE, Element, Elements


def elementwise(elements: Elements, equation: Any, *arguments: Value) -> Value:
    """Any primitive of `ELEMENTWISE`."""
    shape, dtype = out(equation)
    columns = [_as(a, shape) for a in arguments]
    made = [elements.apply(equation.primitive, equation.params, list(row)) for row in zip(*columns, strict=True)]
    return filled(shape, dtype, made)


def _same_bits(elements: Elements, equation: Any, a: Value) -> Value | None:
    return elementwise(elements, equation, a) if a.dtype.itemsize == out(equation)[1].itemsize else None


def _as(a: Value, shape: tuple[int, ...]) -> list[Element]:
    """The elements of an operand that may be a scalar, or have axes of one entry where the result has more."""
    if a.shape == shape:
        return a.flat
    if a.shape == ():
        (x,) = a.flat
        count = int(np.prod([shape[k] for k in short(shape)], dtype=int))
        return [_under(x, len(long(shape)))] * count
    apart, kept = short(shape), long(shape)
    made = np.empty(len(a.flat), object)
    for k, x in enumerate(a.flat):
        if np.ndim(x) and kept:
            sides = [np.shape(x)[a.kept.index(axis)] if axis in a.kept else 1 for axis in kept]
            x = x.reshape(*sides, np.shape(x)[-1])
        made[k] = x
    # A long axis of the result is a short one of the operand if that has one entry.
    sides = [a.shape[k] for k in apart]
    return list(np.broadcast_to(made.reshape(sides), [shape[k] for k in apart]).reshape(-1))


def _under(x: Element, axes: int) -> Element:
    """An element without long axes, where there are some."""
    return x.reshape(*[1] * axes, -1) if np.ndim(x) and axes else x


def _reduced(a: Value, axes: Any) -> tuple[list[list[Element]], list[int]]:
    """For each entry of the result the elements to be put together, and which of their long axes go."""
    apart = [along(a, k)[1] for k in axes if along(a, k)[0]]
    kept = [along(a, k)[1] for k in axes if not along(a, k)[0]]
    stay = [k for k in range(a.parts.ndim) if k not in apart]
    rows = np.transpose(a.parts, [*stay, *apart]) if a.parts.ndim else a.parts
    count = int(np.prod([a.parts.shape[k] for k in apart], dtype=int))
    return [list(row) for row in rows.reshape(-1, count)], kept


def _reduce(primitive: Any, over: Callable[[Any, tuple[int, ...]], Any]) -> Rule:
    def rule(elements: Elements, equation: Any, a: Value) -> Value | None:
        shape, dtype = out(equation)
        if 0 in a.shape:
            return None
        rows, kept = _reduced(a, equation.params["axes"])
        made = []
        for row in rows:
            total = row[0]
            for x in row[1:]:
                total = elements.op(primitive, total, x)
            for position in kept:
                total = full_along(total, position, a.sides)
            if kept:
                total = over(jnp.asarray(total), tuple(kept))
                total = total.reshape(()) if total.shape == (1,) else total
            made.append(total)
        return filled(shape, dtype, made)

    return rule


def _arg(better: Any, over: Callable[[Any, int, Any], Any]) -> Rule:
    def rule(elements: Elements, equation: Any, a: Value) -> Value | None:
        shape, dtype = out(equation)
        (axis,) = equation.params["axes"]
        if not along(a, axis)[0]:
            position = along(a, axis)[1]
            made = []
            for x in a.flat:
                at = over(jnp.asarray(full_along(x, position, a.sides)), position, dtype)
                made.append(at.reshape(()) if at.shape == (1,) else at)
            return filled(shape, dtype, made)
        rows, _ = _reduced(a, (axis,))
        places = np.arange(a.shape[axis]).astype(dtype)
        made = []
        for row in rows:
            best, index = row[0], places[0]
            for k, x in enumerate(row[1:], 1):
                win = elements.op(better, x, best)
                if np.dtype(a.dtype).kind == "f":
                    # NaN counts as the best, as in JAX.
                    nan = elements.op(lax.and_p, elements.op(lax.ne_p, x, x), elements.op(lax.eq_p, best, best))
                    win = elements.op(lax.or_p, win, nan)
                best = elements.op(lax.select_n_p, win, best, x)
                index = elements.op(lax.select_n_p, win, index, places[k])
            made.append(index)
        return filled(shape, dtype, made)

    return rule


def _dot_general(elements: Elements, equation: Any, a: Value, b: Value) -> Value | None:
    shape, dtype = out(equation)
    if a.kept or b.kept or long(shape) or not a.dtype == b.dtype == dtype:
        return None
    (ca, cb), (ba, bb) = equation.params["dimension_numbers"]
    fa = [k for k in range(a.parts.ndim) if k not in (*ca, *ba)]
    fb = [k for k in range(b.parts.ndim) if k not in (*cb, *bb)]
    left, right = np.transpose(a.parts, [*ba, *fa, *ca]), np.transpose(b.parts, [*bb, *fb, *cb])
    batch, rows, columns = (
        left.shape[: len(ba)],
        left.shape[len(ba) : len(ba) + len(fa)],
        right.shape[len(bb) : len(bb) + len(fb)],
    )
    add, multiply = (lax.or_p, lax.and_p) if dtype == np.bool_ else (lax.add_p, lax.mul_p)
    made = []
    for at in np.ndindex(batch):
        for i in np.ndindex(rows):
            for j in np.ndindex(columns):
                total = np.dtype(dtype).type(0)
                for x, y in zip(left[(*at, *i)].reshape(-1), right[(*at, *j)].reshape(-1), strict=True):
                    total = elements.op(add, total, elements.op(multiply, x, y))
                made.append(total)
    return filled(shape, dtype, made)


def _cumsum(elements: Elements, equation: Any, a: Value) -> Value | None:
    axis = equation.params["axis"]
    apart, position = along(a, axis)
    if not apart:
        return None
    moved = np.moveaxis(a.parts, position, 0)
    order = range(moved.shape[0])
    out = np.empty(moved.shape, object)
    for at in np.ndindex(moved.shape[1:]):
        total = None
        for k in reversed(order) if equation.params["reverse"] else order:
            x = moved[(k, *at)]
            total = x if total is None else elements.op(lax.add_p, total, x)
            out[(k, *at)] = total
    return filled(a.shape, a.dtype, list(np.moveaxis(out, 0, position).reshape(-1)))


COMPUTES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    "bitcast_convert_type": _same_bits,
    "reduce_sum": _reduce(lax.add_p, lambda x, axes: jnp.sum(x, axes, dtype=x.dtype)),
    "reduce_max": _reduce(lax.max_p, lambda x, axes: jnp.max(x, axes)),
    "reduce_min": _reduce(lax.min_p, lambda x, axes: jnp.min(x, axes)),
    "reduce_prod": _reduce(lax.mul_p, lambda x, axes: jnp.prod(x, axes, dtype=x.dtype)),
    "reduce_and": _reduce(lax.and_p, lambda x, axes: jnp.all(x, axes)),
    "reduce_or": _reduce(lax.or_p, lambda x, axes: jnp.any(x, axes)),
    "reduce_xor": _reduce(lax.xor_p, lambda x, axes: lax.reduce(x, x.dtype.type(0), lax.bitwise_xor, axes)),
    "argmax": _arg(lax.gt_p, lax.argmax),
    "argmin": _arg(lax.lt_p, lax.argmin),
    "dot_general": _dot_general,
    "cumsum": _cumsum,
}
"""Name of a primitive -> its rule."""
