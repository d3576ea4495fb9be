"""Problems inside problems: a tax before a discrete stage, a discrete stage before a game with several equilibria."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import (
    Game,
    GameError,
    HighestOutcome,
    Leader,
    Newton,
    Selected,
    Stage,
    Status,
    boundary,
    parameter,
    solve,
)
from tests.judged import evidence


class TaxedEntry(Game):
    """Cournot competition at demand 3 - Q of those who have paid a fee, with a tax per unit."""

    enter: Float[Array, " firm"] = parameter((0.0, 0.0))
    tax: Float[Array, ""] = parameter(0.0)
    fee: Float[Array, ""] = parameter(0.16)
    firms = ("A", "B")

    def bounds(self):
        return {"q": (0.0, 3.0 * self.enter)}

    def payoff(self, s):
        return (3.0 - self.tax - s["q"].sum()) * s["q"] - self.fee * self.enter

    def outcomes(self, s):
        return {"revenue": self.tax * s["q"].sum()}


def _taxed(fee: float):
    return solve(Leader(Stage(TaxedEntry(fee=fee), "enter"), "tax", "revenue", interval=(0, 3)), Newton(), throw=False)


def test_a_choice_from_an_interval_before_a_discrete_stage():
    # Of m firms each earns ((3 - t)/(m + 1))^2: with the fee of 0.16 both enter up to a tax of 1.8, one up to 2.2, and
    # revenue t m (3 - t)/(m + 1) is largest at 1.5, among both.
    eq = _taxed(0.16)
    assert int(eq.status) == Status.successful and eq.subgame is not None and eq.subgame.subgame is not None
    np.testing.assert_allclose([eq.strategy["tax"], eq.payoff[0]], 1.5, rtol=1e-9)
    np.testing.assert_array_equal(eq.subgame.strategy["enter"], [1.0, 1.0])
    np.testing.assert_allclose(eq.subgame.subgame.strategy["q"], 0.5, rtol=1e-9)
    assert "leader sets tax first, then" in eq.concept and "discrete stage in which all set enter" in eq.concept


def test_a_best_choice_at_a_jump_of_what_follows_is_not_claimed():
    # With the fee of 0.36 both enter up to 1.2 only, worth 1.44; above it the one that stays is worth 1.125 at best.
    eq = _taxed(0.36)
    np.testing.assert_allclose([eq.strategy["tax"], eq.payoff[0]], [1.5, 1.125], rtol=1e-9)
    assert int(eq.status) == Status.deviation_found
    np.testing.assert_allclose(evidence(eq).deviation["tax"], 1.2, atol=1e-3)
    np.testing.assert_allclose(evidence(eq).gain, 1.44 - 1.125, atol=1e-3)


class Investment(Game):
    """Coordination that pays more the more firms have invested: at u = 1/2 + (their number)/2 play is 0 or sqrt(u) by
    both, up to sign, worth 3 u^2/4 + u/2."""

    invest: Float[Array, " firm"] = parameter((0.0, 0.0))
    cost: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-2.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        pull = 1.5 + 0.5 * jnp.sum(self.invest)
        return pull * x * x[::-1] - x**2 / 2 - x**4 / 4 - self.cost * self.invest

    def outcomes(self, s):
        return {"welfare": jnp.sum(self.payoff(s))}


def test_a_discrete_stage_before_the_best_of_several_equilibria():
    best = HighestOutcome("welfare")
    eq = solve(Stage(Selected(Investment(), best, starts=4), "invest", rule=best), Newton())
    assert int(eq.status) == Status.successful and eq.subgame is not None
    # Neither invests or both do; at the equilibrium 0 of the subgames nobody ever would.
    table = [[0.4375, 0.4375], [1.25, 0.25], [0.25, 1.25], [1.4375, 1.4375]]
    np.testing.assert_allclose(eq.outcomes["profile_payoff"], table, rtol=1e-9)
    np.testing.assert_array_equal(eq.outcomes["profile_equilibrium"], [True, False, False, True])
    np.testing.assert_array_equal(eq.strategy["invest"], [1.0, 1.0])
    np.testing.assert_allclose(np.abs(eq.subgame.strategy["x"]), 1.5**0.5, rtol=1e-9)
    assert int(eq.outcomes["equilibrium_count"]) == 3
    assert eq.concept.count("the highest welfare") == 2


def test_what_is_chosen_already_cannot_be_chosen_again():
    stage = Stage(TaxedEntry(), "enter")
    with pytest.raises(GameError, match=re.escape("'enter[0]' is what the Stage of this problem chooses")):
        solve(Leader(stage, "enter[0]", "revenue", choices=(0.0, 1.0)))
    with pytest.raises(GameError, match="'tax' is what the Leader of this problem chooses"):
        boundary(Leader(TaxedEntry(), "tax", "revenue", interval=(0, 3)), "tax", (0.0, 1.0), lambda eq: eq.payoff[0])
