"""Playing a discrete stage: all its subgames in one batch, its pure equilibria, and the one that is the answer.

The answer is `successful` only if every subgame is certified, so that nothing is unknown about any profile. Its
derivatives are those of the subgame that is picked, with the discrete choices as they are; at `certificate.margin` 0 a
player is indifferent, and they are one-sided.
"""

import functools
from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike

from . import _numpy as jnp
from ._best_response import BestResponse
from ._check import check_options, prepare
from ._each import each
from ._equilibrium import equilibrium
from ._errors import GameError
from ._layout import dtype_of
from ._leader import Leader
from ._method import Method
from ._objective import value_of
from ._payoff_table import PayoffTable, digits
from ._pure import PureEquilibria, pure_equilibria
from ._search import GlobalSearch
from ._solution import Certificate, Equilibrium
from ._stage import Stage
from ._stage_rule import best_responses
from ._status import Status

_TOGETHER = 64
"""Subgames that are solved together on a processor; on accelerators a batch is as large as this squared."""
_EACH = 64
"""The most profiles of which `solve` and `sweep` report each; of larger tables they report the number of equilibria."""


def payoff_table(
    stage: Stage,
    method: Method | None = None,
    *,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> PayoffTable:
    """The payoffs in every profile of discrete choices: the k^n subgames, each solved and certified.

    Differentiable in every array field of the stage, as `solve` is. A subgame without a certified equilibrium raises
    nothing: `PayoffTable.certified` tells, and what needs it is reported as undecided.

    Args:
        stage: the choices and the subgame.
        method: how to look for the subgames' equilibria; `BestResponse()` by default.
        tol: as in `solve`; payoffs that differ by less, relative to their size, count as equal.
        max_steps: as in `solve`.
        certify: as in `solve`; without it `certified` means that the first-order conditions hold.

    Raises:
        GameError: the stage or an option is ill-defined; the message says what to change.
    """
    if not isinstance(stage, Stage):
        raise GameError(f"payoff_table needs a Stage, not {type(stage).__name__}.")
    method = BestResponse() if method is None else method
    prepared = prepare(stage)
    tol, search = check_options(method, tol, max_steps, dtype_of(prepared), certify)
    return _tabulated(prepared, method, tol, int(max_steps), search)


@eqx.filter_jit
def _tabulated(stage: Stage, method: Method, tol: float, max_steps: int, search: GlobalSearch | None) -> PayoffTable:
    return tabulate(stage, method, tol=tol, max_steps=max_steps, search=search)


def in_turn(stage: Stage, order: tuple[str, ...] | None = None) -> Leader:
    """The same choices made one after the other, each player seeing those before it: sequential play.

    Args:
        stage: the choices; `in_turn(stage)` and `stage` differ in the timing only.
        order: the names of the players (`Stage.firms`), first mover first; by default their own order.

    Raises:
        GameError: `order` does not name every player once.
    """
    order = stage.firms if order is None else tuple(order)
    if sorted(order) != sorted(stage.firms):
        raise GameError(f"order is {order}; name each of the players {stage.firms} once.")
    problem = stage.game
    for name in reversed(order):
        i = stage.firms.index(name)
        problem = Leader(problem, stage.choose[i], stage.maximize[i], choices=stage.choices)
    assert isinstance(problem, Leader)
    return problem


def tabulate(stage: Stage, method: Method, *, tol: float, max_steps: int, search: GlobalSearch | None) -> PayoffTable:
    """The payoffs of every profile of choices, from the equilibria of all subgames, in one batch of bounded memory."""
    k, n = len(stage.choices), len(stage.choose)
    solve = functools.partial(equilibrium, method=method, tol=tol, max_steps=max_steps, search=search)
    together = _TOGETHER if jax.default_backend() == "cpu" else _TOGETHER**2
    # A power of k, so that no smaller batch is left over at the end, which would be compiled for itself.
    batch = k ** max(1, min(n, int(np.log(together) / np.log(k) + 1e-9)))
    rows = stage.choices[jnp.asarray(digits(k, n))]
    every = each(lambda row: solve(stage.subgame(row)), rows, together=batch)
    payoff = jnp.stack([value_of(every, name) for name in stage.maximize], axis=-1)
    accepted = Status.first_order if search is None else Status.successful
    certified = (every.status == accepted) & jnp.all(jnp.isfinite(payoff), axis=-1)
    profiles = (k,) * n
    return PayoffTable(
        payoff.reshape(*profiles, n),
        stage.firms,
        choices=stage.choices,
        certified=certified.reshape(profiles),
        subgame=jax.tree.map(lambda leaf: leaf.reshape(*profiles, *leaf.shape[1:]), every),
        tol=tol,
    )


@equilibrium.register
def play(
    stage: Stage,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibrium:
    """The pure equilibrium of the discrete stage that its rule picks, with the subgame that follows."""
    del start
    return answer(stage, tabulate(stage, method, tol=tol, max_steps=max_steps, search=search), method, search)


def answer(stage: Stage, table: PayoffTable, method: Method, search: GlobalSearch | None) -> Equilibrium:
    """The pure equilibrium that the rule of the stage picks from its table."""
    assert table.subgame is not None
    k, n = table.shape
    fixed = jax.lax.stop_gradient(table)
    pure = pure_equilibria(fixed)
    at = stage.rule.pick(fixed, pure)
    every = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[n:]), table.subgame)
    subgame = jax.tree.map(lambda leaf: jnp.take(leaf, at, axis=0), every)
    made = stage.choices[jnp.asarray(digits(k, n))[at]]
    own: dict[str, Array] = {"pure_equilibria": pure.count}
    if k**n <= _EACH:
        own |= {"profile_payoff": table.rows, "profile_equilibrium": pure.mask.reshape(-1)}
    accepted = Status.successful if search is not None else Status.first_order
    found = jnp.where(jnp.any(pure.mask), accepted, Status.deviation_found)
    return Equilibrium(
        strategy=stage.named(made),
        payoff=jnp.take(table.rows, at, axis=0),
        outcomes=subgame.outcomes | own,
        certificate=None if search is None else _certificate(stage, fixed, pure, at),
        status=jnp.where(jnp.all(table.certified), found, Status.subgame_failed).astype(jnp.int32),
        steps=jnp.sum(every.steps, dtype=jnp.int32),
        subgame=subgame,
        concept=stage.concept(),
        method=method.describe(),
        tol=table.tol,
        firms=stage.firms,
    )


def _certificate(stage: Stage, table: PayoffTable, pure: PureEquilibria, at: Array) -> Certificate:
    """By how much each choice is the best one, all others compared; what is about derivatives is not defined."""
    k, n = table.shape
    margin = jnp.take(pure.margin.reshape(-1, n), at, axis=0)
    scale = jnp.maximum(jnp.take(pure.scale.reshape(-1, n), at, axis=0), jnp.finfo(margin.dtype).tiny)
    better = jnp.take(best_responses(table, pure), at, axis=0)
    own = jnp.asarray(digits(k, n))[better]
    own = jnp.sum(jnp.where(np.eye(n, dtype=bool), own, 0), axis=1, dtype=jnp.int32)
    gain = jnp.maximum(-margin, 0.0)
    zero = jnp.zeros((), margin.dtype)
    undefined = jnp.full_like(zero, jnp.nan)
    error = None if table.subgame is None else table.subgame.certificate
    return Certificate(
        residual=zero,
        regret=jnp.max(gain / scale),
        gain=gain,
        deviation=stage.named(table.choices[own]),
        concavity=undefined,
        stability=undefined,
        conditioning=undefined,
        margin=jnp.maximum(jnp.min(margin / scale), 0.0),
        error=zero if error is None else jnp.max(error.error),
        payoff_scale=scale,
    )
