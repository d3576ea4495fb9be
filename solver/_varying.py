"""Which values in a jaxpr differ between lanes, given which of its arguments do.

A loop whose condition differs runs until its last lane stops, and everything it carries differs then.
"""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import Literal

from ._jax_versions import parameters

Bits = list[bool]


def varying(jaxpr: Any, bits: Sequence[bool]) -> Bits:
    """By result of a jaxpr."""
    known: dict[Any, bool] = dict(zip(jaxpr.invars, bits, strict=True))

    def look(atom: Any) -> bool:
        return not isinstance(atom, Literal) and known.get(atom, False)

    for equation in jaxpr.eqns:
        inputs = [look(atom) for atom in equation.invars]
        params = parameters(equation)
        if equation.primitive.name == "while":
            nc, nb = params["cond_nconsts"], params["body_nconsts"]
            out = varying_in_while(params, inputs[:nc], inputs[nc : nc + nb], inputs[nc + nb :])[0]
        elif equation.primitive.name == "scan":
            nc, nk = params["num_consts"], params["num_carry"]
            carried, rows = varying_in_scan(params, inputs[:nc], inputs[nc : nc + nk], inputs[nc + nk :])
            out = [*carried, *rows]
        else:
            out = [any(inputs)] * len(equation.outvars)
        known.update(zip(equation.outvars, out, strict=True))
    return [look(atom) for atom in jaxpr.outvars]


def varying_in_while(params: dict[str, Any], of_cond: Bits, of_body: Bits, bits: Bits) -> tuple[Bits, bool]:
    """Which values a `while` carries differ, and whether its condition does."""
    while True:
        (each,) = varying(params["cond_jaxpr"].jaxpr, [*of_cond, *bits])
        new = varying(params["body_jaxpr"].jaxpr, [*of_body, *bits])
        new = [a or b or each for a, b in zip(new, bits, strict=True)]
        if new == bits:
            return bits, each
        bits = new


def varying_in_scan(params: dict[str, Any], consts: Bits, bits: Bits, xs: Bits) -> tuple[Bits, Bits]:
    """Which values a `scan` carries differ, and which of its rows of results do."""
    while True:
        found = varying(params["jaxpr"].jaxpr, [*consts, *bits, *xs])
        new = [a or b for a, b in zip(found[: len(bits)], bits, strict=True)]
        if new == bits:
            return bits, found[len(bits) :]
        bits = new
