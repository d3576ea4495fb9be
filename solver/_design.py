"""Policy design: the parameters at which an equilibrium is best, under a budget.

max v(theta, z*(theta)) over a box, with b(theta, z*(theta)) <= B: v and b are payoffs or outcomes of the equilibrium
z*, with exact derivatives by the implicit function theorem. Projected ascent along the steps of an optimizer, halved
until they gain; the budget enters as an augmented Lagrangian (Hestenes 1969, Powell 1969), whose multiplier ends as
the shadow price dv/dB. Every point that is accepted is certified; where there is no equilibrium steps get shorter.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._axes import Knob, knobs, put, take
from ._best_response import BestResponse
from ._check import check_options, prepare, structure
from ._climb import Climb, Place, lbfgs
from ._errors import GameError, NotSolvedError
from ._game import Problem
from ._how import How
from ._layout import dtype_of
from ._low_discrepancy import low_discrepancy
from ._method import Method
from ._objective import check_objective, value_of
from ._quick import OPTIONS, quick
from ._search import GlobalSearch
from ._solution import Equilibrium
from ._status import Status

if TYPE_CHECKING:
    import optax


@dataclasses.dataclass(frozen=True, eq=False)
class Design:
    """A policy: parameters, and the equilibrium that they lead to."""

    problem: Problem
    """The problem with the parameters that were chosen."""
    equilibrium: Equilibrium
    """Its equilibrium, certified."""
    values: dict[str, float]
    """The parameters that were chosen."""
    objective: float
    """What was maximized."""
    spent: float
    """What the budget limits; NaN without one."""
    shadow_price: float
    """What one more unit of the budget would add to the objective: 0 if it does not bind, NaN without one."""
    at_bound: tuple[str, ...]
    """Parameters that ended at a bound."""
    converged: bool
    """Whether the first-order conditions hold; a local optimum, unless the objective is concave."""
    trace: xr.Dataset
    """The points that were accepted, by step: parameters, objective, and what was spent."""

    def __str__(self) -> str:
        lines = [f"objective {self.objective:.6g}{'' if self.converged else ' (not converged)'}"]
        lines += [
            f"  {name} = {value:.6g}{' at its bound' if name in self.at_bound else ''}"
            for name, value in self.values.items()
        ]
        if not np.isnan(self.spent):
            lines.append(f"  spent {self.spent:.6g}, shadow price of the budget {self.shadow_price:.4g}")
        return "\n".join(lines)


def design(
    problem: Problem,
    objective: str | Mapping[str, float],
    fields: Mapping[str, tuple[float, float]],
    method: Method | None = None,
    *,
    budget: tuple[str, float] | None = None,
    optimizer: "optax.GradientTransformation | None" = None,
    starts: int = 1,
    most_points: int = 2000,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> Design:
    """Choose parameters so that the equilibrium is best.

    The same program serves all weights, limits, bounds and parameters: only the first of many designs compiles.

    Args:
        problem: a `Game`, `Leader` or `Stage`; parameters that are not chosen stay what they are, and those that are
            begin there.
        objective: the name of a firm (its payoff) or of a scalar outcome, or several with their weights, summed.
        fields: name of a parameter (as in the axes of `sweep`) -> (lower, upper), finite.
        method: as in `solve`.
        budget: the name of a firm or of a scalar outcome, and what it may be at most.
        optimizer: of optax, without a line search of its own; it is given parameters scaled to the unit box. L-BFGS by
            default.
        starts: how often to begin, first where the problem is, then in points that fill the bounds; the best end
            counts.
        most_points: the most points to try from each start.
        tol: as in `solve`.
        max_steps: as in `solve`.
        certify: as in `solve`.

    Raises:
        GameError: an argument cannot be used; the message says what to write.
        NotSolvedError: no start has an equilibrium, or none ends within the budget.

    >>> from jaxtyping import Array, Float
    >>> from nashgrid.solver import Game, parameter
    >>> class Polluter(Game):
    ...     tax: Float[Array, ""] = parameter(0.0, "per unit")
    ...     firms = ("monopolist",)
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (8.0 - s["q"] - self.tax) * s["q"]
    ...     def outcomes(self, s):
    ...         return {"welfare": (8.0 * s["q"] - s["q"] ** 2 / 2.0 - 5.0 * s["q"]).sum()}
    >>> best = design(Polluter(), "welfare", {"tax": (0.0, 5.0)}, tol=1e-4)
    >>> round(best.values["tax"], 2)  # Pigou's 5, less the monopolist's markup of 3
    2.0
    """
    problem = prepare(problem)
    method = BestResponse() if method is None else method
    if not isinstance(fields, Mapping) or not fields:
        raise GameError("fields: give at least one parameter and its bounds, e.g. {'tax': (0.0, 5.0)}.")
    where = knobs(problem, tuple(fields), "fields")
    box = _box(where, fields)
    weights = _weights(problem, objective)
    what, limit = _budget(problem, budget)
    if starts < 1:
        raise GameError(f"starts is {starts}; begin at least once.")
    dtype = dtype_of(problem)
    tol, search = check_options(method, tol, max_steps, dtype, certify)
    how = How((), (), method, tol, int(max_steps), search)
    names = tuple(weights) if what is None else (*weights, what)
    program = _program(structure(problem), how, where, names, quick(problem))
    arrays = eqx.partition(problem, eqx.is_array)[0]
    ratio = np.array(list(weights.values()))

    def visit(share: Float[np.ndarray, " parameter"]) -> Place | None:
        theta = box[0] + share * (box[1] - box[0])
        slopes, (values, eq) = program(jnp.asarray(theta, dtype), arrays)
        values, slopes = np.asarray(values, float), np.asarray(slopes, float) * (box[1] - box[0])
        if int(eq.status) not in (Status.successful, Status.first_order) or not np.isfinite(slopes).all():
            return None
        spent = (values[-1], slopes[-1]) if what is not None else (np.nan, np.zeros(len(share)))
        count = len(ratio)
        return Place(share, float(ratio @ values[:count]), ratio @ slopes[:count], *spent, eq)

    precision = float(np.sqrt(jnp.finfo(dtype).eps))
    climb = Climb(visit, lbfgs() if optimizer is None else optimizer, limit, precision, most_points, dtype)
    begin = np.array([float(x) for x in take(problem, where)])
    first = np.clip((begin - box[0]) / (box[1] - box[0]), 0.0, 1.0)
    ends = [end for share in (first, *low_discrepancy(starts - 1, len(where))) if (end := climb(share)) is not None]
    if not ends:
        raise NotSolvedError(
            "design: no start has a certified equilibrium; set the parameters of the problem to values that have one, "
            f"or give more than {starts} starts."
        )
    kept = [end for end in ends if not end.excess > 10.0 * precision]
    if not kept:
        least = min(end.place.spent for end in ends)
        raise NotSolvedError(f"design: '{what}' was to be at most {limit:g}, and was nowhere found below {least:.6g}.")
    best = max(kept, key=lambda end: end.place.value)
    rows = np.stack([place.share for place in best.trace]) * (box[1] - box[0]) + box[0]
    columns = {knob.name: ("step", rows[:, k]) for k, knob in enumerate(where)}
    columns |= {
        "objective": ("step", np.array([place.value for place in best.trace])),
        "spent": ("step", np.array([place.spent for place in best.trace])),
    }
    share = best.place.share
    return Design(
        problem=put(problem, where, list(rows[-1])),
        equilibrium=best.place.answer,
        values={knob.name: float(x) for knob, x in zip(where, rows[-1], strict=True)},
        objective=best.place.value,
        spent=float(best.place.spent),
        shadow_price=np.nan if what is None else best.multiplier,
        at_bound=tuple(knob.name for knob, x in zip(where, share, strict=True) if x in (0.0, 1.0)),
        converged=best.converged,
        trace=xr.Dataset(columns),
    )


@functools.lru_cache(maxsize=16)
def _program(key: tuple, how: How, where: tuple[Knob, ...], names: tuple[str, ...], fast: bool) -> Any:
    """(parameters, arrays of the problem) -> derivatives of what `names` say, it, and the equilibrium."""
    _, _, statics, static_tree = key
    static = jax.tree.unflatten(static_tree, statics)

    def values(theta: Float[Array, " parameter"], arrays: Any) -> tuple[Array, tuple[Array, Equilibrium]]:
        eq = how.solve(put(eqx.combine(arrays, static), where, list(theta)))
        every = jnp.stack([value_of(eq, name) for name in names])
        return every, (every, eq)

    # One solve for all directions: only the derivatives have them as an axis.
    return jax.jit(jax.jacfwd(values, has_aux=True), compiler_options=OPTIONS if fast else None)


def _box(where: Sequence[Knob], fields: Mapping[str, tuple[float, float]]) -> Float[np.ndarray, "2 parameter"]:
    pairs = []
    for knob, pair in zip(where, fields.values(), strict=True):
        try:
            low, high = (float(x) for x in pair)
        except (TypeError, ValueError):
            raise GameError(f"fields: give '{knob.name}' two bounds (lower, upper), not {pair!r}.") from None
        if not (low < high and np.isfinite(high - low)):
            raise GameError(f"fields: the bounds of '{knob.name}' must be finite and in order, not {pair!r}.")
        pairs.append((low, high))
    return np.array(pairs).T


def _weights(problem: Problem, objective: str | Mapping[str, float]) -> dict[str, float]:
    weights = {objective: 1.0} if isinstance(objective, str) else dict(objective)
    if not weights:
        raise GameError("objective: give the name of an outcome, or names and weights, e.g. {'welfare': 1.0}.")
    for name, weight in weights.items():
        check_objective(problem, name, "objective")
        if not np.isfinite(weight):
            raise GameError(f"objective: the weight of '{name}' is {weight}; give a finite number.")
    return {name: float(weight) for name, weight in weights.items()}


def _budget(problem: Problem, budget: tuple[str, float] | None) -> tuple[str | None, float]:
    if budget is None:
        return None, np.inf
    try:
        name, limit = budget[0], float(budget[1])
    except (TypeError, ValueError, IndexError):
        raise GameError(f"budget: give a name and a limit, e.g. ('public_outlay', 0.1), not {budget!r}.") from None
    check_objective(problem, name, "budget")
    if not np.isfinite(limit):
        raise GameError(f"budget: the limit of '{name}' is {limit}; give a finite number, or no budget.")
    return name, limit
