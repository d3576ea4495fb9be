"""Two passes: a short one for all points, a long one for those that are left.

A batch of loops runs until its slowest point stops, so one hard point would hold up thousands of easy ones, or the
seven beside it in a kernel. The first pass takes few steps; the points that it leaves without an equilibrium are
gathered, solved with everything the method has, and put back in their places. No point is dropped. XLA's program for
the first pass takes no second attempts either, and the one for the second has small buckets of one fixed size.

A kernel is told when it is called how many steps to take: in the first block few, then what would have been best for
the block before. What is found does not depend on it: a point that ends in time ends where it would have ended, and one
that does not is solved again, whatever the first pass says of it. In sequential play the steps of an answer do not tell
whether all that lead to it ended in time; there a kernel takes one pass.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ._devices import How, KernelLanes, Lanes, Program, Results, kernel_of
from ._game import Game, Problem
from ._labels import derivative
from ._method import Method
from ._status import Status

FIRST_STEPS = 24
BUCKET = 256
_CHOICES = (6, 8, 12, 16, FIRST_STEPS, 48, 96)
_BEGIN = 12
_SAMPLE = 4096
"""Points by which that is judged."""
_JUDGED = 4
"""How many steps all that comes after the last one costs, roughly."""


class TwoPasses:
    """Equilibria at many points, `width` at a time; so many points are `expected` (see `kernel_of`)."""

    def __init__(self, problem: Problem, how: How, width: int, expected: float | None = None):
        self.how = how
        self.plain = isinstance(problem, Game)
        # The numbers, not the enumeration, with which comparing costs as much as a solver does.
        self.good = int(Status.first_order if how.search is None else Status.successful)
        self.first: Program
        self.second: Program | None
        self.adapt: Callable[[int], Program] | None = None
        kernel = kernel_of(problem, how, expected)
        if kernel is not None:
            self.lanes = kernel.lanes
            most = how.max_steps
            self.adapt = functools.cache(lambda n: KernelLanes(problem, kernel, n, width, final=n >= most))
            self.second = self.adapt(most)
            self.first = self.adapt(min(_BEGIN, most)) if self.plain else self.second
            return
        steps = min(FIRST_STEPS, how.max_steps)
        short = dataclasses.replace(how, method=_once(how.method), max_steps=steps)
        self.first = Lanes(problem, short, width)
        self.second = Lanes(problem, how, min(BUCKET, width)) if short != how else None

    def start(self, points: Float[np.ndarray, "points axis"]) -> Any:
        """Begin the first pass; does not wait."""
        return self.first, self.first.start(points)

    def finish(self, started: Any, points: Float[np.ndarray, "points axis"]) -> tuple[Results, int]:
        """The results of both passes, and the number of points solved."""
        first, running = started
        results = first.finish(running, points)
        status, steps = results["status"], results["steps"]
        if status.min() == status.max() == self.good and steps.max() < min(first.max_steps, _CHOICES[0]):
            return results, len(status)  # Most blocks of easy games, for which all that follows takes long.
        unsolved = self.unsolved(results)
        again = unsolved | (results["steps"] >= first.max_steps) if self.plain else unsolved
        if self.second not in (None, first) and again.any():
            left = np.flatnonzero(again)
            found = self.second.finish(self.second.start(points[left]), points[left])
            # What a kernel returns is nobody else's; what JAX does is not to be written to.
            results = {name: x if x.flags.writeable else np.array(x) for name, x in results.items()}
            for name, value in found.items():
                results[name][left] = value
            unsolved[left] = self.unsolved(found)
        if self.adapt is not None and self.plain:
            self.first = self.adapt(best_first(results["steps"][:_SAMPLE], self.how.max_steps, self.lanes))
        failed = int(np.count_nonzero(unsolved))
        if failed:
            slopes = {derivative(name, knob.name) for name in results for knob in self.how.sensitivity}
            for name in slopes & results.keys():  # A point that is no equilibrium has no derivative.
                results[name] = np.where(_along(unsolved, results[name]), np.nan, results[name])
        return results, len(unsolved) - failed

    def unsolved(self, results: Results) -> Bool[np.ndarray, " points"]:
        """Whether each point lacks an equilibrium, or a first-order point if that is all that was asked for."""
        status = results["status"]
        left = status != self.good
        return left if self.how.search is not None else left & (status != int(Status.successful))


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
    taken, points = np.unique(steps, return_counts=True)
    longest, vectors = np.unique(together, return_counts=True)
    # One that ends just where the pass does begins anew as well: nobody knows whether it ended.
    anew = (taken >= choices[:, None]) & (choices[:, None] < most)
    again = np.where(anew, taken + _JUDGED, 0) @ points / len(steps)
    costs = np.minimum(longest, choices[:, None]) @ vectors / len(together) + again
    return int(choices[np.argmin(costs)])


def _once(method: Method) -> Method:
    """`method` without further attempts, where these are an option of it."""
    options = {field.name for field in dataclasses.fields(method)}
    return dataclasses.replace(method, escapes=0) if "escapes" in options else method


def _along(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    return mask.reshape(-1, *[1] * (values.ndim - 1))
