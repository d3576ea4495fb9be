"""Which branches a function takes: its result, and a number for the decisions on the way to it.

A payoff has kinks and jumps only where its program decides: `jnp.where`, `floor`, a truth value used as a number, the
larger of two. Two points with the same decisions are on the same smooth piece, however far apart their values are;
between two points with different ones there is an edge, and bisection finds it. Decisions inside loops without a fixed
number of rounds are not seen.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr
from jaxtyping import Array, Bool, UInt32

from . import _numpy as jnp
from ._jax_versions import parameters
from ._jaxprs import called, evaluated, felt, only_shifts

Signature = UInt32[Array, "*point 2"]
"""A number that differs where any decision differs, of many decisions almost surely, and one in which every decision
has a bit."""


def with_signature(function: Callable[..., Array], *arguments: Array) -> tuple[Array, Signature]:
    """The result of a function of arrays, and the signature of the decisions on the way to it."""
    closed = jax.make_jaxpr(function)(*arguments)
    decisions: list[Array] = []
    (result,) = _read(closed, arguments, decisions)
    return result, _mixed(decisions)


def differ(one: Signature, two: Signature) -> Bool[Array, "*point"]:
    """Whether decisions differ."""
    return one[..., 0] != two[..., 0]


def differ_once(one: Signature, two: Signature) -> Bool[Array, "*point"]:
    """Whether exactly one decision differs."""
    return lax.population_count(one[..., 1] ^ two[..., 1]) == 1


def _read(closed: ClosedJaxpr, arguments: Sequence[Any], decisions: list[Array]) -> list[Any]:
    live = felt(closed.jaxpr)

    def apply(equation: Any, inputs: list[Any]) -> list[Any]:
        primitive, params, inner = equation.primitive, parameters(equation), called(equation)
        if inner is not None:
            return _read(inner, inputs, decisions)
        if primitive.name == "scan":
            return _scanned(params, inputs, decisions)
        results = primitive.bind(*inputs, **params)
        results = list(results) if primitive.multiple_results else [results]
        rule = _DECIDES.get(primitive.name)
        if rule is not None and not only_shifts(equation, live):
            decisions.extend(rule(params, inputs, results[0]))
        return results

    return evaluated(closed, arguments, jnp.asarray, apply)


def _scanned(params: dict[str, Any], inputs: list[Any], decisions: list[Array]) -> list[Any]:
    """The results of a loop with a fixed number of rounds, whose decisions are those of every round."""
    consts, carried = params["num_consts"], params["num_carry"]
    first, xs = inputs[consts : consts + carried], inputs[consts + carried :]

    def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], tuple[list[Any], list[Array]]]:
        made: list[Array] = []
        results = _read(params["jaxpr"], [*inputs[:consts], *carry, *x], made)
        return results[:carried], (results[carried:], made)

    last, (ys, made) = lax.scan(step, first, xs, length=params["length"], reverse=params["reverse"])
    decisions.extend(made)
    return [*last, *ys]


_BITS = 32
Rule = Callable[[dict[str, Any], list[Any], Any], list[Array]]


def _to_whole(params: dict[str, Any], inputs: list[Any], result: Any) -> list[Array]:
    """A truth value or a whole number becomes a real one, or a real one becomes whole."""
    real = [jnp.issubdtype(kind, jnp.inexact) for kind in (inputs[0].dtype, result.dtype)]
    return [result] if real[0] != real[1] else []


def _largest(params: dict[str, Any], inputs: list[Any], result: Any) -> list[Array]:
    return [inputs[0] == jnp.expand_dims(result, params["axes"])]


_DECIDES: dict[str, Rule] = {
    **dict.fromkeys(("select_n", "cond"), lambda params, inputs, result: [inputs[0]]),
    **dict.fromkeys(("floor", "ceil", "round", "sign", "argmax", "argmin"), lambda params, inputs, result: [result]),
    **dict.fromkeys(("max", "min"), lambda params, inputs, result: [inputs[0] >= inputs[1]]),
    **dict.fromkeys(("reduce_max", "reduce_min"), _largest),
    "abs": lambda params, inputs, result: [inputs[0] < 0],
    "clamp": lambda params, inputs, result: [inputs[1] < inputs[0], inputs[1] > inputs[2]],
    "rem": lambda params, inputs, result: [jnp.floor(inputs[0] / inputs[1])],
    "sort": lambda params, inputs, result: [jnp.argsort(inputs[0], axis=params["dimension"])],
    "convert_element_type": _to_whole,
}
"""Name of a primitive -> its decisions, from its inputs and first result."""


def _mixed(decisions: list[Array]) -> Signature:
    # What decides twice is one decision.
    decisions = list({id(part): part for part in decisions}.values())
    exact = all(part.dtype == np.bool_ for part in decisions) and sum(part.size for part in decisions) <= _BITS
    # One decision after the other: to put them together first would write as many arrays as there are decisions.
    number = bits = jnp.zeros((), jnp.uint32)
    random, place = np.random.default_rng(0), 0
    for part in decisions:
        every = jnp.asarray(part).reshape(-1)
        # A random linear combination modulo 2^32. Odd, so that the change of one decision is never lost.
        factors = random.integers(0, 2**31, every.shape, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        ones = np.uint32(1) << (np.arange(place, place + len(factors)) % _BITS).astype(np.uint32)
        if every.dtype == np.bool_:
            # To choose between two numbers is cheaper than to multiply.
            terms, each = (jnp.where(every, factor, np.uint32(0)) for factor in (factors, ones))
        else:
            whole = every.astype(jnp.int32).astype(jnp.uint32)
            terms, each = whole * factors, (whole & jnp.uint32(1)) * ones
        if not exact:
            number = number + jnp.sum(terms, dtype=jnp.uint32)
        bits = bits ^ lax.reduce(each, np.uint32(0), lax.bitwise_xor, (0,))
        place += len(factors)
    return jnp.stack([bits if exact else number, bits])
