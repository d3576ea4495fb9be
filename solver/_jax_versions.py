"""What the programs of some versions of JAX say in another way: readers of jaxprs see all of them alike."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr
from jaxtyping import Array

from . import _numpy as jnp


def parameters(equation: Any) -> dict[str, Any]:
    """The parameters of an equation, those of a scan as they were before JAX 0.11."""
    params = equation.params
    if equation.primitive.name != "scan" or "ft_in" not in params:
        return params
    # How many there are is all that these trees say: a program is a function of lists.
    consts, carry, _ = params["ft_in"].unpack()
    rest = {k: v for k, v in params.items() if k not in ("ft_in", "ft_out")}
    return rest | {"num_consts": len(consts), "num_carry": len(carry)}


def spelled_out(equation: Any) -> ClosedJaxpr | None:
    """The program of an operation that older versions of JAX do not have, in operations that all have.

    None for other operations.
    """
    name = equation.primitive.name
    if name not in _SPELLED_OUT:
        return None
    return _program(name, *((atom.aval.shape, atom.aval.dtype) for atom in equation.invars))


# Without bounds: readers tell programs from each other by their identity, so these must stay.
@functools.cache
def _program(name: str, *kinds: tuple[tuple[int, ...], Any]) -> ClosedJaxpr:
    return jax.make_jaxpr(_SPELLED_OUT[name])(*(jax.ShapeDtypeStruct(*kind) for kind in kinds))


def _log2(x: Array) -> Array:
    return jnp.log(x) / jnp.log(jnp.full_like(x, 2))


def _one_minus_square(x: Array) -> Array:
    return (1 + x) * (1 - x)


def _polynomial(x: Array, *coefficients: Array) -> Array:
    x, *rest = jnp.broadcast_arrays(x, *coefficients)
    return functools.reduce(lambda total, each: total * x + each, reversed(rest))


_SPELLED_OUT: dict[str, Callable[..., Array]] = {
    "log2": _log2,
    "one_minus_square": _one_minus_square,
    "polynomial": _polynomial,
}
"""Name of a primitive that came with JAX 0.11 or 0.12 -> what it computes."""
