"""A function of each of many rows: all at once, some at a time where all would not stay in the caches, or one after
the other where a program is to be short."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np

_CACHED = 2**16
"""Numbers that a core works on together."""
_PARALLEL = 2**24
"""The same of an accelerator."""
_ROLLED: ContextVar[int] = ContextVar("_ROLLED", default=0)


@contextlib.contextmanager
def rolled(entirely: bool = False) -> Iterator[None]:
    """Within this, what is traced goes through rows one after the other: a kernel has its lanes to be fast by.

    Firms are still taken all at once, so that each knows who it is and leaves out what is not its own, unless this is
    to be done `entirely`, for the shortest program.
    """
    token = _ROLLED.set(1 + entirely)
    try:
        yield
    finally:
        _ROLLED.reset(token)


def rolling() -> int:
    """0 outside of `rolled`, 1 within it, 2 entirely."""
    return _ROLLED.get()


def each(function: Callable[[Any], Any], rows: Any, together: int | None = None) -> Any:
    """`jax.vmap(function)(rows)`, of so many rows at a time if wanted."""
    if _ROLLED.get():
        return jax.lax.map(function, rows)
    return jax.vmap(function)(rows) if together is None else jax.lax.map(function, rows, batch_size=together)


def together(size: int) -> int:
    """How many rows are computed together if one needs `size` numbers: so many that they fit into the caches."""
    return max(1, (_CACHED if jax.default_backend() == "cpu" else _PARALLEL) // size)


def in_blocks(function: Callable[[Any], Any], rows: Any, size: int) -> Any:
    """`jax.vmap(function)(rows)`, so many at a time that they fit into the caches if one needs `size` numbers.

    Blocks are of the same length, with rows that are computed twice in the last one: nothing is compiled twice.
    """
    count = len(jax.tree.leaves(rows)[0])
    if count == 1:
        one = function(jax.tree.map(lambda x: x[0], rows))
        return jax.tree.map(lambda x: x[None], one)
    if _ROLLED.get() > 1:
        return jax.lax.map(function, rows)
    most = together(size)
    blocks = -(-count // most)
    if blocks == 1:
        return jax.vmap(function)(rows)
    length = -(-count // blocks)
    index = np.minimum(np.arange(blocks * length), count - 1).reshape(blocks, length)
    found = jax.lax.map(jax.vmap(function), jax.tree.map(lambda x: x[index], rows))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], found)
