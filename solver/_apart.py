"""Arrays taken apart: short axes into separate elements, long axes and lanes kept in each of them.

A `Value` stands for one array of every lane. Its axes of at most `_SHORT` entries index a NumPy array of elements
(`_elements`); the others are the leading axes of the elements. Within `entirely` there are no others.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from jax import lax

from . import _numpy as jnp
from ._elements import Element, Elements, is_known, simplest

_SHORT: ContextVar[float] = ContextVar("_SHORT", default=6)
"""Axes of more entries are not taken apart."""


@contextlib.contextmanager
def entirely() -> Iterator[None]:
    """Within this, all axes are short."""
    token = _SHORT.set(float("inf"))
    try:
        yield
    finally:
        _SHORT.reset(token)


def is_short(side: int) -> bool:
    """Whether an axis of so many entries is taken apart."""
    return side <= _SHORT.get()


class Value(NamedTuple):
    """An array of every lane, taken apart."""

    shape: tuple[int, ...]
    """Of the array of one lane."""
    dtype: Any
    parts: np.ndarray
    """Of objects, one for each entry along the short axes."""

    @property
    def apart(self) -> list[int]:
        """The short axes."""
        return short(self.shape)

    @property
    def kept(self) -> list[int]:
        """The long axes."""
        return long(self.shape)

    @property
    def sides(self) -> tuple[int, ...]:
        """The lengths of the long axes."""
        return tuple(self.shape[k] for k in self.kept)

    @property
    def flat(self) -> list[Element]:
        """All elements."""
        return list(self.parts.reshape(-1))

    @property
    def varies(self) -> bool:
        """Whether it differs between lanes."""
        return any(np.ndim(x) and np.shape(x)[-1] > 1 for x in self.flat)

    @property
    def known(self) -> bool:
        """Whether all of it is known while tracing."""
        return all(is_known(x) for x in self.flat)


def short(shape: tuple[int, ...]) -> list[int]:
    """The axes that are taken apart."""
    return [k for k, side in enumerate(shape) if is_short(side)]


def long(shape: tuple[int, ...]) -> list[int]:
    """The axes that are kept."""
    return [k for k, side in enumerate(shape) if not is_short(side)]


def blank(shape: tuple[int, ...]) -> np.ndarray:
    """Room for the elements of an array."""
    return np.empty([shape[k] for k in short(shape)], object)


def filled(shape: tuple[int, ...], dtype: Any, elements: list[Element]) -> Value:
    """A value from its elements in order."""
    parts = np.empty(len(elements), object)
    for k, element in enumerate(elements):
        parts[k] = element
    return Value(shape, dtype, parts.reshape(blank(shape).shape))


def uniform(array: Any) -> Value:
    """A value that is the same for all lanes, from an array, known or traced."""
    array = array if hasattr(array, "dtype") else np.asarray(array)
    shape, kept, apart = np.shape(array), long(np.shape(array)), short(np.shape(array))
    moved = array.transpose([*apart, *kept]) if kept else array
    elements = []
    for at in np.ndindex(*(shape[k] for k in apart)):
        part = moved[at]
        if kept:
            part = part.reshape(*part.shape, 1)
        elements.append(simplest(np.asarray(part)) if is_known(part) else part)
    return filled(shape, array.dtype, elements)


def whole(elements: Elements, value: Value) -> Any:
    """A value as one array, lanes last."""
    full = (*value.sides, elements.lanes)
    wide = [elements.wide(x, full) for x in value.flat]
    if not wide:
        return jnp.zeros((*value.shape, elements.lanes), value.dtype)
    stacked = wide[0] if len(wide) == 1 else jnp.stack(wide)
    return _in_order(stacked.reshape((*value.parts.shape, *full)), value, 1)


def joined(value: Value) -> Any:
    """A value that is the same for all lanes as one array, without lanes; known if it is."""
    if not value.flat:
        return np.zeros(value.shape, value.dtype)
    full = (*value.sides, 1) if value.sides else ()
    if value.known:
        stacked = np.stack([np.broadcast_to(x, full) for x in value.flat])
    else:
        stacked = jnp.stack([jnp.broadcast_to(jnp.asarray(x), full) for x in value.flat])
    return _in_order(stacked.reshape((*value.parts.shape, *value.sides)), value, 0)


def _in_order(stacked: Any, value: Value, after: int) -> Any:
    order = [*value.apart, *value.kept]
    back = [order.index(k) for k in range(len(order))]
    return stacked.transpose([*back, *range(len(order), len(order) + after)]) if back != sorted(back) else stacked


def apart(array: Any, shape: tuple[int, ...]) -> Value:
    """An array with lanes last, taken apart."""
    kept, every = long(shape), short(shape)
    order = [*every, *kept]
    moved = array.transpose([*order, len(shape)]) if order != sorted(order) else array
    return filled(shape, array.dtype, [moved[at] for at in np.ndindex(*(shape[k] for k in every))])


def along(value: Value, axis: int) -> tuple[bool, int]:
    """Whether an axis is taken apart, and which one of its kind it is."""
    kinds = value.apart if axis in value.apart else value.kept
    return axis in value.apart, kinds.index(axis)


def full_along(x: Element, position: int, sides: tuple[int, ...]) -> Element:
    """An element that is not just repeated along one of its long axes."""
    if np.ndim(x) == 0:
        shape = [1] * (len(sides) + 1)
        shape[position] = sides[position]
        return np.broadcast_to(x, shape) if is_known(x) else lax.broadcast(x, tuple(shape))
    if np.shape(x)[position] == sides[position]:
        return x
    shape = list(np.shape(x))
    shape[position] = sides[position]
    if is_known(x):
        return np.broadcast_to(x, shape)
    return lax.broadcast_in_dim(x, tuple(shape), tuple(range(len(shape))))


def out(equation: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and type of the first result of an equation."""
    aval = equation.outvars[0].aval
    return aval.shape, aval.dtype


Rule = Callable[..., Value | list[Value] | None]
"""From elements, an equation and the values of its arguments to the values of its results."""
