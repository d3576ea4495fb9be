"""What readers of jaxprs share: going through the equations, and through those that only call another jaxpr."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Literal, jaxprs_in_params
from jax.interpreters.partial_eval import dce_jaxpr

from ._jax_versions import spelled_out

V = TypeVar("V")

_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "eval_jaxpr",
    "custom_jvp_call",
    "custom_vjp_call",
    "checkpoint",
    "remat",
    "remat2",
)


def called(equation: Any) -> ClosedJaxpr | None:
    """The jaxpr that an equation calls; None if it does not call one."""
    if equation.primitive.name not in _CALLS:
        return spelled_out(equation)
    params = equation.params
    inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params)
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())


def evaluated(
    closed: ClosedJaxpr,
    arguments: Sequence[V],
    known: Callable[[Any], V],
    apply: Callable[[Any, list[V]], Sequence[V]],
) -> list[V]:
    """The results of a jaxpr, in whatever takes the place of arrays.

    Args:
        closed: the jaxpr.
        arguments: its arguments.
        known: makes such a value of a constant.
        apply: the values of an equation's results, given those of its inputs.
    """
    jaxpr = closed.jaxpr
    values: dict[Any, V] = dict(zip(jaxpr.invars, arguments, strict=True))
    values.update({var: known(const) for var, const in zip(jaxpr.constvars, closed.consts, strict=True)})

    def look(atom: Any) -> V:
        if not isinstance(atom, Literal):
            return values[atom]
        # A Python number is what its type in the jaxpr says, 1 may be 1.0.
        return known(np.asarray(atom.val, atom.aval.dtype if isinstance(atom.aval, ShapedArray) else None))

    for equation in jaxpr.eqns:
        results = apply(equation, [look(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [look(atom) for atom in jaxpr.outvars]


def pruned(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same without equations that no result depends on, here and in what is called."""
    jaxpr, _ = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
    return ClosedJaxpr(jaxpr, closed.consts)


def numbers(jaxpr: Any) -> int:
    """How many numbers a jaxpr computes, those in each of its loops once."""
    return sum(
        sum(var.aval.size for var in equation.outvars) + sum(map(numbers, jaxprs_in_params(equation.params)))
        for equation in jaxpr.eqns
    )


def largest(jaxpr: Any) -> int:
    """Entries of the largest array that a jaxpr computes."""
    inner = (max(map(largest, jaxprs_in_params(equation.params)), default=0) for equation in jaxpr.eqns)
    return max((*(var.aval.size for equation in jaxpr.eqns for var in equation.outvars), *inner), default=0)


def felt(jaxpr: Any) -> set[Any]:
    """The variables on which results depend other than through `stop_gradient`."""
    live = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    for equation in reversed(jaxpr.eqns):
        if equation.primitive.name != "stop_gradient" and not live.isdisjoint(equation.outvars):
            live.update(atom for atom in equation.invars if not isinstance(atom, Literal))
    return live


def only_shifts(equation: Any, live: set[Any]) -> bool:
    """Whether an equation is a maximum that is not among what is `felt`, as the one in a softmax, which cancels."""
    return equation.primitive.name in ("max", "reduce_max") and live.isdisjoint(equation.outvars)
