"""What the program of a payoff says of its shape in the strategies: quadratic, smooth, or with edges.

Most payoffs are made of smooth functions only, and what looks for kinks and jumps need not be compiled or run for them;
if they are polynomials of degree two, three points say all there is to know. Read conservatively: what is not known to
be smooth may have edges, and so may what comes with a derivative of its own.
What functions do where they are not defined or have no derivative, as roots at zero and quotients at poles, is not
looked at.
"""

import enum
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Literal

from . import _numpy as jnp
from ._game import Game
from ._jax_versions import parameters
from ._jaxprs import called, felt, only_shifts
from ._layout import Layout

_MORE = 3
"""The degree of all that is not known to be a polynomial of degree two or less."""


class Shape(enum.Enum):
    """Of payoffs in the strategies."""

    quadratic = "of degree two at most, in all strategies together"
    smooth = "without edges"
    edged = "possibly with kinks or jumps"


def shape_of_payoffs(game: Game, layout: Layout, dtype: jnp.dtype) -> Shape:
    """The shape of the payoffs of a game."""
    closed = jax.make_jaxpr(lambda z: game.payoff(layout.unflatten(z)))(jax.ShapeDtypeStruct((layout.size,), dtype))
    try:
        (degree,) = _degrees(closed.jaxpr, [1])
    except _EdgeError:
        return Shape.edged
    return Shape.quadratic if degree <= 2 else Shape.smooth


class _EdgeError(Exception):
    """There may be an edge."""


def _degrees(jaxpr: Any, given: list[int]) -> list[int]:
    """The degrees of the results of a jaxpr in the strategies, given those of its arguments."""
    known = {var: degree for var, degree in zip(jaxpr.invars, given, strict=True) if degree}
    live = felt(jaxpr)

    def look(atom: Any) -> int:
        return 0 if isinstance(atom, Literal) else known.get(atom, 0)

    for equation in jaxpr.eqns:
        inputs = [look(atom) for atom in equation.invars]
        if not any(inputs):
            continue
        name, params, inner = equation.primitive.name, equation.params, called(equation)
        if name in ("custom_jvp_call", "custom_vjp_call"):
            raise _EdgeError
        if only_shifts(equation, live):
            degrees = [_MORE] * len(equation.outvars)
        elif inner is not None:
            degrees = _degrees(inner.jaxpr, inputs)
        elif name == "scan":
            degrees = _of_scan(parameters(equation), inputs)
        elif (name == "select_n" and inputs[0]) or (name == "convert_element_type" and not _stays_real(equation)):
            raise _EdgeError
        elif name in _POLYNOMIAL:
            degrees = [min(_POLYNOMIAL[name](params, inputs), _MORE)] * len(equation.outvars)
        elif name in _SMOOTH:
            degrees = [_MORE] * len(equation.outvars)
        else:
            raise _EdgeError
        known.update(zip(equation.outvars, degrees, strict=True))
    return [look(atom) for atom in jaxpr.outvars]


def _of_scan(params: Any, inputs: list[int]) -> list[int]:
    """The degrees of the results of a loop: what is carried has those that no further round makes higher."""
    first, after = params["num_consts"], params["num_consts"] + params["num_carry"]
    while True:
        results = _degrees(params["jaxpr"].jaxpr, inputs)
        carried = [max(pair) for pair in zip(inputs[first:after], results, strict=False)]
        if carried == inputs[first:after]:
            return [*carried, *results[len(carried) :]]  # Of no rounds at all, what was carried in.
        inputs = [*inputs[:first], *carried, *inputs[after:]]


def _stays_real(equation: Any) -> bool:
    return all(jnp.issubdtype(atom.aval.dtype, jnp.inexact) for atom in (*equation.invars, *equation.outvars))


def _largest(_params: Any, inputs: list[int]) -> int:
    return max(inputs)


_POLYNOMIAL: dict[str, Callable[[Any, list[int]], int]] = {
    **dict.fromkeys(("add", "sub", "neg", "add_any", "reduce_sum", "cumsum", "select_n", "copy", "copy_p"), _largest),
    **dict.fromkeys(("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev", "slice"), _largest),
    **dict.fromkeys(("concatenate", "stack", "tile", "pad", "split", "unstack", "gather", "dynamic_slice"), _largest),
    **dict.fromkeys(("dynamic_update_slice", "scatter", "convert_element_type"), _largest),
    **dict.fromkeys(("mul", "dot_general"), lambda _, inputs: sum(inputs)),
    "div": lambda _, inputs: _MORE if inputs[1] else inputs[0],
    "square": lambda _, inputs: 2 * inputs[0],
    "integer_pow": lambda params, inputs: params["y"] * inputs[0] if params["y"] >= 0 else _MORE,
}
"""Name of a primitive -> the degree of its results, from its parameters and the degrees of its inputs."""
_SMOOTH = (
    # Comparisons matter only through what is made of them.
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "reduce_and", "reduce_or", "is_finite"),
    *("pow", "sqrt", "rsqrt", "cbrt", "exp", "exp2", "log", "log1p", "expm1", "logistic"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("erf", "erfc", "erf_inv", "lgamma", "digamma", "igamma", "igammac"),
    *("reduce_prod", "cumprod", "cumlogsumexp", "scatter-add", "scatter_add", "optimization_barrier"),
    *("reduce_precision", "custom_linear_solve", "triangular_solve", "cholesky", "lu"),
    # Of any degree: what is held fixed in derivatives counts in payoffs all the same.
    "stop_gradient",
)
