"""What a player of an outer stage maximizes, by name: a firm's payoff or a scalar outcome of the stage that follows."""

import equinox as eqx
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._equilibrium import equilibrium
from ._errors import GameError
from ._game import Problem
from ._method import Iterate, Method
from ._solution import Equilibrium


def firms_in(problem: Problem) -> tuple[str, ...]:
    """The firms of a problem and of all stages that follow in it, first movers first."""
    inner = getattr(problem, "game", None)
    return (*problem.firms, *(firms_in(inner) if isinstance(inner, Problem) else ()))


def value_of(eq: Equilibrium, name: str) -> Float[Array, "*lanes"]:
    """The payoff of the firm called `name` in an equilibrium, else that outcome, else a firm's of a later stage."""
    if name in eq.firms:
        return eq.payoff[..., eq.firms.index(name)]
    if name in eq.outcomes:
        return eq.outcomes[name]
    if eq.subgame is None:
        raise GameError(f"{name!r} names neither a firm nor an outcome.")
    return value_of(eq.subgame, name)


def check_objective(problem: Problem, name: str, what: str = "maximize") -> None:
    """Refuse a name that is neither a firm of `problem` nor a scalar outcome of it; looks at shapes only."""
    if name in problem.firms:
        return
    one = answer_of(problem)
    if name not in one.outcomes:
        if name in firms_in(problem):
            return
        raise GameError(
            f"{what}={name!r} names neither a firm {tuple(dict.fromkeys(firms_in(problem)))} nor an outcome "
            f"{tuple(one.outcomes)}."
        )
    if one.outcomes[name].shape:
        raise GameError(f"{what}={name!r} is an outcome of shape {one.outcomes[name].shape}, not a scalar.")


def answer_of(problem: Problem) -> Equilibrium:
    """The shapes of what a solve of `problem` returns."""
    return eqx.filter_eval_shape(lambda game: equilibrium(game, _Any(), tol=1e-3, max_steps=1, search=None), problem)


class _Any(Method):
    """The method of a shape check: returns the start."""

    escapes: int = eqx.field(static=True, default=0)

    def run(self, conditions, z, *, tol, max_steps):
        return Iterate(z, jnp.zeros((), z.dtype), jnp.zeros((), jnp.int32))
