"""Calibration: the parameters at which an equilibrium has given moments.

Minimum distance, sum_k ((m_k(theta) - m_k)/e_k)^2, with the moments m(theta) of the equilibrium at theta and their
exact derivatives by the implicit function theorem; minimized by a trust-region method for least squares with bounds
(SciPy). Every point that is tried is certified; where there is no equilibrium the method takes a shorter step.
"""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._axes import Knob, knobs, put, take
from ._best_response import BestResponse
from ._catalog import suggest
from ._check import check_options, prepare
from ._errors import GameError, NotIdentifiedWarning, NotSolvedError
from ._game import Problem
from ._how import How, shapes
from ._identified import covariance, described, flat_directions
from ._labels import reported
from ._layout import dtype_of
from ._low_discrepancy import low_discrepancy
from ._method import Method
from ._search import GlobalSearch
from ._solution import Equilibrium
from ._solve import solve
from ._status import Status

_PRECISION = 1e-14
_TRIALS = 300


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """A calibration."""

    problem: Problem
    """The problem with the parameters that were found."""
    equilibrium: Equilibrium
    """Its equilibrium, certified."""
    values: dict[str, float]
    """The parameters that were found."""
    errors: dict[str, float]
    """Their standard errors: NaN if none were given for the moments, or at a bound; infinite if not identified."""
    covariance: Float[np.ndarray, "parameter parameter"]
    """Of the parameters, in the order of `values`."""
    moments: dict[str, Float[np.ndarray, "..."]]
    """The moments of the equilibrium, those that were given."""
    misses: dict[str, Float[np.ndarray, "..."]]
    """How far they are from the given ones, in standard errors (relative, if none were given)."""
    objective: float
    """The sum of the squares of `misses`."""
    freedom: int
    """How many more moments than parameters there are: with standard errors, `objective` is chi-squared with so many
    degrees of freedom if the model is right."""
    flat: tuple[dict[str, float], ...]
    """Directions, parameter -> change, in which no moment changes: what cannot be told apart."""
    at_bound: tuple[str, ...]
    """Parameters that ended at a bound."""

    def __str__(self) -> str:
        lines = [f"distance {self.objective:.6g} with {self.freedom} degrees of freedom"]
        for name, value in self.values.items():
            note = " at its bound" if name in self.at_bound else ""
            lines.append(f"  {name} = {value:.6g} ({self.errors[name]:.2g}){note}")
        for direction in self.flat:
            lines.append(
                "  not identified: " + ", ".join(f"{name} {change:+.3g}" for name, change in direction.items())
            )
        for name, value in self.moments.items():
            lines.append(
                f"  {name}: {np.array2string(value, precision=6)}, off by {np.nanmax(np.abs(self.misses[name])):.2g}"
            )
        return "\n".join(lines)


def fit(
    problem: Problem,
    moments: Mapping[str, ArrayLike | Sequence[float]],
    fields: Mapping[str, tuple[float, float]],
    method: Method | None = None,
    *,
    errors: Mapping[str, ArrayLike | Sequence[float]] | None = None,
    starts: int = 1,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> Fit:
    """Choose parameters so that moments of the equilibrium are as given.

    Args:
        problem: a `Game`, `Leader` or `Stage`; parameters that are not chosen stay what they are, and those that are
            begin there.
        moments: name of a strategy, of "payoff" or of an outcome -> what it is to be, in the shape that it has; NaN
            for entries that are not known.
        fields: name of a parameter (as in the axes of `sweep`) -> (lower, upper), which may be infinite.
        method: as in `solve`.
        errors: name of a moment -> its standard errors > 0, of which standard errors of the parameters follow;
            moments are taken to be independent. Without them, moments are weighted by their size.
        starts: how often to begin, first where the problem is, then in points that fill the (finite) bounds; the best
            end counts.
        tol: as in `solve`.
        max_steps: as in `solve`.
        certify: as in `solve`.

    Raises:
        GameError: an argument cannot be used; the message says what to write.
        NotSolvedError: no start has an equilibrium.

    Warns:
        NotIdentifiedWarning: some parameters can change together without changing any moment.

    >>> from jaxtyping import Array, Float
    >>> from nashgrid.solver import Game, parameter
    >>> class Monopoly(Game):
    ...     intercept: Float[Array, ""] = parameter(8.0, "price at which nothing is sold")
    ...     firms = ("A",)
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (self.intercept - s["q"] - 1.0) * s["q"]
    >>> found = fit(Monopoly(), {"q": [4.5]}, {"intercept": (2.0, 20.0)}, errors={"q": 0.1}, tol=1e-4)
    >>> round(found.values["intercept"], 3), round(found.errors["intercept"], 3)
    (10.0, 0.2)
    """
    from scipy.optimize import least_squares  # Slow to import, and needed only here.

    problem = prepare(problem)
    method = BestResponse() if method is None else method
    if not isinstance(fields, Mapping) or not fields:
        raise GameError("fields: give at least one parameter and its bounds, e.g. {'cost[0]': (0.0, 5.0)}.")
    where = knobs(problem, tuple(fields), "fields")
    lower, upper = _bounds(where, fields)
    tol, search = check_options(method, tol, max_steps, dtype_of(problem), certify)
    how = How((), (), method, tol, int(max_steps), search)
    target = _Target(reported(shapes(problem, how)), moments, errors or {})
    if starts < 1:
        raise GameError(f"starts is {starts}; begin at least once.")
    evaluate = _Evaluation(problem, how, where, target)
    begin = np.clip(np.array([float(x) for x in take(problem, where)]), lower, upper)
    wide = np.isfinite(upper - lower)
    units = np.where(wide, upper - lower, np.maximum(np.abs(begin), 1.0))
    ends = []
    for first in _starts(begin, lower, upper, wide, starts):
        if np.isfinite(evaluate.misses(first)).all():
            options = {"x_scale": units, "ftol": _PRECISION, "xtol": _PRECISION, "gtol": _PRECISION}
            slopes: Any = evaluate.slopes  # The annotations of SciPy know of names of schemes only.
            ends.append(least_squares(evaluate.misses, first, slopes, (lower, upper), max_nfev=_TRIALS, **options))
    if not ends:
        raise NotSolvedError(
            "fit: no start has a certified equilibrium; set the parameters of the problem to values that have one, or "
            f"give more than {starts} starts."
        )
    best = min(ends, key=lambda end: end.cost)
    return _report(problem, how, where, target, evaluate, best.x, np.stack([lower, upper]), units, bool(errors))


class _Target:
    """The moments: which entries of the variables of a result are wanted, what they are to be, and their units."""

    def __init__(self, known: Mapping[str, Any], moments: Mapping[str, Any], errors: Mapping[str, Any]):
        if not isinstance(moments, Mapping) or not moments:
            raise GameError("moments: give at least one, e.g. {'price': 4.0}.")
        if lost := [name for name in errors if name not in moments]:
            raise GameError(f"errors: '{lost[0]}' is not among the moments.")
        if errors and (lost := [name for name in moments if name not in errors]):
            raise GameError(f"errors: '{lost[0]}' has none; give one for each moment, or none at all.")
        self.given: dict[str, np.ndarray] = {}
        units = []
        for name, value in moments.items():
            if name not in known:
                raise GameError(f"moments: there is no variable '{name}'; {suggest(name, known)}")
            given = _numbers(value, f"moments: those of '{name}'")
            if given.shape != known[name].shape:
                raise GameError(f"moments: '{name}' has shape {known[name].shape}, not {given.shape}.")
            if np.isinf(given).any() or np.isnan(given).all():
                raise GameError(f"moments: '{name}' is {given}; give finite numbers, and NaN for what is not known.")
            self.given[name] = given
            unit = _numbers(errors.get(name, np.nan), f"errors: those of '{name}'")
            if unit.shape not in ((), given.shape):
                raise GameError(f"errors: those of '{name}' have shape {unit.shape}; give one, or {given.shape}.")
            unit = np.broadcast_to(unit, given.shape)
            if errors and not (np.isfinite(unit) & (unit > 0) | np.isnan(given)).all():
                raise GameError(f"errors: those of '{name}' must be finite and above 0, not {unit}.")
            units.append(np.where(given == 0.0, 1.0, np.abs(given)) if not errors else unit)
        flat = np.concatenate([value.reshape(-1) for value in self.given.values()])
        self.known = ~np.isnan(flat)
        self.values, self.units = flat[self.known], np.concatenate([u.reshape(-1) for u in units])[self.known]

    def of(self, variables: Mapping[str, Array]) -> Float[Array, " entry"]:
        """All entries of the moments, wanted or not."""
        return jnp.concatenate([variables[name].reshape(-1) for name in self.given])


class _Evaluation:
    """Misses and their derivatives at parameters, computed together and kept for the last ones."""

    def __init__(self, problem: Problem, how: How, where: Sequence[Knob], target: _Target):
        self.target = target
        arrays, static = eqx.partition(problem, eqx.is_array)

        def moments(theta: Float[Array, " parameter"], arrays: Any) -> tuple[Array, tuple[Array, Array]]:
            eq = how.solve(put(eqx.combine(arrays, static), where, list(theta)))
            every = target.of(reported(eq))
            return every, (every, eq.status)

        self.program = jax.jit(jax.jacfwd(moments, has_aux=True))
        self.arrays = arrays
        self.last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def at(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Misses in units, NaN where there is no equilibrium, and their derivatives."""
        if self.last is None or not np.array_equal(self.last[0], theta):
            slopes, (every, status) = self.program(jnp.asarray(theta), self.arrays)
            solved = int(status) in (Status.successful, Status.first_order)
            target = self.target
            every, slopes = (np.asarray(part, dtype=float)[target.known] for part in (every, slopes))
            misses = (every - target.values) / target.units if solved else np.full(every.shape, np.nan)
            self.last = theta.copy(), misses, slopes / target.units[:, None]
        return self.last[1], self.last[2]

    def misses(self, theta: np.ndarray) -> np.ndarray:
        return self.at(theta)[0]

    def slopes(self, theta: np.ndarray) -> np.ndarray:
        return self.at(theta)[1]


def _numbers(value: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise GameError(f"{what} must be real numbers, not {value!r}.") from None


def _bounds(where: Sequence[Knob], fields: Mapping[str, tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    pairs = []
    for knob, pair in zip(where, fields.values(), strict=True):
        try:
            low, high = (float(x) for x in pair)
        except (TypeError, ValueError):
            raise GameError(f"fields: give '{knob.name}' two bounds (lower, upper), not {pair!r}.") from None
        if not low < high:
            raise GameError(f"fields: the lower bound of '{knob.name}' must be below the upper one, not {pair!r}.")
        pairs.append((low, high))
    low, high = np.array(pairs).T
    return low, high


def _starts(begin: np.ndarray, lower: np.ndarray, upper: np.ndarray, wide: np.ndarray, starts: int) -> list[np.ndarray]:
    # A start at a bound has no room to one side.
    low, width = np.where(wide, lower, 0.0), np.where(wide, upper - lower, 0.0)
    inside = np.where(wide, np.clip(begin, low + 1e-3 * width, low + (1.0 - 1e-3) * width), begin)
    return [inside, *(np.where(wide, low + row * width, inside) for row in low_discrepancy(starts - 1, len(begin)))]


def _report(
    problem: Problem,
    how: How,
    where: Sequence[Knob],
    target: _Target,
    evaluate: _Evaluation,
    theta: np.ndarray,
    bounds: Float[np.ndarray, "2 parameter"],
    units: np.ndarray,
    with_errors: bool,
) -> Fit:
    misses, slopes = evaluate.at(theta)
    names = [knob.name for knob in where]
    held = np.any(np.abs(theta - bounds) <= 1e-9 * units, axis=0)
    flat = np.zeros((0, len(theta)))
    spread = np.full((len(theta), len(theta)), np.nan)
    if (free := np.flatnonzero(~held)).size:
        found = flat_directions(slopes[:, free], units[free])
        flat = np.zeros((len(found), len(theta)))
        flat[:, free] = found
        if with_errors:
            spread[np.ix_(free, free)] = covariance(slopes[:, free], units[free], found)
    if len(flat):
        each = "; ".join(described(row, names, units) for row in flat)
        warnings.warn(
            f"fit: these moments do not identify all parameters. Nothing changes to first order along: {each}. Give "
            "more moments, or fix some of these parameters.",
            NotIdentifiedWarning,
            stacklevel=3,
        )
    end = put(problem, where, list(theta))
    equilibrium = solve(end, how.method, tol=how.tol, max_steps=how.max_steps, certify=how.search or False)
    every = reported(equilibrium)
    off = np.full(len(target.known), np.nan)
    off[target.known] = misses
    cuts = np.cumsum([value.size for value in target.given.values()])[:-1]
    return Fit(
        problem=end,
        equilibrium=equilibrium,
        values=dict(zip(names, map(float, theta), strict=True)),
        errors=dict(zip(names, map(float, np.sqrt(np.diag(spread))), strict=True)),
        covariance=spread,
        moments={name: np.asarray(every[name], dtype=float) for name in target.given},
        misses={
            name: part.reshape(value.shape)
            for (name, value), part in zip(target.given.items(), np.split(off, cuts), strict=True)
        },
        objective=float(np.sum(np.square(misses))),
        freedom=len(target.values) - len(theta),
        flat=tuple({n: float(x) for n, x in zip(names, row * units, strict=True) if x} for row in flat),
        at_bound=tuple(name for name, is_held in zip(names, held, strict=True) if is_held),
    )
