"""Where a function of one variable changes its sign, if every value is expensive and may be noisy at the root.

The function is interpolated at Chebyshev points of the bracket; once the last coefficients say that the polynomial's
root is exact, it is taken (Trefethen 2013, Approximation Theory and Approximation Practice, ch. 18). Otherwise the
bracket shrinks to the pair of neighbouring points between which the sign changes. So nothing has to be computed right
at a singular point, where it would be inaccurate.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev

_NODES = -np.cos(np.pi * np.arange(9) / 8)
_SPLIT = 1e-3
_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(_NODES, 8))


def roots(f: Callable[[float], float], a: float, b: float, fa: float, fb: float, *, tol: float) -> list[float]:
    """The points between a < b where f changes its sign, in order, to within `tol`; [] if it cannot be told.

    Args:
        f: the function; it may be NaN or infinite at some points.
        a: the lower end of the bracket.
        b: the upper end.
        fa: f(a), of another sign than f(b).
        fb: f(b).
        tol: the largest error, in the unit of a and b.

    >>> [round(x, 12) for x in roots(lambda x: x * x - 2.0, 0.0, 2.0, -2.0, 2.0, tol=1e-12)]
    [1.414213562373]
    """
    while b - a > tol:
        points = a + (b - a) * (_NODES + 1.0) / 2.0
        values = np.array([fa, *(f(float(x)) for x in points[1:-1]), fb])
        if np.isfinite(values).all():
            found = _interpolated(values, tol / (b - a))
            if found is not None:
                return [float(a + (b - a) * (x + 1.0) / 2.0) for x in _apart(found)]
        known = ~np.isnan(values)
        points, values = points[known], values[known]
        change = np.flatnonzero((values[:-1] < 0) != (values[1:] < 0))
        if not len(change) or (len(values) == 2 and b - a > tol):
            return []
        k = change[0]
        a, b, fa, fb = float(points[k]), float(points[k + 1]), float(values[k]), float(values[k + 1])
    return [(a + b) / 2.0]


def _interpolated(values: np.ndarray, tol: float) -> np.ndarray | None:
    """The roots in [-1, 1] of the polynomial through `values`; None if they are not exact enough."""
    c = _COEFFICIENTS @ values
    # How far the root can be off if what is left out is as large as the last terms.
    if 2.0 * np.max(np.abs(c[-2:])) > tol * abs(values[-1] - values[0]):
        return None
    every = chebyshev.chebroots(c)
    real = np.sort(every.real[(np.abs(every.imag) < 1e-9) & (np.abs(every.real) <= 1.0 + 1e-12)])
    return real if len(real) % 2 else None


def _apart(found: np.ndarray) -> list[float]:
    """The roots without those that only noise has split: an odd number of them close together is one, an even none."""
    groups: list[list[float]] = []
    for x in found:
        if groups and x - groups[-1][-1] < _SPLIT:
            groups[-1].append(float(x))
        else:
            groups.append([float(x)])
    return [group[len(group) // 2] for group in groups if len(group) % 2]
