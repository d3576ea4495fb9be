"""Two passes: a short one for all points, a long one for those that are left.

A batch of loops runs until its slowest point stops, so one hard point would hold up thousands of easy ones, or the
fifteen beside it in a kernel. The first pass takes few steps; the points that it leaves without an equilibrium are
gathered, solved with everything the method has, and put back in their places. No point is dropped. XLA's program for
the first pass takes no second attempts either, and the one for the second has small buckets of one fixed size.

A kernel takes both passes in one call (`_kernel_again`), and is told how many steps the first may take: in the first
block few, then what would have been best for the block before. What is found does not depend on it: a point that ends
in time ends where it would have ended, and one that does not is solved again, whatever the first pass says of it. In
sequential play the steps of an answer do not tell whether all that led to it ended in time; there a kernel takes one
pass.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ._devices import KernelLanes, Lanes, kernel_of
from ._game import Game, Problem
from ._how import How, Results
from ._labels import derivative
from ._method import Method

FIRST_STEPS = 24
BUCKET = 256
_CHOICES = (6, 8, 10, 12, 16, FIRST_STEPS, 48, 96)
_BEGIN = 12
_SAMPLE = 4096
"""Points by which that is judged."""
_FEW = 1 / 4
"""Vectors with a point that is left, up to which nothing is decided anew."""
_JUDGED = 4
"""How many steps all that comes after the last one costs, roughly."""


class TwoPasses:
    """Equilibria at many points, `width` at a time; so many points are `expected` (see `kernel_of`)."""

    def __init__(self, problem: Problem, how: How, width: int, expected: float | None = None):
        self.how, self.plain = how, isinstance(problem, Game)
        self.first: KernelLanes | Lanes
        kernel, most = kernel_of(problem, how, expected), how.max_steps
        if kernel is not None:
            self.lanes = kernel.lanes
            self.within = functools.cache(lambda n: KernelLanes(problem, kernel, most, width, n if n < most else None))
            self.first = self.within(_BEGIN if self.plain else most)
            return
        short = dataclasses.replace(how, method=_once(how.method), max_steps=min(FIRST_STEPS, most))
        self.first = Lanes(problem, short, width)
        self.second = Lanes(problem, how, min(BUCKET, width)) if short != how else None

    def start(self, points: Float[np.ndarray, "points axis"]) -> Any:
        """Begin the first pass; does not wait."""
        return self.first, self.first.start(points)

    def finish(self, started: Any, points: Float[np.ndarray, "points axis"]) -> tuple[Results, int]:
        """The results of both passes, and the number of points solved."""
        first, running = started
        if isinstance(first, KernelLanes):
            results, left, again = first.found(running)
            failed = np.flatnonzero(left)
            # If few are left, no vector had better wait for its own; to decide that takes as long as they do.
            few = first.first <= _CHOICES[0] and again * self.lanes <= _FEW * len(left)
            if self.plain and not few:
                self.first = self.within(best_first(results["steps"][:_SAMPLE], self.how.max_steps, self.lanes))
        else:
            results = first.finish(running, points)
            left = self.how.unsolved(results["status"])
            if self.second is not None and self.plain:
                left |= results["steps"] >= first.max_steps
            failed = np.flatnonzero(left)
            if self.second is not None and len(failed):
                found = self.second.finish(self.second.start(points[failed]), points[failed])
                for name, value in found.items():
                    results[name] = _writeable(results[name])
                    results[name][failed] = value
                failed = failed[self.how.unsolved(found["status"])]
        if len(failed):
            slopes = {derivative(name, knob.name) for name in results for knob in self.how.sensitivity}
            for name in slopes & results.keys():  # A point that is no equilibrium has no derivative.
                results[name] = _writeable(results[name])
                results[name][failed] = np.nan
        return results, len(points) - len(failed)


def best_first(steps: Int[np.ndarray, " points"], most: int, lanes: int) -> int:
    """After how many steps a first pass had best stop, given those that points took, and at most `most`.

    `lanes` points next to each other take as many as the slowest of them or as there are; those that are left, close to
    each other then, begin anew.
    """
    if steps.max() < _CHOICES[0] <= most:  # Nothing would be cut.
        return _CHOICES[0]
    together = np.resize(steps, (-(-len(steps) // lanes), lanes)).max(axis=1)
    choices = np.array([*(choice for choice in _CHOICES if choice < most), most])
    # By how many points take so many steps: there are few different numbers of them.
    taken, points = _counted(steps)
    longest, vectors = _counted(together)
    # One that ends just where the pass does begins anew as well: nobody knows whether it ended.
    anew = (taken >= choices[:, None]) & (choices[:, None] < most)
    again = np.where(anew, taken + _JUDGED, 0) @ points / len(steps)
    costs = np.minimum(longest, choices[:, None]) @ vectors / len(together) + again
    return int(choices[np.argmin(costs)])


def _once(method: Method) -> Method:
    """`method` without further attempts, where these are an option of it."""
    options = {field.name for field in dataclasses.fields(method)}
    return dataclasses.replace(method, escapes=0) if "escapes" in options else method


def _counted(steps: Int[np.ndarray, " points"]) -> tuple[Int[np.ndarray, " number"], Int[np.ndarray, " number"]]:
    """The numbers there are, and how often; without sorting, as `numpy.unique` does."""
    often = np.bincount(steps)
    taken = np.flatnonzero(often)
    return taken, often[taken]


def _writeable(values: np.ndarray) -> np.ndarray:
    """What a kernel returns is nobody else's; what JAX does is not to be written to."""
    return values if values.flags.writeable else np.array(values)
