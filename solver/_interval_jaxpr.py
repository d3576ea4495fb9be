"""A JAX function as a graph of real-valued expressions, by reading its jaxpr.

The function is traced at float64; functions within it (`jit`, `custom_jvp`, `custom_vjp`, `checkpoint`) are read by
what they compute, so that a derivative rule that somebody wrote is never trusted. Arrays become arrays of node
numbers: what only moves elements is done by NumPy, what computes builds nodes. Integers and truth values that do not
depend on the arguments are computed as they are. Whatever is not covered is refused by name.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr

from . import _numpy as jnp
from ._errors import GameError
from ._expression import CURVES, Graph
from ._jaxprs import called, evaluated


class Expressions(NamedTuple):
    """An array of node numbers: of numbers, or of what is true or false."""

    nodes: np.ndarray


Value = Expressions | np.ndarray


def graph_of(function: Callable, size: int, *parameters: Any) -> tuple[Graph, np.ndarray]:
    """The graph of `function(z, *parameters)` of `size` variables z, and the numbers of its results.

    Raises:
        GameError: the function uses something that is not covered.
    """
    # Parameters as arguments, so that what is computed from them is read too, not rounded while tracing.
    leaves, tree = jax.tree.flatten(parameters)
    closed = jax.make_jaxpr(lambda z, *given: function(z, *jax.tree.unflatten(tree, given)))(jnp.zeros(size), *leaves)
    graph = Graph()
    variables = Expressions(np.array([graph.variable(k) for k in range(size)], dtype=np.int64))
    (result,) = _read(graph, closed, [variables, *(np.asarray(leaf) for leaf in leaves)])
    return graph, _numbers(graph, result)


def _read(graph: Graph, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
    return evaluated(closed, arguments, np.asarray, functools.partial(_apply, graph))


def _apply(graph: Graph, equation: Any, arguments: list[Value]) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    inner = called(equation)
    if inner is not None:
        return _read(graph, inner, arguments)
    kinds = [np.result_type(out.aval.dtype) for out in equation.outvars if isinstance(out.aval, ShapedArray)]
    if narrow := [str(kind) for kind in kinds if kind in _NARROW]:
        raise GameError(f"prove covers payoffs computed in float64; {name!r} computes in {narrow[0]}.")
    if all(isinstance(a, np.ndarray) and not np.issubdtype(a.dtype, np.inexact) for a in arguments):
        # Nothing to enclose: integers and truth values that are known.
        results = equation.primitive.bind(*(jnp.asarray(a) for a in arguments), **params)
        return [np.asarray(r) for r in (results if equation.primitive.multiple_results else [results])]
    if name == "split":
        cuts = np.cumsum(params["sizes"])[:-1]
        return [Expressions(part) for part in np.split(_numbers(graph, arguments[0]), cuts, params["axis"])]
    if name == "unstack":
        numbers = np.moveaxis(_numbers(graph, arguments[0]), params["axis"], 0)
        return [Expressions(np.asarray(part)) for part in numbers]
    rule = _MOVES.get(name) or _COMPUTES.get(name)
    if rule is None:
        raise GameError(f"prove does not cover the JAX primitive {name!r}, which the payoff uses.")
    return [Expressions(np.asarray(rule(graph, equation, *arguments), dtype=np.int64))]


_NARROW = (np.dtype(np.float32), np.dtype(np.float16), np.dtype(jnp.bfloat16), np.dtype(np.complex128))


def _numbers(graph: Graph, value: Value) -> np.ndarray:
    """Node numbers of anything."""
    if isinstance(value, Expressions):
        return value.nodes
    make = graph.truth if value.dtype == np.bool_ else graph.constant
    if np.issubdtype(value.dtype, np.integer) and np.any(np.abs(value.astype(float)) > 2.0**52):
        raise GameError("prove does not cover integers beyond 2^52 in a payoff.")
    flat = [make(x) for x in value.reshape(-1).tolist()]
    return np.array(flat, dtype=np.int64).reshape(value.shape)


def _each(build: Callable[..., int]) -> Callable:
    """A rule that builds a node for every element, scalars being broadcast."""

    def rule(graph: Graph, _equation: Any, *arguments: Value) -> np.ndarray:
        arrays = np.broadcast_arrays(*(_numbers(graph, a) for a in arguments))
        flat = [build(graph, *each) for each in zip(*(a.reshape(-1).tolist() for a in arrays), strict=True)]
        return np.array(flat, dtype=np.int64).reshape(arrays[0].shape)

    return rule


def _move(function: Callable) -> Callable:
    """A rule that only moves elements."""
    return lambda graph, equation, *arguments: function(
        equation.params, *(_numbers(graph, argument) for argument in arguments)
    )


def _broadcast(params: dict, a: np.ndarray) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for axis, size in zip(params["broadcast_dimensions"], a.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(a.reshape(shape), params["shape"])


def _slice(params: dict, a: np.ndarray) -> np.ndarray:
    steps = params["strides"] or (1,) * a.ndim
    cuts = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    return a[tuple(slice(start, stop, step) for start, stop, step in cuts)]


def _moved_by_jax(*moved: int) -> Callable:
    """A rule for indexing at known indices: JAX moves the node numbers in these arguments."""

    def rule(graph: Graph, equation: Any, *arguments: Value) -> np.ndarray:
        name, params = equation.primitive.name, equation.params
        given = []
        for k, argument in enumerate(arguments):
            if k in moved:
                # From 1, so that 0 can stand for what is not there.
                given.append(jnp.asarray(_numbers(graph, argument) + 1))
            elif isinstance(argument, Expressions):
                raise GameError(f"prove covers {name!r} at constant indices only.")
            else:
                given.append(jnp.asarray(argument))
        if name == "gather":
            params = {**params, "fill_value": 0}
        numbers = np.asarray(equation.primitive.bind(*given, **params))
        if np.any(numbers <= 0):
            raise GameError("prove does not cover indices out of range in a payoff.")
        return numbers - 1

    return rule


def _reduce(fold: Callable[[Graph, list[int]], int]) -> Callable:
    """A rule that reduces axes."""

    def rule(graph: Graph, equation: Any, a: Value) -> np.ndarray:
        numbers = _numbers(graph, a)
        axes = equation.params["axes"]
        kept = [axis for axis in range(numbers.ndim) if axis not in axes]
        shape = [numbers.shape[axis] for axis in kept]
        rows = numbers.transpose(*kept, *axes).reshape(int(np.prod(shape, dtype=int)), -1)
        return np.array([fold(graph, row.tolist()) for row in rows], dtype=np.int64).reshape(shape)

    return rule


def _folded(pair: Callable[[Graph, int, int], int]) -> Callable[[Graph, list[int]], int]:
    return lambda graph, row: functools.reduce(lambda a, b: pair(graph, a, b), row)


def _running(pair: Callable[[Graph, int, int], int]) -> Callable:
    """A rule for cumulative sums and the like."""

    def rule(graph: Graph, equation: Any, a: Value) -> np.ndarray:
        rows = np.moveaxis(_numbers(graph, a), equation.params["axis"], 0)
        rows = rows[::-1] if equation.params["reverse"] else rows
        out = [rows[0]]
        for row in rows[1:]:
            out.append(_each(pair)(graph, None, Expressions(out[-1]), Expressions(row)))
        stacked = np.stack(out[::-1] if equation.params["reverse"] else out)
        return np.moveaxis(stacked, 0, equation.params["axis"])

    return rule


def _dot(graph: Graph, equation: Any, a: Value, b: Value) -> np.ndarray:
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    x, y = _numbers(graph, a), _numbers(graph, b)
    x_rest = [k for k in range(x.ndim) if k not in (*left, *left_batch)]
    y_rest = [k for k in range(y.ndim) if k not in (*right, *right_batch)]
    batch, inner = [x.shape[k] for k in left_batch], [x.shape[k] for k in left]
    rows, columns = [x.shape[k] for k in x_rest], [y.shape[k] for k in y_rest]
    b_size, k_size = int(np.prod(batch, dtype=int)), int(np.prod(inner, dtype=int))
    x = x.transpose(*left_batch, *x_rest, *left).reshape(b_size, int(np.prod(rows, dtype=int)), k_size)
    y = y.transpose(*right_batch, *y_rest, *right).reshape(b_size, int(np.prod(columns, dtype=int)), k_size)
    flat = [
        graph.total(graph.mul(p, q) for p, q in zip(row.tolist(), column.tolist(), strict=True))
        for u, v in zip(x, y, strict=True)
        for row in u
        for column in v
    ]
    return np.array(flat, dtype=np.int64).reshape([*batch, *rows, *columns])


def _select(graph: Graph, equation: Any, which: Value, *cases: Value) -> np.ndarray:
    if len(cases) != 2 or (isinstance(which, np.ndarray) and which.dtype != np.bool_):
        raise GameError("prove covers selections between two cases only.")

    def one(graph: Graph, condition: int, otherwise: int, then: int) -> int:
        if graph.is_test(then) and graph.is_test(otherwise):
            if graph.nodes[condition].kind in ("true", "false"):
                return then if graph.nodes[condition].kind == "true" else otherwise
            missed = graph.both(graph.negated(condition), otherwise)
            return graph.either(graph.both(condition, then), missed)
        return graph.select(condition, otherwise, then)

    return _each(one)(graph, equation, which, *cases)


def _convert(graph: Graph, equation: Any, a: Value) -> np.ndarray:
    kind = equation.params["new_dtype"]
    if isinstance(a, np.ndarray) and np.issubdtype(kind, np.floating):
        return _numbers(graph, a.astype(np.float64))
    numbers = _numbers(graph, a)
    to_number = np.issubdtype(kind, np.floating)
    if not to_number and not (kind == np.bool_ and all(graph.is_test(k) for k in numbers.reshape(-1).tolist())):
        raise GameError(f"prove does not cover numbers converted to {np.dtype(kind).name} in a payoff.")

    def one(graph: Graph, k: int) -> int:
        if to_number and graph.is_test(k):
            return graph.select(k, graph.constant(0.0), graph.constant(1.0))
        return k

    return _each(one)(graph, equation, a)


def _integer_power(graph: Graph, equation: Any, a: Value) -> np.ndarray:
    return _each(lambda g, x: g.power(x, int(equation.params["y"])))(graph, equation, a)


def _log_one_plus(graph: Graph, a: int) -> int:
    return graph.curve("log", graph.add(graph.constant(1.0), a))


def _curve(kind: str) -> Callable:
    return _each(lambda graph, a: graph.curve(kind, a))


def _compare(kind: str, swap: bool = False, negate: bool = False) -> Callable:
    def one(graph: Graph, a: int, b: int) -> int:
        if graph.is_test(a):
            raise GameError("prove does not cover comparisons of truth values in a payoff.")
        test = graph.test(kind, *((b, a) if swap else (a, b)))
        return graph.negated(test) if negate else test

    return _each(one)


def _clamp(graph: Graph, least: int, a: int, most: int) -> int:
    return graph.minimum(graph.maximum(a, least), most)


def _exp2(graph: Graph, a: int) -> int:
    return graph.curve("exp", graph.mul(graph.curve("log", graph.constant(2.0)), a))


def _cosh(graph: Graph, a: int) -> int:
    both = graph.add(graph.curve("exp", a), graph.curve("exp", graph.neg(a)))
    return graph.mul(graph.constant(0.5), both)


def _sinh(graph: Graph, a: int) -> int:
    both = graph.sub(graph.curve("exp", a), graph.curve("exp", graph.neg(a)))
    return graph.mul(graph.constant(0.5), both)


_MOVES: dict[str, Callable] = {
    "broadcast_in_dim": _move(lambda params, a: _broadcast(params, a)),
    "reshape": _move(lambda params, a: a.reshape(params["new_sizes"])),
    "squeeze": _move(lambda params, a: np.squeeze(a, params["dimensions"])),
    "expand_dims": _move(lambda params, a: np.expand_dims(a, params["dimensions"])),
    "transpose": _move(lambda params, a: a.transpose(params["permutation"])),
    "slice": _move(_slice),
    "rev": _move(lambda params, a: np.flip(a, params["dimensions"])),
    "concatenate": _move(lambda params, *parts: np.concatenate(parts, params["dimension"])),
    "stack": _move(lambda params, *parts: np.stack(parts, params["axis"])),
    "tile": _move(lambda params, a: np.tile(a, params["reps"])),
    "copy": _move(lambda _params, a: a),
    "copy_p": _move(lambda _params, a: a),
    "gather": _moved_by_jax(0),
    "dynamic_slice": _moved_by_jax(0),
    "dynamic_update_slice": _moved_by_jax(0, 1),
    "scatter": _moved_by_jax(0, 2),
    "pad": _moved_by_jax(0, 1),
}

_COMPUTES: dict[str, Callable] = {
    "add": _each(Graph.add),
    "add_any": _each(Graph.add),
    "sub": _each(Graph.sub),
    "mul": _each(Graph.mul),
    "div": _each(Graph.div),
    "neg": _each(Graph.neg),
    "max": _each(Graph.maximum),
    "min": _each(Graph.minimum),
    "abs": _each(Graph.absolute),
    "sign": _each(Graph.sign),
    "clamp": _each(_clamp),
    "square": _each(lambda graph, a: graph.power(a, 2)),
    "integer_pow": _integer_power,
    "pow": _each(Graph.real_power),
    "rsqrt": _each(lambda graph, a: graph.div(graph.constant(1.0), graph.curve("sqrt", a))),
    "log1p": _each(_log_one_plus),
    "expm1": _each(lambda graph, a: graph.sub(graph.curve("exp", a), graph.constant(1.0))),
    "exp2": _each(_exp2),
    "erfc": _each(lambda graph, a: graph.sub(graph.constant(1.0), graph.curve("erf", a))),
    "tan": _each(lambda graph, a: graph.div(graph.curve("sin", a), graph.curve("cos", a))),
    "atan": _curve("arctan"),
    "cosh": _each(_cosh),
    "sinh": _each(_sinh),
    **{kind: _curve(kind) for kind in CURVES if kind != "arctan"},
    "stop_gradient": _each(Graph.stopped),
    "lt": _compare("lt"),
    "gt": _compare("lt", swap=True),
    "le": _compare("le"),
    "ge": _compare("le", swap=True),
    "eq": _compare("eq"),
    "ne": _compare("eq", negate=True),
    "and": _each(Graph.both),
    "or": _each(Graph.either),
    "not": _each(Graph.negated),
    "is_finite": _each(lambda graph, _a: graph.truth(True)),
    "select_n": _select,
    "convert_element_type": _convert,
    "reduce_sum": _reduce(lambda graph, row: graph.total(row)),
    "reduce_max": _reduce(_folded(Graph.maximum)),
    "reduce_min": _reduce(_folded(Graph.minimum)),
    "reduce_prod": _reduce(_folded(Graph.mul)),
    "reduce_and": _reduce(_folded(Graph.both)),
    "reduce_or": _reduce(_folded(Graph.either)),
    "cumsum": _running(Graph.add),
    "cumprod": _running(Graph.mul),
    "cummax": _running(Graph.maximum),
    "cummin": _running(Graph.minimum),
    "dot_general": _dot,
}
