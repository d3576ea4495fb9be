"""Ascent in the unit box with one inequality constraint, where each evaluation is an equilibrium.

Maximizes v(u) with b(u) <= B by an augmented Lagrangian: with the excess e = b - B it climbs

    v - (max(0, m + r e)^2 - m^2)/(2 r),

sets the multiplier m to max(0, m + r e), and raises r where the excess does not fall fast enough. An optimizer proposes
steps, which are projected on the box and halved until they gain enough (Armijo); coordinates that are held at a bound
are hidden from it. v and b are scaled by their slopes at the start.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from . import _numpy as jnp

if TYPE_CHECKING:
    import optax

_ROUNDS = 40
_HALVINGS = 30
_LONGEST = 0.5
"""The longest step in a coordinate, as a share of the box."""
_ENOUGH = 1e-4
"""The part of the gain that the slope promises which a step has to bring."""
_FIRST_PENALTY = 10.0


class Place(NamedTuple):
    """A certified point: where in the unit box, the objective and its slopes, the same of what is limited."""

    share: Float[np.ndarray, " parameter"]
    value: float
    slope: Float[np.ndarray, " parameter"]
    spent: float
    spent_slope: Float[np.ndarray, " parameter"]
    answer: Any


class End(NamedTuple):
    """Where a climb ended."""

    place: Place
    multiplier: float
    excess: float
    """By how much the limit is exceeded, in units of the slope at the start."""
    converged: bool
    trace: list[Place]


@functools.cache  # One object, so that its update is compiled once.
def lbfgs() -> "optax.GradientTransformation":
    """Limited-memory BFGS, without optax's line search, which knows of no bounds."""
    import optax  # Takes a third as long to import as JAX.

    return optax.lbfgs(1.0, memory_size=8, linesearch=None)


@functools.lru_cache(maxsize=8)
def _compiled(optimizer: "optax.GradientTransformation") -> tuple[Callable, Callable]:
    def lenient(function: Callable) -> Callable:
        # L-BFGS of optax 0.2.8 adds integers of two widths, which JAX may have been told to refuse.
        @functools.wraps(function)
        def call(*arguments):
            with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
                return function(*arguments)

        return call

    return lenient(jax.jit(optimizer.init)), lenient(jax.jit(optimizer.update))


class Climb:
    """From a start in the unit box to an optimum.

    Args:
        visit: a point of the unit box -> what is there; None where there is no equilibrium.
        optimizer: proposes steps.
        limit: B.
        precision: of slopes relative to those at the start, and of the limit.
        most: the most visits.
        dtype: of the optimizer's memory.
    """

    def __init__(
        self,
        visit: Callable[[Float[np.ndarray, " parameter"]], Place | None],
        optimizer: "optax.GradientTransformation",
        limit: float,
        precision: float,
        most: int,
        dtype: Any,
    ):
        self.visit, self.limit, self.precision, self.most, self.dtype = visit, limit, precision, most, dtype
        self.init, self.update = _compiled(optimizer)

    def __call__(self, share: Float[np.ndarray, " parameter"]) -> End | None:
        """The end of the climb; None if there is no equilibrium at the start."""
        if (place := self.visit(share)) is None:
            return None
        self.left, trace = self.most - 1, [place]
        # An objective that is flat at the start is in units of its own.
        value_unit = max(np.abs(place.slope).max(), 1e-3 * abs(place.value)) or 1.0
        spent_unit = 1.0
        if np.isfinite(self.limit):
            spent_unit = max(np.abs(place.spent_slope).max(), 1e-3 * abs(place.spent), 1e-3 * abs(self.limit)) or 1.0
        multiplier, penalty, worst = 0.0, _FIRST_PENALTY, np.inf
        converged = False
        for _ in range(_ROUNDS):
            merit = _Merit(self.limit, value_unit, spent_unit, multiplier, penalty)
            place, settled = self._round(place, merit, trace)
            excess = merit.excess(place)
            multiplier = merit.price(place)
            # Also positive where the limit is kept with room to spare but has a price.
            off = abs(max(excess, -merit.multiplier / penalty))
            converged = settled and off <= self.precision
            if converged or self.left <= 0 or (not settled and off <= self.precision):
                break
            if off > 0.25 * worst:
                penalty *= 10.0
            worst = min(worst, off)
        excess = max((place.spent - self.limit) / spent_unit, 0.0) if np.isfinite(self.limit) else 0.0
        return End(place, multiplier * value_unit / spent_unit, excess, converged, trace)

    def _round(self, place: Place, merit: "_Merit", trace: list[Place]) -> tuple[Place, bool]:
        """Climb one merit function; whether no first-order gain is left."""
        memory, held = None, None
        while True:
            slope = merit.slope(place)
            if np.abs(np.clip(place.share + slope, 0.0, 1.0) - place.share).max() <= self.precision:
                return place, True
            now = (place.share <= 0.0) & (slope < 0.0) | (place.share >= 1.0) & (slope > 0.0)
            if memory is None or held is None or (now != held).any():
                memory, fresh, held = self.init(self._array(place.share)), True, now
            else:
                fresh = False
            proposed, memory = self.update(self._array(np.where(now, 0.0, -slope)), memory, self._array(place.share))
            step = np.where(now, 0.0, np.asarray(proposed, float))
            if not (np.isfinite(step).all() and step @ slope > 0.0):
                step = np.where(now, 0.0, slope)
            if (better := self._line(place, step, merit)) is None:
                if fresh or self.left <= 0:
                    return place, False
                memory = None
                continue
            place = better
            trace.append(place)

    def _line(self, place: Place, step: Float[np.ndarray, " parameter"], merit: "_Merit") -> Place | None:
        """The first of ever shorter steps that gains enough."""
        step = step * min(1.0, _LONGEST / np.abs(step).max())
        here, slope = merit.value(place), merit.slope(place)
        # Differences below what rounding makes of the values say nothing.
        noise = 8.0 * self.precision**2 * (1.0 + abs(here))
        for _ in range(_HALVINGS):
            if self.left <= 0:
                return None
            share = np.clip(place.share + step, 0.0, 1.0)
            if np.array_equal(share, place.share):
                return None
            self.left -= 1
            found, promised = self.visit(share), slope @ (share - place.share)
            if found is not None:
                gain = merit.value(found) - here
                # Where the gain is all noise the slopes decide.
                clear = gain > noise or merit.rest(found) < merit.rest(place)
                if clear and gain >= _ENOUGH * promised - noise:
                    return found
            step = step / 2.0
        return None

    def _array(self, values: Float[np.ndarray, " parameter"]):
        return jnp.asarray(values, self.dtype)


class _Merit(NamedTuple):
    """The augmented Lagrangian, in units of slopes at the start."""

    limit: float
    value_unit: float
    spent_unit: float
    multiplier: float
    penalty: float

    def excess(self, place: Place) -> float:
        return (place.spent - self.limit) / self.spent_unit if np.isfinite(self.limit) else -np.inf

    def price(self, place: Place) -> float:
        return max(0.0, self.multiplier + self.penalty * self.excess(place))

    def value(self, place: Place) -> float:
        return place.value / self.value_unit - (self.price(place) ** 2 - self.multiplier**2) / (2.0 * self.penalty)

    def slope(self, place: Place) -> Float[np.ndarray, " parameter"]:
        return place.slope / self.value_unit - self.price(place) * place.spent_slope / self.spent_unit

    def rest(self, place: Place) -> float:
        """The largest projected slope."""
        return float(np.abs(np.clip(place.share + self.slope(place), 0.0, 1.0) - place.share).max())
