"""Branches of equilibria along one parameter, through folds, with every event on the way located.

As a parameter changes, an equilibrium moves along a curve that may turn back (a fold, where two equilibria meet and
vanish), cross another one (a bifurcation), lose stability under best responses, have a bend where a strategy reaches a
bound, or stop being an equilibrium because a firm gains by a distant deviation, which no derivative announces. The
curve is followed by pseudo-arclength continuation (Keller 1977; Allgower & Georg 2003): a step along the tangent, a
correction across it, with the strategies at bounds held there and the pieces joined exactly (see `_pieces`). Steps
follow from the angle between tangents. One Python loop around compiled functions: it cannot be vmapped or traced.

What is not found: branches that are not connected to the start, events that undo each other within one step, and
bifurcations of even multiplicity, of which only the loss of stability is seen. A payoff with a kink ends a branch.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jax.core import Tracer
from jaxtyping import ArrayLike

from . import _numpy as jnp
from ._arclength import Curve
from ._axes import knob, take
from ._best_response import BestResponse
from ._boundary import ends
from ._branch_points import Points, Row
from ._check import check_options, check_start, prepare
from ._conditions import conditions_of
from ._errors import GameError
from ._game import Game
from ._layout import dtype_of, layout_of
from ._method import Method
from ._newton import Newton
from ._pieces import At, Pieces
from ._priced import refuse_constraints
from ._search import GlobalSearch
from ._solve import solve
from ._status import Status
from ._trace import Trace

Kind = Literal["fold", "bifurcation", "stability", "active_set", "certificate"]

ENDS = {
    "interval": "the parameter has reached an end of the interval",
    "max_points": "max_points were computed; raise max_points or step",
    "stuck": "no next point was found, however short the step: the payoff may have a kink or no value there",
    "no_continuation": "at a change of the active set no single direction leads on",
    "closed": "the branch has returned to its start",
}
"""Why a branch ends."""


@dataclasses.dataclass(frozen=True, eq=False)
class Event:
    """Something that happens at one point of a branch."""

    kind: Kind
    """"fold": the parameter turns back. "bifurcation": another branch crosses. "stability": the spectral radius of the
    best-response map crosses 1. "active_set": a strategy reaches or leaves a bound. "certificate": the first-order
    point starts or ceases to be a certified equilibrium."""
    value: float
    """The parameter there."""
    strategy: dict[str, np.ndarray]
    """The strategies there, by name."""
    arclength: float
    """Where it is on the branch."""
    detail: str
    """What happens, in words, to who goes along the branch in the order of its points."""

    def __str__(self) -> str:
        return f"{self.kind:<11} at {self.value:.10g}: {self.detail}"


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """A branch of first-order points: its points, what happens on it, and why it ends."""

    data: xr.Dataset
    """The points in order, of the dimension "point" (and "firm"): the parameter and `arclength` as coordinates, the
    strategies, `payoff` and outcomes; their derivatives in the parameter along the branch, infinite at folds;
    `stability`, `status` and the rest of the certificate; `event`, the kinds of the events at the point, or ""."""
    events: tuple[Event, ...]
    """The events, in the order of the points."""
    ends: tuple[str, str]
    """Why it ends before its first and after its last point: keys of `ENDS`."""

    def of_kind(self, kind: Kind) -> tuple[Event, ...]:
        """The events of one kind."""
        return tuple(event for event in self.events if event.kind == kind)

    def __str__(self) -> str:
        name = self.data.attrs["parameter"]
        values = self.data[name].values
        status = self.data["status"].values
        counts = ", ".join(f"{int((status == k).sum())} {Status(k).name}" for k in np.unique(status))
        lines = [
            f"branch of {self.data.attrs['game']} along {name}, {values.min():.6g} to {values.max():.6g}: "
            f"{len(values)} points ({counts})",
            *(f"  {event}" for event in self.events),
            *(f"  {where}: {ENDS[end]}" for where, end in zip(("first", "last"), self.ends, strict=True)),
        ]
        return "\n".join(lines)


def follow(
    game: Game,
    parameter: str,
    interval: tuple[float, float],
    *,
    start: Mapping[str, ArrayLike] | None = None,
    method: Method | None = None,
    tol: float | None = None,
    max_points: int = 500,
    step: float = 0.05,
    certify: bool | GlobalSearch = True,
) -> Branch:
    """Follow an equilibrium along one parameter, both ways from the value that the game has, through folds.

    Events are located to about 1e-12 of the interval's width in float64, and 1e-3 in float32. Stable and unstable
    parts are returned alike, and parts whose points are no equilibria: `status` tells.

    Args:
        game: a game of simultaneous play; it gives the starting value of the parameter.
        parameter: "field", or "field[i]" for an element of an array.
        interval: (lower, upper), the values between which to follow, the game's own among them.
        start: strategies near the first-order point to start from, by name; by default what `solve` finds, which has
            to be an equilibrium.
        method: how to find the first point: `Newton()` if `start` is given, else `BestResponse()`.
        tol: as in `solve`.
        max_points: the most points, in both directions together; the branch ends there.
        step: the longest step, as a fraction of the interval's width or of the largest strategies.
        certify: whether to search for profitable deviations at every point, and how thoroughly.

    Raises:
        GameError: the game, the parameter, the interval or an option is ill-defined, or there is no first-order point
            to start from; the message says what to change.

    >>> from jaxtyping import Array, Float
    >>> from nashgrid.solver import Game, follow, parameter
    >>> class Cubic(Game):
    ...     push: Float[Array, ""] = parameter(0.0, "slope of the payoff at zero")
    ...     firms = ("A",)
    ...     def bounds(self):
    ...         return {"x": (-3.0, 3.0)}
    ...     def payoff(self, s):
    ...         return s["x"] ** 2 / 2 - s["x"] ** 4 / 4 + self.push * s["x"]
    >>> branch = follow(Cubic(), "push", (-1.0, 1.0), start={"x": 1.0}, certify=False, tol=1e-4)
    >>> [round(abs(fold.value), 3) for fold in branch.of_kind("fold")]  # x - x^3 + push = 0: 2/sqrt(27)
    [0.385, 0.385]
    """
    if not isinstance(game, Game):
        raise GameError(f"follow is for games of simultaneous play, not {type(game).__name__}; sweep a Leader instead.")
    game = prepare(game)
    refuse_constraints(game, "follow")
    where = knob(game, parameter)
    value = take(game, (where,))[0]
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(game)):
        raise GameError("follow cannot be traced by JAX: call it outside jit, vmap and grad.")
    low, high = ends(interval)
    value = float(value)
    if not low <= value <= high:
        raise GameError(
            f"The game has {where.name} = {value:g}, which is outside the interval ({low:g}, {high:g}); set it to a "
            "value inside, where the branch is to start."
        )
    if isinstance(max_points, bool) or not isinstance(max_points, int | np.integer) or max_points < 2:
        raise GameError(f"max_points is {max_points!r}; give a whole number of at least 2.")
    if not isinstance(step, int | float) or not 1e-6 <= step <= 1:
        raise GameError(f"step is {step!r}; give a number from 1e-6 to 1.")
    dtype = dtype_of(game)
    polished = start is not None
    method = (Newton() if polished else BestResponse()) if method is None else method
    tol, search = check_options(method, tol, 256, dtype, certify)
    if start is not None:
        start = check_start(game, start)
    certifies: bool | GlobalSearch = False if polished or search is None else search
    first = solve(game, method, start=start, tol=tol, certify=certifies, throw=False)
    if int(first.status) not in (Status.successful, Status.first_order):
        advice = "give another start." if polished else "give start= near an equilibrium, or another value."
        raise GameError(
            f"There is no {'first-order point near the start' if polished else 'equilibrium to start from'} at "
            f"{where.name} = {value:g} ({Status(int(first.status)).name}): {advice}"
        )
    layout = layout_of(game)
    z = np.asarray(layout.flatten(first.strategy), np.float64)
    curve = Curve(game, where, layout)
    points = Points(curve, tol, search, high - low)
    size = points.size_at(np.append(z, value), np.zeros(layout.size))
    pieces = Pieces(curve, size)
    ways = _directions(pieces, game, z, value)
    if ways is None:
        raise GameError(
            f"The branch cannot start at {where.name} = {value:g}, a fold or a bifurcation; start at another value."
        )
    forward, backward = ways
    traces = []
    budget = int(max_points) - 1
    for at, back in ((forward, False), (backward, True)):
        trace = Trace(points, Pieces(curve, size), (low, high), float(step), home=forward, back=back)
        if at is None:
            trace.end = "no_continuation"
        elif traces and traces[0].end == "closed":
            trace.end = "closed"
        else:
            trace.run(at, budget)
        budget -= len(trace.rows)
        traces.append(trace)
    ahead, behind = traces
    rows = [*reversed(behind.rows), Row(0.0, forward, points.report(forward, size), size), *ahead.rows]
    signed = [-row.arclength for row in reversed(behind.rows)] + [0.0] + [row.arclength for row in ahead.rows]
    found = [(-s, *rest) for s, *rest in reversed(behind.events)] + list(ahead.events)
    events = tuple(Event(kind, float(u[-1]), points.profile(u[:-1]), float(s), detail) for s, kind, detail, u in found)
    reasons = (behind.end, ahead.end)
    return Branch(points.dataset(rows, np.asarray(signed), reasons), events, reasons)


def _directions(pieces: Pieces, game: Game, z: np.ndarray, value: float) -> tuple[At, At | None] | None:
    """The start as the beginning of both directions, the parameter growing first; None if neither is defined."""
    held = np.asarray(_held(game, jnp.asarray(z, dtype_of(game))))
    found = pieces.at_value(np.append(z, value), held, value)
    if found is None:
        return None
    row = np.eye(len(z) + 1)[-1]
    at = pieces.on(found[0], held, row)
    if at is None:
        return None
    switching = pieces.biactive(at)
    if not switching.any():
        return at, pieces.on(at.local, held, -at.way)
    every = sorted(pieces.outgoing(at.local, held, switching), key=lambda way: way.way[-1])
    if not every or every[-1].way[-1] <= 0:
        return None
    return every[-1], every[0] if len(every) > 1 else None


@eqx.filter_jit
def _held(game: Game, z):
    """By strategy: -1 if it is held at its lower bound, 1 at its upper one, else 0."""
    layout = layout_of(game)
    point = conditions_of(game, layout, z.dtype).at(z)
    lower, upper = conditions_of(game, layout, z.dtype).lower, conditions_of(game, layout, z.dtype).upper
    side = jnp.where((point.target == lower) | (lower == upper), -1, 1)
    return jnp.where(point.free & (lower != upper), 0, side).astype(jnp.int32)
