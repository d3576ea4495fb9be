"""The equilibrium of a problem as a pure function: find a first-order point, judge it, go on from a deviation.

Nothing is checked and nothing is raised here, so that it can be vmapped, differentiated and compiled; batches, devices
and files are not its business.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from . import _numpy as jnp
from ._adjoint import Found, implicit
from ._aggregative_certificate import certify_aggregative
from ._alike import alike
from ._certificate import certify
from ._conditions import Conditions, conditions_of
from ._constrained_certificate import certify_constrained
from ._game import Game, Problem
from ._kinks import lone, settle
from ._kkt import KKT
from ._layout import Layout, bounds_of, dtype_of, layout_of, strategy_scale
from ._method import Method, Steps
from ._pooled import Pooling
from ._priced import Priced, priced
from ._search import GlobalSearch
from ._smooth import Shape, shape_of_payoffs
from ._solution import Certificate, Equilibrium
from ._status import Status

_RUNAWAY = 1e6
_INSTANT = 1e-3
_JUMP = 0.05


@functools.singledispatch
def equilibrium(
    problem: Problem,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibrium:
    """The equilibrium of a prepared problem (see `solve` for the arguments); one implementation for each concept."""
    raise NotImplementedError(f"{type(problem).__name__} is neither a Game nor a Leader.")


@equilibrium.register
def nash(
    game: Game,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
    judged: Callable[[Game], Game] = lambda game: game,
    kinks: bool = True,
    final: Bool[Array, ""] | bool = True,
) -> Equilibrium:
    """The Nash equilibrium of a game of simultaneous play. Deviations are compared by the payoffs of `judged(game)`;
    `kinks` says whether kinks and jumps of payoffs are looked for: never with constraints. If not `final`, what takes
    `max_steps` will be solved again with more of them, and is not looked at any further."""
    play = priced(game)
    layout, dtype = layout_of(play), dtype_of(play)
    options = {"layout": layout, "method": method, "tol": tol, "search": search}
    begin = alike(start_of(play, layout, dtype, start), play)
    plain = kinks and not isinstance(play, Priced)
    shape = shape_of_payoffs(play, layout, dtype) if plain else Shape.smooth
    kinks = search is not None and shape is Shape.edged and bool(lone(layout).any())
    search_for = functools.partial(_search, judged=judged, kinks=kinks, shape=shape, **options)
    found = implicit(play, begin, search=search_for, max_steps=max_steps, final=final, tol=tol, kinks=kinks)
    s = layout.unflatten(found.z)
    multipliers = {}
    if isinstance(play, Priced):
        s, multipliers = play.strategies(s), play.multipliers(s)
    return Equilibrium(
        strategy=s,
        payoff=game.payoff(s),
        outcomes=game.outcomes(s),
        certificate=found.record["certificate"],
        status=found.record["status"],
        steps=found.record["steps"],
        subgame=None,
        concept=play.concept(),
        method=method.describe(),
        tol=tol,
        firms=game.firms,
        multipliers=multipliers,
    )


def start_of(
    game: Game, layout: Layout, dtype: jnp.dtype, start: Mapping[str, ArrayLike] | None
) -> Float[Array, " strategy"]:
    """The stacked start: `start`, else `Game.start()`, else a point inside the bounds; projected on the bounds."""
    lower, upper = bounds_of(game, layout, dtype)
    middle = jnp.where(jnp.isfinite(lower), lower + 1.0, jnp.where(jnp.isfinite(upper), upper - 1.0, 0.0))
    middle = jnp.where(jnp.isfinite(upper - lower), lower + 0.5 * (upper - lower), middle)
    given = {**layout.unflatten(middle), **game.start(), **(start or {})}
    return jnp.clip(layout.stack(given, dtype), lower, upper)


class _Attempt(NamedTuple):
    z: Float[Array, " strategy"]
    onward: Float[Array, " strategy"]
    certificate: Certificate
    status: Int[Array, ""]
    steps: Int[Array, ""]
    tries: Int[Array, ""]
    visited: Float[Array, "attempt strategy"]
    """The ends of the attempts so far; NaN for those to come."""
    at_kink: Bool[Array, ""]
    """Whether `onward` is at a kink and to be judged as it is."""


def _search(
    game: Game,
    begin: Float[Array, " strategy"],
    max_steps: Steps,
    final: Bool[Array, ""] | bool,
    *,
    judged,
    kinks: bool,
    shape: Shape,
    layout,
    method,
    tol,
    search,
) -> Found:
    conditions = conditions_of(game, layout, begin.dtype)
    if shape is Shape.quadratic:
        conditions = dataclasses.replace(conditions, linear=True)

    def evidence(
        z: Float[Array, " strategy"], judged: Game, wanted: Bool[Array, ""] | bool
    ) -> tuple[Certificate, Bool[Array, ""]]:
        if isinstance(conditions, Pooling):
            return certify_aggregative(conditions, z, search)
        if isinstance(conditions, KKT):
            return certify_constrained(conditions, z, search, judged)
        return certify(conditions, z, search, judged, tol=tol, kinks=kinks, shape=shape, wanted=wanted)

    if search is None:
        end = method.run(conditions, begin, tol=tol, max_steps=max_steps)

        def look(z: Float[Array, " strategy"], residual, finite) -> tuple[Float[Array, ""], Bool[Array, ""]]:
            del residual, finite
            point = conditions.at(z)
            return point.residual, jnp.isfinite(point.residual) & jnp.all(jnp.isfinite(point.payoff))

        # Nobody need look again at what a method has seen to be one, or at what another pass will solve.
        looked = jnp.asarray(end.exact if final is True else end.exact | ~(final | (end.steps < max_steps)))
        keep = lambda z, residual, finite: (residual, finite)  # noqa: E731
        residual, finite = jax.lax.cond(looked, keep, look, end.z, end.residual, looked)
        status = _status(conditions, begin, end.z, finite, residual <= tol, None, tol)
        record = {"certificate": None, "status": status, "steps": end.steps}
        return Found(end.z, residual, record)

    def attempt(state: _Attempt) -> _Attempt:
        left = max_steps - state.steps
        end = method.run(conditions, state.onward, tol=tol, max_steps=jnp.where(state.at_kink, 0, left))
        end = end._replace(z=jnp.where(state.at_kink, state.onward, end.z))
        wanted = True if final is True else final | (state.steps + end.steps < max_steps)
        certificate, finite = evidence(end.z, judged(game), wanted)
        # A payoff that curves upwards in its owner's free strategies is at no maximum, whatever the samples say.
        maximum = certificate.concavity <= float(jnp.finfo(begin.dtype).eps) ** (1 / 3)
        no_gain = (certificate.regret <= tol) & maximum & wanted
        status = _status(conditions, begin, end.z, finite, certificate.residual <= tol, no_gain, tol)
        # Only the firm that gains most moves: if all did, they could miss each other for ever.
        relative = certificate.gain / certificate.payoff_scale
        deviator = jnp.argmax(relative)
        moves = np.asarray(layout.owner, np.int32) == deviator.astype(jnp.int32)
        onward = jnp.where(moves, layout.flatten({**layout.unflatten(end.z), **certificate.deviation}), end.z)
        size = strategy_scale(end.z, onward, conditions.lower, conditions.upper, layout)
        status = _endless(status, state.visited, end.z, (onward - end.z) / size, jnp.max(relative), tol)
        now = np.arange(len(state.visited), dtype=np.int32) == state.tries
        visited = jnp.where(now[:, None], end.z[None, :], state.visited)
        at_kink = jnp.zeros((), bool)
        if kinks and method.escapes:
            # There may be a kink: near the start, which may be known to be one, or near the best deviation.
            lost = (status == Status.max_steps) | (status == Status.cycling) | (status == Status.unattained)
            near = jnp.where(state.tries == 0, begin, onward)
            settled, at_kink = settle(conditions, near, lost & ~state.at_kink)
            onward = jnp.where(at_kink, settled, onward)
        steps, tries = state.steps + end.steps, state.tries + 1
        return _Attempt(end.z, onward, certificate, status, steps, tries, visited, at_kink)

    def unfinished(state: _Attempt) -> Bool[Array, ""]:
        # A method may settle at a kink or a jump, where no first-order condition holds, and a firm still gain.
        stuck = (state.status == Status.max_steps) & (state.certificate.regret > tol)
        again = (state.status == Status.deviation_found) | stuck
        return state.at_kink | (again & (state.tries <= method.escapes) & (state.steps < max_steps))

    zero = jnp.zeros((), jnp.int32)
    number, by_firm = jnp.zeros_like(begin[0]), jnp.zeros(layout.firms, begin.dtype)
    chosen = (conditions.base if isinstance(conditions, KKT) else layout).unflatten(begin[: layout.chosen])
    known: dict[str, Any] = {"gain": by_firm, "payoff_scale": by_firm, "deviation": chosen}
    blank = Certificate(**{field.name: known.get(field.name, number) for field in dataclasses.fields(Certificate)})
    unknown = jnp.full((method.escapes + 1, layout.size), jnp.nan, begin.dtype)
    no = jnp.zeros((), bool)
    first = _Attempt(begin, begin, blank, zero + Status.deviation_found, zero, zero, unknown, no)
    end = jax.lax.while_loop(unfinished, attempt, alike(first, begin)) if method.escapes else attempt(first)
    record = {"certificate": end.certificate, "status": end.status, "steps": end.steps}
    return Found(end.z, end.certificate.residual, record)


def _endless(
    status: Int[Array, ""],
    visited: Float[Array, "attempt strategy"],
    z: Float[Array, " strategy"],
    move: Float[Array, " strategy"],
    gain: Float[Array, ""],
    tol: float,
) -> Int[Array, ""]:
    """The status where going on is pointless: it leads back to where it was, or the best response is only a limit."""
    near = tol**0.5 * jnp.max(jnp.abs(z))
    returned = jnp.any(jnp.all(jnp.abs(visited - z[None, :]) <= near, axis=1))
    leaving = (status == Status.deviation_found) | (status == Status.max_steps)
    status = jnp.where(leaving & returned & (gain > tol), Status.cycling, status)
    # Such a gain by so small a change: the payoff jumps there, as where a price is undercut.
    jump = jnp.all(jnp.abs(move) <= _INSTANT) & (gain > _JUMP)
    return jnp.where(leaving & jump, Status.unattained, status).astype(jnp.int32)


def _status(conditions: Conditions, begin, z, finite, first_order, no_gain, tol) -> Int[Array, ""]:
    """The code of `Status` for a point, from its checks; `no_gain` is None if deviations were not searched for."""
    unsolved = conditions.unsolved(z, tol)
    lower, upper, begin, z = (
        part[: conditions.layout.chosen] for part in (conditions.lower, conditions.upper, begin, z)
    )
    # Negated, so that what has overflowed is far too.
    far = ~(jnp.abs(z) <= _RUNAWAY * jnp.maximum(1.0, jnp.abs(begin)))
    runaway = jnp.any(
        far & jnp.where(z > 0, jnp.isinf(upper), jnp.where(z < 0, jnp.isinf(lower), jnp.isinf(upper - lower)))
    )
    failed = jnp.where(runaway, Status.unbounded, unsolved)
    deviating = jnp.where(runaway, Status.unbounded, Status.deviation_found)
    passed = Status.first_order if no_gain is None else jnp.where(no_gain, Status.successful, deviating)
    status = jnp.where(first_order, passed, failed)
    status = jnp.where(finite, status, jnp.where(runaway, Status.unbounded, Status.nonfinite))
    # Negated, so that NaN bounds are invalid too.
    valid = jnp.all(conditions.lower <= conditions.upper)
    return jnp.where(valid, status, Status.invalid_bounds).astype(jnp.int32)
