"""Differentiated quantity and price competition, corners included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nashgrid.games import (
    SinghVivesBertrand,
    SinghVivesCournot,
    singh_vives_bertrand_duopoly,
    singh_vives_bertrand_equilibrium,
    singh_vives_cournot_equilibrium,
    singh_vives_demand,
)
from tests.closed_forms import largest_gain

_demand = jax.jit(singh_vives_demand)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(-1.0, 3.0), min_size=4, max_size=4), st.floats(0.0, 0.95))
def test_demand_maximizes_utility(surplus, gamma):
    v = np.asarray(surplus)
    q = np.asarray(_demand(v, gamma))
    marginal = v - (1 - gamma) * q - gamma * q.sum()
    assert np.all(q >= 0)
    assert np.all(marginal <= 1e-12)
    assert np.all(np.abs(marginal[q > 0]) <= 1e-12)


def test_demand_in_the_interior_inverts_inverse_demand():
    q, gamma = np.array([0.5, 0.3, 0.2]), 0.6
    v = (1 - gamma) * q + gamma * q.sum()
    np.testing.assert_allclose(singh_vives_demand(jnp.asarray(v), jnp.asarray(gamma)), q, rtol=1e-14)


@pytest.mark.parametrize(
    ("game", "form", "known", "profit"),
    [
        (SinghVivesCournot(), singh_vives_cournot_equilibrium, 0.4, 0.16),
        (SinghVivesBertrand(), singh_vives_bertrand_equilibrium, 1 / 3, 0.1481481481),
        (SinghVivesBertrand(), singh_vives_bertrand_duopoly, 1 / 3, 0.1481481481),
    ],
)
def test_symmetric_duopoly_has_the_known_numbers(game, form, known, profit):
    s = form(game.value, game.cost, game.substitutability)
    np.testing.assert_allclose(s, known, rtol=1e-14)
    (name,) = game.bounds()
    np.testing.assert_allclose(game.payoff({name: s}), profit, atol=5e-11)


@pytest.mark.parametrize(
    ("value", "cost", "gamma"),
    [
        ((1.0, 1.1, 0.9, 1.05), (0.1, 0.0, 0.2, 0.05), 0.5),
        ((1.0, 0.2, 0.9, 0.05), (0.1, 0.0, 0.2, 0.0), 0.9),  # two firms inactive
        ((1.0, 0.9), (0.0, 0.0), 0.0),
        ((1.0, 0.9), (0.0, 0.0), 1.0),
    ],
)
def test_no_firm_gains_from_another_quantity(value, cost, gamma):
    game = SinghVivesCournot(value=value, cost=cost, substitutability=gamma)
    q = singh_vives_cournot_equilibrium(game.value, game.cost, game.substitutability)
    assert largest_gain(game, {"quantity": np.asarray(q)}) <= 1e-15


def test_no_firm_of_four_gains_from_another_price():
    game = SinghVivesBertrand(value=(1.0, 1.1, 0.95, 1.05), cost=(0.1, 0.0, 0.1, 0.05), substitutability=0.5)
    price = singh_vives_bertrand_equilibrium(game.value, game.cost, game.substitutability)
    assert np.all(singh_vives_demand(game.value - price, game.substitutability) > 0.01)
    assert largest_gain(game, {"price": np.asarray(price)}) <= 1e-15


@pytest.mark.parametrize(
    ("weaker", "price", "sells"),
    [
        (0.8, (None, None), True),  # both sell
        (0.53, (None, None), True),
        (0.42, (1 - 0.42 / 0.75, 0.0), False),  # limit price: 3/8 < 0.42 <= 0.75/(2 - 0.75^2)
        (0.3, (0.5, 0.0), False),  # unconstrained monopoly
    ],
)
def test_no_firm_of_two_gains_from_another_price_in_any_region(weaker, price, sells):
    gamma = 0.75
    game = SinghVivesBertrand(value=(1.0, weaker), substitutability=gamma)
    p = singh_vives_bertrand_duopoly(game.value, game.cost, game.substitutability)
    if sells:
        own = np.array([1.0, weaker])
        price = ((2 - gamma**2) * own - gamma * own[::-1]) / (4 - gamma**2)
    np.testing.assert_allclose(p, price, atol=1e-15)
    assert bool(game.outcomes({"price": p})["quantity"][1] > 1e-12) is sells
    assert largest_gain(game, {"price": np.asarray(p)}) <= 1e-15
    # The same market with the firms' names exchanged.
    swapped = singh_vives_bertrand_duopoly(game.value[::-1], game.cost, game.substitutability)
    np.testing.assert_allclose(swapped, p[::-1], atol=1e-15)


@pytest.mark.parametrize("price", [(0.4, 0.5, 0.45), (0.2, 0.9, 0.5)], ids=["all sell", "one is out"])
def test_consumer_surplus_falls_with_a_price_by_the_quantity(price):
    game = SinghVivesBertrand(value=(1.0, 1.0, 1.0), cost=(0.0,) * 3, substitutability=0.8)
    slope = jax.jit(jax.grad(lambda p: game.outcomes({"price": p})["consumer_surplus"]))(jnp.asarray(price))
    np.testing.assert_allclose(slope, -game.outcomes({"price": jnp.asarray(price)})["quantity"], atol=1e-14)


def test_both_games_report_the_same_market():
    q = jnp.asarray([0.3, 0.4])
    by_quantity = SinghVivesCournot(cost=(0.1, 0.2)).outcomes({"quantity": q})
    by_price = SinghVivesBertrand(cost=(0.1, 0.2)).outcomes({"price": by_quantity["price"]})
    np.testing.assert_allclose(by_price["quantity"], q, rtol=1e-14)
    for name in ("consumer_surplus", "welfare", "hhi"):
        assert by_price[name] == pytest.approx(float(by_quantity[name]), rel=1e-14)
