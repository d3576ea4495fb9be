"""Evidence that a strategy profile is an equilibrium, recomputed from the game itself.

Nothing here is taken from the method that found the profile: derivatives are taken afresh, by name instead of in the
stacked vector, and deviations are searched for without derivatives, unless payoffs are read to be quadratic.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._concave import best_by_concavity
from ._conditions import Conditions, own_curvature, own_newton
from ._each import each, in_blocks, rolling
from ._faces import FEW, stationary_deviations
from ._game import Game
from ._hills import first_largest
from ._kinks import continuous, lone, nearby
from ._krylov import MANY, with_inverse_norm
from ._layout import Layout, own_blocks, same_owner, strategy_scale
from ._linear import largest_eigenvalue, own_diagonal, solve, spectral_radius, top_eigenvector
from ._only_if import only_if
from ._parabola import parabolic_deviations
from ._rows import by_rows, reversible
from ._search import GlobalSearch, deviations
from ._smooth import Shape
from ._solution import Certificate


def certify(
    conditions: Conditions,
    z: Float[Array, " strategy"],
    search: GlobalSearch,
    judged: Game,
    *,
    tol: float,
    kinks: bool,
    shape: Shape,
    wanted: Bool[Array, ""] | bool = True,
) -> tuple[Certificate, Bool[Array, ""]]:
    """The certificate of the profile z, and whether payoffs and derivatives were finite wherever they were needed.

    `judged` is the game whose payoffs the deviation search compares: the same, except in sequential play. With `kinks`,
    where the conditions fail by more than `tol`, slopes on both sides are looked at (see `_kinks`). What the
    `shape` of the payoffs allows is left out of the search; all of it, if it is not `wanted`.
    """
    game, layout, lower, upper = conditions.game, conditions.layout, conditions.lower, conditions.upper
    payoff, gradient, jacobian = own_derivatives(game, layout, z)
    eye = np.eye(layout.size, dtype=bool)
    curvature = own_curvature(gradient, jacobian)
    ahead = own_newton(z, gradient, curvature, layout)
    projected = jnp.clip(ahead, lower, upper)
    size = strategy_scale(z, projected, lower, upper, layout)
    missed = jnp.abs(z - projected) / size
    free = (ahead > lower) & (ahead < upper)
    peak = None
    if kinks:
        peak = _peaks(game, layout, z, payoff, size, lower, upper, jnp.max(missed) > tol)
        peak = peak._replace(here=peak.here & (missed > tol))
        missed = jnp.where(peak.here, nearby(z, size) / size, missed)
        free &= ~peak.here
    residual = jnp.max(missed)

    both = free[:, None] & free[None, :]
    # Row j in units of h_j sigma_j, column k in units of sigma_k: dimensionless, diagonal -1 where concave.
    scaled = jacobian * (size[None, :] / size[:, None]) / curvature[:, None]
    scaled = jnp.where(both, scaled, jnp.where(eye, -1.0, 0.0))
    mine = same_owner(layout)
    own = jnp.where(mine, scaled, 0.0)
    hessian = jnp.where(both & mine, jacobian / (jnp.sqrt(curvature)[:, None] * jnp.sqrt(curvature)[None, :]), 0.0)
    ways = _steepest(hessian, curvature, layout)
    at_kinks = None if peak is None else peak.here
    alike = jnp.full(layout.firms, jnp.inf, z.dtype)  # Where the curvature is the same everywhere.
    if shape is Shape.quadratic and layout.own.shape[1] == 1:
        (best, gain, defined), seen = parabolic_deviations(conditions, z, size), alike
    elif shape is Shape.quadratic and layout.own.shape[1] <= FEW:
        (best, gain, defined), seen = stationary_deviations(conditions, z, size, gradient, jacobian), alike
    else:
        proved = jnp.zeros((), bool)
        if shape is Shape.quadratic:
            worth = payoff_scale(layout, z, payoff, curvature, size, alike)
            proved = best_by_concavity(conditions, z, gradient, jacobian, curvature, 0.5 * tol * worth)
        options = {"kinked": at_kinks, "edges": shape is Shape.edged, "wanted": wanted & ~proved}
        best, gain, defined, seen = deviations(conditions, z, size, search, judged, ways, **options)
        seen = jnp.where(proved, alike, seen)
    if peak is not None:
        best, gain = _higher(layout, peak, best, gain)
    scale = payoff_scale(layout, z, payoff, curvature, size, seen)
    # Only of free strategies: one that is held fixed at zero has no size, and infinity times zero would spread.
    slope = jnp.where(free, gradient / (curvature * size), 0.0)
    newton, inverse_size = with_inverse_norm(scaled, slope)
    newton = jnp.where(free, newton, 0.0)
    conditioning = or_infinite(norm(scaled) * inverse_size)
    # With one strategy a firm, its own block is a number.
    alone = layout.own.shape[1] == 1
    response = (own - scaled) / own_diagonal(own)[:, None] if alone else solve(own, own - scaled)
    to_bound = jnp.minimum(z - lower, upper - z) / size
    push = jnp.abs(gradient) / (curvature * size)
    held = lower == upper
    margin = jnp.min(jnp.where(held, jnp.inf, jnp.where(free, to_bound, push)))
    stability = or_infinite(spectral_radius(response))
    error = or_infinite(jnp.maximum(jnp.max(jnp.abs(newton)), residual)) + jnp.finfo(z.dtype).eps * conditioning
    if peak is not None:
        # How a kink moves with the others' strategies is not known.
        any_kink = jnp.any(peak.here)
        margin = jnp.where(any_kink, 0.0, margin)
        stability, conditioning, error = (jnp.where(any_kink, jnp.nan, v) for v in (stability, conditioning, error))
    certificate = Certificate(
        residual=residual,
        regret=jnp.max(gain / scale),
        gain=gain,
        deviation=layout.unflatten(best),
        concavity=_concavity(hessian, free, layout),
        stability=stability,
        conditioning=conditioning,
        margin=margin,
        error=error,
        payoff_scale=scale,
    )
    finite = jnp.all(jnp.isfinite(payoff)) & jnp.all(jnp.isfinite(jnp.where(free, gradient, 0.0)))
    return certificate, finite & defined & jnp.all(jnp.isfinite(z)) & jnp.isfinite(residual)


class _Peaks(NamedTuple):
    """What is seen of each strategy's own payoff on both sides of it."""

    here: Bool[Array, " strategy"]
    """Whether it is at a local maximum: the payoff rises just below, falls just above and does not jump."""
    gain: Float[Array, " strategy"]
    """The most that the owner gains at any of the places tried."""
    best: Float[Array, " strategy"]
    """Where."""


def _peaks(game: Game, layout: Layout, z, payoff, size, lower, upper, wanted: Bool[Array, ""]) -> _Peaks:
    """Slopes beside each strategy, by name, and payoffs at a ladder of distances, so that a wrong slope hides no gain
    between the nearest points of the search; nothing is computed unless it is `wanted`."""
    rungs = 2 + int(np.ceil(np.log2(1e-3 / (64.0 * float(jnp.finfo(z.dtype).eps))) / 2.0))
    ladder = np.concatenate([side * 4.0 ** np.arange(rungs) for side in (-1.0, 1.0)])
    single = lone(layout)

    def look(way: Float[Array, " strategy"], z: Float[Array, " strategy"]) -> tuple[Array, Array, Array]:
        pick, distance = way > 0, nearby(z, size)
        mine = jnp.any(pick[None, :] & (np.asarray(layout.owner)[None, :] == np.arange(layout.firms)[:, None]), axis=1)

        def at(step):
            moved = jnp.where(pick, jnp.clip(z + step * distance, lower, upper), z)
            value, slope = jax.jvp(game.payoff, (layout.unflatten(moved),), (layout.unflatten(way),))
            return jnp.sum(jnp.where(mine, value, 0.0)), jnp.sum(jnp.where(mine, slope, 0.0))

        values, slopes = each(at, jnp.asarray(ladder, z.dtype))
        x, near, low, high = (jnp.sum(jnp.where(pick, part, 0.0)) for part in (z, distance, lower, upper))
        value = jnp.sum(jnp.where(mine, payoff, 0.0))
        rises = (x - near < low) | (slopes[0] >= 0)
        falls = (x + near > high) | (slopes[rungs] <= 0)
        level = continuous(value, values[0], values[rungs], jnp.max(jnp.abs(slopes)), near)
        highest = first_largest(jnp.where(jnp.isnan(values), -jnp.inf, values))
        top = jnp.sum(jnp.where(highest, values, 0.0))
        step = jnp.sum(jnp.where(highest, jnp.asarray(ladder, z.dtype), 0.0))
        gain = jnp.where(top > value, top - value, 0.0)
        return rises & falls & level, gain, jnp.clip(x + step * near, low, high)

    def every(z: Float[Array, " strategy"]) -> _Peaks:
        here, gain, best = each(lambda way: look(way, z), jnp.eye(layout.size, dtype=z.dtype))
        return _Peaks(here & single, gain, best)

    return only_if(wanted, every, _Peaks(jnp.zeros(layout.size, bool), jnp.zeros_like(z), z), z)


def _higher(layout: Layout, peak: _Peaks, best, gain):
    """The deviations and gains, those found beside kinks included."""
    owner = np.asarray(layout.owner)[None, :] == np.arange(layout.firms)[:, None]
    extra = jnp.max(jnp.where(owner & peak.here[None, :], peak.gain[None, :], 0.0), axis=1)
    more = jnp.any(owner & (extra > gain)[:, None], axis=0) & peak.here
    return jnp.where(more, peak.best, best), jnp.maximum(gain, extra)


def own_derivatives(game: Game, layout: Layout, z):
    """Payoffs, own gradients and their Jacobian, differentiating by name."""

    def payoffs(z):
        return game.payoff(layout.unflatten(z))

    if layout.size <= MANY or not reversible(payoffs, layout, z.dtype):
        return _by_name(game, layout, z)
    firms, places = np.arange(layout.firms, dtype=np.int32), np.arange(layout.size, dtype=np.int32)

    def own(j):
        """The own derivatives of first and second order, forwards."""
        way = layout.unflatten(jnp.where(places == j, 1.0, 0.0).astype(z.dtype))
        mine = firms == jnp.sum(jnp.where(places == j, np.asarray(layout.owner, np.int32), 0), dtype=jnp.int32)

        def slope(s):
            return jnp.sum(jnp.where(mine, jax.jvp(game.payoff, (s,), (way,))[1], 0.0))

        return jax.jvp(slope, (layout.unflatten(z),), (way,))

    # The rows only add how firms act on each other: the evidence does not hang on one way to differentiate.
    gradient, second = in_blocks(own, places, layout.size)
    _, jacobian = by_rows(payoffs, layout, z, lambda z: _by_name(game, layout, z)[1:])
    return (
        game.payoff(layout.unflatten(z)),
        gradient,
        jnp.where(np.eye(layout.size, dtype=bool), second[:, None], jacobian),
    )


def _by_name(game: Game, layout: Layout, z):
    """All of it at once."""

    def payoff(s):
        value = game.payoff(s)
        return value, value

    def gradient(s):
        by_name, value = jax.jacfwd(payoff, has_aux=True)(s)
        parts, at = [], 0
        for name in layout.names:
            table = by_name[name].reshape(layout.firms, -1)
            owner = np.asarray(layout.owner[at : at + table.shape[1]])
            chooses = owner[None, :] == np.arange(layout.firms)[:, None]
            parts.append(jnp.sum(jnp.where(chooses, table, 0.0), axis=0))
            at += table.shape[1]
        own = jnp.concatenate(parts)
        return own, (value, own)

    if layout.size > (MANY if rolling() < 2 else 1):
        # One after the other: all at once need memory for the cube of the number of firms.
        own, along, (value, _) = jax.linearize(gradient, layout.unflatten(z), has_aux=True)
        places = np.arange(layout.size, dtype=np.int32)

        def column(j):
            return along(layout.unflatten(jnp.where(places == j, 1.0, 0.0).astype(z.dtype)))

        return value, own, jax.lax.map(column, jnp.asarray(places)).T
    by_name, (value, own) = jax.jacfwd(gradient, has_aux=True)(layout.unflatten(z))
    jacobian = jnp.concatenate([by_name[name].reshape(layout.size, -1) for name in layout.names], axis=1)
    return value, own, jacobian


def payoff_scale(layout, z, payoff, curvature, size, seen):
    """By firm: its payoff or what its own strategies are worth at their curvature, whichever is larger.

    An inactive firm has neither; it is measured by a ten-thousandth of the curvature at its rivals' size. What has been
    `seen` of payoffs bounds it, see `bounded_scale`.
    """
    mine = np.asarray(layout.owner)[None, :] == np.arange(layout.firms)[:, None]
    reach = jnp.minimum(jnp.abs(z), size)
    worth = jnp.max(jnp.where(mine, (curvature * reach * reach)[None, :], 0.0), axis=1)
    floor = 1e-4 * jnp.max(jnp.where(mine, (curvature * size * size)[None, :], 0.0), axis=1)
    scale = bounded_scale(jnp.maximum(jnp.maximum(jnp.abs(payoff), worth), floor), seen)
    # Payoffs are in one unit: where a firm has no scale of its own, the others' says what is a rounding error.
    scale = jnp.maximum(scale, 1e-6 * jnp.max(scale))
    return jnp.maximum(scale, jnp.finfo(z.dtype).tiny)


def bounded_scale(scale: Float[Array, " firm"], seen: Float[Array, " firm"]) -> Float[Array, " firm"]:
    """Scales, no larger than a multiple of the largest payoff seen (1,300 in double precision, 24 in single).

    Where a payoff is all but singular, as a root at zero, its curvature says nothing about what strategies are worth,
    and would hide any gain.
    """
    return jnp.minimum(scale, float(jnp.finfo(scale.dtype).eps) ** -0.2 * seen)


def _concavity(hessian, free, layout: Layout) -> Float[Array, ""]:
    """Largest eigenvalue of the firms' scaled own Hessians on the free strategies; -inf without any.

    The others get -1 on the diagonal, which never is the largest: the free ones have unit diagonals.
    """
    hessian = jnp.where(free[:, None] & free[None, :], hessian, jnp.where(np.eye(layout.size, dtype=bool), -1.0, 0.0))
    if layout.own.shape[1] == 1:
        largest = jnp.max(own_diagonal(hessian))
    else:
        largest = jnp.max(jax.vmap(largest_eigenvalue)(own_blocks(hessian, layout)))
    return jnp.where(jnp.any(free), largest, -jnp.inf)


def _steepest(hessian, curvature, layout: Layout) -> Float[Array, "firm own"]:
    """The direction of each firm's strategies in which its own payoff curves upwards most; 0 for a single strategy."""
    count = layout.own.shape[1]
    if count == 1:
        return jnp.zeros(layout.own.shape, hessian.dtype)
    ways = jax.vmap(top_eigenvector)(own_blocks(hessian, layout))
    real = layout.own < layout.size
    size = jnp.sqrt(curvature[np.minimum(layout.own, layout.size - 1)])
    return jnp.where(real, ways / size, 0.0)


def norm(matrix):
    """The infinity norm."""
    return jnp.max(jnp.sum(jnp.abs(matrix), axis=1))


def or_infinite(value):
    """Infinite where a singular system has left NaN."""
    return jnp.where(jnp.isnan(value), jnp.inf, value)
