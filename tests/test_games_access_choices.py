"""Networks that tip, compute capacity, and a public developer: closed forms against brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    ComputeCapacity,
    NetworkAdoption,
    PublicDeveloper,
    adoption_equilibria,
    operator_capacity,
    planned_capacity,
    public_developer_access,
)
from nashgrid.solver import Newton, Status, solve
from tests.closed_forms import largest_gain

equilibria = jax.jit(adoption_equilibria)
public_access = jax.jit(public_developer_access)


@pytest.mark.parametrize(("network", "price"), [(0.5, 0.3), (0.82, 1.0), (1.1, 1.2), (1.3, 1.45), (1.3, 2.2)])
def test_all_equilibria_of_adoption_are_listed(network, price):
    game = NetworkAdoption(network_externality=network, price=price)
    found = equilibria(game)
    mass, need, slope, eta = np.array(game.mass), np.array(game.need), 2.2 / 3, network - 0.1

    def excess(total):
        wanted = np.clip((need - price + eta * total[:, None]) / slope, 0.0, 2.0)
        return wanted @ mass - total

    exist = np.isfinite(found.total_usage)
    np.testing.assert_allclose(excess(np.asarray(found.total_usage)[exist]), 0.0, atol=1e-14)
    grid = np.linspace(-0.011, 2.011, 20001)
    sign = np.sign(excess(np.clip(grid, 0.0, 2.0)) - (grid - np.clip(grid, 0.0, 2.0)))
    assert np.sum(sign[1:] != sign[:-1]) == np.sum(exist)
    # From unstable ones expectations move away.
    step = np.where(np.asarray(found.total_usage) > 1.0, -1e-6, 1e-6)
    back = excess(np.clip(np.asarray(found.total_usage), 0, 2) + step) * step < 0.0
    np.testing.assert_array_equal(np.asarray(found.stable)[exist], back[exist])


def test_three_equilibria_past_the_tipping_point():
    game = NetworkAdoption(mass=(1.0,), need=(1.0,), network_externality=1.5, price=1.2)
    critical = 0.2 / (1.4 - 2.2 / 3)
    np.testing.assert_allclose(equilibria(game).total_usage, [0.0, critical, 2.0], rtol=1e-14)
    welfare, outcomes = [], jax.jit(lambda strategy: game.outcomes(strategy))
    for total in (0.0, critical, 2.0):
        strategy = {"usage": jnp.full(1, total), "expected_usage": jnp.full(1, total)}
        assert largest_gain(game, {name: np.asarray(value) for name, value in strategy.items()}) <= 1e-14
        welfare.append(float(outcomes(strategy)["welfare"]))
    assert welfare == sorted(welfare)
    before = NetworkAdoption(mass=(1.0,), need=(1.0,), network_externality=0.8, price=1.2)
    assert np.sum(np.isfinite(equilibria(before).total_usage)) == 1


def test_an_operator_for_profit_builds_what_the_closed_form_says():
    game = ComputeCapacity(hosting_cost=0.4)
    eq = jax.jit(lambda game: solve(game, Newton(), certify=False))(game)
    assert eq.status == Status.first_order
    np.testing.assert_allclose(eq.strategy["capacity"][0], operator_capacity(game, eq.outcomes["quality"]), rtol=1e-12)
    eta = 0.2 - 0.1 / eq.strategy["capacity"][0]
    np.testing.assert_allclose(eq.strategy["investment"], np.full(3, 0.2 / 36.0 / (2.2 / 3 - eta)), rtol=1e-12)
    assert largest_gain(game, {name: np.asarray(value) for name, value in eq.strategy.items()}) <= 1e-13


def test_a_planner_builds_capacity_by_the_square_root():
    game = ComputeCapacity(capacity_cost=0.3)
    best, capacity = jax.jit(planned_capacity)(game)
    usage, quality = np.asarray(best.usage), float(best.quality)

    def welfare(quality, usage, capacity):
        total = np.sum(np.array(game.mass) * usage)
        own = np.sum(np.array(game.mass) * (np.array(game.need) * quality * usage - 2.2 / 6 * usage**2))
        return own + (0.2 - 0.1 / capacity) * total**2 + 0.05 * total - 0.3 * capacity - 2.0 * (quality - 1.0) ** 2

    here = welfare(quality, usage, float(capacity))
    np.testing.assert_allclose(here, best.welfare, rtol=1e-12)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(50):
            moved = rng.normal(size=5) * size
            assert welfare(quality + moved[0], usage + moved[1:4], float(capacity) + moved[4]) < here


@pytest.mark.parametrize("weight", [0.0, 0.6, 1.0])
def test_nobody_gains_beside_a_public_developer(weight):
    game = PublicDeveloper(welfare_weight=weight)
    access = np.asarray(public_access(game))
    assert np.all(access > 0.0)
    assert largest_gain(game, {"access": access}) <= 1e-14


def test_private_developers_can_be_driven_out():
    game = PublicDeveloper(substitutability=1.0)
    access = np.asarray(public_access(game))
    assert access[0] > 0.0 and np.all(access[1:] == 0.0)
    assert largest_gain(game, {"access": access}) <= 1e-14


def test_a_public_developer_should_not_count_welfare_only():
    @jax.jit
    @jax.vmap
    def welfare(weight):
        game = PublicDeveloper(welfare_weight=weight)
        return game.outcomes({"access": public_developer_access(game)})["welfare"]

    weights = np.linspace(0.8, 0.82, 2001)
    values = np.asarray(welfare(weights))
    assert weights[np.argmax(values)] == pytest.approx(0.8086, abs=5e-5)
    assert np.max(values) > max(welfare(np.array([0.0, 1.0])))
