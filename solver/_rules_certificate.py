"""Whether linear rules are an equilibrium: every firm's best answer to the others, as a problem of its own.

Given what the others do, a firm alone faces a linear-quadratic control problem. It is solved here by other means than
the rules were found: over finitely many periods by the Riccati recursion for the value in homogeneous coordinates, for
ever by policy iteration (Kleinman, 1968, IEEE Transactions on Automatic Control 13), which starts from the firm's own
rule and values each rule by summing its payoffs to the end of time. Against others' *rules* the state of the problem is
the state of the game. Against others' *paths* it is that state and, beside it, the one on the path that all had agreed
upon: what the others do depends on the second alone, which the firm cannot move.

With P the value of the best answer and P' that of the own rule, D = P - P' is what there is to gain. `gain` is the sum
of the |D_kl| sigma_k sigma_l / 2, a bound on the gain from every state with |x_k| <= sigma_k, where sigma_k is the
largest that this part of the state is on the path (1 where it is always zero); over finitely many periods it is the
largest of all dates. So rules are judged on and off the path, and also where the game goes on from another state.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._costates import worth
from ._layout import Layout, own_blocks, shared_size
from ._linear import largest_eigenvalue, own_diagonal, solve
from ._quadratic import Quadratic

_IMPROVEMENTS = 10
_EXACT = jax.lax.Precision.HIGHEST


class Judged(NamedTuple):
    """What the best answers say of rules."""

    residual: Float[Array, ""]
    regret: Float[Array, ""]
    gain: Float[Array, " firm"]
    concavity: Float[Array, ""]
    payoff_scale: Float[Array, " firm"]
    answers: Float[Array, "*period firm action wide"]
    """The best answers as rules on the state of the firm's own problem."""


class _Alone(NamedTuple):
    """One firm's problem: v' = A v + B w, w its own actions; those of others have a row too, which counts nothing."""

    motion: Float[Array, "wide wide"]
    control: Float[Array, "wide action"]
    flow: Float[Array, "both both"]
    own: Float[Array, "action wide"]
    mine: Float[Array, " action"]


def alone(q: Quadratic, rules: Float[Array, "action affine"], owner: tuple[int, ...], *, feedback: bool) -> _Alone:
    """The problems of all firms, stacked, when the others keep to their rules of this period."""
    n, m, dtype = q.motion.shape[0], len(owner), rules.dtype
    mine = jnp.asarray(np.asarray(owner)[None, :] == np.arange(q.reward.shape[0])[:, None], dtype)
    here = jnp.eye(n, dtype=dtype)
    wide = n if feedback else 2 * n - 1
    # The agreed path's (1, x), and the game's, from the state of the firm's problem.
    path = here if feedback else jnp.concatenate([jnp.eye(1, wide, dtype=dtype), jnp.eye(wide, dtype=dtype)[n:]])
    game = jnp.eye(n, wide, dtype=dtype)
    planned = jnp.matmul(rules, path, precision=_EXACT)

    def one(mine, reward):
        given = jnp.concatenate([game, planned * (1.0 - mine)[:, None]])
        chosen = jnp.concatenate([jnp.zeros((n, m), dtype), jnp.diag(mine)])
        every = jnp.concatenate([given, chosen], axis=1)
        motion = jnp.matmul(q.motion, given, precision=_EXACT)
        control = jnp.matmul(q.motion, chosen, precision=_EXACT)
        if not feedback:
            closed = jnp.matmul(q.motion[1:], jnp.concatenate([path, planned]), precision=_EXACT)
            motion = jnp.concatenate([motion, closed])
            control = jnp.concatenate([control, jnp.zeros((n - 1, m), dtype)])
        flow = jnp.einsum("za,zw,wb->ab", every, reward, every, precision=_EXACT)
        return _Alone(motion, control, flow, planned * mine[:, None], mine)

    return jax.vmap(one)(mine, q.reward)


def judge_for_ever(
    q: Quadratic, rules: Array, owner: tuple[int, ...], layout: Layout, sizes: tuple[Array, Array], *, feedback: bool
) -> Judged:
    """The verdict on stationary rules; `sizes` are those of the states and of the actions."""
    problem = alone(q, rules, owner, feedback=feedback)

    def one(problem: _Alone):
        def value(rule):
            closed = problem.motion + jnp.matmul(problem.control, rule, precision=_EXACT)
            return worth(q.discount, closed, _closed(problem.flow, rule))

        def improve(_, state):
            value_now, _ = state
            rule = _best(problem, q.discount, value_now)[0]
            return value(rule), rule

        first = value(problem.own)
        best, rule = jax.lax.fori_loop(0, _IMPROVEMENTS, improve, (first, problem.own))
        # One at the value found, so that the rule is compared with the answer to itself.
        answer, curvature = _best(problem, q.discount, best)
        return first, best, answer, curvature, rule

    own, best, answer, curvature, _ = jax.vmap(one)(problem)
    return _verdict(problem, own, best, answer, curvature, owner, layout, sizes, feedback)


def judge_to_the_end(
    q: Quadratic, rules: Array, owner: tuple[int, ...], layout: Layout, sizes: tuple[Array, Array], *, feedback: bool
) -> Judged:
    """The verdict on the rules of finitely many periods: the worst of all dates."""
    n = q.motion.shape[0]
    wide = n if feedback else 2 * n - 1
    end = jnp.pad(q.terminal, ((0, 0), (0, wide - n), (0, wide - n)))

    def period(later, rules):
        problem = alone(q, rules, owner, feedback=feedback)

        def one(problem: _Alone, own, best):
            answer, curvature = _best(problem, q.discount, best)
            return (
                _one_back(problem, q.discount, own, problem.own),
                _one_back(problem, q.discount, best, answer),
                answer,
                curvature,
            )

        own, best, answer, curvature = jax.vmap(one)(problem, *later)
        verdict = _verdict(problem, own, best, answer, curvature, owner, layout, sizes, feedback)
        return (own, best), verdict

    every = jax.lax.scan(period, (end, end), rules, reverse=True)[1]
    # Against the payoffs of the whole: late dates have little left to gain or to lose.
    scale = every.payoff_scale[0]
    gain = jnp.max(every.gain, axis=0)
    return Judged(jnp.max(every.residual), jnp.max(gain / scale), gain, jnp.max(every.concavity), scale, every.answers)


def _closed(flow: Array, rule: Array) -> Array:
    along = jnp.concatenate([jnp.eye(rule.shape[1], dtype=rule.dtype), rule])
    return jnp.einsum("za,zw,wb->ab", along, flow, along, precision=_EXACT)


def _prospects(problem: _Alone, discount: Array, later: Array) -> Array:
    """H with (v, w)' H (v, w) / 2 the payoff of the period and all that follows."""
    both = jnp.concatenate([problem.motion, problem.control], axis=1)
    return problem.flow + discount * jnp.einsum("ja,jk,kb->ab", both, later, both, precision=_EXACT)


def _best(problem: _Alone, discount: Array, later: Array) -> tuple[Array, Array]:
    """The best rule of a period when what follows is worth v' P v / 2, and the curvature in all actions."""
    h, n = _prospects(problem, discount, later), problem.motion.shape[0]
    curvature = h[n:, n:]
    # Others' actions have no row of their own: -1 on the diagonal keeps them at zero.
    filled = curvature - jnp.diag(1.0 - problem.mine)
    return -solve(filled, h[n:, :n]) * problem.mine[:, None], filled


def _one_back(problem: _Alone, discount: Array, later: Array, rule: Array) -> Array:
    return _closed(_prospects(problem, discount, later), rule)


def _verdict(
    problem: _Alone, own, best, answer, curvature, owner: tuple[int, ...], layout: Layout, sizes, feedback: bool
) -> Judged:
    states, actions = sizes
    n = states.shape[0] + 1
    one = jnp.ones((1,), states.dtype)
    size = jnp.concatenate([one, states])
    # Where a firm begins, the state is the one that all had agreed upon.
    fold = jnp.eye(n, dtype=size.dtype)
    fold = fold if feedback else jnp.concatenate([fold, fold[1:]])

    def seen(matrix: Array) -> Array:
        rows = fold * size[None, :]
        return jnp.einsum("ja,fjk,kb->fab", rows, matrix, rows, precision=_EXACT)

    there = seen(best - own)
    gain = 0.5 * jnp.sum(jnp.abs(there), axis=(1, 2))
    # The value where the state is as large as on the path, and what an action of its size changes.
    mine = problem.mine
    steep = jnp.sum(jnp.abs(jax.vmap(own_diagonal)(curvature)) * jnp.square(actions)[None, :] * mine, axis=1)
    scale = jnp.maximum(jnp.max(jnp.abs(seen(own)), axis=(1, 2)), steep)
    scale = jnp.maximum(0.5 * scale, jnp.finfo(scale.dtype).tiny)
    # Only the rows of a firm's own actions are not zero.
    change = jnp.matmul(jnp.sum(answer - problem.own, axis=0), fold, precision=_EXACT)
    off = jnp.sum(jnp.abs(change) * size[None, :], axis=1) / actions
    joint = jnp.sum(mine[:, :, None] * curvature, axis=0)
    width = jnp.sqrt(jnp.abs(own_diagonal(joint)))
    scaled = joint / (width[:, None] * width[None, :])
    concavity = jnp.max(jax.vmap(largest_eigenvalue)(own_blocks(scaled, layout)))
    return Judged(jnp.max(off), jnp.max(gain / scale), gain, concavity, scale, answer)


def sizes_of(
    states: Layout, layout: Layout, x: Float[Array, "date state"], u: Float[Array, "period action"]
) -> tuple[Float[Array, " state"], Float[Array, " action"]]:
    """How large each state and action is on the path: the largest of all of one name; 1 where it is always zero."""

    def largest(path: Array, layout: Layout) -> Array:
        size = shared_size(jnp.max(jnp.abs(path), axis=0), layout)
        return jnp.where(size > 0.0, size, 1.0)

    return largest(x, states), largest(u, layout)
