"""A function of each of many rows: all at once, or one after the other where a program is to be short."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax

_ROLLED: ContextVar[bool] = ContextVar("_ROLLED", default=False)


@contextlib.contextmanager
def rolled() -> Iterator[None]:
    """Within this, what is traced goes through rows one after the other: a kernel has its lanes to be fast by."""
    token = _ROLLED.set(True)
    try:
        yield
    finally:
        _ROLLED.reset(token)


def each(function: Callable[[Any], Any], rows: Any, together: int | None = None) -> Any:
    """`jax.vmap(function)(rows)`, of so many rows at a time if wanted."""
    if _ROLLED.get():
        return jax.lax.map(function, rows)
    return jax.vmap(function)(rows) if together is None else jax.lax.map(function, rows, batch_size=together)
