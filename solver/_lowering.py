"""A function of one point as a program over many of them, with every small array taken apart.

What `vmap` makes of a solver of small games has arrays of shape (lanes, 2, 2), which no processor handles well: loops
over the last axes are too short for vector instructions, and most entries of a derivative's basis are zeros that
nobody knows about. Here the function is traced once, for one point, and its jaxpr is evaluated with arrays taken apart
(`_apart`): every element is one contiguous vector over the lanes. Loops run until their last lane stops, as under
`vmap`. Whatever has no rule (`_apart_moves`, `_apart_sums`) goes through its own batching rule, so that any function
can be lowered. What would be too long a program for a compiler is left to `vmap`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr

from . import _numpy as jnp
from ._apart import Value, apart, filled, joined, uniform, whole
from ._apart_choices import cond, where
from ._apart_moves import MOVES
from ._apart_sums import COMPUTES
from ._elements import Elements
from ._jax_versions import parameters
from ._jaxprs import called, evaluated, numbers
from ._varying import varying_in_scan, varying_in_while

_MOST = 500_000
"""Numbers that a program computes for one lane, those in each loop once; more of them XLA compiles for minutes, or
hours, and they would not stay in a cache: 420,000 take it 40 s, 1,100,000 did not end in five minutes."""
_FEWER = 50_000
"""The same for an accelerator, whose compiler makes less of longer ones: with certificates of five firms they move as
many bytes as under `vmap`, and take three to seven times as long to compile."""
_TOGETHER = 64
"""Lanes of such a program that are computed together: few enough to stay in a cache, and to stop early."""


class OverLanes:
    """`jax.vmap(function, in_axes=(None, 0))` of (shared, rows), taken apart unless that is too long a program.

    `rows` is an array of at least two lanes and of any further axes. Results are those of `vmap` but for rounding, and
    but for a known zero times infinity or NaN, which is zero. `accelerated` says that it is not for a processor.
    """

    def __init__(self, function: Callable, accelerated: bool = False):
        self.function, self.accelerated = function, accelerated
        self._traced: dict[Any, tuple[ClosedJaxpr, Any, bool]] = {}

    def __call__(self, shared: Any, rows: Any) -> Any:
        closed, structure, short = self._program(shared, rows[0])
        if not short:
            one = functools.partial(self.function, shared)
            return jax.vmap(one)(rows) if self.accelerated else lax.map(one, rows, batch_size=_TOGETHER)
        elements = Elements(rows.shape[0])
        given = [*map(uniform, jax.tree.leaves(shared)), apart(jnp.moveaxis(rows, 0, -1), rows.shape[1:])]
        results = _read(elements, closed, given)
        leaves = [jnp.moveaxis(whole(elements, value), -1, 0) for value in results]
        return jax.tree.unflatten(structure, leaves)

    def taken_apart(self, shared: Any, row: Any) -> bool:
        """Whether it is, for arguments of these shapes and types; what is traced for that is used in a call."""
        return self._program(shared, row)[2]

    def _program(self, *arguments: Any) -> tuple[ClosedJaxpr, Any, bool]:
        """The function for one point, the structure of its results, and whether it is short enough."""
        leaves, structure = jax.tree.flatten(arguments)
        key = structure, *((np.shape(x), x.dtype) for x in leaves)
        if key not in self._traced:
            given = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(np.shape(x), x.dtype) for x in leaves])
            closed, shapes = jax.make_jaxpr(self.function, return_shape=True)(*given)
            most = min(_MOST, _FEWER) if self.accelerated else _MOST
            self._traced[key] = closed, jax.tree.structure(shapes), numbers(closed.jaxpr) <= most
        return self._traced[key]


def over_lanes(function: Callable, shared: Any, rows: Any) -> Any:
    """`OverLanes(function)`, called once."""
    return OverLanes(function)(shared, rows)


def _read(elements: Elements, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
    """The results of a jaxpr."""

    def known(constant: Any) -> Value:
        return uniform(constant if isinstance(constant, Tracer) else np.asarray(constant))

    return evaluated(closed, arguments, known, functools.partial(_apply, elements))


def _apply(elements: Elements, equation: Any, arguments: list[Value]) -> list[Value]:
    name, inner = equation.primitive.name, called(equation)
    if inner is not None:
        return _read(elements, inner, arguments)
    if name in _CONTROL:
        return _CONTROL[name](elements, parameters(equation), arguments)
    rule = MOVES.get(name) or COMPUTES.get(name)
    found = None if rule is None else rule(elements, equation, *arguments)
    if found is None:
        return _batched(elements, equation, arguments)
    return found if isinstance(found, list) else [found]


def _batched(elements: Elements, equation: Any, arguments: list[Value]) -> list[Value]:
    """Through the primitive's own batching rule."""
    primitive = equation.primitive

    def bind(*operands: Any) -> tuple[Any, ...]:
        found = primitive.bind(*operands, **equation.params)
        return tuple(found) if primitive.multiple_results else (found,)

    if not any(a.varies for a in arguments):
        return [uniform(x) for x in bind(*(jnp.asarray(joined(a)) for a in arguments))]
    operands = [whole(elements, a) if a.varies else jnp.asarray(joined(a)) for a in arguments]
    axes = tuple(-1 if a.varies else None for a in arguments)
    found = jax.vmap(bind, in_axes=axes, out_axes=-1)(*operands)
    return [apart(x, var.aval.shape) for x, var in zip(found, equation.outvars, strict=True)]


def _while(elements: Elements, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    nc, nb = params["cond_nconsts"], params["body_nconsts"]
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    of_cond, of_body, begin = arguments[:nc], arguments[nc : nc + nb], arguments[nc + nb :]
    varies, each = varying_in_while(params, *([a.varies for a in group] for group in (of_cond, of_body, begin)))
    # Batched by `vmap` before, the loop has a condition for each of several copies.
    each = each or cond.out_avals[0].shape != ()
    flat, rebuild = _carried(elements, begin, varies)

    def unfinished(flat: list[Any]) -> Any:
        inside = Elements(elements.lanes)
        (go,) = _read(inside, cond, [*of_cond, *rebuild(flat)])
        return jnp.any(functools.reduce(functools.partial(inside.op, lax.or_p), go.flat, np.bool_(False))[()])

    def step(flat: list[Any]) -> list[Any]:
        # What is computed in here must not be used outside.
        inside, state = Elements(elements.lanes), rebuild(flat)
        new = _read(inside, body, [*of_body, *state])
        if each:
            (go,) = _read(inside, cond, [*of_cond, *state])
            new = [where(inside, go, a, b) for a, b in zip(new, state, strict=True)]
        return _carried(inside, new, varies)[0]

    return rebuild(lax.while_loop(unfinished, step, flat))


def _scan(elements: Elements, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    nc, nk = params["num_consts"], params["num_carry"]
    consts, begin, xs = arguments[:nc], arguments[nc : nc + nk], arguments[nc + nk :]
    varies, out_varies = varying_in_scan(params, *([a.varies for a in group] for group in (consts, begin, xs)))
    flat, rebuild = _carried(elements, begin, varies)
    rows = [whole(elements, x) if x.varies else jnp.asarray(joined(x)) for x in xs]

    def step(flat: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        inside = Elements(elements.lanes)
        entries = [apart(r, x.shape[1:]) if x.varies else uniform(r) for r, x in zip(row, xs, strict=True)]
        results = _read(inside, params["jaxpr"], [*consts, *rebuild(flat), *entries])
        made = [
            whole(inside, y) if bit else jnp.asarray(joined(y)) for y, bit in zip(results[nk:], out_varies, strict=True)
        ]
        return _carried(inside, results[:nk], varies)[0], made

    end, ys = lax.scan(step, flat, rows, length=params["length"], reverse=params["reverse"])
    return [
        *rebuild(end),
        *(apart(y, y.shape[:-1]) if bit else uniform(y) for y, bit in zip(ys, out_varies, strict=True)),
    ]


def _carried(
    elements: Elements, values: Sequence[Value], varies: Sequence[bool]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Value]]]:
    """Values as arrays that a loop can carry, and the function that makes values of them again."""
    flat: list[Any] = []
    kinds = []
    for value, bit in zip(values, varies, strict=True):
        if bit:
            full = (*value.sides, elements.lanes)
            flat += [elements.wide(x, full) for x in value.flat]
        else:
            flat.append(jnp.asarray(joined(value)))
        kinds.append((value.shape, value.dtype, len(value.flat) if bit else None))

    def rebuild(flat: Sequence[Any]) -> list[Value]:
        made, at = [], 0
        for shape, dtype, count in kinds:
            made.append(uniform(flat[at]) if count is None else filled(shape, dtype, list(flat[at : at + count])))
            at += 1 if count is None else count
        return made

    return flat, rebuild


def _barrier(elements: Elements, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    """Of the elements: arrays would be put together for it, in memory, and taken apart again."""
    flat, rebuild = _carried(elements, arguments, [a.varies for a in arguments])
    return rebuild(lax.optimization_barrier(flat))


_CONTROL = {
    "while": _while,
    "scan": _scan,
    "cond": functools.partial(cond, _read),
    "optimization_barrier": _barrier,
}
