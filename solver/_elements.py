"""Operations on elements of arrays, for many lanes at once: equal ones are done once, known ones not at all.

An element is what one entry of a small array is for all lanes: a number that is known while tracing, a traced number
that is the same for all lanes, or an array whose last axis is the lanes. Where an array has long axes besides, an
element keeps them, before the lanes; its axes may be 1 where it does not vary along them. XLA merges equal
subexpressions only after it has moved some of them out of loops, and does not see that the zeros and ones in the basis
of a forward-mode derivative need no arithmetic; both are done here. A factor that is known to be zero makes a product
zero, whatever the other factor, and so does a dividend a quotient.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from . import _numpy as jnp

Element = Any
"""A NumPy scalar or array (known), or a JAX array: of shape (), or (*long axes, lanes) with axes that may be 1."""


_KNOWN = (np.generic, np.ndarray)


def is_known(x: Element) -> bool:
    """Whether an element is a number already, or several of them."""
    return isinstance(x, _KNOWN)


class Elements:
    """Operations within one traced region, for a number of lanes."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        self.done: dict[Any, Element] = {}
        self.chosen: dict[int, tuple[Element, list[Element]]] = {}
        """Identity of an element -> itself, and what it was selected by and from."""
        self.unless: dict[int, tuple[Element, Element, Element]] = {}
        """Identity of an element -> itself, and a condition unless which it is another."""
        self.truths: dict[int, tuple[Element, Element]] = {}
        """Identity of a number -> itself, and the truth value of which it was made."""
        self._kept: list[Any] = []

    def apply(self, primitive: Any, params: dict[str, Any], operands: list[Element]) -> Element:
        """The result of an elementwise primitive, as simple as it can be had."""
        if all(is_known(x) for x in operands):
            return _fold(primitive, params, operands)
        simpler = _SIMPLER.get(primitive.name)
        found = None if simpler is None else simpler(self, *operands)
        if found is not None:
            return found
        keys = [self.key(x) for x in operands]
        given = tuple((k, str(v)) for k, v in sorted(params.items()) if v is not None) if params else ()
        key = (primitive.name, given, frozenset(keys) if primitive.name in _COMMUTES else tuple(keys))
        made = self.once(key, operands, lambda: self.bind(primitive, params, operands))
        if primitive.name == "select_n":
            self.chosen[id(made)] = made, operands
        if primitive.name == "convert_element_type" and operands[0].dtype == np.bool_:
            self.truths[id(made)] = made, operands[0]
        return made

    def bind(self, primitive: Any, params: dict[str, Any], operands: list[Element]) -> Element:
        """The result of a primitive that cannot be simplified."""
        return primitive.bind(*self.alike(operands), **params)

    def op(self, primitive: Any, *operands: Element) -> Element:
        """The result of an elementwise primitive with the parameters that it has by default."""
        return self.apply(_Default(primitive.name), {}, list(operands))

    def once(self, key: Any, operands: Any, make: Callable[[], Element]) -> Element:
        """What `make` returns, made only once for each key; `operands` are kept, as keys hold their identities."""
        if key not in self.done:
            self.done[key] = make()
            self._kept.append(operands)
        return self.done[key]

    def key(self, x: Element) -> Any:
        """The same for equal elements."""
        return (x.dtype.str, x.shape, x.tobytes()) if is_known(x) else id(x)

    def alike(self, operands: list[Element]) -> list[Any]:
        """Elements as arrays of one shape."""
        shape = np.broadcast_shapes(*(np.shape(x) for x in operands))
        return [self.wide(x, shape) for x in operands]

    def wide(self, x: Element, shape: tuple[int, ...]) -> Any:
        """An element as an array of a shape that it can be broadcast to."""
        if np.shape(x) == shape:
            return jnp.asarray(x) if is_known(x) else x
        axes = tuple(range(len(shape) - np.ndim(x), len(shape)))
        return self.once(("wide", shape, self.key(x)), x, lambda: lax.broadcast_in_dim(jnp.asarray(x), shape, axes))


class _Default(NamedTuple):
    """A primitive with the parameters that it has by default."""

    name: str

    def bind(self, *operands: Any) -> Any:
        """The result."""
        return getattr(lax, _FUNCTIONS.get(self.name, self.name))(*operands)


_FUNCTIONS = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "not": "bitwise_not", "add_any": "add"}
"""Name of a primitive -> what `jax.lax` calls it, if that is something else."""


def _fold(primitive: Any, params: dict[str, Any], operands: list[Element]) -> Element:
    # Without JAX where NumPy does the same: calling it takes a hundred times as long.
    name, kind = primitive.name, operands[-1].dtype
    with np.errstate(all="ignore"):
        if name in _FOLDS:
            return simplest(np.asarray(_FOLDS[name](*operands), kind if name in _OF_ONE_KIND else None))
        if name in _FOLDS_OF and kind.kind in _FOLDS_OF[name][0]:
            return simplest(np.asarray(_FOLDS_OF[name][1](*operands), kind))
        if name == "select_n" and operands[0].dtype == np.bool_ and len(operands) == 3:
            which, no, yes = operands
            return simplest(np.where(which, yes, no))
        if name == "convert_element_type" and not (kind.kind == "f" and np.dtype(params["new_dtype"]).kind in "iu"):
            return simplest(np.asarray(operands[0]).astype(params["new_dtype"]))
    shape = np.broadcast_shapes(*(np.shape(x) for x in operands))
    with jax.ensure_compile_time_eval():
        made = primitive.bind(*(jnp.broadcast_to(jnp.asarray(x), shape) for x in operands), **params)
    return simplest(np.asarray(made))


def simplest(x: np.ndarray) -> Element:
    """A known element as one number if it is one."""
    if x.size and np.all(x == x.reshape(-1)[0]):
        return x.reshape(-1)[0]
    return x


def _is(x: Element, value: float) -> bool:
    return isinstance(x, np.generic) and bool(x == value)


def _is_power_of_two(x: Element) -> bool:
    """Whether dividing by it is multiplying by another number, to the last digit."""
    return isinstance(x, np.floating) and 0.25 <= abs(float(x)) <= 4.0 and abs(math.frexp(x)[0]) == 0.5


def _add(s: Elements, x: Element, y: Element) -> Element | None:
    return y if _is(x, 0) else x if _is(y, 0) else None


def _sub(s: Elements, x: Element, y: Element) -> Element | None:
    if _is(y, 0):
        return x
    return s.op(lax.neg_p, y) if _is(x, 0) else None


def _mul(s: Elements, x: Element, y: Element) -> Element | None:
    for one, other in ((x, y), (y, x)):
        if _is(one, 0):
            return one.dtype.type(0)
        if _is(one, 1):
            return other
        if _is(one, -1):
            return s.op(lax.neg_p, other)
    return None


def _div(s: Elements, x: Element, y: Element) -> Element | None:
    if _is(y, 1) or (_is(x, 0) and x.dtype.kind == "f"):
        return x
    # As the slope of the larger of two has them, which is half of each where they are equal.
    _, (which, *cases) = s.chosen.get(id(y), (y, [None]))
    if cases and all(_is_power_of_two(case) for case in cases):
        return s.op(lax.mul_p, x, s.op(lax.select_n_p, which, *(case.dtype.type(1) / case for case in cases)))
    return None


def _select(s: Elements, which: Element, *cases: Element) -> Element | None:
    if isinstance(which, np.generic):
        return cases[int(which)]
    if which.dtype == np.bool_ and cases[0].dtype == np.bool_:
        if s.key(which) == s.key(cases[0]):
            return s.op(lax.and_p, which, cases[1])
        if s.key(which) == s.key(cases[1]):
            return s.op(lax.or_p, which, cases[0])
    _, mask, other = s.unless.get(id(cases[-1]), (None, None, None))
    if mask is which and other is cases[0]:
        return cases[1]
    return cases[0] if all(s.key(case) == s.key(cases[0]) for case in cases[1:]) else None


def _and(s: Elements, x: Element, y: Element) -> Element | None:
    for one, other in ((x, y), (y, x)):
        if isinstance(one, np.bool_):
            return other if one else one
    return _equal(s, x, y)


def _or(s: Elements, x: Element, y: Element) -> Element | None:
    for one, other in ((x, y), (y, x)):
        if isinstance(one, np.bool_):
            return one if one else other
    return _equal(s, x, y)


def _equal(s: Elements, x: Element, y: Element) -> Element | None:
    return x if s.key(x) == s.key(y) else None


def _pow(s: Elements, x: Element, y: Element) -> Element | None:
    """exp(y log x), which shares its logarithm with other powers of x and vectorizes, unlike most libraries' pow."""
    kind = np.dtype(x.dtype).type
    if np.dtype(y.dtype).type is not kind or kind not in (np.float32, np.float64):
        return None
    one, zero, half, nan = kind(1), kind(0), kind(0.5), kind(np.nan)
    if _is(y, 0):
        return one
    if _is(y, 1):
        return x
    positive = s.op(lax.abs_p, x)
    logarithm = s.op(lax.mul_p, y, s.op(lax.log_p, positive))
    if not (is_known(y) and np.all(np.isfinite(y))):  # Any power of 1 is 1, even an infinite one.
        logarithm = s.op(lax.select_n_p, s.op(lax.eq_p, positive, one), logarithm, zero)
    size = s.op(lax.exp_p, logarithm)
    # Of a negative number, the power is real if y is whole; 0^0 is 1.
    whole = s.op(lax.eq_p, s.op(lax.floor_p, y), y)
    halved = s.op(lax.mul_p, y, half)
    even = s.op(lax.eq_p, s.op(lax.floor_p, halved), halved)
    negative = s.op(lax.select_n_p, even, s.op(lax.neg_p, size), size)
    other = s.op(lax.select_n_p, s.op(lax.eq_p, x, kind(-np.inf)), nan, size)
    negative = s.op(lax.select_n_p, whole, other, negative)
    made = s.op(lax.select_n_p, s.op(lax.lt_p, x, zero), size, negative)
    return s.op(lax.select_n_p, s.op(lax.eq_p, y, zero), made, one)


_SIMPLER: dict[str, Callable[..., Element | None]] = {
    "add": _add,
    "add_any": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "select_n": _select,
    "and": _and,
    "or": _or,
    "max": _equal,
    "min": _equal,
    "pow": _pow,
    "stop_gradient": lambda s, x: x,
    "copy": lambda s, x: x,
}
_COMMUTES = ("add", "add_any", "mul", "max", "min", "and", "or", "eq", "ne")
_FOLDS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "not": np.invert,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "square": np.square,
    "is_finite": np.isfinite,
    "stop_gradient": np.asarray,
    "copy": np.asarray,
}
_FOLDS_OF: dict[str, tuple[str, Callable[..., Any]]] = {
    "div": ("f", np.divide),
    "sqrt": ("f", np.sqrt),
    "floor": ("f", np.floor),
    "xor": ("iub", np.bitwise_xor),
}
"""The same for numbers of these kinds only."""
_OF_ONE_KIND = ("add", "add_any", "sub", "mul", "neg", "abs", "max", "min", "square")
ELEMENTWISE = {
    *("add", "add_any", "sub", "mul", "div", "rem", "neg", "abs", "sign", "max", "min", "clamp", "square", "copy"),
    *("exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "cbrt", "pow", "integer_pow", "tanh", "logistic"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("erf", "erfc", "erf_inv", "lgamma", "digamma", "floor", "ceil", "round", "nextafter", "is_finite"),
    *("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "xor", "select_n", "convert_element_type"),
    *("shift_left", "shift_right_logical", "population_count"),
    "stop_gradient",
}
"""Primitives that `Elements.apply` takes."""
