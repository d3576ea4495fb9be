"""A box in which the first-order conditions of a game have exactly one solution.

Strategies at a bound are held there; the others solve f(z) = 0, f the own derivatives. With c in the box X, Y a float
approximation of the inverse Jacobian and J(X) slopes of f over X, Krawczyk's operator K = c - Y f(c) + (I - Y J(X))(X -
c) contains every solution in X, and if K lies in the interior of X there is exactly one (Krawczyk, 1969; Neumaier,
1990, ch. 5). A strategy is held only if its derivative has the sign that keeps it there over the whole of X, from its
bound inwards: then no equilibrium in X has it elsewhere, and the solution is unique among all profiles in X.
"""

from typing import NamedTuple

import numpy as np

from . import _interval as iv
from ._expression import Graph
from ._interval import Interval
from ._jet import curvatures, enclose, slopes
from ._layout import Layout


class System(NamedTuple):
    """A game as expressions: a payoff by firm, and the bounds of the stacked strategies."""

    graph: Graph
    payoffs: list[int]
    layout: Layout
    lower: np.ndarray
    upper: np.ndarray

    @property
    def movable(self) -> np.ndarray:
        """The strategies that are not fixed by equal bounds."""
        return np.flatnonzero(self.lower < self.upper)

    def label(self, j: int) -> str:
        """The name of a strategy and whose it is, for messages."""
        name = self.layout.names[self.layout.name_of[j]]
        item = j - int(np.flatnonzero(self.layout.name_of == self.layout.name_of[j])[0])
        return f"{name}[{item}]"


class Solution(NamedTuple):
    """Where the solution is, and where it is the only one."""

    free: np.ndarray
    """Which strategies are not at a bound."""
    low: np.ndarray
    high: np.ndarray
    """The ends of the box in which there is exactly one solution."""
    near: Interval
    """A narrow enclosure of the solution, inside that box."""


def conditions(system: System, lower: np.ndarray, upper: np.ndarray) -> tuple[Interval, Interval]:
    """Every strategy's own derivative over one box, and the slopes of these in all strategies.

    Entries of strategies that are fixed by their bounds are zero.
    """
    size, along = system.layout.size, system.movable
    jets = enclose(system.graph, system.payoffs, lower[None], upper[None], along.tolist(), 2)
    owner = np.asarray(system.layout.owner)
    gradient = [np.zeros(size), np.zeros(size)]
    jacobian = [np.zeros((size, size)), np.zeros((size, size))]
    for firm, jet in enumerate(jets):
        own = np.flatnonzero(owner[along] == firm)
        undefined = np.isnan(jet.value.lo[0])
        g, h = slopes(jet, len(along)), curvatures(jet, len(along))
        for end, (first, second) in enumerate(zip(g, h, strict=True)):
            gradient[end][along[own]] = np.where(undefined, np.nan, first[0][own])
            jacobian[end][np.ix_(along[own], along)] = np.where(undefined, np.nan, second[0][own])
    return Interval(*gradient), Interval(*jacobian)


def locate(system: System, z: np.ndarray, radius: float | None) -> Solution | str:
    """The solution near z, or what could not be shown.

    Args:
        system: the game.
        z: an approximate solution inside the bounds.
        radius: half-width of the box; by default the widest of 1e-6, 1e-7, ... of the size of the strategies.
    """
    scale = _sizes(system, z)
    held_low, held_high = _held(system, z, scale)
    free = (system.lower < system.upper) & ~held_low & ~held_high
    centre = np.where(held_low, system.lower, np.where(held_high, system.upper, z))
    centre = _polished(system, centre, free)
    if centre is None:
        return "the first-order conditions have no bounded derivatives at the profile, or are singular there"
    widths = [np.full(len(z), radius)] if radius is not None else [scale * 10.0**-k for k in range(6, 15)]
    problem = f"no solution of the first-order conditions is within {_shown(np.max(widths[0]))} of the profile"
    for width in widths:
        # Free strategies must not reach a bound: there, other conditions hold.
        room = np.minimum(width, 0.99 * np.minimum(z - system.lower, system.upper - z))
        reach = np.where(free, room, width)
        low = np.where(held_high, np.minimum(system.upper - reach, z), np.maximum(z - reach, system.lower))
        high = np.where(held_low, np.maximum(system.lower + reach, z), np.minimum(z + reach, system.upper))
        low, high = np.maximum(low, system.lower), np.minimum(high, system.upper)
        if not np.all((low < centre) & (centre < high) | ~free):
            continue
        found = _krawczyk(system, centre, low, high, free)
        if found is None:
            problem = "the first-order conditions could not be shown to have exactly one solution near the profile"
            continue
        gradient, _ = conditions(system, low, high)
        loose = (held_low & ~(gradient.hi < 0.0)) | (held_high & ~(gradient.lo > 0.0))
        if not loose.any():
            return Solution(free, low, high, found)
        problem = (
            f"the derivative of its owner's payoff in {system.label(int(np.flatnonzero(loose)[0]))}, which is at a "
            "bound, could not be shown to differ from zero (strict complementarity)"
        )
    return problem


def _shown(x: float) -> str:
    return f"{x:.1e}"


def _sizes(system: System, z: np.ndarray) -> np.ndarray:
    """The size of each strategy: the largest of its name, at least 1e-6 of the width of its bounds."""
    names = system.layout.name_of
    size = np.array([np.max(np.abs(z)[names == name]) for name in names])
    width = system.upper - system.lower
    size = np.where(np.isfinite(width), np.minimum(size, width), size)
    return np.maximum(size, 1e-6 * np.where(np.isfinite(width), width, 1.0))


def _held(system: System, z: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which strategies are held at their lower and upper bounds: a guess that is verified later."""
    gradient, _ = conditions(system, z, z)
    middle = iv.middle(gradient)
    movable = system.lower < system.upper
    low = movable & (z - system.lower <= 1e-8 * scale) & ~(middle > 0.0)
    high = movable & (system.upper - z <= 1e-8 * scale) & ~(middle < 0.0)
    return low, high & ~low


def _polished(system: System, z: np.ndarray, free: np.ndarray) -> np.ndarray | None:
    """A few Newton steps in floats; None where they do not exist."""
    at = np.flatnonzero(free)
    for _ in range(6 if len(at) else 0):
        gradient, jacobian = conditions(system, z, z)
        rhs, matrix = iv.middle(gradient)[at], iv.middle(jacobian)[np.ix_(at, at)]
        if not (np.all(np.isfinite(rhs)) and np.all(np.isfinite(matrix))):
            return None
        try:
            step = np.linalg.solve(matrix, -rhs)
        except np.linalg.LinAlgError:
            return None
        z = z.copy()
        z[at] = np.clip(z[at] + step, system.lower[at], system.upper[at])
        if not np.all(np.isfinite(z)):
            return None
    return z


def _krawczyk(system: System, centre: np.ndarray, low: np.ndarray, high: np.ndarray, free: np.ndarray):
    """A narrow enclosure of the only solution in the box, held strategies at their bounds; None if not shown."""
    at = np.flatnonzero(free)
    x = Interval(np.where(free, low, centre), np.where(free, high, centre))
    shown = not len(at)
    for _ in range(8 if len(at) else 0):
        value, _ = conditions(system, centre, centre)
        _, matrix = conditions(system, x.lo, x.hi)
        f = Interval(value.lo[at], value.hi[at])
        j = Interval(*(end[np.ix_(at, at)] for end in matrix))
        if not all(np.all(np.isfinite(end)) for end in (*f, *j)):
            return None
        try:
            inverse = iv.point(np.linalg.inv(iv.middle(j)))
        except np.linalg.LinAlgError:
            return None
        c = iv.point(centre[at])
        box = Interval(x.lo[at], x.hi[at])
        contraction = iv.sub(iv.point(np.eye(len(at))), _product(inverse, j))
        moved = iv.add(iv.sub(c, _applied(inverse, f)), _applied(contraction, iv.sub(box, c)))
        if not (np.all(np.isfinite(moved.lo)) and np.all(np.isfinite(moved.hi))):
            return None
        if not shown and not np.all((box.lo < moved.lo) & (moved.hi < box.hi)):
            return None
        shown = True
        # Every solution in x is in both.
        smaller = iv.intersect(box, moved)
        done = np.all(smaller.hi - smaller.lo >= 0.9 * (box.hi - box.lo))
        lo, hi = x.lo.copy(), x.hi.copy()
        lo[at], hi[at] = smaller
        x, centre = Interval(lo, hi), centre.copy()
        centre[at] = np.clip(iv.middle(smaller), smaller.lo, smaller.hi)
        if done:
            break
    return x


def _product(a: Interval, b: Interval) -> Interval:
    """The product of two matrices."""
    left = Interval(a.lo[:, :, None], a.hi[:, :, None])
    right = Interval(b.lo[None, :, :], b.hi[None, :, :])
    return iv.total(iv.mul(left, right), 1)


def _applied(a: Interval, b: Interval) -> Interval:
    """A matrix times a vector."""
    return iv.total(iv.mul(a, Interval(b.lo[None, :], b.hi[None, :])), 1)
