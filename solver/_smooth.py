"""Whether payoffs can have edges, kinks or jumps, in the strategies, as far as their program tells.

Most payoffs are made of smooth functions only, and what looks for edges need not be compiled or run for them. Read
conservatively: what is not known to be smooth may have edges, and so may what comes with a derivative of its own.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from ._game import Game
from ._jaxprs import CALLS, called, felt
from ._layout import Layout


def has_edges(game: Game, layout: Layout, dtype: jnp.dtype) -> bool:
    """Whether the payoffs of a game may have kinks or jumps."""
    closed = jax.make_jaxpr(lambda z: game.payoff(layout.unflatten(z)))(jax.ShapeDtypeStruct((layout.size,), dtype))
    return _in(closed.jaxpr, [True])


def _in(jaxpr: Any, moves: list[bool]) -> bool:
    """The same for a jaxpr, given which of its arguments depend on strategies."""
    dependent = {var for var, move in zip(jaxpr.invars, moves, strict=True) if move}
    live = felt(jaxpr)
    for equation in jaxpr.eqns:
        inputs = [not isinstance(atom, Literal) and atom in dependent for atom in equation.invars]
        if not any(inputs) or live.isdisjoint(equation.outvars):
            continue
        dependent.update(equation.outvars)
        name, params = equation.primitive.name, equation.params
        if name in ("custom_jvp_call", "custom_vjp_call"):
            return True
        if name in CALLS:
            edges = _in(called(params).jaxpr, inputs)
        elif name == "scan":
            edges = _in(params["jaxpr"].jaxpr, [True] * len(equation.invars))
        elif name == "select_n":
            edges = inputs[0]
        elif name == "convert_element_type":
            edges = any(not jnp.issubdtype(atom.aval.dtype, jnp.inexact) for atom in equation.invars + equation.outvars)
        else:
            edges = name not in _SMOOTH
        if edges:
            return True
    return False


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
