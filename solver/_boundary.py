"""Where along one parameter a regime changes: the root of a condition on the equilibrium.

The condition c(theta) = C(z*(theta), theta) is differentiated exactly, through the equilibrium, so that Newton's method
finds the root in a few solves; a bracket with a change of sign safeguards it (Press et al. 2007, Numerical Recipes,
section 9.4). Every solve is certified.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._axes import Knob, knobs, put
from ._best_response import BestResponse
from ._branch_points import Given
from ._check import check_options, check_start, prepare
from ._conditions import conditions_of, own_curvature
from ._equilibrium import equilibrium
from ._errors import GameError, NotSolvedError
from ._game import Game, Problem
from ._layout import dtype_of, layout_of
from ._method import Method
from ._search import GlobalSearch
from ._solution import Equilibrium
from ._status import Status

_STEPS = 200


class AtBound(eqx.Module):
    """The condition that a strategy just reaches its bound: where a firm enters or leaves a market.

    Its value is the distance z_j - b_j of a free strategy from the bound, and g_j/h_j, gradient over curvature, where
    the strategy is held there: it changes its sign at the switch, although the strategy itself stays at the bound.

    >>> AtBound("quantity", 1)
    AtBound(strategy='quantity', index=1)
    """

    strategy: str = eqx.field(static=True)
    """The name of the strategy."""
    index: int = eqx.field(static=True, default=0)
    """Which of its entries: the number of the firm, if there is one for each."""
    upper: bool = eqx.field(static=True, default=False)
    """Whether the upper bound is meant."""

    def value(self, game: Game, z: Float[Array, " strategy"]) -> Float[Array, ""]:
        """The condition at an equilibrium z of `game`, in the strategy's unit."""
        layout = layout_of(game)
        conditions = conditions_of(game, layout, z.dtype)
        point = conditions.at(z)
        curvature = jax.lax.stop_gradient(own_curvature(point.gradient, point.jacobian))
        away = z + point.gradient / curvature - (conditions.upper if self.upper else conditions.lower)
        entry = np.flatnonzero(layout.name_of == layout.names.index(self.strategy))[self.index]
        return jnp.sum(jnp.where(np.arange(layout.size) == entry, away, 0.0))


Condition = str | AtBound | Callable[[Equilibrium], Float[Array, ""]]


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary:
    """Where a regime changes along one parameter."""

    parameter: str
    """The name of the parameter."""
    value: float
    """Its value at the boundary."""
    equilibrium: Equilibrium
    """The equilibrium there, with its certificate."""
    condition: float
    """The condition there: near 0, unless it jumps over 0."""
    slope: float
    """The derivative of the condition in the parameter."""
    error: float
    """How far the boundary may be from `value`, in the parameter's unit: the last step."""
    solves: int
    """How often the problem was solved."""

    def __str__(self) -> str:
        return (
            f"{self.parameter} = {self.value:.12g} (last step {self.error:.1e}, condition {self.condition:.1e}, "
            f"{self.solves} solves)\n{self.equilibrium}"
        )


def boundary(
    problem: Problem,
    parameter: str,
    interval: tuple[float, float],
    condition: Condition,
    method: Method | None = None,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> Boundary:
    """The value of a parameter at which a condition on the equilibrium changes its sign.

    To about 1e-12 of the interval's width in float64, by Newton's method with exact derivatives in a bracket. If there
    are several such values it finds one; if the condition jumps, the jump.

    Args:
        problem: a `Game` or a `Leader`.
        parameter: "field", or "field[i]" for an element of an array.
        interval: (lower, upper), at whose ends the condition has different signs.
        condition: the name of a scalar outcome; `AtBound`, for entry and exit; or a function of the `Equilibrium` that
            returns a scalar, e.g. a difference of payoffs.
        method: as in `solve`.
        start: as in `solve`, at every value of the parameter.
        tol: as in `solve`.
        max_steps: as in `solve`.
        certify: as in `solve`.

    Raises:
        GameError: something is ill-defined, or the condition has the same sign at both ends.
        NotSolvedError: at some value of the parameter no equilibrium was found.

    >>> from nashgrid.solver import AtBound, Game, boundary, parameter
    >>> class Duopoly(Game):
    ...     cost: Float[Array, " firm"] = parameter((1.0, 2.0), "marginal cost")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (10.0 - s["q"].sum() - self.cost) * s["q"]
    >>> exit = boundary(Duopoly(), "cost[1]", (2.0, 9.0), AtBound("q", 1), tol=1e-4)
    >>> round(exit.value, 3)  # (10 + cost[0])/2
    5.5
    """
    problem = prepare(problem)
    (where,) = knobs(problem, (parameter,), "parameter")
    method = BestResponse() if method is None else method
    if start is not None:
        if not isinstance(problem, Game):
            raise GameError("start is for games; a Leader starts in the middle of its interval.")
        start = check_start(problem, start)
    dtype = dtype_of(problem)
    tol, search = check_options(method, tol, max_steps, dtype, certify)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(problem)):
        raise GameError("boundary cannot be traced by JAX: call it outside jit, vmap and grad.")
    low, high = ends(interval)
    _check_condition(problem, condition)
    accepted = (Status.successful,) if search is not None else (Status.successful, Status.first_order)
    count = 0

    def evaluate(x: float) -> tuple[float, float, Equilibrium]:
        nonlocal count
        count += 1
        value, slope, one = _evaluate(
            problem, where, jnp.asarray(x, dtype), condition, method, start, tol, int(max_steps), search
        )
        if int(one.status) not in accepted:
            raise NotSolvedError(f"No equilibrium was found at {where.name} = {x:.10g}.\n{one}")
        if not math.isfinite(value):
            raise GameError(f"The condition is {float(value)} at {where.name} = {x:.10g}; give one that is finite.")
        return float(value), float(slope), one

    def found(x: float, at: tuple[float, float, Equilibrium], error: float) -> Boundary:
        return Boundary(where.name, x, at[2], at[0], at[1], error, count)

    begin, end = evaluate(low), evaluate(high)
    for x, at in ((low, begin), (high, end)):
        if at[0] == 0.0:
            return found(x, at, 0.0)
    if (begin[0] < 0) == (end[0] < 0):
        raise GameError(
            f"The condition is {begin[0]:.6g} at {where.name} = {low:g} and {end[0]:.6g} at {high:g}: give an "
            "interval at whose ends it has different signs; a sweep shows where."
        )
    exact = 4e3 * float(jnp.finfo(dtype).eps) * (high - low)
    left, right = low, high
    x, at = (low, begin) if abs(begin[0]) < abs(end[0]) else (high, end)
    moved = before = right - left
    for _ in range(_STEPS):
        newton = x - at[0] / at[1] if at[1] != 0.0 and math.isfinite(at[1]) else math.nan
        # Newton's step if it stays inside and steps shrink; else half of the bracket.
        good = left < newton < right and abs(newton - x) <= 0.5 * before
        onward = newton if good else (left + right) / 2.0
        before, moved = moved, abs(onward - x)
        if onward in (left, right) or moved == 0.0:
            break
        x, at = onward, evaluate(onward)
        if at[0] == 0.0 or moved <= exact or right - left <= exact:
            break
        if (at[0] < 0) == (begin[0] < 0):
            left = x
        else:
            right = x
    return found(x, at, 0.0 if at[0] == 0.0 else min(moved, right - left))


def ends(interval: tuple[float, float]) -> tuple[float, float]:
    """The two ends of an interval, or a refusal."""
    try:
        low, high = (float(end) for end in interval)
    except (TypeError, ValueError):
        raise GameError(f"interval is {interval!r}; give two numbers, (lower, upper).") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise GameError(f"interval is {interval!r}; give two finite numbers, the lower one first.")
    return low, high


@eqx.filter_jit
def _evaluate(problem: Problem, where: Knob, x, condition: Condition, method, start, tol, max_steps, search):
    def value(x):
        at = put(problem, (where,), (x,))
        one = equilibrium(at, method, start=start, tol=tol, max_steps=max_steps, search=search)
        if isinstance(condition, AtBound):
            assert isinstance(at, Game)
            number = condition.value(at, layout_of(at).flatten(one.strategy))
        else:
            number = one.outcomes[condition] if isinstance(condition, str) else condition(one)
        return number, one

    number, slope, one = jax.jvp(value, (x,), (jnp.ones_like(x),), has_aux=True)
    return number, slope, one


def _check_condition(problem: Problem, condition: Condition) -> None:
    """Refuse a condition that is no scalar of the equilibrium."""
    if isinstance(condition, AtBound):
        if not isinstance(problem, Game):
            raise GameError("AtBound is for games of simultaneous play; give a function of the Equilibrium instead.")
        layout = layout_of(problem)
        if condition.strategy not in layout.names:
            raise GameError(f"{condition} names no strategy; there is {', '.join(layout.names)}.")
        count = math.prod(layout.shapes[layout.names.index(condition.strategy)])
        if not 0 <= condition.index < count:
            raise GameError(f"{condition}: '{condition.strategy}' has {count} entries, from 0 to {count - 1}.")
        return
    one = eqx.filter_eval_shape(
        lambda p: equilibrium(p, Given(), start=None, tol=1e-3, max_steps=1, search=None), problem
    )
    if isinstance(condition, str):
        if condition not in one.outcomes:
            raise GameError(f"condition={condition!r} is no outcome; there is {', '.join(one.outcomes) or 'none'}.")
        shape = one.outcomes[condition].shape
    elif callable(condition):
        value = eqx.filter_eval_shape(condition, one)
        if not isinstance(value, jax.ShapeDtypeStruct | jax.Array):
            raise GameError(f"The condition returned a {type(value).__name__}; return a scalar array.")
        shape = value.shape
    else:
        raise GameError(
            f"condition is {condition!r}; give an outcome's name, AtBound or a function of the Equilibrium."
        )
    if shape != ():
        raise GameError(f"The condition has shape {shape}; it must be a scalar.")
