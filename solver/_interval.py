"""Interval arithmetic on NumPy float64 arrays, rounded outward: an enclosure holds for real numbers, not for floats.

An interval [lo, hi] stands for the real numbers between its ends (Moore, 1966, Interval Analysis; IEEE 1788). Every
operation returns an interval that contains the exact result for all members of its operands. + - * / and sqrt are
correctly rounded by IEEE 754, so that one step outward (`np.nextafter`) is enough, and none where the rounding error is
known to be zero. exp, log, powers, tanh, ... come from NumPy and libm, whose errors are below 4 units in the last place
on the platforms they support (NumPy's accuracy tests, glibc's manual); they are widened by `_LIBRARY_ULPS` = 16 and
clipped to the ranges that are known.

Ends may be infinite, meaning no bound. NaN ends mean that the expression may be undefined somewhere in the operands
(log of a negative number, division by zero): it is passed on by every operation, and nothing can be concluded from it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_LIBRARY_ULPS = 16
# Results this small may have been flushed to zero by a vectorized library.
_SMALLEST = 2.0 * float(np.finfo(np.float64).tiny)


class Interval(NamedTuple):
    """Arrays of lower and upper ends, of the same shape."""

    lo: np.ndarray
    hi: np.ndarray


def point(value: np.ndarray | float) -> Interval:
    """The interval of one number each."""
    array = np.asarray(value, np.float64)
    return Interval(array, array)


def entire(shape: tuple[int, ...]) -> Interval:
    """All real numbers: nothing is known."""
    return Interval(np.full(shape, -np.inf), np.full(shape, np.inf))


def _down(x):
    return np.nextafter(x, -np.inf)


def _up(x):
    return np.nextafter(x, np.inf)


def add(a: Interval, b: Interval) -> Interval:
    """a + b."""
    return Interval(_sum(a.lo, b.lo, -1.0), _sum(a.hi, b.hi, 1.0))


def sub(a: Interval, b: Interval) -> Interval:
    """a - b."""
    return Interval(_sum(a.lo, -b.hi, -1.0), _sum(a.hi, -b.lo, 1.0))


def _sum(x, y, way: float):
    """x + y rounded towards way * infinity: the rounding error, by Knuth's two-sum, tells whether to step."""
    with np.errstate(all="ignore"):
        s = x + y
        t = s - x
        error = (x - (s - t)) + (y - t)
        # Not finite: the error is NaN, and a step is safe; infinities of unbounded ends stay as they are.
        exact = (error * way <= 0.0) | np.isinf(x) | np.isinf(y)
        return np.where(exact, s, np.nextafter(s, way * np.inf))


def neg(a: Interval) -> Interval:
    """-a, exactly."""
    return Interval(-a.hi, -a.lo)


def mul(a: Interval, b: Interval) -> Interval:
    """a * b; zero times anything defined is zero, also without a bound."""
    with np.errstate(all="ignore"):
        products = [_product(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        lows = [p for p, _ in products]
        lo = np.minimum(np.minimum(lows[0], lows[1]), np.minimum(lows[2], lows[3]))
        hi = np.maximum(np.maximum(lows[0], lows[1]), np.maximum(lows[2], lows[3]))
        # A zero is exact if an end that makes it is zero, and if all that is as small is.
        certain = np.logical_and.reduce([exact | (p != 0.0) for p, exact in products])
        lo = np.where((lo == 0.0) & certain, 0.0, _down(lo))
        hi = np.where((hi == 0.0) & certain, 0.0, _up(hi))
        return Interval(lo, hi)


def _product(x, y):
    """x y with 0 times infinity = 0, and whether it is zero exactly."""
    zero = ((x == 0.0) & ~np.isnan(y)) | ((y == 0.0) & ~np.isnan(x))
    return np.where(zero, 0.0, x * y), zero


def square(a: Interval) -> Interval:
    """a^2, never below zero."""
    with np.errstate(all="ignore"):
        x, y = np.abs(a.lo), np.abs(a.hi)
        large, small = np.maximum(x, y), np.minimum(x, y)
        small = np.where((a.lo <= 0.0) & (a.hi >= 0.0), 0.0, small)
        lo = np.where(np.isnan(small), np.nan, np.maximum(_down(small * small), 0.0))
        return Interval(lo, np.where(large == 0.0, 0.0, _up(large * large)))


def div(a: Interval, b: Interval) -> Interval:
    """a / b; undefined (NaN) where b may be zero."""
    with np.errstate(all="ignore"):
        bad = ~((b.lo > 0.0) | (b.hi < 0.0))
        quotients = [_quotient(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        lo = np.minimum(np.minimum(quotients[0], quotients[1]), np.minimum(quotients[2], quotients[3]))
        hi = np.maximum(np.maximum(quotients[0], quotients[1]), np.maximum(quotients[2], quotients[3]))
        # Zero ends of the numerator, and only these, give zeros without rounding; a quotient may also underflow.
        lo = np.where((lo == 0.0) & (((a.lo == 0.0) & (b.lo > 0.0)) | ((a.hi == 0.0) & (b.hi < 0.0))), 0.0, _down(lo))
        hi = np.where((hi == 0.0) & (((a.hi == 0.0) & (b.lo > 0.0)) | ((a.lo == 0.0) & (b.hi < 0.0))), 0.0, _up(hi))
        return Interval(np.where(bad, np.nan, lo), np.where(bad, np.nan, hi))


def _quotient(x, y):
    # An unbounded divisor takes the quotient to zero, whatever the numerator.
    return np.where(np.isinf(y) & ~np.isnan(x), 0.0, x / y)


def recip(a: Interval) -> Interval:
    """1 / a; undefined where a may be zero."""
    return div(point(1.0), a)


def absolute(a: Interval) -> Interval:
    """|a|, exactly."""
    x, y = np.abs(a.lo), np.abs(a.hi)
    inside = (a.lo <= 0.0) & (a.hi >= 0.0)
    return Interval(np.where(inside, 0.0, np.minimum(x, y)), np.maximum(x, y))


def maximum(a: Interval, b: Interval) -> Interval:
    """max(a, b), exactly."""
    return Interval(np.maximum(a.lo, b.lo), np.maximum(a.hi, b.hi))


def hull(a: Interval, b: Interval) -> Interval:
    """The smallest interval that contains both."""
    return Interval(np.minimum(a.lo, b.lo), np.maximum(a.hi, b.hi))


def intersect(a: Interval, b: Interval) -> Interval:
    """What two enclosures of the same thing agree on; undefined if one is."""
    return Interval(np.maximum(a.lo, b.lo), np.minimum(a.hi, b.hi))


def choose(condition: np.ndarray, a: Interval, b: Interval) -> Interval:
    """a where `condition`, else b."""
    return Interval(np.where(condition, a.lo, b.lo), np.where(condition, a.hi, b.hi))


def total(a: Interval, axis: int) -> Interval:
    """The sum along an axis."""
    shape = a.lo.shape[:axis] + a.lo.shape[axis + 1 :]
    result = point(np.zeros(shape))
    for k in range(a.lo.shape[axis]):
        result = add(result, Interval(np.take(a.lo, k, axis), np.take(a.hi, k, axis)))
    return result


def magnitude(a: Interval) -> np.ndarray:
    """The largest modulus."""
    return np.maximum(np.abs(a.lo), np.abs(a.hi))


def middle(a: Interval) -> np.ndarray:
    """About the middle; NaN where there is no bound."""
    with np.errstate(all="ignore"):
        return a.lo + (a.hi - a.lo) / 2


def undefined(a: Interval) -> np.ndarray:
    """Whether the expression may be undefined."""
    return np.isnan(a.lo) | np.isnan(a.hi)


def sqrt(a: Interval) -> Interval:
    """The square root; undefined below zero."""
    with np.errstate(all="ignore"):
        lo = np.where(a.lo == 0.0, 0.0, np.maximum(_down(np.sqrt(a.lo)), 0.0))
        hi = np.where(a.hi == 0.0, 0.0, _up(np.sqrt(a.hi)))
        bad = ~(a.lo >= 0.0)
        return Interval(np.where(bad, np.nan, lo), np.where(bad, np.nan, hi))


def _library(lo, hi, least: float = -np.inf, most: float = np.inf) -> Interval:
    """Widened by what a library function may be wrong, and clipped to its range."""
    with np.errstate(all="ignore"):
        lo = lo - (_LIBRARY_ULPS * np.spacing(np.abs(np.where(np.isinf(lo), 0.0, lo))) + _SMALLEST)
        hi = hi + (_LIBRARY_ULPS * np.spacing(np.abs(np.where(np.isinf(hi), 0.0, hi))) + _SMALLEST)
        # An overflow only says that the result is larger than the largest float.
        lo = np.where(lo == np.inf, np.finfo(float).max, lo)
        hi = np.where(hi == -np.inf, -np.finfo(float).max, hi)
        return Interval(np.clip(_down(lo), least, most), np.clip(_up(hi), least, most))


def _increasing(function: Callable, least: float = -np.inf, most: float = np.inf) -> Callable[[Interval], Interval]:
    def enclosure(a: Interval) -> Interval:
        with np.errstate(all="ignore"):
            return _library(function(a.lo), function(a.hi), least, most)

    return enclosure


exp = _increasing(np.exp, least=0.0)
tanh = _increasing(np.tanh, least=-1.0, most=1.0)
arctan = _increasing(np.arctan, least=-1.5707963267948968, most=1.5707963267948968)
erf = _increasing(np.vectorize(math.erf, otypes=[np.float64]), least=-1.0, most=1.0)


def log(a: Interval) -> Interval:
    """The natural logarithm; undefined unless positive."""
    with np.errstate(all="ignore"):
        bad = ~(a.lo > 0.0)
        result = _library(np.log(np.where(bad, 1.0, a.lo)), np.log(np.where(bad, 1.0, a.hi)))
        return Interval(np.where(bad, np.nan, result.lo), np.where(bad, np.nan, result.hi))


def logistic(a: Interval) -> Interval:
    """1 / (1 + exp(-a))."""
    low = recip(add(point(1.0), exp(neg(Interval(a.lo, a.lo)))))
    high = recip(add(point(1.0), exp(neg(Interval(a.hi, a.hi)))))
    return Interval(np.clip(low.lo, 0.0, 1.0), np.clip(high.hi, 0.0, 1.0))


def power(a: Interval, b: Interval) -> Interval:
    """a^b for positive a, and for a = 0 if b is positive; undefined else."""
    with np.errstate(all="ignore"):
        zero = (a.lo == 0.0) & (b.lo > 0.0)
        bad = ~((a.lo > 0.0) | zero)
        base = Interval(np.where(bad, 1.0, a.lo), np.where(bad, 1.0, a.hi))
        # Monotone in the base and in the exponent, so that the corners are extreme; 1^inf and the like say nothing.
        corners = [np.power(x, y) for x in base for y in b]
        unbounded = np.isinf(base.hi) | np.isinf(b.lo) | np.isinf(b.hi)
        lo = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
        hi = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
        result = _library(np.where(unbounded, 0.0, lo), np.where(unbounded, np.inf, hi), least=0.0)
        undefined = bad | np.isnan(b.lo) | np.isnan(b.hi)
        return Interval(np.where(undefined, np.nan, result.lo), np.where(undefined, np.nan, result.hi))


def integer_power(a: Interval, n: int) -> Interval:
    """a^n for an integer n; undefined for n < 0 where a may be zero."""
    if n < 0:
        return recip(integer_power(a, -n))
    if n == 0:
        return Interval(np.where(np.isnan(a.lo), np.nan, 1.0), np.where(np.isnan(a.hi), np.nan, 1.0))
    if n == 1:
        return a
    if n == 2:
        return square(a)
    with np.errstate(all="ignore"):
        base = absolute(a) if n % 2 == 0 else a
        result = _library(np.power(base.lo, float(n)), np.power(base.hi, float(n)), 0.0 if n % 2 == 0 else -np.inf)
        exact = Interval(np.where(base.lo == 0.0, 0.0, result.lo), np.where(base.hi == 0.0, 0.0, result.hi))
        return exact


def sine(a: Interval) -> Interval:
    """The sine; nothing but [-1, 1] is said of arguments beyond 1e5."""
    return _wave(a, np.sin, math.pi / 2)


def cosine(a: Interval) -> Interval:
    """The cosine; nothing but [-1, 1] is said of arguments beyond 1e5."""
    return _wave(a, np.cos, 0.0)


def _wave(a: Interval, function: Callable, peak: float) -> Interval:
    """A wave with maxima at peak + 2 pi k and minima half a period later."""
    with np.errstate(all="ignore"):
        far = ~(magnitude(a) < 1e5)
        x, y = np.where(far, 0.0, a.lo), np.where(far, 0.0, a.hi)
        ends = function(x), function(y)
        # The error of a float function with a large argument is absolute, not relative to a value near zero.
        inner = Interval(np.minimum(*ends) - 1e-14, np.maximum(*ends) + 1e-14)
        slack = 1e-9
        top = np.floor((y - peak + slack) / (2 * math.pi)) >= np.ceil((x - peak - slack) / (2 * math.pi))
        low = peak + math.pi
        bottom = np.floor((y - low + slack) / (2 * math.pi)) >= np.ceil((x - low - slack) / (2 * math.pi))
        lo = np.where(bottom | far, -1.0, np.maximum(inner.lo, -1.0))
        hi = np.where(top | far, 1.0, np.minimum(inner.hi, 1.0))
        undefined = np.isnan(a.lo) | np.isnan(a.hi)
        return Interval(np.where(undefined, np.nan, lo), np.where(undefined, np.nan, hi))
