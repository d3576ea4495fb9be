"""Linear and isoelastic Cournot competition, and Stackelberg leadership."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from nashgrid.games import (
    IsoelasticCournot,
    LinearCournot,
    StackelbergFollowers,
    isoelastic_cournot_equilibrium,
    linear_cournot_equilibrium,
    stackelberg,
    stackelberg_equilibrium,
)
from tests.closed_forms import largest_gain

_linear = jax.jit(linear_cournot_equilibrium)
costs = st.lists(st.floats(0.0, 20.0), min_size=4, max_size=4)


@pytest.mark.parametrize(
    ("cost", "quantity", "price"),
    [((1, 2, 3), (3, 2, 1), 4.0), ((1, 1, 6), (3, 3, 0), 4.0), ((12, 11, 15), (0, 0, 0), 10.0)],
)
def test_linear_equilibrium_has_the_known_numbers(cost, quantity, price):
    q = linear_cournot_equilibrium(jnp.asarray(10.0), jnp.asarray(1.0), jnp.asarray(cost, float))
    np.testing.assert_allclose(q, quantity, atol=1e-15)
    assert LinearCournot(cost=cost).outcomes({"quantity": q})["price"] == pytest.approx(price)


def _by_dropping(intercept, slope, cost):
    """The textbook algorithm: drop the highest-cost firm while its quantity is negative."""
    active = list(np.argsort(cost))
    quantity = np.zeros(len(cost))
    while active:
        price = (intercept + cost[active].sum()) / (len(active) + 1)
        if price >= cost[active[-1]]:
            quantity[active] = (price - cost[active]) / slope
            break
        active.pop()
    return quantity


@settings(deadline=None, max_examples=200)
@given(st.floats(0.1, 20.0), st.floats(0.05, 5.0), costs)
def test_linear_equilibrium_is_that_of_dropping_firms(intercept, slope, cost):
    cost = np.asarray(cost)
    q = np.asarray(_linear(intercept, slope, cost))
    np.testing.assert_allclose(q, _by_dropping(intercept, slope, cost), atol=1e-12 * intercept / slope)


@settings(deadline=None, max_examples=200)
@given(st.floats(0.1, 20.0), st.floats(0.05, 5.0), costs)
def test_linear_equilibrium_satisfies_the_first_order_conditions(intercept, slope, cost):
    cost = np.asarray(cost)
    q = np.asarray(_linear(intercept, slope, cost))
    marginal = intercept - slope * q.sum() - cost - slope * q
    assert np.all(q >= 0)
    assert np.all(marginal <= 1e-12 * intercept)
    assert np.all(np.abs(marginal[q > 0]) <= 1e-12 * intercept)


def test_linear_equilibrium_has_the_derivatives_of_the_active_firms():
    cost = jnp.asarray([1.0, 1.0, 6.0])  # two firms with equal costs, one out
    slopes = jax.jit(jax.jacfwd(linear_cournot_equilibrium, argnums=2))(jnp.asarray(10.0), jnp.asarray(2.0), cost)
    np.testing.assert_allclose(slopes, np.array([[-2, 1, 0], [1, -2, 0], [0, 0, 0]]) / 6, atol=1e-15)


def test_linear_outcomes_are_what_they_say():
    game, q = LinearCournot(intercept=10, slope=2, cost=(1, 3)), np.array([1.5, 1.0])
    seen = game.outcomes({"quantity": jnp.asarray(q)})
    surplus = integrate.quad(lambda x: 10 - 2 * x - 5.0, 0, 2.5)[0]
    assert seen["consumer_surplus"] == pytest.approx(surplus)
    assert seen["welfare"] == pytest.approx(integrate.quad(lambda x: 10 - 2 * x, 0, 2.5)[0] - 1.5 - 3.0)
    assert seen["hhi"] == pytest.approx(0.6**2 + 0.4**2)
    assert seen["lerner"] == pytest.approx(0.6 * 4 / 5 + 0.4 * 2 / 5)
    assert game.outcomes({"quantity": jnp.zeros(2)})["hhi"] == 0.0


@pytest.mark.parametrize("firms", [1, 2, 7])
def test_isoelastic_symmetric_equilibrium_cannot_be_improved(firms):
    q = isoelastic_cournot_equilibrium(jnp.asarray(1.6), jnp.asarray(0.7), firms)
    game = IsoelasticCournot(cost=(0.7,) * firms)
    assert largest_gain(game, {"quantity": np.full(firms, q)}) <= 1e-14


def test_isoelastic_outcomes_are_what_they_say():
    game, q = IsoelasticCournot(), np.array([0.83956760353566, 0.6887964311630006])
    seen = game.outcomes({"quantity": jnp.asarray(q)})
    price = q.sum() ** (-1 / 1.6)
    value = integrate.quad(lambda x: x ** (-1 / 1.6), 0, q.sum())[0]
    assert seen["consumer_surplus"] == pytest.approx(value - price * q.sum(), rel=1e-8)
    assert seen["welfare"] == pytest.approx(value - (0.6 * q[0] ** 2 + 0.8 * q[1] ** 2) / 2, rel=1e-8)
    # In Cournot equilibrium the industry's Lerner index is the Herfindahl index over the elasticity.
    assert seen["lerner"] == pytest.approx(float(seen["hhi"]) / 1.6, rel=1e-12)


def _leader_profit(leader, intercept, slope, leader_cost, cost, followers):
    follower = np.maximum(intercept - cost - slope * leader, 0) / (slope * (followers + 1))
    return (intercept - slope * (leader + followers * follower) - leader_cost) * leader


@pytest.mark.parametrize(
    ("market", "leader", "follower"),
    [
        ((13.0, 1.0, 1.0, 1.0, 1), 6.0, 3.0),
        ((10.0, 1.0, 1.0, 2.0, 2), 5.5, 2.5 / 3),
        ((10.0, 2.0, 1.0, 6.0, 3), 2.25, 0.0),  # monopoly quantity, followers out
        ((10.0, 1.0, 1.0, 5.0, 2), 5.0, 0.0),  # the quantity that just keeps followers out
        ((10.0, 1.0, 9.0, 2.0, 2), 0.0, 8 / 3),  # the leader does not produce
    ],
)
def test_stackelberg_closed_form_beats_every_other_quantity(market, leader, follower):
    intercept, slope, leader_cost, cost = (jnp.asarray(value) for value in market[:-1])
    q = stackelberg_equilibrium(intercept, slope, leader_cost, cost, followers=market[-1])
    np.testing.assert_allclose(q, (leader, follower), atol=1e-14)
    others = np.linspace(0, market[0] / market[1], 20001)
    best = np.max(_leader_profit(others, *market))
    assert _leader_profit(leader, *market) >= best - 1e-14


def test_followers_of_a_leader_play_cournot_in_the_demand_that_is_left():
    game = StackelbergFollowers(intercept=12.0, cost=(1.0, 2.0), leader_quantity=2.0)
    q = np.array([10 - 2 + 2, 10 - 4 + 1]) / 3
    assert largest_gain(game, {"quantity": q}) <= 1e-14
    seen = game.outcomes({"quantity": jnp.asarray(q)})
    assert seen["leader_profit"] == pytest.approx((10 - q.sum() - 1) * 2)
    assert seen["hhi"] == pytest.approx(np.sum(np.r_[2, q] ** 2) / (2 + q.sum()) ** 2)


def test_the_leader_chooses_any_quantity_at_which_the_price_is_not_negative():
    followers = StackelbergFollowers(intercept=10.0, slope=4.0)
    leader = stackelberg(followers)
    np.testing.assert_array_equal(leader.interval, [0.0, 2.5])
    assert leader.choose in vars(followers)
    assert leader.maximize in followers.outcomes({"quantity": jnp.ones(1)})
