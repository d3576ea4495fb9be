"""Linear-quadratic dynamic games solved exactly, as problems for `solve` and `sweep`.

`MarkovPerfect`, `OpenLoop` and `Myopic` are three answers to the same `DynamicGame`, by what firms foresee. The rules
are affine in the state, u_t = F_t (1, x_t), and the states follow from them. In a Markov-perfect equilibrium F_t is a
rule for every state; in an open-loop one it only writes down the path from wherever the firms begin. The stationary
rules of an infinite horizon are the limit of those of finite horizons: where these do not settle the status says so.
Nothing is said of rules that are not affine, of which there can be more (Tsutsui and Mino, 1990, Journal of Economic
Theory 52).

Bounds are not imposed: where the path from `initial` leaves them the status is `infeasible`, as the rules are then no
equilibrium of the game with bounds, and neither are rules clipped to them. `PathGame` imposes bounds, on open-loop
play; there is no Markov-perfect play here within bounds that bind, except of a single period, where both are the same
(`PathGame(game, 1)`). In a Markov-perfect equilibrium bounds may also count off the path, where nobody looks here.
"""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx

from ._check import check, probe
from ._dynamic_game import (
    DynamicGame,
    check_dynamic,
    check_is_dynamic,
    check_periods,
    dims_of,
    states_of,
    strategies_of,
)
from ._errors import GameError
from ._game import Problem
from ._layout import dtype_of
from ._quadratic import refuse_not_quadratic


class LinearPlay(Problem):
    """What `MarkovPerfect`, `OpenLoop` and `Myopic` share. Abstract."""

    game: DynamicGame
    periods: int | None = eqx.field(static=True)
    shown: int = eqx.field(static=True)

    def __init__(self, game: DynamicGame, periods: int | None = None, *, shown: int = 40):
        what = type(self).__name__
        check_is_dynamic(game, what)
        check_periods(periods, f"periods of {what}", optional=True)
        check_periods(shown, f"shown of {what}", optional=False)
        self.game, self.periods = game, periods
        self.shown = shown if periods is None else periods

    @property
    def firms(self) -> tuple[str, ...]:
        return self.game.firms

    @property
    @abc.abstractmethod
    def feedback(self) -> bool:
        """Whether firms count on the others' answers to the state."""

    @property
    def patient(self) -> bool:
        """Whether firms count what follows the period."""
        return True

    def how(self) -> str:
        """The method in words."""
        newton = ", Newton" if self.periods is None else ""
        return f"backward recursion of costates{newton}" if self.patient else "each period by itself"

    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the axes; the last one is "period", of states "date", of rules "coefficient"."""
        every = dims_of(self.game)
        time = () if self.periods is None else ("period",)
        rules = {f"{name}_rule": (*every[name][:-1], *time, "coefficient") for name in strategies_of(self.game).names}
        return every | rules

    def coords(self) -> Mapping[str, tuple[Any, str]]:
        """What the coefficients of rules are called."""
        states = states_of(self.game)
        names = [states.names[k] for k in states.name_of]
        ends = [f"{name}[{names[:j].count(name)}]" if names.count(name) > 1 else name for j, name in enumerate(names)]
        return {"coefficient": (("1", *ends), "what a rule multiplies")}

    def length(self) -> str:
        """The horizon in words."""
        return "an infinite horizon" if self.periods is None else f"{self.periods} periods"


class MarkovPerfect(LinearPlay):
    """The Markov-perfect (feedback) equilibrium of a linear-quadratic game, in affine rules.

    In every period each firm maximizes what follows, given the state and the others' rules: subgame-perfect. For
    `solve`, `sweep`, `Leader`, `design` and the rest: strategies are paths from `initial`, as in `PathGame`, with
    "NAME_rule" among the outcomes, the coefficients of (1, state) (by period for a finite horizon), and `persistence`,
    the spectral radius of the states' motion. Payoffs are present values over the whole horizon, and "present_NAME"
    that of a scalar outcome, which over an infinite horizon is taken to stay what it is in the last period shown.

    The certificate is that of the rules, on and off the path: `regret` is a bound on the relative gain of any firm by
    any plan of its own, from any state as large as those on the path and at any date, and `residual` the distance of a
    rule from the best one. `concavity` is that of a firm's prospects in its own actions, `margin` the distance of the
    path from the bounds (negative where it leaves them, and the status is `infeasible`), `stability` is not defined; of
    a finite horizon, nor is `conditioning`, that of the fixed point.

    Args:
        game: linear transitions and quadratic payoffs.
        periods: T, or None for an infinite horizon, in which rules do not change over time.
        shown: how many periods to report of an infinite horizon. A step of `solve` is 64 periods of iteration there.

    Raises:
        GameError: the periods are no whole numbers of at least 1.
    """

    @property
    def feedback(self) -> bool:
        return True

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return f"Markov-perfect equilibrium in affine rules over {self.length()} (feedback play)"


class OpenLoop(LinearPlay):
    """The open-loop equilibrium of a linear-quadratic game: all commit at the start to whole paths.

    As `MarkovPerfect` in arguments and results; over finitely many periods the equilibrium of `PathGame`, exactly, if
    no bound binds. Each "NAME_rule" writes the path down as a function of the state that firms find on it. A firm's
    deviations are other paths of its own, to which nobody answers, and `regret` bounds their gain from any state at the
    start and at any later date on the way.
    """

    @property
    def feedback(self) -> bool:
        return False

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return f"open-loop Nash equilibrium over {self.length()} (all commit to whole paths at the start)"


class Myopic(LinearPlay):
    """The equilibrium of each period for itself: firms do not count what follows, at any discount factor.

    As `MarkovPerfect` in arguments and results. Payoffs are still present values; what is certified is that no firm
    gains within a period.
    """

    @property
    def feedback(self) -> bool:
        return False

    @property
    def patient(self) -> bool:
        return False

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return f"Nash equilibrium of every period by itself over {self.length()} (myopic play)"


@check.register
def _(problem: LinearPlay) -> None:
    check_dynamic(problem.game)


@probe.register
def _(problem: LinearPlay) -> None:
    discount = float(problem.game.discount)
    if not 0.0 <= discount <= 1.0 or (problem.periods is None and discount == 1.0):
        raise GameError(f"discount is {discount}; it lies in [0, 1], and below 1 for an infinite horizon.")
    refuse_not_quadratic(problem.game, dtype_of(problem))
