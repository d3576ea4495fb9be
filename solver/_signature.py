"""Which branches a function takes: its result, and a number that differs (almost surely) where a branch differs.

A payoff jumps only where its program decides: `jnp.where`, `floor`, a truth value used as a number. Two points with the
same decisions are on the same smooth piece, however far apart their values are; between two points with different ones
there is a place where a decision changes, and bisection finds it. Decisions inside loops are not seen.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import Array, UInt32

from ._jaxprs import CALLS, called

_STEPS = ("floor", "ceil", "round", "sign", "argmax", "argmin")


def with_signature(function: Callable[..., Array], *arguments: Array) -> tuple[Array, UInt32[Array, ""]]:
    """The result of a function of arrays, and the signature of the decisions on the way to it."""
    closed = jax.make_jaxpr(function)(*arguments)
    decisions: list[Array] = []
    (result,) = _read(closed, arguments, decisions)
    return result, _mixed(decisions)


def _read(closed: ClosedJaxpr, arguments: Sequence[Any], decisions: list[Array]) -> list[Any]:
    jaxpr = closed.jaxpr
    known = dict(zip(jaxpr.invars, arguments, strict=True)) | dict(zip(jaxpr.constvars, closed.consts, strict=True))

    def look(atom: Any) -> Any:
        return jnp.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        primitive, params, inputs = equation.primitive, equation.params, [look(atom) for atom in equation.invars]
        if primitive.name in CALLS:
            results = _read(called(params), inputs, decisions)
        else:
            results = primitive.bind(*inputs, **params)
            results = list(results) if primitive.multiple_results else [results]
            if primitive.name in ("select_n", "cond"):
                decisions.append(inputs[0])
            elif primitive.name in _STEPS or _to_whole(primitive.name, inputs, results):
                decisions.append(results[0])
        known.update(zip(equation.outvars, results, strict=True))
    return [look(atom) for atom in jaxpr.outvars]


def _to_whole(name: str, inputs: list[Any], results: list[Any]) -> bool:
    """Whether a truth value or a whole number becomes something else, or something else becomes one."""
    kinds = [np.result_type(part) for part in (*inputs, *results)]
    return name == "convert_element_type" and not all(jnp.issubdtype(kind, jnp.inexact) for kind in kinds)


def _mixed(decisions: list[Array]) -> UInt32[Array, ""]:
    """Whole numbers as one, by a random linear combination modulo 2^32."""
    flat = [jnp.asarray(part).astype(jnp.int32).astype(jnp.uint32).reshape(-1) for part in decisions]
    every = jnp.concatenate(flat) if flat else jnp.zeros(0, jnp.uint32)
    # Odd, so that a change of one decision is never lost.
    factors = np.random.default_rng(0).integers(0, 2**31, every.shape, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return jnp.sum(every * factors, dtype=jnp.uint32)
