"""Enclosures of expressions are compared with 60-digit arithmetic, at points that hypothesis chooses to break them."""

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nashgrid.solver import GameError
from nashgrid.solver import _interval as iv
from nashgrid.solver._interval import Interval
from nashgrid.solver._interval_jaxpr import _COMPUTES, _MOVES, graph_of
from nashgrid.solver._jet import curvatures, enclose, slopes

_EXACT = decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
_ANY = st.floats(allow_nan=False, allow_infinity=False, width=64)
_SHARE = st.floats(0.0, 1.0)
_QUICK = settings(max_examples=150, deadline=None)


def _interval(a: float, b: float) -> Interval:
    return Interval(np.array([min(a, b)]), np.array([max(a, b)]))


def _inside(a: float, b: float, share: float) -> float:
    """A float of the interval, its ends among them."""
    low, high = min(a, b), max(a, b)
    return min(max(low + share * (high - low), low), high) if math.isfinite(high - low) else (low, high)[share > 0.5]


def _holds(x: Interval, exact: Fraction | Decimal) -> bool:
    return _between(float(x.lo[0]), float(x.hi[0]), exact)


def _between(lo: float, hi: float, exact: Fraction | Decimal) -> bool:
    if math.isnan(lo) or math.isnan(hi):
        return True  # Nothing is said.
    kind = type(exact)
    return (lo == -math.inf or kind(lo) <= exact) and (hi == math.inf or exact <= kind(hi))


_RING = {
    "add": (iv.add, lambda x, y: x + y),
    "sub": (iv.sub, lambda x, y: x - y),
    "mul": (iv.mul, lambda x, y: x * y),
    "div": (iv.div, lambda x, y: x / y),
    "max": (iv.maximum, max),
}


@pytest.mark.parametrize("name", _RING)
@given(_ANY, _ANY, _ANY, _ANY, _SHARE, _SHARE)
@example(5e-324, 5e-324, 0.5, 0.5, 0.0, 0.0)
@example(-5e-324, 5e-324, -0.5, 0.5, 1.0, 0.0)
@example(0.1, 0.1, 0.2, 0.2, 0.0, 0.0)
@example(1.7e308, 1.7e308, 1.7e308, 1.7e308, 0.0, 0.0)
@example(1.0, 1.0, 3.0, 3.0, 0.0, 0.0)
@example(0.0, 1.0, 1e-320, 2e-320, 1.0, 0.0)
@_QUICK
def test_rational_operations_contain_the_exact_result(name, a, b, c, d, s, t):
    operation, exact = _RING[name]
    x, y = _inside(a, b, s), _inside(c, d, t)
    result = operation(_interval(a, b), _interval(c, d))
    if name == "div" and min(c, d) <= 0.0 <= max(c, d):
        assert np.isnan(result.lo[0]) and np.isnan(result.hi[0])
    else:
        assert _holds(result, exact(Fraction(x), Fraction(y)))
        assert result.lo[0] <= result.hi[0]


@given(_ANY, _ANY, _SHARE, st.integers(-6, 7))
@_QUICK
def test_whole_powers_contain_the_exact_result(a, b, s, n):
    x = _inside(a, b, s)
    if n >= 0 or x != 0.0:
        assert _holds(iv.integer_power(_interval(a, b), n), Fraction(x) ** n)
    assert _holds(iv.absolute(_interval(a, b)), abs(Fraction(x)))


@given(st.floats(0.0, 1e300), st.floats(0.0, 1e300), _SHARE)
@example(5e-324, 5e-324, 0.0)
@example(2.0, 2.0, 0.0)
@_QUICK
def test_roots_contain_the_exact_result(a, b, s):
    result, x = iv.sqrt(_interval(a, b)), Fraction(_inside(a, b, s))
    assert Fraction(float(result.lo[0])) ** 2 <= x <= Fraction(float(result.hi[0])) ** 2


def _series(term: Decimal, ratio: Callable[[int], Decimal]) -> Decimal:
    total, k = term, 0
    while abs(term) > Decimal(10) ** -70:
        term = _EXACT.multiply(term, ratio(k))
        total = _EXACT.add(total, term)
        k += 1
    return total


def _erf(x: Decimal) -> Decimal:
    # 2/sqrt(pi) exp(-x^2) sum 2^k x^(2k+1)/(2k+1)!!: all terms of one sign.
    total = _series(x, lambda k: 2 * x * x / (2 * k + 3))
    return _EXACT.divide(2 * total * _EXACT.exp(-x * x), _EXACT.sqrt(_PI))


def _sin(x: Decimal) -> Decimal:
    x = _EXACT.subtract(x, 2 * _PI * (x / (2 * _PI)).to_integral_value())
    # Sixty digits are not exact: the last may exceed 1.
    return min(max(_series(x, lambda k: -x * x / ((2 * k + 2) * (2 * k + 3))), Decimal(-1)), Decimal(1))


def _cos(x: Decimal) -> Decimal:
    return _sin(_EXACT.add(x, _PI / 2))


def _arctan(x: Decimal) -> Decimal:
    if abs(x) > Decimal("0.2"):  # Halve the angle.
        return 2 * _arctan(_EXACT.divide(x, 1 + _EXACT.sqrt(1 + x * x)))
    return _EXACT.multiply(x, _arctan_factor(x))


def _arctan_factor(x: Decimal) -> Decimal:
    total, power, k = Decimal(1), Decimal(1), 0
    while abs(power) > Decimal(10) ** -70:
        k += 1
        power = _EXACT.multiply(power, -x * x)
        total = _EXACT.add(total, power / (2 * k + 1))
    return total


_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


def _tanh(x: Decimal) -> Decimal:
    e = _EXACT.exp(-2 * abs(x))
    return ((1 - e) / (1 + e)).copy_sign(x)


def _logistic(x: Decimal) -> Decimal:
    return _EXACT.divide(Decimal(1), 1 + _EXACT.exp(-x))


_CURVES = {
    "exp": (iv.exp, _EXACT.exp, (-760.0, 720.0)),
    "log": (iv.log, _EXACT.ln, (1e-320, 1e300)),
    "tanh": (iv.tanh, _tanh, (-50.0, 50.0)),
    "logistic": (iv.logistic, _logistic, (-800.0, 800.0)),
    "erf": (iv.erf, _erf, (-7.0, 7.0)),
    "sin": (iv.sine, _sin, (-40.0, 40.0)),
    "cos": (iv.cosine, _cos, (-40.0, 40.0)),
    "arctan": (iv.arctan, _arctan, (-1e6, 1e6)),
}


@pytest.mark.parametrize("name", _CURVES)
@given(_SHARE, _SHARE, _SHARE, st.floats(-300.0, 0.0))
@example(0.5, 0.5, 0.0, 0.0)
@settings(max_examples=60, deadline=None)
def test_library_functions_contain_the_exact_result(name, u, v, s, digits):
    enclosure, exact, (least, most) = _CURVES[name]
    with decimal.localcontext(_EXACT):
        a = least + u * (most - least)
        # Thin intervals, where an error would show, and wide ones.
        b = min(max(a + (v - 0.5) * (most - least) * 10.0**digits, least), most)
        result = enclosure(_interval(a, b))
        for x in (a, b, _inside(a, b, s)):
            assert _holds(result, exact(Decimal(x)))
        assert float(result.lo[0]) <= float(result.hi[0])


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(-8.0, 8.0), st.floats(-8.0, 8.0), _SHARE, _SHARE)
@example(1.5, 1.5, 0.5, 0.5, 0.0, 0.0)
@_QUICK
def test_real_powers_contain_the_exact_result(a, b, c, d, s, t):
    with decimal.localcontext(_EXACT):
        exact = _EXACT.power(Decimal(_inside(a, b, s)), Decimal(_inside(c, d, t)))
    assert _holds(iv.power(_interval(a, b), _interval(c, d)), exact)


def test_what_may_be_undefined_stays_so():
    nothing = Interval(np.array([np.nan]), np.array([np.nan]))
    bad = [
        iv.log(_interval(-1.0, 1.0)),
        iv.log(_interval(0.0, 1.0)),
        iv.sqrt(_interval(-1e-300, 1.0)),
        iv.recip(_interval(0.0, 1.0)),
        iv.power(_interval(-1.0, 1.0), _interval(0.5, 0.5)),
        iv.power(_interval(0.0, 1.0), _interval(-0.5, -0.5)),
    ]
    for x in bad:
        assert np.isnan(x.lo[0]) and np.isnan(x.hi[0])
    zero = _interval(0.0, 0.0)
    unary = (iv.neg, iv.square, iv.absolute, iv.exp, iv.tanh, iv.sine, iv.erf, iv.logistic, iv.sqrt, iv.log, iv.arctan)
    results = [f(nothing) for f in unary]
    results += [f(nothing, zero) for f in (iv.add, iv.sub, iv.mul, iv.maximum, iv.hull, iv.intersect)]
    results += [iv.div(nothing, _interval(1.0, 1.0)), iv.integer_power(nothing, 0), iv.power(nothing, _interval(1, 2))]
    for x in results:
        assert np.isnan(x.lo[0]) and np.isnan(x.hi[0])
    # No bound is not the same as undefined: zero times any number is zero.
    assert iv.mul(zero, iv.entire((1,))) == zero


# A JAX function of a vector of three, and the same in Decimal: together they use every primitive that is covered.
_D = Decimal
FUNCTIONS: dict[str, tuple[Callable, Callable]] = {
    "ring": (lambda x: (x[0] + 0.1) * (x[1] - x[2]) / 3.0 - (-x[0]), lambda a, b, c: (a + _D(0.1)) * (b - c) / 3 + a),
    "quotient": (lambda x: x[0] / (x[1] + x[2] + x[0]), lambda a, b, c: a / (a + b + c)),
    "max": (lambda x: jnp.maximum(x[0], x[1]) * jnp.minimum(x[1], x[2]), lambda a, b, c: max(a, b) * min(b, c)),
    "abs": (lambda x: jnp.abs(x[0] - x[1]) + x[2], lambda a, b, c: abs(a - b) + c),
    "sign": (lambda x: jnp.sign(x[0] - 1.0) * x[1], lambda a, b, c: (1 if a > 1 else -1 if a < 1 else 0) * b),
    "clamp": (lambda x: jax.lax.clamp(0.5, x[0], 1.5) * x[1], lambda a, b, c: min(max(a, _D(0.5)), _D(1.5)) * b),
    "square": (lambda x: jnp.square(x[0] - x[1]), lambda a, b, c: (a - b) ** 2),
    "integer_pow": (lambda x: x[0] ** 3 / x[1] ** 2 + x[2] ** -1, lambda a, b, c: a**3 / b**2 + 1 / c),
    "pow": (
        lambda x: x[0] ** 0.3 + x[1] ** x[2] + 2.0 ** x[0] + x[1] ** -3.0,
        lambda a, b, c: _EXACT.power(a, _D(0.3)) + _EXACT.power(b, c) + _EXACT.power(_D(2), a) + 1 / b**3,
    ),
    "sqrt": (lambda x: jnp.sqrt(x[0]) + jax.lax.rsqrt(x[1]), lambda a, b, c: a.sqrt() + 1 / b.sqrt()),
    "exp": (lambda x: jnp.exp(-x[0]) * jnp.log(x[1]), lambda a, b, c: (-a).exp() * b.ln()),
    "log1p": (
        lambda x: jnp.log1p(x[0]) + jnp.expm1(x[1]) + jnp.exp2(x[2]),
        lambda a, b, c: (1 + a).ln() + b.exp() - 1 + _EXACT.power(_D(2), c),
    ),
    "tanh": (lambda x: jnp.tanh(x[0] - x[1]) + jax.nn.sigmoid(x[2]), lambda a, b, c: _tanh(a - b) + _logistic(c)),
    "erf": (lambda x: jax.lax.erf(x[0]) * jax.lax.erfc(x[1]), lambda a, b, c: _erf(a) * (1 - _erf(b))),
    "waves": (
        lambda x: jnp.sin(x[0]) + jnp.cos(x[1] * x[2]) + jax.lax.tan(x[0] / 4.0),
        lambda a, b, c: _sin(a) + _cos(b * c) + _sin(a / 4) / _cos(a / 4),
    ),
    "atan": (
        lambda x: jax.lax.atan(x[0]) + jnp.cosh(x[1]) - jnp.sinh(x[2]),
        lambda a, b, c: _arctan(a) + (b.exp() + (-b).exp()) / 2 - (c.exp() - (-c).exp()) / 2,
    ),
    "select": (lambda x: jnp.where(x[0] > x[1], x[2], x[0] * x[2]), lambda a, b, c: c if a > b else a * c),
    "logic": (
        lambda x: (
            jnp.where((x[0] <= 1.0) & ~(x[1] < 1.0) | (x[2] == x[0]) | (x[0] != x[0]), x[0], x[1])
            + jnp.where(jnp.any(x > 1.5) & jnp.all(x >= 0.0) & jnp.isfinite(x[0]), x[2], 0.0)
            + (x[1] > 1.0).astype(x.dtype) * 2.0
        ),
        lambda a, b, c: (
            (a if (a <= 1 and not b < 1) or c == a else b) + (c if max(a, b, c) > 1.5 else 0) + (2 if b > 1 else 0)
        ),
    ),
    "softmax": (
        lambda x: jax.nn.softmax(x)[1] * jax.nn.logsumexp(x) + jax.nn.softplus(x[0] - x[1]),
        lambda a, b, c: (
            b.exp() / (a.exp() + b.exp() + c.exp()) * (a.exp() + b.exp() + c.exp()).ln() + (1 + (a - b).exp()).ln()
        ),
    ),
    "reductions": (
        lambda x: x.sum() * x.prod() + x.max() * x.min(),
        lambda a, b, c: (a + b + c) * (a * b * c) + max(a, b, c) * min(a, b, c),
    ),
    "running": (
        lambda x: jnp.cumsum(x)[1] * jnp.cumprod(x)[2] + jax.lax.cummax(x)[1] * jax.lax.cummin(x, reverse=True)[1],
        lambda a, b, c: (a + b) * (a * b * c) + max(a, b) * min(b, c),
    ),
    "products": (
        lambda x: x @ (jnp.arange(9.0).reshape(3, 3) @ x) + jnp.outer(x, x).T[0, 2],
        lambda a, b, c: (
            sum(p * q * (3 * i + j) for i, p in enumerate((a, b, c)) for j, q in enumerate((a, b, c))) + a * c
        ),
    ),
    "moves": (
        lambda x: (
            jnp.roll(x, 1)[0] * x[::-1][2]
            + jnp.pad(x, 1, constant_values=2.0)[0] * x[jnp.array([2, 0])][0]
            + x.at[1].set(3.0)[1] * jnp.expand_dims(x, 0)[0, 1]
            + jax.lax.dynamic_slice(x, (1,), (2,))[1]
            + jax.lax.dynamic_update_slice(x, jnp.ones(1), (0,))[0]
            + jnp.concatenate([x, x])[4]
            + jnp.stack([x[0], x[1]])[1]
            + jnp.tile(x, 2)[5]
            + jnp.unstack(x)[0]
            + jnp.split(x, 3)[1][0]
            + jax.lax.stop_gradient(x[2])
            + jax.lax.expand_dims(x, (0,))[0, 0]
        ),
        lambda a, b, c: c * a + 2 * c + 3 * b + c + 1 + b + b + b + c + a + c + a,
    ),
}


def _primitives(jaxpr) -> set[str]:
    found = set()
    for equation in jaxpr.eqns:
        found.add(equation.primitive.name)
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                found |= _primitives(inner)
    return found


def test_the_table_uses_every_primitive_that_is_covered():
    used = set()
    for function, _ in FUNCTIONS.values():
        used |= _primitives(jax.make_jaxpr(function)(jnp.ones(3)).jaxpr)
    # Not reachable from public functions on arrays like these, or only under other versions of JAX.
    rare = {
        "add_any",
        "copy",
        "copy_p",
        "expand_dims",
        "clamp",
        "rsqrt",
        "cos",
        "reshape",
        "transpose",
        "not",
        "is_finite",
    }
    assert set(_COMPUTES) | set(_MOVES) <= used | rare, sorted((set(_COMPUTES) | set(_MOVES)) - used - rare)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_expressions_contain_values_slopes_and_curvature(name):
    function, exact = FUNCTIONS[name]
    graph, output = graph_of(lambda z: function(z)[None], 3)
    rng = np.random.default_rng(len(name))
    boxes = 60
    # Around points at which comparisons are ties, too; from very thin to wide.
    centre = np.where(rng.random((boxes, 1)) < 0.3, 1.0, rng.uniform(0.2, 2.0, (boxes, 3)))
    reach = 10.0 ** rng.uniform(-14, -0.9, (boxes, 1)) * rng.random((boxes, 3))
    low, high = centre - reach, centre + reach
    (jet,) = enclose(graph, output.tolist(), low, high, [0, 1, 2], 2)
    (alone,) = enclose(graph, output.tolist(), low, high, [], 0)
    g, h = slopes(jet, 3), curvatures(jet, 3)
    told = 0
    with decimal.localcontext(_EXACT):
        for k in range(boxes):
            points = [low[k] + rng.choice([0.0, 1.0, rng.random()], 3) * (high[k] - low[k]) for _ in range(3)]
            points = [np.clip(p, low[k], high[k]) for p in points]
            values = [exact(*(Decimal(float(c)) for c in p)) for p in points]
            for value in values:
                assert _between(*_at(jet.value, k), Decimal(value))
                assert _between(*_at(alone.value, k), Decimal(value))
            x, y = ([Decimal(float(c)) for c in p] for p in points[:2])
            step = [b - a for a, b in zip(x, y, strict=True)]
            _contains(values[1] - values[0], [(_at(g, k, i), step[i]) for i in range(3)])
            # Second differences: f(x + d) - 2 f(x) + f(x - d) is a mean of d' h d.
            middle = [(a + b) / 2 for a, b in zip(x, y, strict=True)]
            second = values[0] - 2 * exact(*middle) + values[1]
            half = [d / 2 for d in step]
            told += np.all(np.isfinite(h.lo[min(k, len(h.lo) - 1)]))
            _contains(second, [(_at(h, k, i, j), half[i] * half[j]) for i in range(3) for j in range(3)])
    # Not by saying nothing.
    assert told > boxes / 4 or name in ("sign", "logic")


def _at(x: Interval, k: int, *index: int) -> tuple[float, float]:
    k = min(k, len(x.lo) - 1)
    return float(x.lo[(k, *index)]), float(x.hi[(k, *index)])


def _contains(exact: Decimal, terms) -> None:
    low = high = Decimal(0)
    for (lo, hi), step in terms:
        assert not math.isnan(lo) and not math.isnan(hi)
        if step == 0:
            continue
        if not (math.isfinite(lo) and math.isfinite(hi)):
            return
        ends = Decimal(lo) * step, Decimal(hi) * step
        low, high = low + min(ends), high + max(ends)
    # Sixty digits are not exact either.
    slack = Decimal(10) ** -52
    assert low - slack <= exact <= high + slack


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: jnp.sort(x), "sort"),
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, y: y * x[0], x), "scan"),
        (lambda x: jax.lax.while_loop(lambda y: y[0] < 1.0, lambda y: 2.0 * y, x), "while"),
        (lambda x: jnp.floor(x), "floor"),
        (lambda x: x[jnp.argmax(x)] * x, "argmax"),
        (lambda x: x.astype(jnp.float32).astype(jnp.float64), "float32"),
        (lambda x: jax.lax.linalg.cholesky(jnp.outer(x, x))[0], "cholesky"),
        (lambda x: jnp.sum(x > 1.0).astype(x.dtype) * x, "int"),
        (
            lambda x: jax.pure_callback(lambda y: np.asarray(y), jax.ShapeDtypeStruct((3,), jnp.float64), x),
            "pure_callback",
        ),
        (lambda x: jax.lax.cond(x[0] > 1.0, lambda y: y, lambda y: -y, x), "int32"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(function, name):
    with pytest.raises(GameError, match=name):
        graph_of(function, 3)


def test_a_derivative_rule_is_not_believed():
    @jax.custom_jvp
    def wrong(x):
        return x * x

    wrong.defjvp(lambda primals, tangents: (wrong(*primals), 7.0 * tangents[0]))

    @jax.custom_vjp
    def wrong_too(x):
        return x * x

    wrong_too.defvjp(lambda x: (x * x, x), lambda _, g: (7.0 * g,))
    for f in (wrong, wrong_too, jax.jit(wrong), jax.checkpoint(wrong)):
        graph, output = graph_of(f, 1)
        (jet,) = enclose(graph, output.tolist(), np.array([[1.5]]), np.array([[1.5]]), [0], 2)
        assert slopes(jet, 1).lo[0, 0] == pytest.approx(3.0) and slopes(jet, 1).hi[0, 0] == pytest.approx(3.0)
        assert curvatures(jet, 1).lo[0, 0, 0] == pytest.approx(2.0)


def test_a_jump_has_no_slope_and_a_kink_no_curvature():
    cases = [(lambda x: jnp.where(x > 1.0, 5.0, x), False, False), (lambda x: jnp.maximum(x, 2.0 - x), True, False)]
    for f, slope, curvature in cases:
        graph, output = graph_of(f, 1)
        (jet,) = enclose(graph, output.tolist(), np.array([[0.5]]), np.array([[1.5]]), [0], 2)
        assert np.all(np.isfinite(slopes(jet, 1).lo)) == slope
        assert np.all(np.isfinite(curvatures(jet, 1).lo)) == curvature
