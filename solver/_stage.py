"""Discrete choices before a continuous game: open or closed, enter or stay out, adopt or not.

Every player picks one of k values for a parameter of its own (stage 1), all see the profile of choices, and the game
that it leaves is played (stage 2). The payoffs of stage 1 are those of the certified equilibrium of each of the k^n
subgames, so that an equilibrium of the resulting table is subgame-perfect (Selten 1965). All subgames are solved in one
batch. If several profiles are equilibria, a rule says which is the answer; that there are several is reported.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._axes import Knob, knob, knobs, put, shape_of
from ._check import check
from ._errors import GameError
from ._game import Problem
from ._layout import dtype_of
from ._objective import answer_of, check_objective
from ._payoff_table import MOST_PROFILES, digits
from ._stage_rule import StageRule, StatusQuo

REPORTED = ("pure_equilibria", "profile_payoff", "profile_equilibrium")
"""The outcomes that a stage adds to those of its subgame."""


class Stage(Problem):
    """Several players choose at once, each from the same list; then the game that they leave is played.

    Args:
        game: the subgame, a `Game` or another `Problem`, with a parameter for each player.
        field: an array parameter with one entry for each player, "open"; or a tuple of single numbers, one for each
            player: ("open[0]", "entry_of_b").
        choices: the values to choose from, at least two, increasing.
        maximize: for each player the firm of the game (its payoff) or scalar outcome that it maximizes; by default the
            players are the firms of the game, in their order.
        rule: which equilibrium to play if there are several: `StatusQuo` (the default) or `HighestOutcome`.

    Raises:
        GameError: the choices are out of order, or the players do not fit the parameter.

    >>> from nashgrid.solver import Game, parameter, solve
    >>> class Entry(Game):
    ...     enter: Float[Array, " firm"] = parameter((0.0, 0.0), "1 in the market, 0 out")
    ...     fee: Float[Array, ""] = parameter(2.0, "cost of entry")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 3.0 * self.enter)}
    ...     def payoff(self, s):
    ...         return (3.0 - s["q"].sum()) * s["q"] - self.fee * self.enter
    >>> eq = solve(Stage(Entry(), "enter"), tol=1e-4)  # room for one only, either of them
    >>> eq.strategy["enter"].tolist(), int(eq.outcomes["pure_equilibria"])
    ([1.0, 0.0], 2)
    """

    game: Problem
    choices: Float[Array, " choice"]
    rule: StageRule
    choose: tuple[str, ...] = eqx.field(static=True)
    field: str | None = eqx.field(static=True)
    maximize: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        game: Problem,
        field: str | tuple[str, ...],
        choices: ArrayLike | tuple[float, ...] = (0.0, 1.0),
        *,
        maximize: tuple[str, ...] | None = None,
        rule: StageRule | None = None,
    ):
        if not isinstance(game, Problem):
            raise GameError(f"A Stage needs a Game, or another Problem, for its subgames, not {game!r}.")
        self.game, self.rule = game, StatusQuo() if rule is None else rule
        if not isinstance(self.rule, StageRule):
            raise GameError(f"rule of a Stage is {rule!r}; give StatusQuo() or HighestOutcome('welfare').")
        self.field = field if isinstance(field, str) else None
        self.choose = _knob_names(game, field)
        if isinstance(maximize, str):
            raise GameError(f"maximize of a Stage is {maximize!r}; give a tuple, one name for each player.")
        self.maximize = tuple(game.firms) if maximize is None else tuple(maximize)
        if len(self.maximize) != len(self.choose):
            who = "the firms of the game" if maximize is None else "maximize"
            raise GameError(
                f"A Stage has {len(self.choose)} choices to make, {', '.join(self.choose)}, but {who} "
                f"{self.maximize} are {len(self.maximize)}; give maximize= with one name for each choice."
            )
        self.choices = _row(choices, dtype_of(game))
        if isinstance(self.rule, StatusQuo):
            self.rule.begin(self.choices, len(self.choose))  # Refuses a start that is not among them.
        profiles = len(self.choices) ** len(self.choose)
        if profiles > MOST_PROFILES:
            raise GameError(f"A Stage of {profiles:,} profiles is too large; the most is {MOST_PROFILES:,}.")

    @property
    def firms(self) -> tuple[str, ...]:
        """The players, called by what they maximize; by their parameters if two maximize the same."""
        return self.maximize if len(set(self.maximize)) == len(self.maximize) else self.choose

    @property
    def levers(self) -> tuple[Knob, ...]:
        """Where in the subgame the choice of each player is."""
        return tuple(knob(self.game, name) for name in self.choose)

    def chosen(self) -> tuple[str, ...]:
        """The parameters that the players set."""
        return self.choose

    def concept(self) -> str:
        """The equilibrium concept in words."""
        what = self.field or ", ".join(self.choose)
        return (
            f"subgame-perfect: pure Nash equilibrium of the discrete stage in which all set {what} at once "
            f"({self.rule.describe()}), then {self.game.concept()}"
        )

    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the axes of what only a stage reports."""
        player = "firm" if self.firms == _innermost_firms(self) else "player"
        own = {"profile_payoff": ("profile", player), "profile_equilibrium": ("profile",)}
        return own if self.field is None else own | {self.field: (player,)}

    def coords(self) -> Mapping[str, tuple[np.ndarray, str]]:
        """Profiles are called by their choices: "0,1"."""
        made = np.asarray(self.choices)[digits(len(self.choices), len(self.choose))]
        return {"profile": (np.asarray([",".join(f"{x:g}" for x in row) for row in made]), "choices of the players")}

    def subgame(self, choices: Float[Array, " player"]) -> Problem:
        """The game that is left when every player has chosen."""
        return put(self.game, self.levers, list(choices))

    def named(self, values: Float[Array, " player"]) -> dict[str, Array]:
        """One value for each player, by the name of the strategy."""
        if self.field is not None:
            return {self.field: values}
        return {name: values[i] for i, name in enumerate(self.choose)}


@check.register
def _(stage: Stage) -> None:
    check(stage.game)
    knobs(stage.game, stage.choose, "choose")
    for name in stage.maximize:
        check_objective(stage.game, name)
    if (compared := stage.rule.outcome()) is not None:
        check_objective(stage.game, compared, type(stage.rule).__name__)
    one = answer_of(stage.game)
    for name in REPORTED:
        if name in one.outcomes or name in one.strategy:
            raise GameError(f"The subgame reports {name!r}, which a Stage reports itself; rename it.")


def _knob_names(game: Problem, field: Any) -> tuple[str, ...]:
    """The name of each player's own parameter."""
    if isinstance(field, str):
        shape = shape_of(game, field)
        if len(shape) != 1 or shape[0] < 2:
            raise GameError(
                f"'{field}' has shape {shape}; the field of a Stage has one entry for each of at least two players. "
                "For one player's choice use Leader(choices=...)."
            )
        return tuple(f"{field}[{i}]" for i in range(shape[0]))
    names = tuple(knob(game, name).name for name in field)
    if len(names) < 2:
        raise GameError(f"A Stage needs at least two players, not {names}; for one use Leader(choices=...).")
    return names


def _row(values: Any, dtype: Any) -> Float[Array, " choice"]:
    row = jnp.asarray(values, dtype)
    if row.ndim != 1 or len(row) < 2:
        raise GameError(f"choices of a Stage: give two or more numbers, not {values}.")
    if not isinstance(row, Tracer) and not (np.all(np.isfinite(row)) and np.all(np.diff(row) > 0)):
        raise GameError(f"choices of a Stage must be finite and increasing, not {values}.")
    return row


def _innermost_firms(problem: Problem) -> tuple[str, ...]:
    while isinstance(inner := getattr(problem, "game", None), Problem):
        problem = inner
    return problem.firms
