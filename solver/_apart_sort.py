"""Sorting arrays that are taken apart (`_apart`).

A sort is a network of comparisons of two entries each, the same whatever the entries are (Batcher 1968). The rule
returns None where it does not apply; the primitive's own batching rule is used then.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jax import lax

from ._apart import Value, along, filled
from ._elements import Element, Elements

_MOST = 2**16
"""Exchanges of two numbers; more of them are left to the primitive's own rule."""


def sort(elements: Elements, equation: Any, *operands: Value) -> list[Value] | None:
    """Sorting, equal ones in the order in which they are."""
    axis, keys = equation.params["dimension"], equation.params["num_keys"]
    apart, position = along(operands[0], axis)
    if not apart or operands[0].kept:
        return None
    columns = [np.moveaxis(v.parts, position, -1) for v in operands]
    count, places = operands[0].shape[axis], np.arange(operands[0].shape[axis], dtype=np.int32)
    steps = list(_network(count))
    rows = list(np.ndindex(columns[0].shape[:-1]))
    if len(steps) * len(rows) * len(operands) > _MOST:
        return None
    made = [np.empty_like(column) for column in columns]
    for at in rows:
        entries = [[*(column[at][k] for column in columns), places[k]] for k in range(count)]
        for i, j in steps:
            x, y = entries[i], entries[j]
            swap = _less(elements, [*y[:keys], y[-1]], [*x[:keys], x[-1]])
            choose = functools.partial(elements.op, lax.select_n_p, swap)
            entries[i] = [choose(a, b) for a, b in zip(x, y, strict=True)]
            entries[j] = [choose(b, a) for a, b in zip(x, y, strict=True)]
        for k, entry in enumerate(entries):
            for column, x in zip(made, entry, strict=False):
                column[(*at, k)] = x
    return [
        filled(v.shape, v.dtype, list(np.moveaxis(column, -1, position).reshape(-1)))
        for v, column in zip(operands, made, strict=True)
    ]


def _network(count: int) -> Iterator[tuple[int, int]]:
    """Pairs to be put in order one after the other (Knuth 1998, section 5.2.2, algorithm M)."""
    bits = (count - 1).bit_length()
    for p in (1 << k for k in reversed(range(bits))):
        q, r, d = 1 << bits >> 1, 0, p
        while True:
            yield from ((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p


def _less(elements: Elements, xs: Sequence[Element], ys: Sequence[Element]) -> Element:
    """Whether the first entry of `xs` that differs from that of `ys` is less; zeros are equal, NaN is the largest."""
    x, y = xs[0], ys[0]
    if len(xs) == 1:
        return _before(elements, x, y)
    others = elements.op(lax.and_p, elements.op(lax.not_p, _before(elements, y, x)), _less(elements, xs[1:], ys[1:]))
    return elements.op(lax.or_p, _before(elements, x, y), others)


def _before(elements: Elements, x: Element, y: Element) -> Element:
    if np.dtype(x.dtype).kind != "f":
        return elements.op(lax.lt_p, x, y)
    number = elements.op(lax.eq_p, x, x)
    return elements.op(lax.and_p, number, elements.op(lax.not_p, elements.op(lax.ge_p, x, y)))
