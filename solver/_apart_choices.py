"""Choosing between arrays that are taken apart, lane by lane."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from . import _numpy as jnp
from ._apart import Value, apart, filled, whole
from ._elements import Elements


def where(elements: Elements, which: Value, new: Value, old: Value) -> Value:
    """`new` where `which`, else `old`; `which` has the leading axes of both."""
    shape = new.shape
    if not which.kept:
        each = np.broadcast_to(
            which.parts.reshape(which.parts.shape + (1,) * (new.parts.ndim - which.parts.ndim)), new.parts.shape
        )
        axes = len(new.kept)
        masks = [m.reshape(*[1] * axes, -1) if np.ndim(m) and axes else m for m in each.reshape(-1)]
        made = [elements.op(lax.select_n_p, *row) for row in zip(masks, old.flat, new.flat, strict=True)]
        return filled(shape, new.dtype, made)
    mask = whole(elements, which)
    mask = mask.reshape(*which.shape, *[1] * (len(shape) - len(which.shape)), -1)
    return apart(jnp.where(mask, whole(elements, new), whole(elements, old)), shape)


def cond(
    read: Callable[[Any, Any, list[Value]], list[Value]],
    elements: Elements,
    params: dict[str, Any],
    arguments: list[Value],
) -> list[Value]:
    """`jax.lax.switch` with these parameters: all branches, by `read`, unless it is known which one counts."""
    branches, index, operands = params["branches"], arguments[0], arguments[1:]
    if index.known:
        return read(elements, branches[which_branch(index, len(branches))], operands)
    results = [read(elements, branch, operands) for branch in branches]
    return chosen(elements, index, results)


def which_branch(index: Value, count: int) -> int:
    """The number of the branch, where it is known."""
    return int(np.clip(int(index.flat[0]), 0, count - 1))


def chosen(elements: Elements, index: Value, results: list[list[Value]]) -> list[Value]:
    """The results of the branch that counts, from those of all."""
    picked = results[0]
    for k, others in enumerate(results[1:], 1):
        hit = at_least(elements, index, k)
        picked = [where(elements, hit, b, a) for a, b in zip(picked, others, strict=True)]
    return picked


def at_least(elements: Elements, index: Value, k: int) -> Value:
    """Whether the branch that counts is number `k` > 0 or a later one."""
    if index.dtype == np.bool_:
        return index
    _, truth = elements.truths.get(id(index.flat[0]), (None, None))
    if truth is not None and k == 1:
        return filled((), np.dtype(bool), [truth])
    element = elements.op(lax.ge_p, index.flat[0], np.dtype(index.dtype).type(k))
    return filled((), np.dtype(bool), [element])
