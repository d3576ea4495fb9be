"""Parameters of a game: dataclass fields that hold arrays whatever the user wrote.

A Python number left in a field would be part of a compiled program, so that every new value compiles anew; the
converter turns numbers, lists and NumPy arrays into JAX arrays once, when the game is made.
"""

import dataclasses
from typing import Any

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp


def as_parameter(value: ArrayLike | tuple[float, ...] | list[float]) -> Float[Array, "..."]:
    """A floating-point JAX array of `value`, in its own floating dtype or, for integers, in JAX's default one.

    >>> as_parameter((1, 2)).shape
    (2,)
    """
    array = jnp.asarray(value)
    # With a dtype given the result is not weakly typed: one program serves numbers and arrays.
    return jnp.asarray(array, array.dtype if jnp.issubdtype(array.dtype, jnp.inexact) else jnp.result_type(float))


def parameter(default: Any = dataclasses.MISSING, doc: str = "") -> Any:
    """A dataclass field for a parameter of a game: converted by `as_parameter`, described by `doc`.

    >>> from nashgrid.solver import Game, parameter
    >>> class Monopoly(Game):
    ...     intercept: Float[Array, ""] = parameter(10.0, "price at which demand is zero")
    ...     firms = ("monopolist",)
    ...     def bounds(self):
    ...         return {"q": (0.0, self.intercept)}
    ...     def payoff(self, s):
    ...         return (self.intercept - s["q"]) * s["q"]
    >>> Monopoly(intercept=4).intercept.dtype == jnp.result_type(float)
    True
    """
    given = {} if default is dataclasses.MISSING else {"default": default}
    return eqx.field(converter=as_parameter, metadata={"doc": doc}, **given)
