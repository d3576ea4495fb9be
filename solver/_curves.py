"""Smooth functions of one variable over intervals: their values, and enclosures of two derivatives when asked for.

Each function returns an enclosure of its values over an interval and two functions without arguments, which enclose the
first and the second derivative there. At an end of the domain where a derivative does not exist it has no bound.
"""

from collections.abc import Callable

import numpy as np

from . import _interval as iv
from ._interval import Interval

Curve = tuple[Interval, Callable[[], Interval], Callable[[], Interval]]


def reciprocal(x: Interval) -> Curve:
    """1 / x."""
    value = iv.recip(x)
    return value, lambda: iv.neg(iv.square(value)), lambda: iv.mul(iv.point(2.0), iv.integer_power(value, 3))


def scaled(factor: float, x: Interval) -> Interval:
    """factor * x."""
    return iv.mul(iv.point(factor), x)


def exp(x: Interval) -> Curve:
    """exp x."""
    value = iv.exp(x)
    return value, lambda: value, lambda: value


def log(x: Interval) -> Curve:
    """log x."""
    return iv.log(x), lambda: iv.recip(x), lambda: iv.neg(iv.square(iv.recip(x)))


def sqrt(x: Interval) -> Curve:
    """The square root, which has no finite slope at zero."""
    value = iv.sqrt(x)
    positive = x.lo > 0.0

    def first() -> Interval:
        """1 / (2 sqrt x): at zero, no upper bound."""
        safe = iv.choose(positive, value, Interval(np.maximum(value.hi, 5e-324), np.maximum(value.hi, 5e-324)))
        low = iv.recip(scaled(2.0, safe))
        return _undefined(x.lo < 0.0, Interval(low.lo, np.where(positive, low.hi, np.inf)))

    def second() -> Interval:
        known = iv.neg(iv.recip(scaled(4.0, iv.mul(iv.choose(positive, x, iv.point(1.0)), iv.sqrt(_above(x))))))
        return _undefined(
            x.lo < 0.0, Interval(np.where(positive, known.lo, -np.inf), np.where(positive, known.hi, 0.0))
        )

    return value, first, second


def _above(x: Interval) -> Interval:
    return iv.choose(x.lo > 0.0, x, iv.point(1.0))


def _undefined(where: np.ndarray, x: Interval) -> Interval:
    return Interval(np.where(where, np.nan, x.lo), np.where(where, np.nan, x.hi))


def tanh(x: Interval) -> Curve:
    """tanh x."""
    value = iv.tanh(x)

    def first() -> Interval:
        slope = iv.sub(iv.point(1.0), iv.square(value))
        return Interval(np.maximum(slope.lo, 0.0), slope.hi)

    return value, first, lambda: iv.mul(scaled(-2.0, value), first())


def logistic(x: Interval) -> Curve:
    """1 / (1 + exp(-x))."""
    value = iv.logistic(x)

    def first() -> Interval:
        # s (1 - s) = 1/4 - (s - 1/2)^2, in which s occurs once.
        slope = iv.sub(iv.point(0.25), iv.square(iv.sub(value, iv.point(0.5))))
        other = iv.mul(value, iv.logistic(iv.neg(x)))
        return iv.intersect(Interval(np.maximum(slope.lo, 0.0), slope.hi), other)

    return value, first, lambda: iv.mul(first(), iv.sub(iv.point(1.0), scaled(2.0, value)))


def erf(x: Interval) -> Curve:
    """The error function."""

    def first() -> Interval:
        # 2 / sqrt(pi) lies between these two neighbours.
        factor = Interval(np.asarray(1.1283791670955123), np.asarray(1.128379167095513))
        return iv.mul(factor, iv.exp(iv.neg(iv.square(x))))

    return iv.erf(x), first, lambda: iv.mul(scaled(-2.0, x), first())


def sin(x: Interval) -> Curve:
    """sin x."""
    value = iv.sine(x)
    return value, lambda: iv.cosine(x), lambda: iv.neg(value)


def cos(x: Interval) -> Curve:
    """cos x."""
    value = iv.cosine(x)
    return value, lambda: iv.neg(iv.sine(x)), lambda: iv.neg(value)


def arctan(x: Interval) -> Curve:
    """arctan x."""

    def first() -> Interval:
        return iv.recip(iv.add(iv.point(1.0), iv.square(x)))

    return iv.arctan(x), first, lambda: iv.mul(scaled(-2.0, x), iv.square(first()))
