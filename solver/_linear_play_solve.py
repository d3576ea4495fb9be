"""How linear-quadratic play is solved and judged: rules, the path from the start, present values, the certificate."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
from jaxtyping import Array, ArrayLike, Bool, Float

from . import _numpy as jnp
from ._costates import all_back, back, conditioning, stationary, worth
from ._dynamic_game import limits_of, report_of, states_of, strategies_of
from ._equilibrium import equilibrium
from ._layout import dtype_of
from ._linear import solve, spectral_radius
from ._linear_play import LinearPlay
from ._linear_play import MarkovPerfect as MarkovPerfect
from ._linear_play import Myopic as Myopic
from ._linear_play import OpenLoop as OpenLoop
from ._method import Method
from ._quadratic import Quadratic, is_quadratic, product, quadratic_of
from ._rules_certificate import Judged, alone, judge_for_ever, judge_to_the_end, sizes_of
from ._search import GlobalSearch
from ._solution import Certificate, Equilibrium
from ._status import Status

_EXACT = jax.lax.Precision.HIGHEST
_LONG = 512
"""Periods of an infinite horizon in which bounds are looked at, at least."""


class _Found(NamedTuple):
    """What there is to be judged."""

    q: Quadratic
    costates: Array
    rules: Array
    dates: Float[Array, "date affine"]
    actions: Float[Array, "period action"]
    payoff: Float[Array, " firm"]
    persistence: Float[Array, ""]


@equilibrium.register
def play_linear(
    problem: LinearPlay,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibrium:
    """The equilibrium in affine rules; `method` is not used, and `max_steps` counts blocks of 64 periods.

    Parameters may be such that there are none, and then nothing is a number.
    """
    del method, start
    game, dtype = problem.game, dtype_of(problem)
    layout, states, owner = strategies_of(game), states_of(game), strategies_of(game).owner
    q = quadratic_of(game, dtype)
    q = q._replace(reward=q.reward * jnp.where(_valid(problem, q.discount), 1.0, jnp.nan))
    costates, rules, steps = _rules(problem, q, owner, max_steps)
    by_period = rules if problem.periods is not None else jnp.broadcast_to(rules, (problem.shown, *rules.shape))
    dates, actions = _path(q, by_period)
    values = _values(problem, q, rules)
    payoff = 0.5 * jnp.sum(values * q.initial[None, :, None] * q.initial[None, None, :], axis=(1, 2))
    s = jax.vmap(layout.unflatten)(actions)
    # Over finitely many periods that of the first, which is the furthest from the end.
    persistence = spectral_radius(_closed(q, by_period[0])[1:, 1:])
    named = jax.vmap(layout.unflatten, in_axes=-1, out_axes=-1)
    written = named(rules) if problem.periods is None else jax.vmap(named, out_axes=-2)(rules)
    outcomes = report_of(game, jax.vmap(states.unflatten)(dates[:, 1:]), s, on=problem.periods is None)
    outcomes |= {f"{name}_rule": value for name, value in written.items()} | {"persistence": persistence}
    found = _Found(q, costates, rules, dates, actions, payoff, persistence)
    certificate, status = _judged(problem, jax.lax.stop_gradient(found), tol, search is not None)
    return Equilibrium(
        strategy={name: jnp.moveaxis(value, 0, -1) for name, value in s.items()},
        payoff=payoff,
        outcomes=outcomes,
        certificate=certificate,
        status=status,
        steps=steps,
        subgame=None,
        concept=problem.concept(),
        method=problem.how(),
        tol=tol,
        firms=game.firms,
    )


def _valid(problem: LinearPlay, discount: Float[Array, ""]) -> Bool[Array, ""]:
    """Whether the game is linear-quadratic, with a discount factor that its horizon allows."""
    most = discount < 1.0 if problem.periods is None else discount <= 1.0
    fits = jax.lax.stop_gradient(is_quadratic(problem.game, dtype_of(problem)))
    return functools.reduce(jnp.logical_and, fits.values(), (discount >= 0.0) & most)


def _rules(problem: LinearPlay, q: Quadratic, owner: tuple[int, ...], most: int) -> tuple[Array, Array, Array]:
    """The costates of the stationary rules, the rules (by period if there is an end), and the steps."""
    nothing = jnp.zeros_like(q.terminal[:, 1:])
    none = jnp.zeros((), jnp.int32)
    if not problem.patient:
        rules = back(q, nothing, owner, feedback=False)[1]
        return nothing, rules if problem.periods is None else jnp.stack([rules] * problem.periods), none
    if problem.periods is not None:
        return nothing, all_back(q, owner, problem.periods, feedback=problem.feedback), none + problem.periods
    costates, steps = stationary(q, owner=owner, feedback=problem.feedback, most=most)
    return costates, back(q, costates, owner, feedback=problem.feedback)[1], steps


def _path(q: Quadratic, rules: Float[Array, "period action affine"]) -> tuple[Array, Array]:
    """(1, state) at every date and the actions of every period."""

    def period(y, rules):
        u = product(rules, y)
        later = product(q.motion, jnp.concatenate([y, u]))
        return later, (later, u)

    later, actions = jax.lax.scan(period, q.initial, rules)[1]
    return jnp.concatenate([q.initial[None], later]), actions


def _long_path(found: _Found) -> Float[Array, "period action"]:
    """The actions of an infinite horizon for longer than is shown, and those at which they come to rest, if they do."""
    q, rules = found.q, found.rules
    periods = max(_LONG, len(found.actions))
    actions = _path(q, jnp.broadcast_to(rules, (periods, *rules.shape)))[1]
    closed = _closed(q, rules)[1:]
    rests, one = found.persistence < 1.0, jnp.eye(closed.shape[0], dtype=closed.dtype)
    still = jnp.where(rests, one - closed[:, 1:], one)
    rest = product(rules, jnp.concatenate([q.initial[:1], solve(still, closed[:, 0])]))
    return jnp.concatenate([actions, jnp.where(rests, rest, actions[-1])[None]])


def _closed(q: Quadratic, rules: Float[Array, "action affine"]) -> Float[Array, "affine affine"]:
    """The motion of (1, state) under the rules."""
    along = jnp.concatenate([jnp.eye(rules.shape[1], dtype=rules.dtype), rules])
    return jnp.matmul(q.motion, along, precision=_EXACT)


def _flow(q: Quadratic, rules: Float[Array, "action affine"]) -> Float[Array, "firm affine affine"]:
    """Payoffs of a period under the rules, as forms in (1, state)."""
    along = jnp.concatenate([jnp.eye(rules.shape[1], dtype=rules.dtype), rules])
    return jnp.einsum("za,fzw,wb->fab", along, q.reward, along, precision=_EXACT)


def _values(problem: LinearPlay, q: Quadratic, rules: Array) -> Float[Array, "firm affine affine"]:
    """Present values at the start, as forms in (1, state)."""
    if problem.periods is None:
        return worth(q.discount, _closed(q, rules), _flow(q, rules))

    def period(later, rules):
        closed = _closed(q, rules)
        after = jnp.einsum("ja,fjk,kb->fab", closed, later, closed, precision=_EXACT)
        return _flow(q, rules) + q.discount * after, None

    return jax.lax.scan(period, q.terminal, rules, reverse=True)[0]


def _judged(problem: LinearPlay, found: _Found, tol: float, certify: bool) -> tuple[Certificate | None, Array]:
    """The certificate, if it is wanted, and the status."""
    game, q = problem.game, found.q
    layout, states = strategies_of(game), states_of(game)
    sizes = sizes_of(states, layout, found.dates[:, 1:], found.actions)
    bounds = limits_of(game, found.actions.dtype)
    actions = found.actions if problem.periods is not None else _long_path(found)
    room = jnp.minimum(actions - bounds[0][None], bounds[1][None] - actions)
    margin = jnp.min(room / sizes[1][None])
    finite = jnp.all(jnp.isfinite(found.payoff)) & jnp.all(jnp.isfinite(found.actions))
    endless = problem.periods is None
    now = q if problem.patient else q._replace(discount=jnp.zeros_like(q.discount), terminal=0.0 * q.terminal)
    feedback = problem.feedback or not problem.patient
    number, step = jnp.full_like(q.discount, jnp.nan), jnp.zeros_like(q.discount)
    if endless and problem.patient:
        number, step = conditioning(q, found.costates, layout.owner, feedback=problem.feedback)
    # What has not settled may look as if it exploded.
    explodes = jnp.zeros((), bool)
    if endless:
        explodes = (jnp.square(found.persistence) * q.discount >= 1.0) & (step <= tol)
    if not certify:
        passed = jnp.where(step <= tol, Status.first_order, Status.max_steps)
        return None, _status(passed, finite, explodes, margin, tol)
    judge = judge_for_ever if endless else judge_to_the_end
    seen = judge(now, found.rules, layout.owner, layout, sizes, feedback=feedback)
    certificate = Certificate(
        residual=seen.residual,
        regret=seen.regret,
        gain=seen.gain,
        deviation=_deviation(problem, now, found, seen, feedback),
        concavity=seen.concavity,
        stability=jnp.full_like(step, jnp.nan),
        conditioning=number,
        margin=margin,
        error=jnp.maximum(step, seen.residual),
        payoff_scale=seen.payoff_scale,
    )
    best = (seen.regret <= tol) & (seen.concavity < 0.0)
    passed = jnp.where(best, Status.successful, Status.deviation_found)
    # Negated, so that what is not a number has not settled.
    passed = jnp.where(~(step <= tol) | (best & ~(seen.residual <= tol)), Status.max_steps, passed)
    return certificate, _status(passed, finite, explodes, margin, tol)


def _status(passed: Array, finite: Array, explodes: Array, margin: Array, tol: float) -> Array:
    status = jnp.where((margin >= -tol) | (passed == Status.max_steps), passed, Status.infeasible)
    # What has not settled need not be finite.
    status = jnp.where(finite | (passed == Status.max_steps), status, Status.nonfinite)
    return jnp.where(explodes, Status.unbounded, status).astype(jnp.int32)


def _deviation(problem: LinearPlay, q: Quadratic, found: _Found, seen: Judged, feedback: bool) -> dict[str, Array]:
    """The path of each firm's best answer, from the start, while the others keep to theirs."""
    layout, firms = strategies_of(problem.game), len(problem.firms)
    periods = found.actions.shape[0]

    def repeated(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf, (periods, *leaf.shape)) if problem.periods is None else leaf

    first = q.initial if feedback else jnp.concatenate([q.initial, q.initial[1:]])

    def period(v, now):
        rules, answers = now
        each = alone(q, rules, layout.owner, feedback=feedback)
        own = jax.vmap(product)(answers, v)
        later = jax.vmap(product)(each.motion, v) + jax.vmap(product)(each.control, own)
        return later, own

    start = jnp.broadcast_to(first, (firms, *first.shape))
    every = jax.lax.scan(period, start, (repeated(found.rules), repeated(seen.answers)))[1]
    # Only the rows of a firm's own actions are not zero.
    path = jax.vmap(layout.unflatten)(jnp.sum(every, axis=1))
    return {name: jnp.moveaxis(value, 0, -1) for name, value in path.items()}
