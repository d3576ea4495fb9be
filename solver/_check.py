"""Definitions are checked before anything is compiled; every refusal is one sentence that says what to change."""

import functools
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import ArrayLike

from . import _numpy as jnp
from ._dynamic_game import DynamicGame
from ._errors import GameError
from ._game import Game, Problem
from ._layout import bounds_of, dtype_of, layout_of
from ._method import Method
from ._parameter import as_parameter
from ._priced import explain_constraints, rules_of
from ._search import GlobalSearch

P = TypeVar("P", bound=Problem)
_RESERVED = ("payoff", "status", "steps", "firm", "leader")


def prepare(problem: P) -> P:
    """The problem with all parameters as JAX arrays of one floating dtype, its definition checked.

    Raises:
        GameError: something is ill-defined.
    """
    if isinstance(problem, DynamicGame):
        raise GameError(
            f"{type(problem).__name__} is one period of a dynamic game; solve MarkovPerfect(game), OpenLoop(game) or "
            "PathGame(game, periods)."
        )
    if not isinstance(problem, Problem):
        raise GameError(f"Expected a Game or a Leader, got {type(problem).__name__}: subclass nashgrid.solver.Game.")
    problem = jax.tree_util.tree_map_with_path(_converted, problem)
    kinds = {leaf.dtype for leaf in jax.tree.leaves(problem) if eqx.is_array(leaf)}
    if len(kinds) > 1:
        names = ", ".join(sorted(str(kind) for kind in kinds))
        raise GameError(f"The fields of {type(problem).__name__} mix the dtypes {names}; convert them to one.")
    _check_structure(structure(problem))
    if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(problem)):
        probe(problem)
    return problem


def _converted(path: tuple, leaf: Any) -> Any:
    """A leaf as a floating JAX array, or a refusal that names its field."""
    name = jax.tree_util.keystr(path).lstrip(".")
    if isinstance(leaf, bool | int | str | np.integer):
        raise GameError(
            f"Field {name!r} is {leaf!r}, a {type(leaf).__name__}: declare parameters with `parameter()`, and counts "
            "and labels with `eqx.field(static=True)`."
        )
    if callable(leaf) and not eqx.is_array(leaf):
        return leaf
    if isinstance(leaf, float | np.floating):
        return as_parameter(leaf)
    if isinstance(leaf, np.ndarray | jax.Array):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise GameError(f"Field {name!r} has dtype {leaf.dtype}; parameters must be floating point, e.g. 1.0.")
        return jnp.asarray(leaf)
    raise GameError(f"Field {name!r} holds a {type(leaf).__name__}; declare it with `eqx.field(static=True)`.")


def structure(problem: Problem) -> tuple:
    """All of a problem but the numbers in its arrays, hashable: what is known of it before it is compiled."""
    arrays, rest = eqx.partition(problem, eqx.is_array)
    leaves, tree = jax.tree.flatten(arrays)
    statics, static_tree = jax.tree.flatten(rest)
    key = (tuple((leaf.shape, leaf.dtype) for leaf in leaves), tree, tuple(statics), static_tree)
    try:
        hash(key)
    except TypeError as error:
        raise GameError(f"A static field of the game cannot be hashed ({error}): use tuples, not lists.") from None
    return key


def shaped(key: tuple) -> Problem:
    """The problem of a `structure`, with shapes in place of arrays."""
    leaves, tree, statics, static_tree = key
    arrays = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in leaves])
    return eqx.combine(arrays, jax.tree.unflatten(static_tree, statics))


@functools.lru_cache(maxsize=1024)
def _check_structure(key: tuple) -> None:
    """`check`, done once for all problems of one structure."""
    problem = shaped(key)
    try:
        eqx.filter_eval_shape(check, problem)
    except GameError as error:
        # Without what JAX notes on an exception that passes through it.
        raise GameError(*error.args) from None
    except _NOT_TRACEABLE as error:
        reason = str(error).partition("\n")[0]
        raise GameError(
            f"{type(problem).__name__} cannot be traced by JAX ({type(error).__name__}: {reason[:120]}): write payoff, "
            "bounds and outcomes with jax.numpy instead of NumPy, and jnp.where instead of `if`."
        ) from None


_NOT_TRACEABLE = (
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerIntegerConversionError,
)


@functools.singledispatch
def check(problem: Problem) -> None:
    """Refuse a problem whose definition does not fit together; looks at shapes only, and may be traced."""
    raise GameError(f"{type(problem).__name__} is neither a Game nor a Leader.")


@functools.singledispatch
def probe(problem: Problem) -> None:
    """Refuse a problem where only numbers, not shapes, show that its definition does not fit together."""
    inner = getattr(problem, "game", None)
    if isinstance(inner, Problem):
        probe(inner)


@check.register
def _(game: Game) -> None:
    what = type(game).__name__
    firms = game.firms
    if not isinstance(firms, tuple) or not firms or not all(isinstance(name, str) for name in firms):
        raise GameError(f"{what}.firms is {firms!r}; give a tuple with the name of each firm.")
    if len(set(firms)) < len(firms):
        raise GameError(f"{what}.firms has a name twice: {firms}.")
    check_functions(game)


def check_functions(game: Game) -> None:
    """Refuse a game whose bounds, payoff, outcomes, constraints and start do not fit its firms and each other."""
    what, firms = type(game).__name__, game.firms
    bounds = game.bounds()
    if not isinstance(bounds, Mapping) or not bounds or not all(_is_pair(pair) for pair in bounds.values()):
        raise GameError(f"{what}.bounds() must return a dict: name of a strategy -> (lower, upper).")
    layout, dtype = layout_of(game), dtype_of(game)
    z, _ = bounds_of(game, layout, dtype)
    s = layout.unflatten(z)
    payoff = game.payoff(s)
    expected = f"it must return an array of one payoff for each of the {layout.firms} firms {firms}"
    if not isinstance(payoff, jax.Array):
        raise GameError(f"{what}.payoff returned a {type(payoff).__name__}; {expected}.")
    if payoff.shape != (layout.firms,):
        raise GameError(f"{what}.payoff returned shape {payoff.shape}; {expected}, shape ({layout.firms},).")
    if payoff.dtype != dtype:
        raise GameError(
            f"{what}.payoff returned dtype {payoff.dtype} for {dtype} strategies; compute in the dtype of the "
            "strategies and parameters."
        )
    outcomes = game.outcomes(s)
    if not isinstance(outcomes, Mapping):
        raise GameError(f"{what}.outcomes() returned a {type(outcomes).__name__}; it must return a dict by name.")
    for name in outcomes:
        if name in bounds or name in _RESERVED:
            raise GameError(f"{what}.outcomes() reports {name!r}, which is taken; rename it.")
    rules = rules_of(game)
    for name in () if rules is None else (rule.name for rule in rules.rules):
        if name in bounds or name in outcomes or name in _RESERVED:
            raise GameError(f"{what}.constraints() has a {name!r}, which is taken; rename it.")
    _check_profile(f"{what}.start()", game.start(), dict(zip(layout.names, layout.shapes, strict=True)))


def _check_profile(what: str, given: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse a start that is no profile of the strategies."""
    if not isinstance(given, Mapping):
        raise GameError(f"{what} is {given!r}; give a dict: name of a strategy -> values.")
    for name, value in given.items():
        if name not in shapes:
            raise GameError(f"{what} names {name!r}, but the strategies are {list(shapes)}.")
        if np.shape(value) not in ((), shapes[name]):
            raise GameError(f"{what}[{name!r}] has shape {np.shape(value)}; give a scalar or shape {shapes[name]}.")
        if not isinstance(value, Tracer) and not np.issubdtype(np.asarray(value).dtype, np.number):
            raise GameError(f"{what}[{name!r}] is {value!r}; give numbers.")


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2


def check_start(game: Game, start: Any) -> dict[str, jax.Array]:
    """A start as arrays, or a refusal: it names no strategy, has another shape, or is not finite."""
    layout, dtype = layout_of(game), dtype_of(game)
    _check_profile("start", start, dict(zip(layout.names, layout.shapes, strict=True)))
    for name, value in start.items():
        if not isinstance(value, Tracer) and not np.all(np.isfinite(value)):
            raise GameError(f"start[{name!r}] is {value}; give finite numbers.")
    return {name: jnp.asarray(value, dtype) for name, value in start.items()}


def check_options(
    method: Method, tol: float | None, max_steps: int, dtype: jnp.dtype, certify: bool | GlobalSearch
) -> tuple[float, GlobalSearch | None]:
    """The tolerance and the search to use, or a refusal of the options."""
    if not isinstance(method, Method):
        raise GameError(f"method is {method!r}; give a method object such as BestResponse() or Newton().")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int | np.integer) or max_steps < 1:
        raise GameError(f"max_steps is {max_steps!r}; give a whole number of at least 1.")
    if not isinstance(certify, bool | GlobalSearch):
        raise GameError(f"certify is {certify!r}; give True, False or GlobalSearch(...).")
    search = GlobalSearch() if certify is True else (certify or None)
    tol = default_tol(dtype) if tol is None else float(tol)
    least = 64 * float(jnp.finfo(dtype).eps)
    if not (least <= tol < 1) or math.isnan(tol):
        raise GameError(
            f"tol is {tol:g}; in {dtype} it must be from {least:.1e} (64 eps) to below 1: raise it, or compute in "
            'float64 with jax.config.update("jax_enable_x64", True) before making the game.'
        )
    return tol, search


def default_tol(dtype: jnp.dtype) -> float:
    """1e-10 in float64, 3e-5 in float32: about eps^(2/3)."""
    return 1e-10 if jnp.finfo(dtype).bits == 64 else 3e-5


def explain(game: Game, start: Mapping[str, ArrayLike]) -> str | None:
    """Why a game cannot even be started at these parameters, in one sentence; None if it can."""
    from ._equilibrium import start_of

    layout, dtype = layout_of(game), dtype_of(game)
    for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(game, eqx.is_array)):
        if not np.all(np.isfinite(leaf)):
            return f"Field {jax.tree_util.keystr(path).lstrip('.')!r} is {np.asarray(leaf)}; give finite numbers."
    lower, upper = (np.asarray(b) for b in bounds_of(game, layout, dtype))
    for j in np.flatnonzero(~(lower <= upper)):
        name, firm = layout.names[layout.name_of[j]], game.firms[layout.owner[j]]
        return (
            f"Strategy {name!r} of firm {firm!r} has lower bound {lower[j]} and upper bound {upper[j]}; the lower may "
            "not exceed the upper."
        )
    begin = start_of(game, layout, dtype, start)
    if (reason := explain_constraints(game, layout.unflatten(begin))) is not None:
        return reason
    payoff = np.asarray(game.payoff(layout.unflatten(begin)))
    for i in np.flatnonzero(~np.isfinite(payoff)):
        return (
            f"The payoff of firm {game.firms[i]!r} is {payoff[i]} at the start {np.asarray(begin)}; give another "
            "`start`, or bounds inside which the payoff is defined."
        )
    return None
