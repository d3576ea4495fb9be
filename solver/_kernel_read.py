"""A function of one point as the text of a function over many of them, for LLVM.

The same jaxpr that XLA would compile is read with every array taken apart entirely (`_apart`) and written out as
instructions for a few lanes (`_kernel_ir`). Loops carry registers, and a lane whose condition fails keeps what it has.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr

from . import _numpy as jnp
from ._apart import Value, entirely, filled, uniform
from ._apart_choices import at_least, chosen, where, which_branch
from ._apart_moves import MOVES
from ._apart_sums import COMPUTES
from ._each import rolled
from ._elements import Element, is_known
from ._jax_versions import parameters
from ._jaxprs import called, evaluated, largest, numbers, pruned
from ._kernel_again import again
from ._kernel_arithmetic import ARITHMETIC
from ._kernel_code import Text
from ._kernel_frame import framed, loaded, store
from ._kernel_ir import (
    MANY,
    ONE,
    Branch,
    Function,
    Instructions,
    Loop,
    Region,
    UnsupportedError,
    lanes,
    vector_type,
    with_lanes,
)
from ._kernel_math import FUNCTIONS
from ._kernel_memory import eliminated, picked_up, product, put, put_down
from ._kernel_parts import Parts
from ._kernel_threads import threaded
from ._linear import IN_MEMORY

_LARGE, _LARGEST = 2**12, 2**15
"""Entries of arrays: of what all points share and of what is known, and of anything that is computed. If some of that
is large, rows had better come one after the other."""
_LONG = 2
"""Numbers that a program computes for each instruction that it may have, more of which are worth some effort to make
it shorter. Of what they compute, long programs have an instruction for every second number to every sixth."""
_TOO_LONG = 8
_WORTH = 160_000
"""Numbers of a program of which a million points or more have to be computed to save the time that it took to compile
all of it, instead of a third, which is slower by a third."""
_UNROLLED = 512
"""Numbers that the steps of a scan compute if they are written out one after the other; more of them are a loop."""


class Traced(NamedTuple):
    """The program of a function as a kernel is to have it."""

    closed: ClosedJaxpr
    shapes: Any
    """Of its results for one point."""
    shortened: bool
    """Whether there is a longer one, which is faster."""


def traced(function: Callable, shared: Any, row: Any, most: float = math.inf, short: bool = False) -> Traced:
    """The program of a function; if it is to be `short`, one of some length is made shorter and slower.

    Raises:
        UnsupportedError: it would take more than `most` instructions by far, of which all need not be written to know.
    """

    def by(entirely: bool) -> tuple[ClosedJaxpr, Any]:
        with rolled(entirely):
            # Not `function` itself, whose program JAX would remember.
            return jax.make_jaxpr(lambda *given: function(*given), return_shape=True)(shared, row)

    def longer(than: float) -> bool:
        return numbers(closed.jaxpr) > than and Parts(closed).numbers > than

    closed, shapes = by(entirely=False)
    needed = largest(closed.jaxpr) > _LARGE or longer(_LONG * most)
    shortened = short and not needed and longer(_WORTH)
    if needed or shortened:
        closed, shapes = by(entirely=True)
    if longer(_TOO_LONG * most):
        raise UnsupportedError(f"programs of more than {most} instructions")
    return Traced(closed, shapes, shortened)


def written(closed: ClosedJaxpr, shared: Any, row: Any, most: int, flagged: bool = False) -> Text:
    """The text of a program for LLVM, of at most so many instructions; if `flagged`, its last result says which points
    it has left unfinished."""

    def text(region: Region) -> Text:
        return Text(framed(region, again(closed.out_avals, row) if flagged else ""), lanes())

    region = _region(closed, shared, row, most)
    if not region.function.short:
        return text(region)
    with with_lanes(MANY):
        return text(_region(closed, shared, row, most))


def written_for_threads(closed: ClosedJaxpr, shared: Any, row: Any, most: int) -> str:
    """The same text for the threads of a GPU."""
    leaves = jax.tree.leaves(shared)
    with with_lanes(ONE):
        region = _region(closed, shared, row, most)
        return threaded(region, [(np.size(x), x.dtype) for x in leaves], len(closed.out_avals))


_PARTS: ContextVar[Parts] = ContextVar("_PARTS")


@contextlib.contextmanager
def _parts_of(closed: ClosedJaxpr) -> Iterator[None]:
    """Within this, what is read is this program."""
    token = _PARTS.set(Parts(closed))
    try:
        yield
    finally:
        _PARTS.reset(token)


def _region(closed: ClosedJaxpr, shared: Any, row: Any, most: int) -> Region:
    """What is computed for some lanes."""
    if any(np.size(x) > _LARGE for x in jax.tree.leaves(shared)):
        raise UnsupportedError(f"arrays of more than {_LARGE} entries")
    function = Function(most)
    region = Region(function, 0, "entry")
    with entirely(), _parts_of(closed):
        elements = Instructions(region, ARITHMETIC | FUNCTIONS)
        given = [loaded(region, k, np.shape(x), x.dtype, True) for k, x in enumerate(jax.tree.leaves(shared))]
        given.append(loaded(region, None, row.shape, row.dtype, False))
        for k, value in enumerate(_read(elements, closed, given)):
            store(elements, k, value)
    return region


def _read(elements: Instructions, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
    # Without what only some of its callers ask for, a program would be another one for each of them.
    return _read_all(elements, closed if _PARTS.get().shared else pruned(closed), arguments)


def _read_all(elements: Instructions, closed: ClosedJaxpr, arguments: Sequence[Value]) -> list[Value]:
    """A program from which nothing is to be left out."""

    def known(constant: Any) -> Value:
        if isinstance(constant, Tracer):
            raise UnsupportedError("constants that are being traced")
        if jnp.issubdtype(constant.dtype, jax.dtypes.extended):
            raise UnsupportedError(f"constants of type {constant.dtype}")
        if np.size(constant) > _LARGE:
            raise UnsupportedError(f"arrays of more than {_LARGE} entries")
        return uniform(np.asarray(constant))

    return evaluated(closed, arguments, known, functools.partial(_apply, elements))


def _apply(elements: Instructions, equation: Any, arguments: list[Value]) -> list[Value]:
    name, inner = equation.primitive.name, called(equation)
    if inner is not None:
        if equation.params.get("name") == IN_MEMORY and [len(a.shape) for a in arguments] == [2, 2]:
            return [eliminated(elements, *arguments)]
        found = _PARTS.get().call(elements, inner, arguments, _read_all)
        return _read_all(elements, inner, arguments) if found is None else found
    if name in _CONTROL:
        return _CONTROL[name](elements, parameters(equation), arguments)
    if any(var.aval.size > _LARGEST for var in equation.outvars):
        raise UnsupportedError(f"arrays of more than {_LARGEST} entries")
    found = product(elements, equation, *arguments) if name == "dot_general" else None
    rule = MOVES.get(name) or COMPUTES.get(name)
    if found is None:
        found = None if rule is None else rule(elements, equation, *arguments)
    if found is None:
        raise UnsupportedError(f"the operation {name}")
    return found if isinstance(found, list) else [found]


def _while(elements: Instructions, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    nc, nb = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body, begin = arguments[:nc], arguments[nc : nc + nb], arguments[nc + nb :]
    if any(equation.primitive.name == "optimization_barrier" for equation in params["body_jaxpr"].eqns):
        found = _once(elements, params, of_cond, of_body, begin)
        if found is not None:
            return found
    loop = Loop(elements, _flat(begin))
    state, inside = _like(begin, loop.state), loop.inside
    (go,) = _read(inside, params["cond_jaxpr"], [*of_cond, *state])
    go = filled(go.shape, go.dtype, [inside.op(lax.and_p, elements.active, each) for each in go.flat])
    inside.active = functools.reduce(functools.partial(inside.op, lax.or_p), go.flat, np.bool_(False))
    loop.body(inside.active)
    new = _read(inside, params["body_jaxpr"], [*of_body, *state])
    loop.again(_flat([where(inside, go, a, b) for a, b in zip(new, state, strict=True)]))
    return state


def _once(elements: Instructions, params: dict[str, Any], of_cond, of_body, begin: list[Value]) -> list[Value] | None:
    """A loop of one step at most, as `only_if` makes them, as a branch: nothing that it is given needs to be copied.

    None if there may be more steps.
    """
    (go,) = _read(elements, params["cond_jaxpr"], [*of_cond, *begin])
    go = filled(go.shape, go.dtype, [elements.op(lax.and_p, elements.active, each) for each in go.flat])
    part = Branch(elements)
    wanted = part.inside.active = functools.reduce(functools.partial(elements.op, lax.or_p), go.flat, np.bool_(False))
    new = _read(part.inside, params["body_jaxpr"], [*of_body, *begin])
    (again,) = _read(part.inside, params["cond_jaxpr"], [*of_cond, *new])
    if not again.known or np.any(again.flat):
        return None
    return _joined(part, wanted, [where(part.inside, go, a, b) for a, b in zip(new, begin, strict=True)], begin)


def _joined(part: Branch, wanted: Element, new: list[Value], old: list[Value]) -> list[Value]:
    """Results of a branch, which are what they would have been without it in all lanes but those `wanted`."""
    return _like(old, part.end(wanted, _flat(new), _flat(old)))


def _cond(elements: Instructions, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    """A branch is skipped where no lane takes it."""
    branches, index, operands = params["branches"], arguments[0], arguments[1:]
    if index.known:
        return _read(elements, branches[which_branch(index, len(branches))], operands)
    idle = [k for k, branch in enumerate(branches) if not branch.jaxpr.eqns]
    if len(branches) == 2 and len(idle) == 1:
        taken = at_least(elements, index, 1).flat[0]
        wanted = elements.op(lax.and_p, elements.active, elements.op(lax.not_p, taken) if idle == [1] else taken)
        part = Branch(elements)
        part.inside.active = wanted
        old, new = _read(elements, branches[idle[0]], operands), _read(part.inside, branches[1 - idle[0]], operands)
        which = filled((), np.dtype(bool), [wanted])
        return _joined(part, wanted, [where(part.inside, which, a, b) for a, b in zip(new, old, strict=True)], old)
    # Whether number k or a later one is taken; for each k from 0 to one more than there are.
    later = [np.bool_(True), *(at_least(elements, index, k).flat[0] for k in range(1, len(branches))), np.bool_(False)]
    results = []
    for k, branch in enumerate(branches):
        wanted = elements.op(lax.and_p, later[k], elements.op(lax.not_p, later[k + 1]))
        wanted = elements.op(lax.and_p, elements.active, wanted)
        part = Branch(elements)
        part.inside.active = wanted
        values = _read(part.inside, branch, operands)
        flat = part.end(wanted, _flat(values))
        results.append(_like(values, flat))
    return chosen(elements, index, results)


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
    region, function, count = elements.region, elements.region.function, len(carry)
    given = [[put_down(elements, list(column)) for column in x.parts.reshape(length, -1).T] for x in xs]
    loop = Loop(elements, [*_flat(carry), np.int32(0)])
    *flat, step = loop.state
    state, inside = _like(carry, flat), loop.inside
    loop.body(inside.op(lax.lt_p, step, np.int32(length)))
    at = inside.op(lax.sub_p, np.int32(length - 1), step) if reverse else step
    index = inside.region.value(f"extractelement {vector_type(np.int32)} {inside.text(at)}, i32 0", np.int32).name
    rows = [
        filled(x.shape[1:], x.dtype, [picked_up(inside.region, c, index, x.dtype) for c in columns])
        for x, columns in zip(xs, given, strict=True)
    ]
    with function.loop():
        results = _read(inside, body, [*consts, *state, *rows])
        # What is the same twice is put down once, and what is known not at all.
        made = {inside.key(x): x for x in _flat(results[count:])}
        places = {key: function.reserve(length, x.dtype, lasting=True) for key, x in made.items() if not is_known(x)}
    for key, memory in places.items():
        put(inside, made[key], memory, index, made[key].dtype)
    loop.again([*_flat(results[:count]), inside.op(lax.add_p, step, np.int32(1))])
    columns = {key: [x] * length for key, x in made.items()}
    for key, memory in places.items():
        columns[key] = [picked_up(region, memory, str(k), made[key].dtype) for k in range(length)]
        function.release(memory, length, made[key].dtype)
    for x, memories in zip(xs, given, strict=True):
        for memory in memories:
            function.release(memory, length, x.dtype)
    stacked = [
        filled((length, *v.shape), v.dtype, [columns[inside.key(x)][k] for k in range(length) for x in v.flat])
        for v in results[count:]
    ]
    return [*state, *stacked]


def _flat(values: Sequence[Value]) -> list[Element]:
    """The elements of values, each of its value's type."""
    return [x for v in values for x in v.flat]


def _like(values: list[Value], flat: Sequence[Element]) -> list[Value]:
    made, at = [], 0
    for v in values:
        count = len(v.flat)
        made.append(filled(v.shape, v.dtype, list(flat[at : at + count])))
        at += count
    return made


def _linear_solve(elements: Instructions, params: dict[str, Any], arguments: list[Value]) -> list[Value]:
    lengths = params["const_lengths"]
    first = lengths.matvec + lengths.vecmat
    consts = arguments[first : first + lengths.solve]
    return _read(elements, params["jaxprs"].solve, [*consts, *arguments[sum(lengths) :]])


_CONTROL = {
    "while": _while,
    "scan": _scan,
    "cond": _cond,
    "custom_linear_solve": _linear_solve,
    "optimization_barrier": lambda e, p, a: list(a),
}
