"""What decides the machine code of a kernel, in a short text that no other program has.

It is the program that JAX has traced, constants and all programs in it included, what writes it out for LLVM, what
compiles that, and for which processor. A program with something of which it is not known how to tell it from others has
no key, and is compiled by every process anew.
"""

import enum
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.core import ShapedArray, Tracer
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from . import _numpy as jnp
from ._jax_versions import parameters
from ._jaxprs import called

_NOWHERE = ("sharding", "out_sharding")
"""Parameters that only say where an array is; a kernel has all in one place."""


class _UnknownError(Exception):
    """Something that has no description."""


def key(closed: ClosedJaxpr, given: Sequence[Any], *more: Any) -> str | None:
    """The key of a program with arguments of the shapes and types of `given`; `more` are texts and numbers that count
    as well. None if it cannot have one."""
    if _SOURCE is None:
        return None
    shapes = [(np.shape(x), str(x.dtype)) for x in given]
    try:
        versions = jax.__version__, np.__version__, str(jnp.result_type(float)), _SOURCE
        return _hash(repr((_closed(closed, {}), shapes, more, versions)))
    except _UnknownError:
        return None


def described(closed: ClosedJaxpr, known: dict[int, str]) -> str | None:
    """The same text for equal programs, constants included; None if it cannot have one. `known` are programs that have
    been described before, by their identity."""
    try:
        return _closed(closed, known)
    except _UnknownError:
        return None


def _closed(closed: ClosedJaxpr, known: dict[int, str]) -> str:
    return _hash(_program(closed.jaxpr, known), *map(_array, closed.consts))


def _program(jaxpr: Jaxpr, known: dict[int, str]) -> str:
    """A program without its constants; those described before are `known` by their identity."""
    if id(jaxpr) not in known:
        known[id(jaxpr)] = _hash(_described(jaxpr, known))
    return known[id(jaxpr)]


def _described(jaxpr: Jaxpr, known: dict[int, str]) -> str:
    places: dict[Any, int] = {}

    def new(variables: Sequence[Any]) -> str:
        for variable in variables:
            places[variable] = len(places)
        return " ".join(_kind(variable.aval) for variable in variables)

    def atom(x: Any) -> str:
        if isinstance(x, Literal):
            return _array(np.asarray(x.val, x.aval.dtype if isinstance(x.aval, ShapedArray) else None))
        return str(places[x])

    lines = [new(jaxpr.invars), new(jaxpr.constvars)]
    for equation in jaxpr.eqns:
        name, inner = equation.primitive.name, called(equation)
        if inner is not None:
            how = _closed(inner, known)
        else:
            how = _part({k: v for k, v in parameters(equation).items() if k not in _NOWHERE}, known)
        operands = " ".join(map(atom, equation.invars))
        lines.append(f"{name} {how} {operands} {new(equation.outvars)}")
    return "\n".join([*lines, " ".join(map(atom, jaxpr.outvars))])


def _kind(aval: Any) -> str:
    if not isinstance(aval, ShapedArray):
        raise _UnknownError(f"{aval}")
    return f"{aval.dtype}{aval.shape}"


def _array(x: Any) -> str:
    if isinstance(x, Tracer) or jnp.issubdtype(x.dtype, jax.dtypes.extended):
        raise _UnknownError(f"{x}")
    array = np.asarray(x)
    return f"{array.dtype}{array.shape}{array.tobytes().hex()}"


def _part(x: Any, known: dict[int, str]) -> str:
    """A parameter of an operation."""
    if x is None or isinstance(x, bool | int | float | str | enum.Enum | np.dtype):
        return f"{type(x).__name__} {x!r}"
    if isinstance(x, np.ndarray | np.generic | jax.Array):
        return _array(x)
    if isinstance(x, ClosedJaxpr):
        return _closed(x, known)
    if isinstance(x, Jaxpr):
        return _program(x, known)
    if isinstance(x, dict):
        return _part(sorted(x.items()), known)
    if isinstance(x, tuple | list):
        return f"{type(x).__name__}({', '.join(_part(each, known) for each in x)})"
    raise _UnknownError(f"{x}")


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


# When this is imported, with all the rest: files may have changed by the time at which there is a kernel.
_FILES = sorted(Path(__file__).parent.glob("*.py"))
_SOURCE = _hash(*(file.read_bytes() for file in _FILES)) if _FILES else None
"""This version of the package, to the letter: a wrong kernel costs more than one that is compiled anew, in seconds, and
reading the syntax of all modules would take longer at every import than hashing them. None where they are no files."""
