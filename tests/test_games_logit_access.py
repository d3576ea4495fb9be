"""The smooth model of access to a language model, by its first-order conditions."""

import jax
import numpy as np
import pytest

from nashgrid.games import LogitAccess
from nashgrid.solver import Newton, Status, solve
from tests.closed_forms import largest_gain


def test_smooth_closed_and_open_access_by_first_order_conditions():
    unchecked = jax.jit(lambda game: solve(game, Newton(), certify=False))
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
