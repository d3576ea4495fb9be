"""Logit quantal response equilibrium: choices with a random part, by the differences of their expected payoffs.

Every player makes choice a with probability p_ia proportional to exp(lambda u_ia(p)), u_ia its expected payoff while
the others mix by p (McKelvey & Palfrey 1995). The precision lambda >= 0, per unit of payoff, runs from uniform choice
to best responses. The fixed points are many in general; from lambda = 0, where there is one, a curve of them, the
principal branch, leads to one Nash equilibrium, the limiting logit equilibrium. It is followed by pseudo-arclength
continuation, as it may turn back in lambda (Turocy 2005); in symmetric games it stays symmetric.

Unknown are the differences y_ia = u_ia - u_i0, which stay finite at any precision: y = D(softmax(lambda y)). In place
of lambda the curve is drawn over w = 1/(1 + lambda s), s the range of payoffs, from 1 down to the one wanted.
"""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from . import _numpy as jnp
from ._adjoint import zero_tangent
from ._errors import GameError
from ._linear import solve
from ._payoff_table import PayoffTable, choice_payoffs, probability_of_profiles
from ._status import Status

_CORRECTIONS = 4
_POLISH = 6
_LONGEST, _SHORTEST = 0.15, 1e-7
_STRAIGHT = 0.95


class QuantalResponse(eqx.Module):
    """A logit quantal response equilibrium of a table, on the principal branch."""

    probability: Float[Array, "player choice"]
    """The probability of each choice, by player; it has derivatives in everything the table has been computed from."""
    payoff: Float[Array, " player"]
    """Expected payoffs."""
    outcomes: dict[str, Array]
    """The expected values of the outcomes of the subgame, if the table has one."""
    precision: Float[Array, ""]
    """lambda, per unit of payoff."""
    residual: Float[Array, ""]
    """The largest difference of a probability from the logit of expected payoffs, recomputed from the table. Rounding
    alone makes it about eps (lambda s)^2 where players are close to indifferent."""
    perturbation: Float[Array, ""]
    """The probabilities are the exact logit of payoffs that differ from the expected ones by this much, relative to
    the range s of payoffs in the table."""
    gain: Float[Array, " player"]
    """What its best choice would add to each player's expected payoff, payoff units: 0 only in a Nash equilibrium."""
    status: Int[Array, ""]
    """`successful`: all subgames are certified, the branch was followed to the precision asked for, and the
    perturbation is within the tolerance of the table."""
    steps: Int[Array, ""]
    """Steps along the branch, rejected ones included."""

    @property
    def propensity(self) -> Float[Array, " player"]:
        """Each player's probability of its last choice: to open, to enter, to adopt."""
        return self.probability[..., -1]


def quantal_response(table: PayoffTable, *, precision: ArrayLike, max_steps: int = 1024) -> QuantalResponse:
    """The logit quantal response equilibrium at a precision: the first one that the principal branch reaches.

    Differentiable in the payoffs (through them in the parameters of the game) and in the precision, in forward and
    reverse mode, by the implicit function theorem; NaN where the branch was not followed to its end. Where the branch
    turns (a tangency of fixed points) there are no derivatives.

    Args:
        table: payoffs by profile, for any number of players and choices.
        precision: lambda >= 0, finite, per unit of payoff.
        max_steps: the most steps along the branch.

    Raises:
        GameError: the precision is negative or not finite.

    >>> pennies = PayoffTable([[[9.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> [round(float(p), 3) for p in quantal_response(pennies, precision=0.0).propensity]
    [0.5, 0.5]
    """
    precision = jnp.asarray(precision, table.payoff.dtype)
    if precision.shape:
        raise GameError(f"precision has shape {precision.shape}; give one number, and jax.vmap over several.")
    if not isinstance(precision, Tracer) and not (np.isfinite(precision) and precision >= 0):
        raise GameError(f"precision is {precision}; give a finite number of at least 0, per unit of payoff.")
    return responded(table, precision, max_steps)


@eqx.filter_jit
def responded(table: PayoffTable, precision: Float[Array, ""], max_steps: int) -> QuantalResponse:
    """`quantal_response`, without checks of its arguments."""
    search = functools.partial(_search, choices=table.shape[0], max_steps=max_steps, tol=table.tol)
    found = _implicit(table.rows, precision, search=search)
    probability = _mix(found.y, precision)
    values = choice_payoffs(table.rows, probability)
    payoff = jnp.sum(probability * values, axis=1)
    residual = _residual(table.rows, probability, precision)
    weight = probability_of_profiles(probability)
    outcomes = {}
    if table.subgame is not None:
        n = len(table.players)
        for name, value in table.subgame.outcomes.items():
            if jnp.issubdtype(value.dtype, jnp.floating):
                each = value.reshape(-1, *value.shape[n:])
                outcomes[name] = jnp.sum(weight.reshape(-1, *[1] * (each.ndim - 1)) * each, axis=0)
    status = jnp.where(found.reached, Status.successful, Status.max_steps)
    return QuantalResponse(
        probability=probability,
        payoff=payoff,
        outcomes=outcomes,
        precision=precision,
        residual=jax.lax.stop_gradient(residual),
        perturbation=found.perturbation,
        gain=jax.lax.stop_gradient(jnp.maximum(jnp.max(values, axis=1) - payoff, 0.0)),
        status=jnp.where(jnp.all(table.certified), status, Status.subgame_failed).astype(jnp.int32),
        steps=found.steps,
    )


class _Branch(NamedTuple):
    """What following the branch leaves behind; only `y` has a derivative."""

    y: Float[Array, "player other"]
    perturbation: Float[Array, ""]
    reached: Bool[Array, ""]
    steps: Int[Array, ""]


@eqx.filter_custom_jvp
def _implicit(rows: Float[Array, "profiles player"], precision: Float[Array, ""], *, search) -> _Branch:
    """`search(rows, precision)`, differentiated by the implicit function theorem."""
    return search(rows, precision)


@_implicit.def_jvp
def _rule(primals, tangents, *, search):
    rows, precision = primals
    found = _implicit(rows, precision, search=search)
    y = found.y
    _, moved = eqx.filter_jvp(lambda rows, precision: _gap(rows, y, precision), (rows, precision), tangents)
    moved = jnp.zeros_like(y) if moved is None else moved
    matrix = jax.jacfwd(lambda y: _gap(rows, y, precision))(y).reshape(y.size, y.size)
    d_y = -solve(matrix, moved.reshape(-1)).reshape(y.shape)
    # As a factor: selecting NaN would leave NaN in every reverse-mode derivative, valid or not.
    d_y = d_y * jnp.where(found.reached, 1.0, jnp.nan).astype(y.dtype)
    zeros = jax.tree.map(zero_tangent, found)
    return found, zeros._replace(y=d_y)


def _mix(y: Float[Array, "player other"], precision: Float[Array, ""]) -> Float[Array, "player choice"]:
    """The logit of payoff differences to the first choice."""
    return jax.nn.softmax(jnp.concatenate([jnp.zeros_like(y[:, :1]), precision * y], axis=1), axis=1)


def _gap(rows, y: Float[Array, "player other"], precision) -> Float[Array, "player other"]:
    """y less the payoff differences it leads to: zero at a quantal response equilibrium."""
    values = choice_payoffs(rows, _mix(y, precision))
    return y - (values[:, 1:] - values[:, :1])


def _residual(rows, probability: Float[Array, "player choice"], precision) -> Float[Array, ""]:
    """The largest difference of a probability from the logit of expected payoffs."""
    return jnp.max(jnp.abs(probability - jax.nn.softmax(precision * choice_payoffs(rows, probability), axis=1)))


class _Trace(NamedTuple):
    point: Float[Array, " coordinate"]
    tangent: Float[Array, " coordinate"]
    length: Float[Array, ""]
    done: Bool[Array, ""]
    steps: Int[Array, ""]


def _search(rows, precision, *, choices: int, max_steps: int, tol: float) -> _Branch:
    """Follow the principal branch from precision 0; the coordinates are y/s, then w."""
    shape = rows.shape[1], choices - 1
    size = shape[0] * shape[1]
    dtype = rows.dtype
    spread = jnp.max(jnp.max(rows, axis=0) - jnp.min(rows, axis=0))
    spread = jnp.where(spread > 0, spread, 1.0)
    end = 1.0 / (1.0 + precision * spread)
    accuracy = float(jnp.finfo(dtype).eps) ** 0.5
    last = jnp.asarray(np.arange(size + 1) == size, dtype)

    def conditions(point):
        w = point[-1]
        gap = _gap(rows, point[:-1].reshape(shape) * spread, (1.0 - w) / (w * spread))
        return gap.reshape(-1) / spread

    def system(point, row):
        """The Jacobian of the conditions above `row`."""
        return jnp.concatenate([jax.jacfwd(conditions)(point), row[None, :]])

    def tangent(point, row):
        """The direction of the branch at a point, with a positive component along `row`."""
        way = solve(system(point, row), last)
        return way / jnp.sqrt(jnp.sum(jnp.square(way)))

    def step(state: _Trace) -> _Trace:
        ahead = state.point + state.length * state.tangent
        final = ahead[-1] <= end
        short = (state.point[-1] - end) / jnp.where(final & (state.tangent[-1] < 0), -state.tangent[-1], 1.0)
        onto = jnp.where(last > 0, end, state.point + short * state.tangent)
        ahead = jnp.where(final, onto, ahead)
        row = jnp.where(final, last, state.tangent)

        def correct(_, point):
            violated = jnp.concatenate([conditions(point), jnp.sum(row * (point - ahead))[None]])
            return point - solve(system(point, row), violated)

        point = jax.lax.fori_loop(0, _CORRECTIONS, correct, ahead)
        way = tangent(point, state.tangent)
        # Far from where it was expected, or in another direction, it is a point of another branch.
        near = jnp.max(jnp.abs(point - ahead)) <= 0.5 * state.length
        straight = jnp.sum(way * state.tangent) >= _STRAIGHT
        inside = (point[-1] >= 0.999 * end) & (point[-1] <= 1.0)
        good = near & straight & inside & (jnp.max(jnp.abs(conditions(point))) <= accuracy)
        return _Trace(
            jnp.where(good, point, state.point),
            jnp.where(good, way, state.tangent),
            jnp.where(good, jnp.minimum(1.5 * state.length, _LONGEST), 0.5 * state.length),
            good & final,
            state.steps + 1,
        )

    def unfinished(state: _Trace):
        return ~state.done & (state.steps < max_steps) & (state.length > _SHORTEST)

    at_zero = -_gap(rows, jnp.zeros(shape, dtype), jnp.zeros((), dtype)).reshape(-1) / spread
    begin = jnp.concatenate([at_zero, jnp.ones((1,), dtype)])
    length = jnp.full((), _LONGEST / 3.0, dtype)
    first = _Trace(begin, tangent(begin, -last), length, jnp.zeros((), bool), jnp.zeros((), jnp.int32))
    trace = jax.lax.while_loop(unfinished, step, first)

    def polish(_, y):
        matrix = jax.jacfwd(lambda y: _gap(rows, y, precision))(y).reshape(size, size)
        better = y - solve(matrix, _gap(rows, y, precision).reshape(-1)).reshape(shape)
        return jnp.where(jnp.all(jnp.isfinite(better)), better, y)

    y = jax.lax.fori_loop(0, _POLISH, polish, trace.point[:-1].reshape(shape) * spread)
    perturbation = jnp.max(jnp.abs(_gap(rows, y, precision))) / spread
    return _Branch(y, perturbation, trace.done & (perturbation <= tol), trace.steps)
