"""Solve one problem at one point: check the definition, compile once, raise at the end if there is no equilibrium."""

from collections.abc import Mapping

import equinox as eqx
from jax.core import Tracer
from jaxtyping import ArrayLike

from ._best_response import BestResponse
from ._check import check_options, check_start, explain, prepare
from ._equilibrium import equilibrium
from ._errors import GameError, NotSolvedError
from ._game import Game, Problem
from ._layout import dtype_of
from ._method import Method
from ._quick import OPTIONS, quick
from ._search import GlobalSearch
from ._solution import Equilibrium
from ._status import Status


def solve(
    problem: Problem,
    method: Method | None = None,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
    throw: bool = True,
) -> Equilibrium:
    """The equilibrium of a game or of sequential play, with evidence that it is one.

    Differentiable in every array field of `problem`, in forward and reverse mode and to any order, by the implicit
    function theorem; works under `jax.jit` and `jax.vmap`, where nothing is raised and `status` tells.

    Args:
        problem: a `Game` (simultaneous play), a `Leader` (sequential play) or a `Stage` (discrete choices first).
        method: how to look for it; `BestResponse()` by default.
        start: strategies to start from, by name; others start at `Game.start()`, else in the middle of finite bounds,
            one above a lower bound, one below an upper bound, or at zero.
        tol: bound on the residual and the regret, relative (see `Certificate`); 1e-10 in float64 and 3e-5 in float32
            by default; at least 64 eps.
        max_steps: the most steps of the method, over all attempts.
        certify: whether to search for profitable deviations, and how thoroughly (`GlobalSearch`). Without it the best
            status is `Status.first_order`.
        throw: whether to raise if the end is not an equilibrium. While JAX is tracing nothing can be raised.

    Raises:
        GameError: the game, the start or an option is ill-defined; the message says what to change.
        NotSolvedError: with `throw`, the end is not an equilibrium; the message says what to try.
    """
    method = BestResponse() if method is None else method
    problem = prepare(problem)
    if start is not None:
        if not isinstance(problem, Game):
            raise GameError("start is for games; a Leader and a Stage compare all that can be chosen.")
        start = check_start(problem, start)
    tol, search = check_options(method, tol, max_steps, dtype_of(problem), certify)
    compiled = _compiled_fast if quick(problem, start) else _compiled
    result = compiled(problem, start, method, tol, int(max_steps), search)
    if throw and not isinstance(result.status, Tracer):
        _raise_if_failed(problem, start, result)
    return result


def _equilibrium(problem, start, method, tol, max_steps, search):
    return equilibrium(problem, method, start=start, tol=tol, max_steps=max_steps, search=search)


_compiled = eqx.filter_jit(_equilibrium)
_compiled_fast = eqx.filter_jit(_equilibrium, compiler_options=OPTIONS)  # pyright: ignore[reportCallIssue]


def _raise_if_failed(problem: Problem, start, result: Equilibrium) -> None:
    status = Status(int(result.status))
    if status in (Status.successful, Status.first_order):
        return
    if status in (Status.invalid_bounds, Status.nonfinite) and isinstance(problem, Game):
        reason = explain(problem, start or {})
        if reason is not None:
            raise GameError(reason)
    raise NotSolvedError(f"No equilibrium was found.\n{result}")
