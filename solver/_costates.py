"""One step back in a linear-quadratic game: from what the next state is worth to this period's choices.

Firm i's costate, the derivative of its present value in the state, is affine: lambda_i = L_i y, y = (1, x). Against
this, all first-order conditions of a period

    d/du_i [ pi_i(z) + delta V_i(G z) ] = 0     for every action u_i of firm i

are one linear system for the rules u = F y. With Gamma_i = W_i + delta T' L_i G, G the motion and T its rows of the
state, the derivative of firm i's prospects in z = (y, u) is Gamma_i z, and the costate one period before is

    open-loop:  the x rows of Gamma_i Z,              Z = (I; F): others' actions are given paths,
    feedback:   (dz/dx)' Gamma_i Z,   dz/dx = (0; I; F_x):        others answer to the state by their rules.

Own answers drop out by the first-order conditions. The feedback recursion is that of the coupled Riccati equations
(Basar and Olsder, 1999, Dynamic Noncooperative Game Theory, chapter 6), the other one theirs for open-loop play.
"""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._adjoint import zero_tangent
from ._certificate import norm
from ._linear import solve
from ._quadratic import Quadratic

_BLOCK = 64
_POLISH = 8
_DOUBLINGS = 40
_EXACT = jax.lax.Precision.HIGHEST

Costates = Float[Array, "firm state affine"]


def back(q: Quadratic, costates: Costates, owner: tuple[int, ...], *, feedback: bool) -> tuple[Costates, Array]:
    """The costates one period earlier, and the rules F of that period, shape (action, affine)."""
    n = q.motion.shape[0]
    move = jnp.einsum("sj,fsa,az->fjz", q.motion[1:], costates, q.motion, precision=_EXACT)
    slopes = q.reward + q.discount * move
    wanted = np.arange(len(owner)) + n
    conditions = slopes[np.asarray(owner), wanted]
    rules = -solve(conditions[:, n:], conditions[:, :n])
    along = jnp.concatenate([jnp.eye(n, dtype=rules.dtype), rules])
    seen = along if feedback else jnp.concatenate([jnp.eye(n, dtype=rules.dtype), jnp.zeros_like(rules)])
    return jnp.einsum("zs,fzw,wa->fsa", seen[:, 1:], slopes, along, precision=_EXACT), rules


def all_back(
    q: Quadratic, owner: tuple[int, ...], periods: int, *, feedback: bool
) -> Float[Array, "period action affine"]:
    """The rules of finitely many periods, first period first."""

    def period(costates, _):
        return back(q, costates, owner, feedback=feedback)

    return jax.lax.scan(period, q.terminal[:, 1:], None, length=periods, reverse=True)[1]


@eqx.filter_custom_jvp
def stationary(q: Quadratic, *, owner: tuple[int, ...], feedback: bool, most: int) -> tuple[Costates, Int[Array, ""]]:
    """The costates to which the recursion settles as the horizon grows, and in how many blocks of 64 periods.

    The limit of finite horizons at whose end nothing is worth anything (with another end it can be another one, which
    is no equilibrium without an end), then Newton's method on the fixed point; derivatives are those of the latter.
    """
    tol = float(jnp.finfo(q.discount.dtype).eps) ** 0.5

    def period(_, state):
        costates, _ = state
        earlier = back(q, costates, owner, feedback=feedback)[0]
        return earlier, jnp.max(jnp.abs(earlier - costates)) / _size(earlier)

    def block(state):
        costates, change, blocks = state
        costates, change = jax.lax.fori_loop(0, _BLOCK, period, (costates, change))
        return costates, change, blocks + 1

    def unsettled(state):
        # Negated, so that what is not finite goes on no further.
        return ~((state[1] <= tol) | ~jnp.isfinite(state[1])) & (state[2] < most)

    first = jnp.zeros_like(q.terminal[:, 1:]), jnp.ones_like(q.discount), jnp.zeros((), jnp.int32)
    costates, change, blocks = jax.lax.while_loop(unsettled, block, first)

    def polish(_, costates):
        off, slope = _fixed_point(q, costates, owner, feedback)
        better = costates + solve(slope, off).reshape(costates.shape)
        now = back(q, better, owner, feedback=feedback)[0] - better
        return jnp.where(jnp.max(jnp.abs(now)) < jnp.max(jnp.abs(off)), better, costates)

    polished = jax.lax.fori_loop(0, jnp.where(change <= tol, _POLISH, 0), polish, costates)
    return polished, blocks


@stationary.def_jvp
def _rule(primals, tangents, *, owner, feedback, most):
    (q,), (tangent,) = primals, tangents
    costates, blocks = stationary(q, owner=owner, feedback=feedback, most=most)
    moved = eqx.filter_jvp(lambda q: back(q, costates, owner, feedback=feedback)[0], (q,), (tangent,))[1]
    moved = jnp.zeros_like(costates) if moved is None else moved
    off, slope = _fixed_point(q, costates, owner, feedback)
    close = float(jnp.finfo(costates.dtype).eps) ** 0.5 * _size(costates)
    settled = jax.lax.stop_gradient(jnp.max(jnp.abs(off)) <= close)
    change = solve(slope, moved.reshape(-1)).reshape(costates.shape)
    # As a factor: selecting NaN would leave NaN in every reverse-mode derivative, settled or not.
    change = change * jnp.where(settled, 1.0, jnp.nan).astype(costates.dtype)
    return (costates, blocks), (change, zero_tangent(blocks))


def conditioning(q: Quadratic, costates: Costates, owner: tuple[int, ...], *, feedback: bool) -> tuple[Array, Array]:
    """The condition number of the fixed point, and the next Newton step there relative to the costates."""
    off, slope = _fixed_point(q, costates, owner, feedback)
    inverse = solve(slope, jnp.eye(slope.shape[0], dtype=slope.dtype))
    step = jnp.max(jnp.abs(jnp.sum(inverse * off[None, :], axis=1))) / _size(costates)
    return norm(slope) * norm(inverse), step


def worth(
    discount: Float[Array, ""], motion: Float[Array, "n n"], flow: Float[Array, "*firm n n"]
) -> Float[Array, "*firm n n"]:
    """sum_t delta^t (M')^t Q M^t, the value of a flow y' Q y under y' = M y for ever, by doubling the horizon."""

    def double(state, _):
        power, total = state
        total = total + jnp.einsum("ja,...jk,kb->...ab", power, total, power, precision=_EXACT)
        return (jnp.matmul(power, power, precision=_EXACT), total), None

    some = discount > 0.0
    root = jnp.where(some, jnp.sqrt(jnp.where(some, discount, 1.0)), 0.0)
    later = jax.lax.scan(double, (root * motion, flow), None, length=_DOUBLINGS)[0][1]
    # Once more by hand: with no discount factor the root has no derivative, the value has.
    return flow + discount * jnp.einsum("ja,...jk,kb->...ab", motion, later, motion, precision=_EXACT)


def _fixed_point(q: Quadratic, costates: Costates, owner: tuple[int, ...], feedback: bool) -> tuple[Array, Array]:
    """back(L) - L as a vector, and minus its derivative."""
    flat = lambda v: back(q, v.reshape(costates.shape), owner, feedback=feedback)[0].reshape(-1)  # noqa: E731
    v = costates.reshape(-1)
    return flat(v) - v, jnp.eye(v.shape[0], dtype=v.dtype) - jax.jacfwd(flat)(v)


def _size(values: Array) -> Float[Array, ""]:
    return jnp.maximum(jnp.max(jnp.abs(values)), jnp.finfo(values.dtype).tiny)
