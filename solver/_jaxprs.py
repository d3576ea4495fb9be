"""What every reader of a jaxpr has to know: which primitives only call another jaxpr, and where they keep it."""

from collections.abc import Mapping
from typing import Any

from jax.extend.core import ClosedJaxpr, Literal

CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "checkpoint",
    "remat",
    "remat2",
)


def called(params: Mapping[str, Any]) -> ClosedJaxpr:
    """The jaxpr that one of `CALLS` calls, given its parameters."""
    inner = next(params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params)
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())


def felt(jaxpr: Any) -> set[Any]:
    """The variables on which results depend other than through `stop_gradient`.

    What is held fixed in derivatives, as the maximum in a softmax, has to cancel, or every derivative is wrong.
    """
    live = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    for equation in reversed(jaxpr.eqns):
        if equation.primitive.name != "stop_gradient" and not live.isdisjoint(equation.outvars):
            live.update(atom for atom in equation.invars if not isinstance(atom, Literal))
    return live
