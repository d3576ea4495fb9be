"""Proof that a box of profiles contains exactly one equilibrium, where it can be had.

A certificate samples deviations; a proof excludes them. The payoff is read as a function of real numbers: what JAX
traces of it, with every operation exact and every constant and parameter the float64 number it is. It is enclosed by
interval arithmetic with outward rounding (`_interval`, `_jet`), without any derivative rule of JAX. Then

1. the first-order conditions have exactly one solution in a box around the profile, and what is held at a bound stays
   there (Krawczyk's test, `_krawczyk`);
2. at this solution no firm gains by any of its strategies, near or far (branch and bound, `_exclusion`).

Both together: there is an equilibrium in the box, and no other. What is not shown is named; it may be true all the
same. Equilibria on a continuum, at a kink of a payoff, with a strategy at a bound at which its derivative is zero, or
with a second best reply cannot be shown this way.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike, Float

from . import _numpy as jnp
from ._check import check_start, prepare
from ._errors import GameError
from ._exclusion import exclude
from ._game import Game
from ._interval import Interval
from ._interval_jaxpr import graph_of
from ._krawczyk import Solution, System, locate
from ._layout import bounds_of, dtype_of, layout_of
from ._priced import refuse_constraints
from ._solution import Equilibrium


class Box(NamedTuple):
    """A box of strategy profiles, ends included."""

    lower: dict[str, np.ndarray]
    """By strategy: the lower ends."""
    upper: dict[str, np.ndarray]
    """By strategy: the upper ends."""


@dataclasses.dataclass(frozen=True)
class Proof:
    """What `prove` has shown, with certainty."""

    proved: bool
    """Whether exactly one equilibrium in `box` has been shown."""
    reason: str
    """One sentence: what has been shown, or what could not be."""
    box: Box
    """If `proved`: there is exactly one equilibrium in this box. Else the profile that was given."""
    enclosure: Box
    """If `proved`: the narrowest box found that contains this equilibrium and the given profile. Else that profile."""
    gain_bound: Float[np.ndarray, " firm"]
    """By firm, payoff units: from no profile in `enclosure` does any strategy of its own add more to its payoff than
    this, also if not `proved`. Infinite where nothing was shown. At the equilibrium itself nothing is gained at all."""
    boxes: int
    """How many boxes of deviations were looked at."""

    def __str__(self) -> str:
        lines = ["proved" if self.proved else "not proved", f"  {self.reason}"]
        for name in self.enclosure.lower:
            low, high = (np.reshape(part[name], -1) for part in self.enclosure)
            lines.append(f"  {name:<9} " + "  ".join(f"[{a:.17g}, {b:.17g}]" for a, b in zip(low, high, strict=True)))
        return "\n".join([*lines, "  gain      at most " + "  ".join(f"{g:.1e}" for g in self.gain_bound)])


def prove(
    game: Game,
    profile: Equilibrium | Mapping[str, ArrayLike],
    *,
    radius: float | None = None,
    within: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    max_boxes: int = 20000,
) -> Proof:
    """Prove that there is exactly one equilibrium near a profile, if that can be shown.

    The claim, exists one and only one z in the box with payoff_i(z) >= payoff_i(y, z_-i) for all y of every firm i, is
    about real numbers; no rounding is neglected. See `nashgrid.solver._proof` for how. It takes about a second, runs on
    the host in float64, and cannot be traced; where it fails the profile may be an equilibrium all the same.

    Args:
        game: a game of simultaneous play, as it was solved.
        profile: the result of `solve`, or strategies by name, inside the bounds.
        radius: half-width of the box in which the equilibrium is to be the only one, in units of the strategies; cut
            short of bounds for strategies inside them. By default 1e-6 of their size, or less if that fails.
        within: tighter bounds, by name of the strategy, for those without finite ones. Deviations outside of them are
            not examined, and `reason` says so.
        max_boxes: the most boxes of deviations to look at, for each firm.

    Raises:
        GameError: the game or an option is ill-defined, or float64 is not switched on.

    >>> jax.config.update("jax_enable_x64", True)
    >>> from nashgrid.solver import Game, prove
    >>> class Duopoly(Game):
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (9.0 - s["q"].sum()) * s["q"]
    >>> proof = prove(Duopoly(), {"q": 3.0})
    >>> proof.proved, bool((proof.gain_bound < 1e-20).all())
    (True, True)
    >>> prove(Duopoly(), {"q": (3.0, 3.1)}).reason
    "Not proved: no solution of the first-order conditions is within 3.1e-06 of the profile; firm 'A': it gains ...
    """
    if not isinstance(game, Game):
        raise GameError("prove is for games of simultaneous play; a Leader's subgame can be proved by itself.")
    if not jax.config.read("jax_enable_x64"):
        raise GameError('prove needs float64: jax.config.update("jax_enable_x64", True) before making the game.')
    if radius is not None and not 0.0 < radius < np.inf:
        raise GameError(f"radius is {radius!r}; give a positive number.")
    if isinstance(max_boxes, bool) or not isinstance(max_boxes, int | np.integer) or max_boxes < 1:
        raise GameError(f"max_boxes is {max_boxes!r}; give a whole number of at least 1.")
    strategy = profile.strategy if isinstance(profile, Equilibrium) else profile
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((game, strategy))):
        raise GameError("prove cannot be traced: call it outside of jax.jit, jax.vmap and jax.grad.")
    game = prepare(game)
    refuse_constraints(game, "prove")
    if dtype_of(game) != jnp.float64:
        raise GameError(f"prove needs a game whose fields are float64, not {dtype_of(game)}.")
    layout = layout_of(game)
    given = check_start(game, strategy)
    if missing := [name for name in layout.names if name not in given]:
        raise GameError(f"The profile to prove has no {missing[0]!r}; give all strategies {list(layout.names)}.")
    z = np.asarray(layout.stack(given, jnp.dtype(jnp.float64)))
    lower, upper = _bounds(game, layout, within)
    for j in np.flatnonzero(~((lower <= z) & (z <= upper))):
        name = layout.names[layout.name_of[j]]
        raise GameError(f"The profile has {name!r} = {z[j]} outside of its bounds [{lower[j]}, {upper[j]}].")

    nothing = np.full(layout.firms, np.inf)
    if not np.all(np.isfinite(lower) & np.isfinite(upper)):
        j = int(np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper)))[0])
        name = layout.names[layout.name_of[j]]
        reason = (
            f"Not proved: {name!r} has an infinite bound; give finite ones with within={{{name!r}: (lower, upper)}}."
        )
        return Proof(False, reason, _box(layout, z, z), _box(layout, z, z), nothing, 0)
    try:
        graph, payoffs = graph_of(lambda v, g: g.payoff(layout.unflatten(v)), layout.size, game)
    except GameError as error:
        return Proof(False, f"Not proved: {error}", _box(layout, z, z), _box(layout, z, z), nothing, 0)
    system = System(graph, payoffs.tolist(), layout, lower, upper)
    scope = "" if within is None else " among strategies inside `within`"
    return _shown(game, system, z, locate(system, z, radius), max_boxes, scope)


def _shown(game: Game, system: System, z: np.ndarray, solution: Solution | str, max_boxes: int, scope: str) -> Proof:
    located = None if isinstance(solution, str) else solution
    near = Interval(z, z)
    if located is not None:
        near = Interval(np.minimum(z, located.near.lo), np.maximum(z, located.near.hi))
    verdicts = [exclude(system, firm, near, located, max_boxes) for firm in range(system.layout.firms)]
    layout = system.layout
    gain, boxes = np.array([verdict.gain for verdict in verdicts]), sum(verdict.boxes for verdict in verdicts)
    problems = [f"firm {game.firms[i]!r}: {v.problem}" for i, v in enumerate(verdicts) if v.problem is not None]
    if isinstance(solution, str):
        problems = [solution, *(p for p in problems if "gains at least" in p)]
    if problems or located is None:
        reason = f"Not proved: {'; '.join(problems)}."
        return Proof(False, reason, _box(layout, z, z), _box(layout, *near), gain, boxes)
    reason = f"Proved: exactly one equilibrium is in the box{scope}."
    return Proof(True, reason, _box(layout, located.low, located.high), _box(layout, *near), gain, boxes)


def _bounds(game: Game, layout, within: Any) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = (np.array(b) for b in bounds_of(game, layout, jnp.dtype(jnp.float64)))
    if within is None:
        return lower, upper
    if unknown := [name for name in within if name not in layout.names]:
        raise GameError(f"within names {unknown[0]!r}, but the strategies are {list(layout.names)}.")
    full = {name: within.get(name, (-np.inf, np.inf)) for name in layout.names}
    low, high = (np.asarray(layout.stack({n: p[k] for n, p in full.items()}, jnp.dtype(jnp.float64))) for k in (0, 1))
    return np.maximum(lower, low), np.minimum(upper, high)


def _box(layout, low: np.ndarray, high: np.ndarray) -> Box:
    def named(z: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.asarray(part) for name, part in layout.unflatten(jnp.asarray(z)).items()}

    return Box(named(low), named(high))
