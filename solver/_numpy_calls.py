"""The functions of `jax.numpy` that the solver calls most, as no compiled functions of their own.

`jax.numpy.where` and its like are each traced, batched, differentiated and lowered as a function within the function. A
solver calls them hundreds of times, and what one waits for before its first answer is mostly that. Here they are what
they are made of; arguments that are anything but usual go to `jax.numpy`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_Axis = int | tuple[int, ...] | None


def where_(condition: Any, x: Any, y: Any) -> jax.Array:
    """`jax.numpy.where`."""
    kinds = {v.dtype for v in (x, y) if _is_array(v)}
    if len(kinds) != 1 or not _of(condition, "b"):
        return jnp.where(condition, x, y)
    (kind,) = kinds
    for v in (x, y):
        if not (_is_array(v) or (type(v) is float and kind.kind == "f")):
            return jnp.where(condition, x, y)
    shape = np.broadcast_shapes(*(np.shape(v) for v in (condition, x, y)))
    no, yes = (_broadcast(v if _is_array(v) else kind.type(v), shape) for v in (y, x))
    return lax.select_n(_broadcast(condition, shape), no, yes)


def sum_(x: Any, axis: _Axis = None, dtype: Any = None, **more: Any) -> jax.Array:
    """`jax.numpy.sum`."""
    if _of(x, "f") and dtype in (None, x.dtype) and _usual(x, axis, more):
        return lax.reduce_sum(x, _axes(x, axis))
    return jnp.sum(x, axis=axis, dtype=dtype, **more)


def max_(x: Any, axis: _Axis = None, **more: Any) -> jax.Array:
    """`jax.numpy.max`."""
    if _of(x, "f") and x.size and _usual(x, axis, more):
        return lax.reduce_max(x, _axes(x, axis))
    return jnp.max(x, axis=axis, **more)


def min_(x: Any, axis: _Axis = None, **more: Any) -> jax.Array:
    """`jax.numpy.min`."""
    if _of(x, "f") and x.size and _usual(x, axis, more):
        return lax.reduce_min(x, _axes(x, axis))
    return jnp.min(x, axis=axis, **more)


def any_(x: Any, axis: _Axis = None, **more: Any) -> jax.Array:
    """`jax.numpy.any`."""
    if _of(x, "b") and _usual(x, axis, more):
        return lax.reduce_or(x, _axes(x, axis))
    return jnp.any(x, axis=axis, **more)


def all_(x: Any, axis: _Axis = None, **more: Any) -> jax.Array:
    """`jax.numpy.all`."""
    if _of(x, "b") and _usual(x, axis, more):
        return lax.reduce_and(x, _axes(x, axis))
    return jnp.all(x, axis=axis, **more)


def clip_(x: Any, lower: Any, upper: Any) -> jax.Array:
    """`jax.numpy.clip`, but that a bound that is NaN is none, which takes a third of the instructions."""
    x = where_(lower > x, lower, x)
    return where_(upper < x, upper, x)


def _is_array(x: Any) -> bool:
    """Whether it is an array whose type is its own, and not what it meets."""
    return isinstance(x, jax.Array | np.ndarray | np.generic) and not getattr(x, "weak_type", False)


def _of(x: Any, kind: str) -> bool:
    """Whether it is an array of reals ("f") or of truth values ("b")."""
    return _is_array(x) and x.dtype.kind == kind


def _usual(x: Any, axis: _Axis, more: dict[str, Any]) -> bool:
    """Whether there is nothing else to be asked or refused."""
    axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    return not more and len(set(axes)) == len(axes) and {-np.ndim(x) <= a < np.ndim(x) for a in axes} <= {True}


def _axes(x: Any, axis: _Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(np.ndim(x)))
    return tuple(a % np.ndim(x) for a in (axis if isinstance(axis, tuple) else (axis,)))


def _broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    given = np.shape(x)
    if given == shape:
        return x
    if not given:
        return lax.broadcast(x, shape)
    before = len(shape) - len(given)
    kept = [k for k in range(len(given)) if given[k] == shape[before + k]]
    if len(kept) < len(given):
        x = lax.squeeze(x, [k for k in range(len(given)) if k not in kept])
    return lax.broadcast_in_dim(x, shape, [before + k for k in kept])
