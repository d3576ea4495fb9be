"""Sequential play: the leader's choice is the known one and certified, or refused where followers have no answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import LinearValueOpenSourcing, commitment, gain_from_opening, optimal_openness
from nashgrid.solver import Game, GameError, Leader, Newton, Status, parameter, solve
from tests.small_games import Follower


def test_a_continuous_choice_its_payoff_and_their_derivatives():
    def first(intercept):
        leader = Leader(Follower(intercept=intercept), "first", "leader_profit", interval=(0.0, 13.0))
        eq = solve(leader, Newton())
        return jnp.stack([eq.strategy["first"], eq.payoff[0], eq.outcomes["leader_profit"]]), eq

    slopes, eq = jax.jacfwd(first, has_aux=True)(jnp.asarray(12.0))
    # a/2, a^2/8: von Stackelberg's duopoly.
    np.testing.assert_allclose(eq.strategy["first"], 6.0, rtol=1e-10)
    np.testing.assert_allclose(eq.payoff, [18.0], rtol=1e-12)
    np.testing.assert_allclose(eq.subgame.strategy["q"], [3.0], rtol=1e-10)
    np.testing.assert_allclose(slopes, [0.5, 3.0, 3.0], rtol=1e-9)
    assert (int(eq.status), int(eq.subgame.status)) == (Status.successful, Status.successful)
    assert float(eq.certificate.residual) < 1e-10 and float(eq.certificate.regret) < 1e-10


@pytest.mark.parametrize("share", [0.2, 0.3, 0.6, 0.95])
def test_a_choice_from_a_list(share):
    game = LinearValueOpenSourcing(owner_share=share)
    eq = solve(commitment(game), Newton())
    values = np.asarray(eq.outcomes["choice_payoff"])
    np.testing.assert_allclose(values[1] - values[0], gain_from_opening(game), atol=1e-12)
    assert float(eq.strategy["openness"]) == float(gain_from_opening(game) > 0)
    assert float(eq.payoff[0]) == values.max()
    assert eq.certificate is not None
    np.testing.assert_allclose(eq.certificate.margin, np.abs(np.diff(values))[0] / np.abs(values).max(), rtol=1e-9)
    assert eq.firms == ("owner",) and "sets openness first" in eq.concept
    # A list has no derivatives; the followers' research has.
    assert np.isnan([eq.certificate.stability, eq.certificate.concavity, eq.certificate.conditioning]).all()
    assert "margin" in str(eq) and "nan" not in str(eq)
    assert eq.subgame is not None and eq.subgame.certificate is not None
    assert float(eq.subgame.certificate.stability) == 0.0


@jax.jit
def _led(share, curvature):
    game = LinearValueOpenSourcing(
        owner_share=share, edge=0.05, opening_cost=0.0, openness_curvature=curvature, outsiders=1
    )
    return solve(commitment(game, interval=(0.0, 1.0)), Newton())


# At the curvature of 0.2 the payoff is concave in openness; at 0 it is convex, with a local maximum at either end.
@pytest.mark.parametrize("curvature", [0.2, 0.0], ids=["concave", "two local optima"])
def test_openness_from_an_interval_is_the_global_optimum(curvature):
    shares = [0.1, 0.25, 0.5, 0.95] if curvature else [0.08, 0.3, 0.9]
    for share in shares:
        eq = _led(share, curvature)
        game = LinearValueOpenSourcing(owner_share=share, edge=0.05, opening_cost=0.0, openness_curvature=curvature)
        np.testing.assert_allclose(eq.strategy["openness"], optimal_openness(game), atol=1e-9)
        assert int(eq.status) == Status.successful
    numbers = {0.25: 0.07405281285878297, 0.5: 0.4554140127388534, 0.95: 0.05111211598790383}
    if curvature:
        for share, openness in numbers.items():
            np.testing.assert_allclose(_led(share, curvature).strategy["openness"], openness, atol=1e-9)


class Contest(Game):
    """Tullock's contest, without a pure equilibrium for two players beyond the exponent 2."""

    exponent: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (1e-6, 1.0)}

    def payoff(self, s):
        power = s["x"] ** self.exponent
        return power / jnp.sum(power) - s["x"]


def test_a_choice_is_not_judged_where_followers_have_no_equilibrium():
    bad = solve(Leader(Contest(), "exponent", "A", choices=(1.0, 2.6)), throw=False)
    assert int(bad.status) == Status.subgame_failed
    good = solve(Leader(Contest(), "exponent", "A", choices=(0.5, 1.0)))
    # The smaller exponent wastes less: each gets 1/2 - r/4.
    np.testing.assert_allclose(good.payoff, [0.5 - 0.125], rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either choices"),
        ({"choices": (0.0, 1.0), "interval": (0.0, 1.0)}, "either choices"),
        ({"choices": (1.0, 0.0)}, "increasing"),
        ({"choices": (1.0,)}, "two or more"),
        ({"interval": (0.0, np.inf)}, "finite"),
    ],
)
def test_wrong_choices_are_refused(options, message):
    with pytest.raises(GameError, match=message):
        Leader(Follower(), "first", "leader_profit", **options)


@pytest.mark.parametrize(
    ("choose", "maximize", "message"),
    [
        ("frist", "leader_profit", "first"),
        ("first", "profit", "names neither a firm .* nor an outcome"),
        ("first", "q_twice", "not a scalar"),
    ],
)
def test_what_is_not_there_cannot_be_chosen_or_maximized(choose, maximize, message):
    with pytest.raises(GameError, match=message):
        solve(Leader(Follower(), choose, maximize, choices=(0.0, 1.0)))
