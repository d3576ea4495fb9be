"""A function of one point as the text of a function over many of them, for LLVM.

The same jaxpr that XLA would compile is read with every array taken apart entirely (`_apart`) and written out as
instructions for eight lanes (`_kernel_ir`). Loops carry registers, and a lane whose condition fails keeps what it has.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr

from ._apart import Value, entirely, filled, uniform
from ._apart_choices import cond, where
from ._apart_moves import MOVES
from ._apart_sums import COMPUTES
from ._each import rolled
from ._elements import Element
from ._jaxprs import CALLS, called, evaluated, numbers
from ._kernel_arithmetic import ARITHMETIC
from ._kernel_ir import (
    LANES,
    Function,
    Instructions,
    Loop,
    Region,
    Register,
    UnsupportedError,
    scalar_type,
    vector_type,
)
from ._kernel_math import FUNCTIONS

_LARGEST = 4096
_UNROLLED = 512
"""Numbers that the steps of a scan compute if they are written out one after the other; more of them are a loop."""


def written(function: Callable, shared: Any, row: Any, most: int) -> tuple[str, Any]:
    """The text of a function for LLVM, of at most so many instructions, and the shapes of its results for one point."""
    with rolled():
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(shared, row)
    text = Function(most)
    region = Region(text, 0, "entry")
    with entirely():
        elements = Instructions(region, ARITHMETIC | FUNCTIONS)
        if any(np.size(x) > _LARGEST for x in jax.tree.leaves(shared)):
            raise UnsupportedError(f"arrays of more than {_LARGEST} entries")
        given = [_loaded(region, k, np.shape(x), x.dtype, True) for k, x in enumerate(jax.tree.leaves(shared))]
        given.append(_loaded(region, None, row.shape, row.dtype, False))
        for k, value in enumerate(_read(elements, closed, given)):
            _store(elements, k, value)
    needs, room, body = "\n".join(text.needs.values()), "\n  ".join(text.room), "\n  ".join(region.lines)
    return (
        f"""{needs}
define void @kernel(ptr %shared, ptr %rows, ptr %outs, i64 %stride, i64 %first, i64 %last) {{
begin:
  {room}
  %any = icmp slt i64 %first, %last
  br i1 %any, label %entry, label %end
entry:
  %lane = phi i64 [%first, %begin], [%next, %{region.block}]
  {body}
  %next = add i64 %lane, {LANES}
  %more = icmp slt i64 %next, %last
  br i1 %more, label %entry, label %end
end:
  ret void
}}
""",
        shapes,
    )


def _loaded(text: Region, k: int | None, shape: tuple[int, ...], dtype: Any, same: bool) -> Value:
    """An argument: number `k` of those that all points share, or the row of each point."""
    kind = scalar_type(dtype)
    stored = "i8" if np.dtype(dtype) == np.bool_ else kind
    pointer = "%rows"
    if k is not None:
        slot = text.value(f"getelementptr ptr, ptr %shared, i64 {k}", dtype).name
        pointer = text.value(f"load ptr, ptr {slot}", dtype).name
    made = []
    for j in range(int(np.prod(shape, dtype=int))):
        if same:
            at = text.value(f"getelementptr {stored}, ptr {pointer}, i64 {j}", dtype).name
            one = text.value(f"load {stored}, ptr {at}", dtype).name
            if stored != kind:
                one = text.value(f"icmp ne i8 {one}, 0", dtype).name
            first = text.value(f"insertelement {vector_type(dtype)} poison, {kind} {one}, i32 0", dtype).name
            mask = f"<{LANES} x i32> zeroinitializer"
            splat = f"shufflevector {vector_type(dtype)} {first}, {vector_type(dtype)} poison, {mask}"
            made.append(text.value(splat, dtype))
        else:
            at = _address(text, pointer, stored, j)
            wide = text.value(f"load <{LANES} x {stored}>, ptr {at}, align 1", dtype)
            if stored != kind:
                wide = text.value(f"icmp ne <{LANES} x i8> {wide.name}, zeroinitializer", dtype)
            made.append(wide)
    return filled(shape, np.dtype(dtype), made)


def _address(text: Region, pointer: str, kind: str, j: int) -> str:
    """Of the current lanes of element `j`."""
    start = text.value(f"mul i64 %stride, {j}", np.int64).name
    lane = text.value(f"add i64 {start}, %lane", np.int64).name
    return text.value(f"getelementptr {kind}, ptr {pointer}, i64 {lane}", np.int64).name


def _store(elements: Instructions, k: int, value: Value) -> None:
    text, dtype = elements.region, value.dtype
    slot = text.value(f"getelementptr ptr, ptr %outs, i64 {k}", dtype).name
    pointer = text.value(f"load ptr, ptr {slot}", dtype).name
    for j, x in enumerate(value.flat):
        name, kind = elements.text(x), vector_type(dtype)
        stored = scalar_type(dtype)
        if np.dtype(dtype) == np.bool_:
            stored = "i8"
            name = text.value(f"zext {kind} {name} to <{LANES} x i8>", dtype).name
            kind = f"<{LANES} x i8>"
        text.put(f"store {kind} {name}, ptr {_address(text, pointer, stored, j)}, align 1")


def _read(elements: Instructions, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
    def known(constant: Any) -> Value:
        if isinstance(constant, Tracer):
            raise UnsupportedError("constants that are being traced")
        if jnp.issubdtype(constant.dtype, jax.dtypes.extended):
            raise UnsupportedError(f"constants of type {constant.dtype}")
        if np.size(constant) > _LARGEST:
            raise UnsupportedError(f"arrays of more than {_LARGEST} entries")
        return uniform(np.asarray(constant))

    return evaluated(closed, arguments, known, functools.partial(_apply, elements))


def _apply(elements: Instructions, equation: Any, arguments: list[Value]) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    if name in CALLS:
        return _read(elements, called(params), arguments)
    if name in _CONTROL:
        return _CONTROL[name](elements, params, arguments)
    if any(var.aval.size > _LARGEST for var in equation.outvars):
        raise UnsupportedError(f"arrays of more than {_LARGEST} entries")
    rule = MOVES.get(name) or COMPUTES.get(name)
    found = None if rule is None else rule(elements, equation, *arguments)
    if found is None:
        raise UnsupportedError(f"the operation {name}")
    return found if isinstance(found, list) else [found]


def _while(elements: Instructions, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    nc, nb = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body, begin = arguments[:nc], arguments[nc : nc + nb], arguments[nc + nb :]
    loop = Loop(elements, _flat(begin))
    state, inside = _like(begin, loop.state), loop.inside
    (go,) = _read(inside, params["cond_jaxpr"], [*of_cond, *state])
    loop.body(functools.reduce(functools.partial(inside.op, lax.or_p), go.flat, np.bool_(False)))
    new = _read(inside, params["body_jaxpr"], [*of_body, *state])
    loop.again(_flat([where(inside, go, a, b) for a, b in zip(new, state, strict=True)]))
    return state


def _scan(elements: Instructions, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    nc, nk, length = params["num_consts"], params["num_carry"], params["length"]
    consts, carry, xs = arguments[:nc], arguments[nc : nc + nk], arguments[nc + nk :]
    body, avals = params["jaxpr"], params["jaxpr"].out_avals[nk:]
    if length * numbers(body.jaxpr) > _UNROLLED:
        return _counted(elements, body, length, params["reverse"], consts, carry, xs)
    rows: list[list[Value]] = []
    for k in range(length):
        at = length - 1 - k if params["reverse"] else k
        results = _read(elements, body, [*consts, *carry, *(_row(x, at) for x in xs)])
        carry = results[:nk]
        rows.append(results[nk:])
    if params["reverse"]:
        rows.reverse()
    stacked = [
        filled((length, *aval.shape), aval.dtype, [x for row in rows for x in row[j].flat])
        for j, aval in enumerate(avals)
    ]
    return [*carry, *stacked]


def _row(value: Value, k: int) -> Value:
    return filled(value.shape[1:], value.dtype, list(np.atleast_1d(value.parts[k]).reshape(-1)))


def _counted(
    elements: Instructions,
    body: ClosedJaxpr,
    length: int,
    reverse: bool,
    consts: list[Value],
    carry: list[Value],
    xs: list[Value],
) -> list[Value]:
    """A loop of a known number of steps, with rows that it reads and writes in memory."""
    region, count = elements.region, len(carry)
    given = [[_put_down(elements, column) for column in x.parts.reshape(length, -1).T] for x in xs]
    avals = body.out_avals[count:]
    made = [[region.function.reserve(length, v.dtype) for _ in range(int(np.prod(v.shape, dtype=int)))] for v in avals]
    loop = Loop(elements, [*_flat(carry), np.int32(0)])
    *flat, step = loop.state
    state, inside = _like(carry, flat), loop.inside
    loop.body(inside.op(lax.lt_p, step, np.int32(length)))
    at = inside.op(lax.sub_p, np.int32(length - 1), step) if reverse else step
    index = inside.region.value(f"extractelement {vector_type(np.int32)} {inside.text(at)}, i32 0", np.int32).name
    rows = [
        filled(x.shape[1:], x.dtype, [_picked_up(inside.region, c, index, x.dtype) for c in columns])
        for x, columns in zip(xs, given, strict=True)
    ]
    results = _read(inside, body, [*consts, *state, *rows])
    for value, columns in zip(results[count:], made, strict=True):
        for x, memory in zip(value.flat, columns, strict=True):
            _put(inside, x, memory, index, value.dtype)
    loop.again([*_flat(results[:count]), inside.op(lax.add_p, step, np.int32(1))])
    stacked = [
        filled((length, *v.shape), v.dtype, [_picked_up(region, c, str(k), v.dtype) for k in range(length) for c in m])
        for v, m in zip(avals, made, strict=True)
    ]
    return [*state, *stacked]


def _put_down(elements: Instructions, column: np.ndarray) -> str:
    """Memory with the elements of a column."""
    dtype = column[0].dtype
    memory = elements.region.function.reserve(len(column), dtype)
    for k, x in enumerate(column):
        _put(elements, x, memory, str(k), dtype)
    return memory


def _put(elements: Instructions, x: Any, memory: str, index: str, dtype: Any) -> None:
    kind = vector_type(dtype)
    at = elements.region.value(f"getelementptr {kind}, ptr {memory}, i32 {index}", dtype).name
    elements.region.put(f"store {kind} {elements.text(x)}, ptr {at}")


def _picked_up(region: Region, memory: str, index: str, dtype: Any) -> Register:
    kind = vector_type(dtype)
    at = region.value(f"getelementptr {kind}, ptr {memory}, i32 {index}", dtype).name
    return region.value(f"load {kind}, ptr {at}", dtype)


def _flat(values: Sequence[Value]) -> list[Element]:
    """The elements of values, each of its value's type."""
    return [x for v in values for x in v.flat]


def _like(values: list[Value], flat: Sequence[Register]) -> list[Value]:
    made, at = [], 0
    for v in values:
        count = len(v.flat)
        made.append(filled(v.shape, v.dtype, list(flat[at : at + count])))
        at += count
    return made


_CONTROL = {
    "while": _while,
    "scan": _scan,
    "cond": functools.partial(cond, _read),
    "optimization_barrier": lambda e, p, a: list(a),
}
