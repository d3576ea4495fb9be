"""Whether payoffs can have kinks or jumps in the strategies, as far as their program tells.

Most payoffs are made of smooth functions only, and what looks for kinks and jumps need not be compiled or run for them.
Read conservatively: what is not known to be smooth may have both, and so may what comes with a derivative of its own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from ._game import Game
from ._jaxprs import CALLS, called
from ._layout import Layout


class Breaks(NamedTuple):
    """What may be found along a payoff in a strategy."""

    kinks: bool
    jumps: bool


def breaks(game: Game, layout: Layout, dtype: jnp.dtype) -> Breaks:
    """Whether the payoffs of a game may have kinks or jumps."""
    closed = jax.make_jaxpr(lambda z: game.payoff(layout.unflatten(z)))(jax.ShapeDtypeStruct((layout.size,), dtype))
    return _in(closed.jaxpr, [True])


def _in(jaxpr: Any, moves: list[bool]) -> Breaks:
    """The same for a jaxpr, given which of its arguments depend on strategies."""
    dependent = {var for var, move in zip(jaxpr.invars, moves, strict=True) if move}
    kinks = jumps = False
    for equation in jaxpr.eqns:
        inputs = [not isinstance(atom, Literal) and atom in dependent for atom in equation.invars]
        if not any(inputs):
            continue
        dependent.update(equation.outvars)
        name, params = equation.primitive.name, equation.params
        if name in ("custom_jvp_call", "custom_vjp_call"):
            found = Breaks(True, True)
        elif name in CALLS:
            found = _in(called(params).jaxpr, inputs)
        elif name == "scan":
            found = _in(params["jaxpr"].jaxpr, [True] * len(equation.invars))
        elif name == "select_n":
            found = Breaks(inputs[0], inputs[0])
        elif name == "convert_element_type":
            whole = any(not jnp.issubdtype(atom.aval.dtype, jnp.inexact) for atom in equation.invars + equation.outvars)
            found = Breaks(whole, whole)
        else:
            # Sorting by one array and moving another jumps where two are equal.
            steady = name in _CONTINUOUS and len(equation.outvars) == 1
            found = Breaks(name not in _SMOOTH, name not in _SMOOTH and not steady)
        kinks, jumps = kinks or found.kinks, jumps or found.jumps
    return Breaks(kinks, jumps)


_CONTINUOUS = ("max", "min", "abs", "clamp", "reduce_max", "reduce_min", "cummax", "cummin", "sort")
_SMOOTH = (
    # Comparisons matter only through what is made of them.
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "reduce_and", "reduce_or", "is_finite"),
    *("add", "sub", "mul", "div", "neg", "integer_pow", "pow", "square", "sqrt", "rsqrt", "cbrt", "exp", "exp2"),
    *("log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh"),
    *("asinh", "acosh", "atanh", "logistic", "erf", "erfc", "erf_inv", "lgamma", "digamma", "igamma", "igammac"),
    *("add_any", "reduce_sum", "reduce_prod", "cumsum", "cumprod", "cumlogsumexp", "dot_general"),
    *("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "concatenate", "pad", "rev", "slice"),
    *("split", "unstack", "gather", "dynamic_slice", "dynamic_update_slice", "scatter", "scatter-add", "scatter_add"),
    *("copy", "copy_p", "optimization_barrier", "reduce_precision", "stop_gradient"),
    *("custom_linear_solve", "triangular_solve", "cholesky", "lu"),
)
