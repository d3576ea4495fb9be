"""Open and closed developers side by side: the ends are the regimes, and the middle is checked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import MixedOpenness, mixed_openness_investment
from tests.closed_forms import largest_gain


@jax.jit
def played(opened):
    game = MixedOpenness(open=opened)
    s = {"investment": mixed_openness_investment(game)}
    return s["investment"], game.outcomes(s), game.payoff(s)


@pytest.mark.parametrize(("opened", "welfare"), [(0.0, 0.8530827137266589), (1.0, 0.9469302032882444)])
def test_all_alike_are_the_regimes_of_the_quasi_public_good(opened, welfare):
    invested, outcomes, _ = played(jnp.full(3, opened))
    np.testing.assert_allclose(invested, [0.008771929824561403 if opened else 0.029073941134242647] * 3, rtol=1e-12)
    np.testing.assert_allclose(outcomes["welfare"], welfare, rtol=1e-12)
    np.testing.assert_allclose(outcomes["gini"], 0.12744471744471747 if opened else 0.17741083916083916, rtol=1e-12)


def test_nobody_gains_by_other_investment_or_another_quantity():
    opened = jnp.asarray([0.0, 1.0, 0.0])
    game = MixedOpenness(open=opened)
    invested, outcomes, payoff = (jax.tree.map(np.asarray, each) for each in played(opened))
    assert largest_gain(game, {"investment": invested}) <= 1e-14
    assert largest_gain(game, {"investment": invested * np.array([1.0, 1.01, 1.0])}) > 1e-9
    quality, sales = outcomes["quality"], outcomes["sales"]
    # Users of the open model use it until it is worth h, whatever a closed developer sells.
    tried = np.linspace(0.0, 1.0, 20001)
    others = sales[2] + tried
    hosted = (quality[1] - 0.15 - 0.5 * others) / (0.4 + 0.5)
    price = quality[0] - 0.4 * tried - 0.5 * (others + hosted)
    profit = (price - 0.1) * tried - 6.0 * invested[0] ** 2
    assert abs(tried[np.argmax(profit)] - sales[0]) <= 3e-5
    assert profit.max() == pytest.approx(payoff[0], rel=1e-8)
    assert np.interp(sales[0], tried, hosted) == pytest.approx(sales[1], rel=1e-12)
    np.testing.assert_allclose(np.interp(sales[0], tried, price), outcomes["price"][0], rtol=1e-8)


def test_open_models_lower_the_price_of_closed_ones():
    price = [played(jnp.asarray([0.0, *rest]))[1]["price"][0] for rest in ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))]
    assert price[0] > price[1] > price[2] > 0.15


def test_without_an_interior_solution_there_is_no_number():
    assert np.all(np.isnan(mixed_openness_investment(MixedOpenness(substitutability=1.0))))
    assert np.all(np.isnan(mixed_openness_investment(MixedOpenness(investment_cost=0.3))))
    game = MixedOpenness(hosting_cost=0.9)
    assert np.isnan(game.outcomes({"investment": jnp.zeros(3)})["welfare"])
