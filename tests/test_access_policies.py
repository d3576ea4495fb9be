"""Policies for access: what they cost, the best subsidy, and the smooth model by its first-order conditions."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    LogitAccess,
    QuasiPublicGood,
    best_open_subsidy,
    mandated,
    open_equilibrium,
    partnership,
    public_compute,
    scenarios,
    subsidized,
)
from nashgrid.solver import Newton, Status, solve
from tests.closed_forms import largest_gain

GOOD = QuasiPublicGood()
unchecked = eqx.filter_jit(lambda game: solve(game, Newton(), certify=False))


def test_policies_cost_what_they_say():
    eq = {name: unchecked(game) for name, game in scenarios(GOOD, per_use=0.1, cofunding=0.5, saved=0.25).items()}
    assert all(each.status == Status.first_order for each in eq.values())
    outlay = {name: float(each.outcomes["public_outlay"]) for name, each in eq.items()}
    used = {name: float(each.outcomes["total_usage"]) for name, each in eq.items()}
    assert outlay["as it is"] == outlay["mandate"] == 0.0
    for name, cost in (("subsidy", 0.1), ("mandate and subsidy", 0.1), ("public compute", 0.75 * 0.05)):
        assert outlay[name] == pytest.approx(cost * used[name], rel=1e-12)
    invested = np.asarray(eq["partnership"].strategy["investment"])
    np.testing.assert_allclose(invested, np.full(3, 0.2 / (36.0 * 0.5 * (2.2 / 3 - 0.1))), rtol=1e-12)
    assert outlay["partnership"] == pytest.approx(0.5 * 6.0 * np.sum(invested**2), rel=1e-12)
    for each in eq.values():
        assert each.outcomes["taxpayer_gain"] == pytest.approx(-1.2 * float(each.outcomes["public_outlay"]), abs=1e-15)
    # Users pay the resource cost either way; what is saved is a gain of welfare.
    both = [open_equilibrium(public_compute(mandated(GOOD), saved=saved)) for saved in (0.25, 1.0)]
    np.testing.assert_allclose([each.price for each in both], 0.1, rtol=1e-14)
    gain = 0.75 * 0.05 * 1.2 * float(both[0].total_usage)
    assert both[1].welfare - both[0].welfare == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("fields", [{}, {"public_funds_cost": 0.0}, {"public_funds_cost": 1.5, "spillover": 0.0}])
def test_no_subsidy_of_open_models_is_better_than_the_best(fields):
    game = dataclasses.replace(mandated(GOOD), **fields)  # pyright: ignore[reportArgumentType]
    tried = np.linspace(0.0, 0.8, 801)
    welfare = np.asarray(jax.jit(jax.vmap(lambda tau: open_equilibrium(subsidized(game, tau)).welfare))(tried))
    best = best_open_subsidy(game)
    assert abs(tried[np.argmax(welfare)] - best) <= 5.1e-4
    assert open_equilibrium(subsidized(game, best)).welfare >= np.max(welfare)


def test_the_best_policy_is_found_by_climbing_through_the_equilibrium():
    good = dataclasses.replace(GOOD, complementary_revenue=2.0)  # pyright: ignore[reportArgumentType]

    def policy(x):
        return subsidized(partnership(good, 1.0 - jnp.exp(-x[1])), x[0])

    climb = jax.jit(jax.value_and_grad(lambda x: unchecked(policy(x)).outcomes["welfare"]))
    x = jnp.asarray([0.0, 0.0])
    for _ in range(150):
        value, slope = climb(x)
        x = x + 0.4 * slope
    assert np.max(np.abs(slope)) < 1e-6 and 0.1 < 1.0 - np.exp(-x[1]) < 0.9
    assert x[0] == pytest.approx(float(best_open_subsidy(policy(x))), abs=1e-6)
    near = [x + jnp.asarray(step) for step in ((0.0, 0.01), (0.0, -0.01), (0.01, 0.01), (-0.01, 0.0))]
    assert value > max(float(open_equilibrium(policy(there)).welfare) for there in near)


def test_smooth_closed_and_open_access_by_first_order_conditions():
    for openness in (0.0, 1.0):
        game = LogitAccess(openness=openness, price_sensitivity=(1.2, 1.0, 0.9))
        eq = unchecked(game)
        assert eq.status == Status.first_order
        price, invested, (total,) = (np.asarray(eq.strategy[name]) for name in ("price", "investment", "total_usage"))
        mass, need, alpha = (np.asarray(x)[:, None] for x in (game.mass, game.need, game.price_sensitivity))
        quality = 1.0 + (invested.sum() if openness else invested + 0.2 * (invested.sum() - invested))
        odds = np.exp((need * quality - alpha * price + 0.1 * total) / 0.5)
        share = odds / (1.0 + odds.sum(axis=1, keepdims=True))
        assert total == pytest.approx(np.sum(mass * share), rel=1e-9)
        used = share.sum(axis=1, keepdims=True)
        if openness:
            gain = 0.2 / 3 * np.sum(mass * need / 0.5 * used * (1.0 - used))
            np.testing.assert_allclose(price, 0.15)
        else:
            margin = mass * (price - 0.1) * share / 0.5
            np.testing.assert_allclose(np.sum(mass * share - alpha * margin * (1.0 - share), axis=0), 0.0, atol=1e-10)
            gain = np.sum(margin * need * (1.0 - share - 0.2 * (used - share)), axis=0)
        np.testing.assert_allclose(12.0 * invested, gain * np.ones(3), rtol=1e-8)
        if not openness:
            assert largest_gain(game, {name: np.asarray(value) for name, value in eq.strategy.items()}) <= 1e-12
        surplus = 0.5 * np.sum(mass / alpha * np.log(1.0 + odds.sum(axis=1, keepdims=True)))
        assert eq.outcomes["consumer_surplus"] == pytest.approx(surplus, rel=1e-12)
        assert eq.outcomes["gini"] > 0.0
