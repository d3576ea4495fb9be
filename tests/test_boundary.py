"""Boundaries of regimes where closed forms put them."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import (
    LinearCournot,
    LinearValueOpenSourcing,
    commitment,
    linear_cournot_equilibrium,
    opening_interval,
)
from nashgrid.solver import AtBound, Game, GameError, Newton, NotSolvedError, Status, boundary, parameter


@pytest.mark.parametrize(("second", "third"), [(2.0, 3.0), (3.3, 1.1), (2.0, 9.0)])
def test_exit_from_linear_cournot(second, third):
    # Firm 1 sells where its cost is below the price of the others alone.
    game = LinearCournot(cost=(1.0, second, third))
    found = boundary(game, "cost[0]", (0.5, 8.7), AtBound("quantity", 0))
    exact = max(min((10.0 + second + third) / 3.0, (10.0 + second) / 2.0), 0.0)
    assert abs(found.value - exact) < 1e-10
    assert found.equilibrium.status == Status.successful and found.solves <= 12
    others = linear_cournot_equilibrium(jnp.asarray(10.0), jnp.asarray(1.0), jnp.asarray([exact, second, third]))
    np.testing.assert_allclose(found.equilibrium.strategy["quantity"], others, atol=1e-10)


def test_an_outcome_crosses_a_value():
    found = boundary(
        LinearCournot(cost=(1.0, 2.0, 3.0)),
        "intercept",
        (5.0, 20.0),
        lambda eq: eq.outcomes["price"] - 5.0,
        Newton(),
        certify=False,
    )
    # (a + 6)/4 = 5.
    assert abs(found.value - 14.0) < 1e-10
    np.testing.assert_allclose(found.slope, 0.25)


def _gain(one):
    return one.outcomes["choice_payoff"][1] - one.outcomes["choice_payoff"][0]


def test_the_sizes_at_which_an_owner_opens():
    game = LinearValueOpenSourcing(opening_cost=0.02)
    low, high = (float(end) for end in opening_interval(game))
    for interval, exact in (((0.02, 0.6), low), ((0.6, 0.99), high)):
        found = boundary(commitment(game), "owner_share", interval, _gain)
        assert abs(found.value - exact) < 1e-10
        assert abs(found.condition) < 1e-12 and found.equilibrium.status == Status.successful


class Cliff(Game):
    """One firm with the choice between two hills, at -1 and 1, of heights that cross at `tilt` = 0.3."""

    tilt: Float[Array, ""] = parameter(0.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (-2.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        return -jnp.square(jnp.abs(x) - 1.0) + (self.tilt - 0.3) * jnp.tanh(20.0 * x)

    def outcomes(self, s):
        return {"side": s["x"][0], "both": jnp.concatenate([s["x"], s["x"]])}


def test_a_condition_that_jumps():
    found = boundary(Cliff(), "tilt", (-0.5, 0.9), "side")
    assert abs(found.value - 0.3) < 1e-9
    assert abs(found.condition) > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameter": "tip"}, "has no parameter 'tip'"),
        ({"interval": (0.9, -0.5)}, "the lower one first"),
        ({"condition": "price"}, "is no outcome; there is both, side"),
        ({"condition": "both"}, r"shape \(2,\); it must be a scalar"),
        ({"condition": lambda one: 1.0}, "returned a float"),
        ({"condition": 3}, "give an outcome's name"),
        ({"condition": AtBound("y")}, "names no strategy; there is x"),
        ({"condition": AtBound("x", 1)}, "has 1 entries"),
        ({"interval": (0.5, 0.9)}, r"give an interval at whose ends it has different signs"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"parameter": "tilt", "interval": (-0.5, 0.9), "condition": "side", **change}
    with pytest.raises(GameError, match=message):
        boundary(Cliff(), **arguments)


def test_leaders_have_no_bound_to_reach():
    with pytest.raises(GameError, match="AtBound is for games of simultaneous play"):
        boundary(commitment(LinearValueOpenSourcing()), "owner_share", (0.1, 0.9), AtBound("openness"))


def test_where_there_is_no_equilibrium_nothing_is_said():
    with pytest.raises(NotSolvedError, match=r"No equilibrium was found at tilt = -0\.5"):
        boundary(Cliff(), "tilt", (-0.5, 0.9), "side", max_steps=1, certify=False)
