"""The equilibrium of an aggregative game: found and judged as any game's, at linear cost."""

from collections.abc import Mapping

from jaxtyping import Array, ArrayLike, Bool

from . import _numpy as jnp
from ._aggregative import AggregativeGame as AggregativeGame
from ._aggregative_check import probe as probe
from ._best_response import BestResponse
from ._clearing import Clearing
from ._equilibrium import equilibrium, nash
from ._layout import dtype_of
from ._method import Method
from ._pooled import Pooled
from ._search import GlobalSearch
from ._solution import Equilibrium

_ROUNDING = 16
_LARGEST_TOL = 1e-3


@equilibrium.register
def pooled_nash(
    game: AggregativeGame,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
    final: Bool[Array, ""] | bool = True,
) -> Equilibrium:
    """The Nash equilibrium of an aggregative game."""
    if isinstance(method, BestResponse) and method.finish:
        method = Clearing(escapes=method.escapes, method=method)
    rounding = _ROUNDING * len(game.firms) * float(jnp.finfo(dtype_of(game)).eps)
    tol = max(tol, min(rounding, _LARGEST_TOL))
    limits = {"tol": tol, "max_steps": max_steps, "final": final}
    return nash(Pooled(game), method, start=start, search=search, kinks=False, **limits)
