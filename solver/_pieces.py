"""The geometry of a branch of first-order points: smooth pieces, and what happens at their ends.

While every strategy stays either free or held, the branch is a smooth curve; its tangent t spans the null space of the
derivatives A of the N conditions in N + 1 unknowns. The component of t along the parameter changes sign at a fold; the
determinant of A bordered by t, at a bifurcation of odd multiplicity (Allgower & Georg 2003, Introduction to Numerical
Continuation Methods, ch. 8). A piece ends where a free strategy reaches a bound or the gradient of a held one changes
sign. On the next piece strategies must move inwards, and gradients outwards: this gives the direction, exactly.
"""

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np

from . import _numpy as jnp
from ._arclength import Corrected, Curve, correct
from ._layout import dtype_of

STABLE = 1.0 - 1e-9
_ON = 1e-8
_MOST_SWITCHES = 6


class Values(NamedTuple):
    """`Local` on the host, where the geometry of one point is computed."""

    u: np.ndarray
    gradient: np.ndarray
    slopes: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    lower_rate: np.ndarray
    upper_rate: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class At:
    """A point of a branch, as part of one smooth piece."""

    u: np.ndarray
    """Strategies and parameter."""
    held: np.ndarray
    """By strategy: -1 at the lower bound, 1 at the upper one, 0 free."""
    way: np.ndarray
    """The unit tangent, in sizes."""
    slack: np.ndarray
    """(strategy, 2): by how much the strategy may move before it changes piece at its lower and at its upper bound."""
    determinant: float
    concavity: float
    """Largest eigenvalue of the firms' own Hessians on the free strategies, in units in which its sign is smooth."""
    radius: float
    """Spectral radius of the simultaneous best responses of the free strategies."""
    local: Values
    steps: int = 0

    @property
    def value(self) -> float:
        """The parameter."""
        return float(self.u[-1])

    @property
    def stable(self) -> bool:
        """Whether best responses converge; not if they neither converge nor diverge, as among three equal firms."""
        return self.radius < STABLE


class Pieces:
    """The points of a branch and their neighbours.

    Args:
        curve: the game and the parameter.
        size: the unit of each unknown, in which lengths and angles are measured.
    """

    def __init__(self, curve: Curve, size: np.ndarray):
        self.curve, self.size, self.dtype = curve, size, dtype_of(curve.game)
        self.tol = jnp.asarray(64 * jnp.finfo(self.dtype).eps, self.dtype)
        owner = np.asarray(curve.layout.owner)
        self.firms = [np.flatnonzero(owner == i) for i in range(curve.layout.firms)]
        self.same = owner[:, None] == owner[None, :]

    def advance(self, start: At, length: float) -> At | None:
        """The point at `length` along the tangent at `start`, on the same piece; None if it is not found."""
        predicted = start.u + length * start.way * self.size
        found = self.corrected(predicted, start.held, start.way)
        return None if found is None else self.on(found[0], start.held, start.way, found[1])

    def at_value(self, near: np.ndarray, held: np.ndarray, value: float) -> tuple[Values, int] | None:
        """The point at one value of the parameter."""
        row = np.zeros_like(self.size)
        row[-1] = 1.0
        return self.corrected(np.append(near[:-1], value), held, row)

    def corrected(self, base: np.ndarray, held: np.ndarray, row: np.ndarray) -> tuple[Values, int] | None:
        """The point on the piece `held` and in the hyperplane through `base` normal to `row`."""
        end = self._correct(base, held, row, self.tol)
        local = Values(*(np.asarray(part, np.float64) for part in end.local))
        if not end.converged or not all(np.isfinite(part).all() for part in local[:3]):
            return None
        # To the last digit: what is held is at its bound.
        bound = np.where(held < 0, local.lower, local.upper)
        z = np.where(held == 0, local.u[:-1], bound)
        return local._replace(u=np.append(z, local.u[-1])), int(end.steps)

    def evaluated(self, u: np.ndarray, held: np.ndarray, row: np.ndarray) -> Values:
        """The conditions at `u`, uncorrected."""
        end = self._correct(u, held, row, jnp.asarray(np.inf, self.dtype))
        return Values(*(np.asarray(part, np.float64) for part in end.local))

    def _correct(self, base, held, row, tol) -> Corrected:
        u, row, size = (jnp.asarray(part, self.dtype) for part in (base, row, self.size))
        return jax.device_get(correct(self.curve, u, jnp.asarray(held, jnp.int32), row, size, tol))

    def on(self, local: Values, held: np.ndarray, along: np.ndarray, steps: int = 0) -> At | None:
        """The point with its tangent on the piece `held`, in the direction of `along`."""
        conditions, height = self._conditions(local, held)
        try:
            way = np.linalg.solve(np.vstack([conditions, along]), np.eye(len(along))[-1])
        except np.linalg.LinAlgError:
            return None
        way /= np.linalg.norm(way)
        if not np.isfinite(way).all():
            return None
        return At(
            u=local.u,
            held=held,
            way=way,
            slack=self._slack(local, held, height),
            determinant=float(np.linalg.det(np.vstack([conditions, way]))),
            concavity=self._concavity(local, held, height),
            radius=self._radius(local, held),
            local=local,
            steps=steps,
        )

    def outgoing(self, local: Values, held: np.ndarray, switching: np.ndarray) -> list[At]:
        """The ways to go on from a point at which the strategies `switching` are at a bound with zero gradient.

        Every assignment of them to held and free, in both directions, on which the strategies that are free move
        inwards and the gradients of those that are held outwards.
        """
        where = np.flatnonzero(switching)
        if len(where) > _MOST_SWITCHES:
            return []
        side = np.where(held != 0, held, np.where(local.u[:-1] - local.lower <= local.upper - local.u[:-1], -1, 1))
        found = []
        for free in itertools.product([False, True], repeat=len(where)):
            trial = held.copy()
            trial[where] = np.where(free, 0, side[where])
            conditions, _ = self._conditions(local, trial)
            way = np.linalg.svd(conditions)[2][-1]
            inwards = self._rates(local, trial, way)[where, (side[where] > 0).astype(int)]
            for sign in (1.0, -1.0):
                if (sign * inwards >= -_ON).all():
                    at = self.on(local, trial, sign * way)
                    if at is not None:
                        found.append(at)
        return found

    def resized(self, at: At, size: np.ndarray) -> At | None:
        """Measure in other sizes from now on."""
        along = at.way * self.size / size
        self.size = size
        return self.on(at.local, at.held, along / np.linalg.norm(along), at.steps)

    def biactive(self, at: At) -> np.ndarray:
        """The strategies that are at a bound with zero gradient."""
        return np.asarray((at.slack <= _ON).any(axis=1))

    def _conditions(self, local: Values, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives of the conditions, in sizes and with rows of unit length, and the length of the gradients'
        rows before."""
        gradients = local.slopes * self.size
        rate = np.where(held < 0, local.lower_rate, local.upper_rate)
        rate = np.where(held == 0, 0.0, rate)
        bounds = np.hstack([np.eye(len(held)), -rate[:, None]]) * self.size
        rows = np.where((held == 0)[:, None], gradients, bounds)
        height = np.linalg.norm(rows, axis=1)
        heights = np.linalg.norm(gradients, axis=1)
        return rows / np.where(height > 0, height, 1.0)[:, None], np.where(heights > 0, heights, 1.0)

    def _slack(self, local: Values, held: np.ndarray, height: np.ndarray) -> np.ndarray:
        z, size, fixed = local.u[:-1], self.size[:-1], local.lower == local.upper
        push = local.gradient / height
        low = np.where(held == 0, (z - local.lower) / size, np.where(held < 0, -push, np.inf))
        high = np.where(held == 0, (local.upper - z) / size, np.where(held > 0, push, np.inf))
        return np.where(fixed[:, None], np.inf, np.stack([low, high], axis=1))

    def _rates(self, local: Values, held: np.ndarray, way: np.ndarray) -> np.ndarray:
        """How fast the slack grows along `way`."""
        _, height = self._conditions(local, held)
        moved, value = (way * self.size)[:-1], (way * self.size)[-1]
        push = (local.slopes * self.size) @ way / height
        low = np.where(held == 0, (moved - local.lower_rate * value) / self.size[:-1], -push)
        high = np.where(held == 0, (local.upper_rate * value - moved) / self.size[:-1], push)
        return np.stack([low, high], axis=1)

    def _concavity(self, local: Values, held: np.ndarray, height: np.ndarray) -> float:
        size, worth = self.size[:-1], np.sqrt(height * self.size[:-1])
        hessian = local.slopes[:, :-1] * size[:, None] * size[None, :] / worth[:, None] / worth[None, :]
        largest = -np.inf
        for entries in self.firms:
            free = entries[held[entries] == 0]
            if len(free):
                own = hessian[np.ix_(free, free)]
                largest = max(largest, float(np.linalg.eigvalsh((own + own.T) / 2.0)[-1]))
        return largest

    def _radius(self, local: Values, held: np.ndarray) -> float:
        free = np.flatnonzero(held == 0)
        if not len(free):
            return 0.0
        slopes = (local.slopes[:, :-1] * self.size[:-1])[np.ix_(free, free)]
        own = np.where(self.same[np.ix_(free, free)], slopes, 0.0)
        try:
            return float(np.max(np.abs(np.linalg.eigvals(np.linalg.solve(own, own - slopes)))))
        except np.linalg.LinAlgError:
            return np.inf


def angle(one: At, other: At) -> float:
    """Between the tangents of two points, in radians."""
    return float(np.arccos(np.clip(one.way @ other.way, -1.0, 1.0)))


def chord(one: At, other: Any, size: np.ndarray) -> float:
    """The distance of two points, in sizes."""
    return float(np.linalg.norm((other.u - one.u) / size))
