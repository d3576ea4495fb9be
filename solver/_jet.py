"""Enclosures of the values, slopes and curvatures of expressions over many boxes at once.

A jet holds, for a batch of boxes, intervals that contain the value of an expression, its slopes g in d chosen
variables, and the slopes h of these slopes: forward automatic differentiation to second order in interval arithmetic
(Rall, 1981, Automatic Differentiation; Neumaier, 1990, Interval Methods for Systems of Equations, ch. 2). No
derivative rule of JAX is used.

Slopes, not derivatives, so that kinks are covered: for any two points x, y of the box there is a vector in g with
f(y) - f(x) = g . (y - x). Where it is not decided over the box which of two expressions a maximum takes, g is the hull
of both (the maximum lies between them) and h is unbounded. Where it is not decided which branch a `select` takes, the
function may jump: the value is the hull of both branches, and g and h are unbounded. If h is bounded, the expression is
continuously differentiable on the box and its gradient has slopes in h. All this holds for every value, in the box, of
the variables that were not chosen.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from . import _curves as curves
from . import _interval as iv
from ._expression import TESTS, Graph
from ._interval import Interval


class Jet(NamedTuple):
    """Enclosures over boxes: value (box,), slopes (box, d), curvature (box, d, d); None stands for exactly zero.

    The leading axis is 1 where all boxes agree.
    """

    value: Interval
    slope: Interval | None
    curvature: Interval | None


def enclose(
    graph: Graph, outputs: Sequence[int], lower: np.ndarray, upper: np.ndarray, along: Sequence[int], order: int
) -> list[Jet]:
    """The jets of the outputs over boxes.

    Args:
        graph: the expressions.
        outputs: numbers of the nodes wanted.
        lower: lower ends of all variables, shape (boxes or 1, variables).
        upper: upper ends.
        along: the d variables in which slopes are wanted.
        order: 0 for values, 1 with slopes, 2 with curvature.
    """
    jets, _ = _evaluated(graph, outputs, lower, upper, along, order, {})
    return [jets[number] for number in outputs]


def value_by_cases(graph: Graph, output: int, lower: np.ndarray, upper: np.ndarray) -> Interval | None:
    """The value over boxes, each undecided condition of a `select` taken to be true, then false; None without any.

    Every point of a box is in one of these cases, in which the condition is the same wherever it occurs. More than
    four conditions are left undecided.
    """
    jets, truths = _evaluated(graph, [output], lower, upper, [], 0, {})
    conditions = {graph.nodes[number].arguments[0] for number in jets if graph.nodes[number].kind == "select"}
    unknown = sorted(c for c in conditions if np.any(truths[c].lo < truths[c].hi))[:4]
    value: Interval | None = None
    for case in itertools.product((0.0, 1.0), repeat=len(unknown)) if unknown else ():
        jets, _ = _evaluated(graph, [output], lower, upper, [], 0, dict(zip(unknown, case, strict=True)))
        value = jets[output].value if value is None else iv.hull(value, jets[output].value)
    return value


def _evaluated(
    graph: Graph,
    outputs: Sequence[int],
    lower: np.ndarray,
    upper: np.ndarray,
    along: Sequence[int],
    order: int,
    assumed: dict[int, float],
) -> tuple[dict[int, Jet], dict[int, Interval]]:
    """All jets and truth values; conditions that are undecided are as `assumed`."""
    seeds = {variable: k for k, variable in enumerate(along)} if order else {}
    width = len(along)
    jets: dict[int, Jet] = {}
    truths: dict[int, Interval] = {}
    moving: set[int] = set()
    for number in graph.needed(outputs):
        node = graph.nodes[number]
        if node.constant in seeds if node.kind == "variable" else not moving.isdisjoint(node.arguments):
            moving.add(number)
        if node.kind in TESTS:
            truth = _test(node.kind, [truths[a] if a in truths else jets[a].value for a in node.arguments])
            if number in assumed:
                truth = iv.choose(truth.lo < truth.hi, iv.point(assumed[number]), truth)
            truths[number] = truth
        elif node.kind == "variable":
            jets[number] = _variable(lower[:, node.constant], upper[:, node.constant], seeds.get(node.constant), width)
        elif node.kind == "select":
            condition, otherwise, then = node.arguments
            jump = condition in moving
            jets[number] = _select(truths[condition], jets[otherwise], jets[then], jump, width, order)
        else:
            jets[number] = _RULES[node.kind]([jets[a] for a in node.arguments], node.constant, order)
    return jets, truths


def slopes(jet: Jet, width: int) -> Interval:
    """The slopes, zeros written out."""
    return iv.point(np.zeros((1, width))) if jet.slope is None else jet.slope


def curvatures(jet: Jet, width: int) -> Interval:
    """The curvature, zeros written out."""
    return iv.point(np.zeros((1, width, width))) if jet.curvature is None else jet.curvature


def _variable(lower: np.ndarray, upper: np.ndarray, seed: int | None, width: int) -> Jet:
    if seed is None:
        # Often one value for all boxes: then nothing that depends on it alone is computed for each.
        if len(lower) > 1 and np.all(lower == lower[0]) and np.all(upper == upper[0]):
            lower, upper = lower[:1], upper[:1]
        return Jet(Interval(lower, upper), None, None)
    return Jet(Interval(lower, upper), iv.point(np.eye(width)[seed][None, :]), None)


def _constant(_arguments: list[Jet], constant: float, _order: int) -> Jet:
    return Jet(iv.point(np.array([constant if np.isfinite(constant) else np.nan])), None, None)


def _plus(x: Interval | None, y: Interval | None) -> Interval | None:
    if x is None or y is None:
        return y if x is None else x
    return iv.add(x, y)


def _minus(x: Interval | None) -> Interval | None:
    return None if x is None else iv.neg(x)


def _times(value: Interval, x: Interval | None) -> Interval | None:
    """A number by box times slopes or curvature."""
    if x is None:
        return None
    axes = (slice(None),) + (None,) * (x.lo.ndim - 1)
    return iv.mul(Interval(value.lo[axes], value.hi[axes]), x)


def _outer(x: Interval | None, y: Interval | None) -> Interval | None:
    if x is None or y is None:
        return None
    return iv.mul(Interval(x.lo[:, :, None], x.hi[:, :, None]), Interval(y.lo[:, None, :], y.hi[:, None, :]))


def _outer_square(x: Interval | None) -> Interval | None:
    """x x', whose diagonal is not negative."""
    outer = _outer(x, x)
    if outer is None or x is None:
        return None
    diagonal = iv.square(x)
    eye = np.eye(x.lo.shape[1], dtype=bool)
    return iv.choose(eye, Interval(diagonal.lo[:, :, None], diagonal.hi[:, :, None]), outer)


def _transposed(x: Interval | None) -> Interval | None:
    return None if x is None else Interval(x.lo.swapaxes(1, 2), x.hi.swapaxes(1, 2))


def _add(arguments: list[Jet], _constant, _order: int) -> Jet:
    a, b = arguments
    return Jet(iv.add(a.value, b.value), _plus(a.slope, b.slope), _plus(a.curvature, b.curvature))


def _sub(arguments: list[Jet], _constant, _order: int) -> Jet:
    a, b = arguments
    return Jet(iv.sub(a.value, b.value), _plus(a.slope, _minus(b.slope)), _plus(a.curvature, _minus(b.curvature)))


def _neg(arguments: list[Jet], _constant, _order: int) -> Jet:
    (a,) = arguments
    return Jet(iv.neg(a.value), _minus(a.slope), _minus(a.curvature))


def _mul(arguments: list[Jet], _constant, order: int) -> Jet:
    a, b = arguments
    slope = _plus(_times(a.value, b.slope), _times(b.value, a.slope))
    if order < 2:
        return Jet(iv.mul(a.value, b.value), slope, None)
    curvature = _plus(_times(a.value, b.curvature), _times(b.value, a.curvature))
    cross = _outer(a.slope, b.slope)
    return Jet(iv.mul(a.value, b.value), slope, _plus(curvature, _plus(cross, _transposed(cross))))


def _div(arguments: list[Jet], _constant, order: int) -> Jet:
    a, b = arguments
    if b.slope is not None:
        inverse = _composed(b, curves.reciprocal(b.value), order)
        product = _mul([a, inverse], None, order)
        return Jet(iv.div(a.value, b.value), product.slope, product.curvature)
    inverse = iv.recip(b.value)
    return Jet(iv.div(a.value, b.value), _times(inverse, a.slope), _times(inverse, a.curvature))


def _composed(a: Jet, curve: curves.Curve, order: int) -> Jet:
    """A curve of a jet: the chain rule."""
    value, first, second = curve
    if a.slope is None:
        return Jet(value, None, None)
    slope = first()
    if order < 2:
        return Jet(value, _times(slope, a.slope), None)
    curvature = _plus(_times(slope, a.curvature), _times(second(), _outer_square(a.slope)))
    return Jet(value, _times(slope, a.slope), curvature)


def _curve(function: Callable) -> Callable[[list[Jet], None, int], Jet]:
    return lambda arguments, _constant, order: _composed(arguments[0], function(arguments[0].value), order)


def _power(arguments: list[Jet], n: int, order: int) -> Jet:
    (a,) = arguments
    x = a.value

    def derivative(times: int) -> Interval:
        """n (n - 1) ... x^(n - times)."""
        factor = math.perm(n, times)
        return curves.scaled(float(factor), iv.integer_power(x, n - times)) if factor else iv.point(np.zeros_like(x.lo))

    return _composed(a, (iv.integer_power(x, n), lambda: derivative(1), lambda: derivative(2)), order)


def _real_power(arguments: list[Jet], _constant, order: int) -> Jet:
    a, b = arguments
    value = iv.power(a.value, b.value)
    if b.slope is not None:
        exponent = _mul([_curve(curves.log)([a], None, order), b], None, order)
        through = _curve(curves.exp)([exponent], None, order)
        return Jet(iv.intersect(value, through.value), through.slope, through.curvature)

    def derivative(times: int) -> Interval:
        """p (p - 1) ... x^(p - times); at zero, unbounded if that power has no value there."""
        factor, p = iv.point(1.0), b.value
        for _ in range(times):
            factor, p = iv.mul(factor, p), iv.sub(p, iv.point(1.0))
        singular = (a.value.lo == 0.0) & ~(p.lo > 0.0) & ~np.isnan(value.lo)
        regular = iv.mul(factor, iv.power(iv.choose(singular, iv.point(1.0), a.value), p))
        return iv.choose(singular, iv.entire(np.broadcast_shapes(regular.lo.shape, singular.shape)), regular)

    return _composed(a, (value, lambda: derivative(1), lambda: derivative(2)), order)


def _larger(arguments: list[Jet], _constant, order: int) -> Jet:
    a, b = arguments
    value = iv.maximum(a.value, b.value)
    return _between(a, b, a.value.lo >= b.value.hi, b.value.lo >= a.value.hi, value, order)


def _smaller(arguments: list[Jet], constant, order: int) -> Jet:
    return _neg([_larger([_neg([x], None, order) for x in arguments], constant, order)], None, order)


def _absolute(arguments: list[Jet], constant, order: int) -> Jet:
    (a,) = arguments
    both = _larger([a, _neg([a], None, order)], constant, order)
    return Jet(iv.absolute(a.value), both.slope, both.curvature)


def _between(a: Jet, b: Jet, first: np.ndarray, second: np.ndarray, value: Interval, order: int) -> Jet:
    """`a` where `first`, else `b` where `second`, else anything between them, continuously."""
    if a.slope is None and b.slope is None:
        return Jet(value, None, None)
    width = next(x.slope for x in (a, b) if x.slope is not None).lo.shape[1]
    x, y = slopes(a, width), slopes(b, width)
    take, other = first[:, None], second[:, None]
    slope = iv.choose(take, x, iv.choose(other, y, iv.hull(x, y)))
    if order < 2:
        return Jet(value, slope, None)
    x, y = curvatures(a, width), curvatures(b, width)
    unknown = iv.entire((1, width, width))
    return Jet(value, slope, iv.choose(take[..., None], x, iv.choose(other[..., None], y, unknown)))


def _select(condition: Interval, otherwise: Jet, then: Jet, jump: bool, width: int, order: int) -> Jet:
    """`then` where true, `otherwise` where false; undecided, either of them, with a jump if the condition moves."""
    true, false = condition.lo > 0.5, condition.hi < 0.5
    x, y = then.value, otherwise.value
    value = iv.choose(true, x, iv.choose(false, y, iv.hull(x, y)))
    if order == 0 or not (jump or then.slope or otherwise.slope):
        return Jet(value, None, None)
    take, other = true[:, None], false[:, None]
    x, y = slopes(then, width), slopes(otherwise, width)
    slope = iv.choose(take, x, iv.choose(other, y, iv.entire((1, width)) if jump else iv.hull(x, y)))
    if order < 2:
        return Jet(value, slope, None)
    x, y = curvatures(then, width), curvatures(otherwise, width)
    unknown = iv.entire((1, width, width)) if jump else iv.hull(x, y)
    return Jet(value, slope, iv.choose(take[..., None], x, iv.choose(other[..., None], y, unknown)))


def _test(kind: str, arguments: list[Interval]) -> Interval:
    """1 where true over the whole box, 0 where false, [0, 1] where undecided; undefined numbers decide nothing."""
    if kind in ("true", "false"):
        return iv.point(np.array([float(kind == "true")]))
    if kind == "not":
        return iv.sub(iv.point(1.0), arguments[0])
    a, b = arguments
    if kind == "and":
        return Interval(np.minimum(a.lo, b.lo), np.minimum(a.hi, b.hi))
    if kind == "or":
        return Interval(np.maximum(a.lo, b.lo), np.maximum(a.hi, b.hi))
    if kind == "lt":
        surely, never = a.hi < b.lo, a.lo >= b.hi
    elif kind == "le":
        surely, never = a.hi <= b.lo, a.lo > b.hi
    else:
        surely, never = (a.lo == a.hi) & (b.lo == b.hi) & (a.lo == b.lo), (a.hi < b.lo) | (b.hi < a.lo)
    return Interval(surely.astype(float), 1.0 - never.astype(float))


_RULES: dict[str, Callable] = {
    "constant": _constant,
    "nan": lambda _arguments, _constant, _order: Jet(iv.point(np.array([np.nan])), None, None),
    "add": _add,
    "sub": _sub,
    "neg": _neg,
    "mul": _mul,
    "div": _div,
    "power": _power,
    "real_power": _real_power,
    "max": _larger,
    "min": _smaller,
    "abs": _absolute,
    "stopped": lambda arguments, _constant, _order: arguments[0],
    "exp": _curve(curves.exp),
    "log": _curve(curves.log),
    "sqrt": _curve(curves.sqrt),
    "tanh": _curve(curves.tanh),
    "logistic": _curve(curves.logistic),
    "erf": _curve(curves.erf),
    "sin": _curve(curves.sin),
    "cos": _curve(curves.cos),
    "arctan": _curve(curves.arctan),
}
