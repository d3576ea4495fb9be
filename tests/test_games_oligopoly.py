"""Open sourcing with second-period competition: the closed-form oligopoly, the idea aggregate, the research
game."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nashgrid.games import OpenSourcing, combined_ideas, research_without_competition, second_period
from nashgrid.solver import solve
from tests.closed_forms import largest_gain

SHARES = np.array([0.5, 0.3, 0.2])
_second_period = jax.jit(second_period)


@pytest.mark.parametrize(
    ("quality", "d", "quantity", "profit", "total"),
    [
        (
            (1.2, 1.0, 0.9),
            0.6,
            (0.7309373729158194, 0.6163582757218382, 0.5478599023993492),
            (0.18699430509377785, 0.06610216918483877, 0.03121564915633055),
            0.6599481496543311,
        ),
        (
            (1.6, 1.0, 0.3),
            0.9,
            (1.3198556956678701, 0.5487364620938625, 0.0),
            (0.4790551681893418, 0.033423399236273084, 0.0),
            0.824548736462094,
        ),
    ],
)
def test_second_period_has_the_known_numbers(quality, d, quantity, profit, total):
    q = np.asarray(second_period(jnp.asarray(SHARES), jnp.asarray(quality), jnp.asarray(d)))
    np.testing.assert_allclose(q, quantity, atol=1e-14)
    np.testing.assert_allclose(SHARES * (1 - d + d * SHARES) * q**2, profit, atol=1e-14)
    np.testing.assert_allclose(SHARES @ q, total, rtol=1e-14)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.floats(0.02, 1.0), min_size=5, max_size=5),
    st.lists(st.floats(-0.5, 3.0), min_size=5, max_size=5),
    st.floats(0.0, 1.0),
)
def test_second_period_satisfies_the_first_order_conditions(shares, quality, d):
    m = np.asarray(shares) / np.sum(shares)
    quality = np.asarray(quality)
    q = np.asarray(_second_period(m, quality, d))
    # d/dq_j of m_j q_j (A_j - (1 - d) q_j - d Q), over m_j
    marginal = quality - 2 * (1 - d) * q - d * m * q - d * (m @ q)
    assert np.all(q >= 0)
    assert np.all(marginal <= 1e-11)
    assert np.all(np.abs(marginal[q > 0]) <= 1e-11)


def test_no_firm_gains_from_another_quantity_in_the_second_period():
    m, quality, d = np.array([0.4, 0.2, 0.2, 0.1, 0.1]), np.array([1.5, 1.1, 0.9, 1.2, 0.4]), 0.85
    q = np.asarray(second_period(jnp.asarray(m), jnp.asarray(quality), jnp.asarray(d)))
    assert (q > 0).tolist() == [True, True, True, True, False]
    grid = np.linspace(0, 3, 30001)
    for j in range(5):
        rest = m @ q - m[j] * q[j]

        def profit(x, j=j, rest=rest):
            return m[j] * x * (quality[j] - (1 - d) * x - d * (rest + m[j] * x))

        assert profit(q[j]) >= profit(grid).max() - 1e-15


@pytest.mark.parametrize("x", [(0.2, 0.2, 0.2), (0.05, 0.2, 0.3)])
@pytest.mark.parametrize("rho", [1.0, 0.7, 0.5, -1.0])
def test_ideas_are_the_ces_aggregate(x, rho):
    x = np.asarray(x)
    exact = np.sum(x**rho) ** (1 / rho)
    tolerance = 1e-14 if rho == 1.0 or np.ptp(x) == 0 else 1e-4
    assert combined_ideas(jnp.asarray(x), jnp.asarray(rho)) == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("x", [(0.0, 0.0, 0.0), (0.0, 0.2, 0.3)])
@pytest.mark.parametrize("rho", [1.0, 0.6, 0.3, -0.5])
def test_ideas_and_their_derivatives_are_finite_at_zero(x, rho):
    f = lambda v: combined_ideas(v[:3], v[3])  # noqa: E731
    v = jnp.asarray([*x, rho])
    value, first, second = jax.jit(lambda v: (f(v), jax.grad(f)(v), jax.hessian(f)(v)))(v)
    assert np.isfinite(value) and np.all(np.isfinite(first)) and np.all(np.isfinite(second))
    if rho == 1.0:
        np.testing.assert_allclose(first[:3], np.ones(3), rtol=1e-14)


@pytest.mark.parametrize(
    ("openness", "owner", "outside", "payoff"),
    [
        (0.0, 0.21951219512195125, 0.016649713922441196, 0.1277560975609756),
        (0.5, 0.23356364772697005, 0.02667173874100789, 0.12325728217336966),
        (1.0, 0.26022135799761426, 0.03863601106255049, 0.13424007563794568),
    ],
)
def test_without_competition_research_and_payoff_have_the_known_numbers(openness, owner, outside, payoff):
    game = OpenSourcing(competition=0.0, openness=openness)
    x = research_without_competition(game)
    np.testing.assert_allclose(x, np.r_[owner, np.full(8, outside)], rtol=1e-13)
    assert game.payoff({"research": x})[0] == pytest.approx(payoff, rel=1e-14)


GAMES = {
    "competition": OpenSourcing(competition=0.6, openness=0.5),
    "open": OpenSourcing(competition=0.9, openness=1.0, owner_share=0.3, outsiders=3),
    "complements": OpenSourcing(competition=0.5, openness=1.0, idea_substitution=0.6, outsiders=3),
    "shut_out": OpenSourcing(competition=0.9, edge=1.0, owner_share=0.6, outsiders=3),
}


@pytest.mark.parametrize("name", GAMES)
def test_no_firm_gains_by_other_research(name):
    game = GAMES[name]
    eq = solve(game)
    x = np.asarray(eq.strategy["research"])
    upper = np.asarray(game.bounds()["research"][1])
    assert np.all(x < upper / 1.5)
    assert largest_gain(game, {"research": x}) <= 1e-12
    assert eq.outcomes["shut_out"] == (3.0 if name == "shut_out" else 0.0)
    if name == "shut_out":
        np.testing.assert_array_equal(x[1:], np.zeros(3))


def test_limit_research_is_an_equilibrium_at_a_kink():
    s, d, edge, theta, out = 0.491, 0.946, 0.17, 0.238, 0.241
    game = OpenSourcing(
        owner_share=s, competition=d, edge=edge, openness=theta, spill_out=out, closed_access=0.108, outsiders=4
    )
    # The owner alone sells K (1 + x_0); outsiders' quality 1 - (1 - theta) e + beta_o theta x_0 is just d times that.
    sold = s / (2 * (1 - d) + 2 * d * s)
    limit = (1 - (1 - theta) * edge - d * sold) / (d * sold - out * theta)
    x = np.r_[limit, np.zeros(4)]
    assert largest_gain(game, {"research": x}) <= 1e-14
    payoff = [float(game.payoff({"research": jnp.asarray(x + np.eye(5)[0] * h)})[0]) for h in (-1e-5, 0, 1e-5)]
    assert payoff[1] - payoff[0] > 1e-7  # less research costs the owner at one rate,
    assert payoff[1] - payoff[2] > 1e-6  # more research at another: no derivative is zero


@pytest.mark.parametrize("name", GAMES)
def test_consumer_surplus_is_utility_less_expenditure(name):
    game = GAMES[name]
    x = jnp.linspace(0.05, 0.1, len(game.firms))
    seen = {key: np.asarray(value) for key, value in game.outcomes({"research": x}).items()}
    m, q, d = np.asarray(game.shares()), seen["quantity"], float(game.competition)
    quality, total = np.asarray(game.quality(x)), m @ q
    utility = m @ (quality * q) - (1 - d) / 2 * (m @ q**2) - d / 2 * total**2
    sold = q > 0
    assert seen["consumer_surplus"] == pytest.approx(utility - (m * q * seen["price"]).sum(), rel=1e-12)
    np.testing.assert_allclose(seen["price"][sold], (quality - (1 - d) * q - d * total)[sold], rtol=1e-13)
    profit = m * q * seen["price"]
    licence = float(seen["licensing_revenue"])
    research = np.asarray(x) ** 2 / 2 / np.r_[1.0, np.full(len(x) - 1, 0.5 + 0.5 * float(game.openness))]
    first = m[1:] * float(game.edge) - licence / (len(x) - 1)
    opening = 0.02 * float(game.openness)
    payoff = 0.9 * profit - research + np.r_[licence - opening, first]
    np.testing.assert_allclose(game.payoff({"research": x}), payoff, rtol=1e-12)
    assert seen["welfare"] == pytest.approx(payoff.sum() + 0.9 * float(seen["consumer_surplus"]), rel=1e-12)
    assert seen["hhi"] == pytest.approx(np.sum((m * q / total) ** 2), rel=1e-13)


def test_no_best_response_reaches_the_bound_on_research():
    rng = np.random.default_rng(1)
    names = ("owner_share", "edge", "openness", "spill_back", "spill_out", "closed_access", "competition")

    @jax.jit
    def best_share_of_bound(values, spill_side, opponents):
        game = OpenSourcing(**dict(zip(names, values, strict=True)), spill_side=spill_side, outsiders=3)
        upper = jnp.asarray(game.bounds()["research"][1])
        grid = jnp.linspace(0.0, 1.0, 401)

        def payoff(j, part):
            return game.payoff({"research": (opponents * upper).at[j].set(part * upper[j])})[j]

        best = jnp.stack([grid[jnp.argmax(jax.vmap(lambda t, j=j: payoff(j, t))(grid))] for j in range(4)])
        return jnp.max(best), jnp.min(upper)

    for _ in range(200):
        values = rng.uniform([0.05, 0, 0, 0, 0, 0.1, 0], [0.7, 0.5, 1, 0.8, 0.4, 1, 0.8])
        share, upper = best_share_of_bound(values, rng.uniform(0, 0.4), rng.uniform(0, 1, 4))
        assert share < 1.0
        assert np.isfinite(upper)
        assert upper > 0


def test_bounds_stay_finite_where_the_second_order_condition_fails():
    game = OpenSourcing(research_cost=0.1, owner_share=0.9)
    assert np.asarray(game.bounds()["research"][1])[0] == 10.0
