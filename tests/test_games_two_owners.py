"""Open sourcing by several owners: the stage of prices against formulas, and the gains from opening against both."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import OwnersOpenSourcing, access_price, opening_gains, two_owner_gains, two_owner_mixed
from nashgrid.solver import Newton, Status, solve
from tests.judged import evidence

T, SHARE, B, F = 0.4, (0.35, 0.2), 0.5, 0.01


def hotelling(own: np.ndarray, rival: float) -> np.ndarray:
    """Sales of an owner on the line, by hand."""
    return (1.0 - sum(SHARE)) * np.clip(0.5 + (rival - own) / (2.0 * T), 0.0, 1.0)


@jax.jit
def prices(opened, transport=T):
    game = OwnersOpenSourcing(share=SHARE, open=opened, transport=transport, spill_back_value=B, opening_cost=F)
    return solve(game, Newton())


PROFILES = list(itertools.product((0.0, 1.0), repeat=2))


@pytest.fixture(scope="module")
def four():
    return {profile: prices(jnp.asarray(profile)) for profile in PROFILES}


@pytest.mark.parametrize("profile", PROFILES)
def test_prices_are_best_responses_and_profits_the_known_ones(four, profile):
    eq = four[profile]
    assert int(eq.status) == Status.successful
    price = np.asarray(eq.strategy["price"])
    known = {(0.0, 0.0): (T, T), (0.0, 1.0): (T / 2, 0.0), (1.0, 0.0): (0.0, T / 2), (1.0, 1.0): (0.0, 0.0)}
    np.testing.assert_allclose(price, known[profile], rtol=1e-12)
    outside, count = 1.0 - sum(SHARE), max(sum(profile), 1.0)
    tried = np.linspace(0.0, 3.0, 20001)
    for i in range(2):
        if profile[i]:
            expected = B * SHARE[i] * outside / count - F
        else:
            expected = (tried * hotelling(tried, price[1 - i])).max()
            assert expected == pytest.approx(outside * T / (8.0 if profile[1 - i] else 2.0), rel=1e-6)
        np.testing.assert_allclose(eq.payoff[i], expected, rtol=1e-6)


def test_a_price_that_is_fixed_at_zero_does_not_spoil_the_evidence():
    for transport in (0.45, 4.5):
        assert float(evidence(prices(jnp.asarray((1.0, 0.0)), transport)).error) < 1e-12


def test_gains_from_opening_are_differences_of_payoffs(four):
    closed, opened = two_owner_gains(OwnersOpenSourcing(share=SHARE, transport=T, spill_back_value=B, opening_cost=F))
    payoff = {profile: np.asarray(eq.payoff) for profile, eq in four.items()}
    np.testing.assert_allclose(closed[0], payoff[1.0, 0.0][0] - payoff[0.0, 0.0][0], atol=1e-13)
    np.testing.assert_allclose(closed[1], payoff[0.0, 1.0][1] - payoff[0.0, 0.0][1], atol=1e-13)
    np.testing.assert_allclose(opened[0], payoff[1.0, 1.0][0] - payoff[0.0, 1.0][0], atol=1e-13)
    np.testing.assert_allclose(opened[1], payoff[1.0, 1.0][1] - payoff[1.0, 0.0][1], atol=1e-13)
    every = opening_gains(OwnersOpenSourcing(share=SHARE, transport=T, spill_back_value=B, opening_cost=F))
    np.testing.assert_allclose(every, np.stack([closed, opened], axis=1), atol=1e-15)


def test_the_users_pay_prices_and_transport(four):
    place = (np.arange(200_000) + 0.5) / 200_000
    for eq in four.values():
        price = np.asarray(eq.strategy["price"])
        paid = np.minimum(price[0] + T * place, price[1] + T * (1.0 - place)).mean() * (1.0 - sum(SHARE))
        np.testing.assert_allclose(eq.outcomes["users_cost"], paid, rtol=1e-8)
        np.testing.assert_allclose(eq.outcomes["welfare"], np.sum(eq.payoff) - paid, rtol=1e-8)


@pytest.mark.parametrize(
    ("transport", "cost", "gains", "mixed"),
    [
        (0.45, 0.0, (-0.03, 0.0075), 0.8),
        (0.02, 0.04, (0.016, -0.011), 0.5925925926),
        (0.02, 0.0, None, np.nan),
        (0.8, 0.0, None, np.nan),
    ],
)
def test_the_four_kinds_of_games(transport, cost, gains, mixed):
    game = OwnersOpenSourcing(transport=transport, opening_cost=cost)
    closed, opened = two_owner_gains(game)
    if gains is not None:
        np.testing.assert_allclose([closed, opened], [[gains[0]] * 2, [gains[1]] * 2], rtol=1e-12)
    np.testing.assert_allclose(two_owner_mixed(game), [mixed] * 2, rtol=1e-9)


def test_the_other_owner_has_to_be_made_indifferent():
    game = OwnersOpenSourcing(share=SHARE, transport=0.38, spill_back_value=B)
    closed, opened = (np.asarray(x) for x in two_owner_gains(game))
    probability = np.asarray(two_owner_mixed(game))
    assert ((probability > 0.0) & (probability < 1.0)).all() and probability[0] != probability[1]
    np.testing.assert_allclose((1 - probability[::-1]) * closed + probability[::-1] * opened, 0.0, atol=1e-15)


def test_more_owners_share_pairs_of_models():
    opened = (0.0, 0.0, 1.0, 0.0)
    game = OwnersOpenSourcing(share=(0.1, 0.2, 0.1, 0.15), open=opened, transport=T, opening_cost=F)
    eq = solve(game, Newton())
    expected = np.where(np.asarray(opened) > 0, 0.0, access_price(game, 3))
    np.testing.assert_allclose(eq.strategy["price"], expected, rtol=1e-12)
    np.testing.assert_allclose(np.sum(eq.outcomes["sales"]), 0.45, rtol=1e-12)
    p = float(access_price(game, 3))
    np.testing.assert_allclose(eq.payoff[0], 0.45 * p**2 / (4 * T), rtol=1e-12)
    # Opening when three rivals are closed, in the payoffs and by the formula.
    closed = solve(OwnersOpenSourcing(share=game.share, open=(0.0,) * 4, transport=T, opening_cost=F), Newton())
    np.testing.assert_allclose(eq.payoff[2] - closed.payoff[2], opening_gains(game)[2, 0], atol=1e-13)
