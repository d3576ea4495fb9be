"""A discrete stage played with noise, as a problem: maps and derivatives of the propensity to open, enter or adopt.

`Stage` asks which choice is the best one; here each choice has a probability, smooth in every parameter (see
`quantal_response`). What pure play of the same stage gives is reported beside it, from the same subgames.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._check import check
from ._equilibrium import equilibrium
from ._errors import GameError
from ._game import Problem
from ._layout import dtype_of
from ._method import Method
from ._objective import answer_of
from ._parameter import as_parameter
from ._play import answer, tabulate
from ._quantal import responded
from ._search import GlobalSearch
from ._solution import Certificate, Equilibrium
from ._stage import Stage
from ._status import Status

_STEPS = 1024


class QuantalStage(Problem):
    """The logit quantal response equilibrium of a discrete stage, on the principal branch.

    `solve` and `sweep` report the strategy `probability` (player, option), the outcome `propensity`, the probability of
    the last choice by player, and expected payoffs and outcomes. As `subgame` they report the pure equilibrium of the
    stage, if it has one. `certificate.residual` is the `perturbation` of `QuantalResponse`; `certificate.regret` and
    `gain` are what the best choice would add, which noise leaves on the table: not zero, and not what is certified.
    `concavity`, `stability`, `conditioning` and `margin` are not defined for it: NaN.

    Args:
        game: the stage.
        precision: lambda >= 0, per unit of payoff.

    Raises:
        GameError: `game` is no `Stage`, or the precision is negative or not finite.
    """

    game: Stage
    precision: Float[Array, ""] = eqx.field(metadata={"doc": "lambda >= 0: precision of choices, per unit of payoff"})

    def __init__(self, game: Stage, precision: ArrayLike):
        if not isinstance(game, Stage):
            raise GameError(f"A QuantalStage needs a Stage, not {type(game).__name__}.")
        value = jnp.asarray(as_parameter(precision), dtype_of(game))
        bad = not isinstance(value, Tracer) and not bool(np.all(np.isfinite(value) & (np.asarray(value) >= 0)))
        if value.shape or bad:
            raise GameError(f"precision of a QuantalStage: give one finite number of at least 0, not {precision}.")
        self.game, self.precision = game, value

    @property
    def firms(self) -> tuple[str, ...]:
        """The players of the stage."""
        return self.game.firms

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return (
            f"logit quantal response equilibrium (principal branch) of the discrete stage in which all set "
            f"{self.game.field or ', '.join(self.game.choose)} at once, then {self.game.game.concept()}"
        )

    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the axes of probabilities."""
        player = self.game.dims()["profile_payoff"][1]
        return {"probability": (player, "option"), "propensity": (player,)}

    def coords(self) -> Mapping[str, tuple[Any, str]]:
        """What the choices are called."""
        return {"option": (self.game.choices, "choice of a player")}


@check.register
def _(problem: QuantalStage) -> None:
    check(problem.game)
    one = answer_of(problem.game.game)
    for name in ("probability", "propensity"):
        if name in one.outcomes or name in one.strategy:
            raise GameError(f"The subgame reports {name!r}, which a QuantalStage reports itself; rename it.")


@equilibrium.register
def respond(
    problem: QuantalStage,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibrium:
    """The quantal response of the stage; `max_steps` is for its subgames."""
    del start
    table = tabulate(problem.game, method, tol=tol, max_steps=max_steps, search=search)
    pure = answer(problem.game, table, method, search)
    found = responded(table, problem.precision, _STEPS)
    certificate = None
    if search is not None:
        assert pure.certificate is not None
        scale = jnp.maximum(jnp.max(jnp.abs(table.rows), axis=0), jnp.finfo(found.gain.dtype).tiny)
        undefined = jnp.full_like(found.residual, jnp.nan)
        certificate = Certificate(
            residual=found.perturbation,
            regret=jnp.max(found.gain / scale),
            gain=found.gain,
            deviation={"probability": found.probability},
            concavity=undefined,
            stability=undefined,
            conditioning=undefined,
            margin=undefined,
            error=jnp.maximum(found.residual, pure.certificate.error),
            payoff_scale=scale,
        )
    accepted = Status.successful if search is not None else Status.first_order
    return Equilibrium(
        strategy={"probability": found.probability},
        payoff=found.payoff,
        outcomes=found.outcomes | {"propensity": found.propensity},
        certificate=certificate,
        status=jnp.where(found.status == Status.successful, accepted, found.status).astype(jnp.int32),
        steps=pure.steps,
        subgame=pure,
        concept=problem.concept(),
        method=method.describe(),
        tol=tol,
        firms=problem.firms,
    )
