"""Research with spillovers before Cournot competition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    ResearchInputSpillovers,
    ResearchSpillovers,
    research_cartel,
    research_curvature,
    research_input_noncooperative,
    research_noncooperative,
    research_planner,
    research_response_slope,
)
from tests.closed_forms import largest_gain


@pytest.mark.parametrize(
    ("spillover", "alone", "cartel", "planner"),
    [
        (0.2, 0.9090909091, 0.5797101449, 1.4634146341),
        (0.5, 0.7619047619, 0.7619047619, 2.0869565217),
        (0.8, 0.6060606061, 0.9756097561, 3.025210084),
    ],
)
def test_closed_forms_have_the_known_numbers(spillover, alone, cartel, planner):
    game = ResearchSpillovers(spillover=spillover)
    assert research_noncooperative(game) == pytest.approx(alone, abs=5e-10)
    assert research_cartel(game) == pytest.approx(cartel, abs=5e-10)
    assert research_planner(game) == pytest.approx(planner, abs=5e-10)
    assert research_noncooperative(ResearchSpillovers(spillover=spillover, joint=1.0)) == pytest.approx(
        float(research_cartel(game)), rel=1e-14
    )


def test_small_spillovers_and_cheap_research_are_unstable():
    game = ResearchSpillovers(intercept=2.0, cost=(1.0, 1.0), research_cost=1.0, spillover=0.1)
    assert research_noncooperative(game) == pytest.approx(0.7883817427, abs=5e-11)
    assert research_response_slope(game) == pytest.approx(-1.7079, abs=5e-5)


MANY = [
    ResearchSpillovers(cost=(2.0,) * n, spillover=beta, joint=joint, slope=1.5, research_cost=6.0)
    for n in (2, 3, 5)
    for beta in (0.1, 0.9)
    for joint in (0.0, 0.6)
]


@pytest.mark.parametrize("game", MANY, ids=lambda g: f"{len(g.firms)}-{g.spillover}-{g.joint}")
def test_no_firm_gains_by_other_research(game):
    x = float(research_noncooperative(game))
    assert 0 < x < float(game.bounds()["research"][1])
    assert largest_gain(game, {"research": np.full(len(game.firms), x)}) <= 1e-13


@pytest.mark.parametrize("game", MANY[::3], ids=lambda g: f"{len(g.firms)}-{g.spillover}-{g.joint}")
def test_curvature_and_slope_are_those_of_the_payoff(game):
    x = jnp.full(len(game.firms), research_noncooperative(game))
    second = jax.jit(jax.hessian(lambda x: game.payoff({"research": x})[0]))(x)
    assert research_curvature(game) == pytest.approx(float(second[0, 0]), rel=1e-12)
    assert research_response_slope(game) == pytest.approx(float(-second[0, 1] / second[0, 0]), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("spillover", [0.0, 0.3, 1.0])
def test_the_planner_cannot_improve(spillover):
    game = ResearchSpillovers(spillover=spillover, research_cost=8.0)

    def welfare(x):
        cost = 2.0 - (1 + spillover) * x
        return (10.0 - cost) ** 2 / 2 - 8.0 * x**2  # efficient output: price = cost

    best = float(research_planner(game))
    assert welfare(best) >= np.max(welfare(np.linspace(0, 10, 100001)))
    assert welfare(best) > max(welfare(best - 1e-4), welfare(best + 1e-4))


def test_research_can_drive_a_rival_out():
    game = ResearchSpillovers(intercept=3.0, cost=(2.0, 2.0), spillover=0.0)
    x = jnp.asarray([1.8, 0.0])
    seen = game.outcomes({"research": x})
    np.testing.assert_allclose(seen["quantity"], [(3.0 - 0.2) / 2, 0.0], atol=1e-15)  # a monopoly
    np.testing.assert_allclose(game.payoff({"research": x}), [1.4**2 - 2 * 1.8**2, 0.0], atol=1e-14)


def test_no_cost_becomes_negative_in_the_box():
    for kind, name in ((ResearchSpillovers, "research"), (ResearchInputSpillovers, "expense")):
        game = kind(cost=(1.0, 1.5, 2.0), spillover=0.7)
        top = jnp.full(3, game.bounds()[name][1])
        np.testing.assert_allclose(game.outcomes({name: top})["cost_after"], [0.0, 0.5, 1.0], atol=1e-14)


def test_outcomes_of_cartel_members_are_their_own():
    x = {"research": jnp.asarray([0.5, 0.2])}
    alone, cartel = ResearchSpillovers(), ResearchSpillovers(joint=1.0)
    np.testing.assert_allclose(cartel.outcomes(x)["profit"], alone.payoff(x), rtol=1e-14)
    np.testing.assert_allclose(cartel.payoff(x), jnp.full(2, jnp.sum(alone.payoff(x))), rtol=1e-14)


def test_input_spillovers_have_the_known_numbers():
    game = ResearchInputSpillovers()
    reduction = float(research_input_noncooperative(game))
    assert reduction == pytest.approx(0.7804878049, abs=5e-11)
    expense = np.full(2, 4.0 * reduction**2 / (2 * 1.4))
    np.testing.assert_allclose(game.outcomes({"expense": jnp.asarray(expense)})["cost_after"], 2 - reduction)
    assert largest_gain(game, {"expense": expense}) <= 1e-13


def test_the_first_expense_lowers_cost_smoothly():
    game = ResearchInputSpillovers()
    most = np.asarray(game.bounds()["expense"][1])
    # Across 1e-6 of the bound, where the root begins: value, slope and curvature continue.
    at = most * 1e-6 * np.array([1 - 1e-9, 1 + 1e-9])
    cost = lambda x: game.outcomes({"expense": jnp.stack([x, jnp.zeros_like(x)])})["cost_after"][0]  # noqa: E731
    for derivative in (cost, jax.grad(cost), jax.grad(jax.grad(cost))):
        below, above = map(float, map(jax.jit(derivative), at))
        assert below == pytest.approx(above, rel=1e-6)
    assert cost(jnp.asarray(0.0)) == 2.0
    assert cost(jnp.asarray(0.5)) == pytest.approx(2 - np.sqrt(2 * 0.5 / 4), rel=1e-15)
