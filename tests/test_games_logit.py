"""Logit price competition: shares, closed forms, mergers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from nashgrid.games import LogitBertrand, LogitMerger, logit_markups, logit_monopoly_price
from nashgrid.games._lambert import lambert_w_of_exp
from tests.closed_forms import largest_gain

MARKET = LogitBertrand(
    quality=(1.0, 0.5, 1.4, 0.8),
    cost=(0.1, 0.0, 0.5, 0.2),
    price_coefficient=1.3,
    owner=("A", "B", "A", "C"),
)
PRICE = jnp.asarray([1.0, 0.9, 1.6, 1.1])


def monopoly(quality, cost, price_coefficient):
    """A market with one firm."""
    owner = ("A",) * len(quality)
    return LogitBertrand(quality=quality, cost=cost, price_coefficient=price_coefficient, owner=owner)


def test_lambert_function_is_wright_omega_at_every_size():
    y = np.r_[np.linspace(-700, 700, 1401), np.linspace(-3, 3, 61)]
    np.testing.assert_allclose(lambert_w_of_exp(jnp.asarray(y)), special.wrightomega(y), rtol=1e-14)


FIRST_AND_SECOND = jax.jit(jax.value_and_grad(jax.grad(lambert_w_of_exp)))


@pytest.mark.parametrize("y", [-60.0, -30.0, -1.0, 0.0, 1.0, 50.0])
def test_lambert_function_has_its_derivatives(y):
    w = special.wrightomega(y)
    first, second = FIRST_AND_SECOND(y)
    assert first == pytest.approx(w / (1 + w), rel=1e-13)
    assert second == pytest.approx(w / (1 + w) ** 3, rel=1e-10)


def test_lambert_function_in_single_precision():
    y = np.linspace(-40, 40, 81)
    w = lambert_w_of_exp(jnp.asarray(y, jnp.float32))
    assert w.dtype == jnp.float32
    np.testing.assert_allclose(w, special.wrightomega(y), rtol=2e-5)


def test_single_product_monopoly_has_the_known_price():
    price = logit_monopoly_price(jnp.asarray([2.0]), jnp.asarray([0.5]), jnp.asarray(1.0))
    np.testing.assert_allclose(price, [2.26624860816175], rtol=1e-14)


def test_no_prices_beat_those_of_the_monopolist_of_all_products():
    game = monopoly(MARKET.quality, MARKET.cost, MARKET.price_coefficient)
    price = logit_monopoly_price(game.quality, game.cost, game.price_coefficient)
    assert largest_gain(game, {"price": np.asarray(price)}) <= 1e-15
    np.testing.assert_allclose(price - game.cost, np.full(4, price[0] - game.cost[0]), rtol=1e-14)


_foc = jax.jit(jax.grad(lambda p, d, c, a: jnp.sum((p - c) * monopoly(d, c, a).shares(p))))
_monopoly = jax.jit(logit_monopoly_price)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(-5.0, 8.0), min_size=3, max_size=3),
    st.lists(st.floats(0.0, 3.0), min_size=3, max_size=3),
    st.floats(0.2, 5.0),
)
def test_monopoly_price_satisfies_the_first_order_conditions_inside_the_bounds(quality, cost, alpha):
    quality, cost, alpha = jnp.asarray(quality), jnp.asarray(cost), jnp.asarray(alpha)
    price = _monopoly(quality, cost, alpha)
    np.testing.assert_allclose(_foc(price, quality, cost, alpha), np.zeros(3), atol=1e-13)
    lower, upper = (np.asarray(end) for end in monopoly(quality, cost, alpha).bounds()["price"])
    assert np.all(price > lower)
    assert np.all(price - lower < (upper - lower) / 2)


@pytest.mark.parametrize(
    ("owner", "price", "share"),
    [
        (("A", "B", "C"), (1.2986789368, 1.2986789368, 1.2986789368), (0.2299867414,) * 3),
        (("A", "A", "C"), (1.6257022512, 1.6257022512, 1.3428944539), (0.1924406055, 0.1924406055, 0.2553398392)),
    ],
)
def test_shares_and_markups_have_the_known_numbers(owner, price, share):
    game = LogitBertrand(owner=owner)
    np.testing.assert_allclose(game.shares(jnp.asarray(price)), share, atol=5e-10)
    np.testing.assert_allclose(logit_markups(jnp.asarray(share), jnp.asarray(1.0), owner), price, atol=5e-9)


def test_elasticities_are_the_derivatives_of_log_shares():
    seen = MARKET.outcomes({"price": PRICE})["elasticity"]
    by_log = jax.jit(jax.jacfwd(lambda log_price: jnp.log(MARKET.shares(jnp.exp(log_price)))))(np.log(PRICE))
    np.testing.assert_allclose(seen, by_log, rtol=1e-13)


def test_consumer_surplus_falls_with_a_price_by_the_quantity():
    slope = jax.jit(jax.grad(lambda p: MARKET.outcomes({"price": p})["consumer_surplus"]))(PRICE)
    np.testing.assert_allclose(slope, -MARKET.shares(PRICE), rtol=1e-13)


def test_outcomes_are_by_the_firm_that_sets_the_price():
    seen = MARKET.outcomes({"price": PRICE})
    share, profit = np.asarray(seen["share"]), np.asarray((PRICE - MARKET.cost) * seen["share"])
    np.testing.assert_allclose(seen["profit"], [profit[0] + profit[2], profit[1], profit[3]], rtol=1e-14)
    assert seen["welfare"] == pytest.approx(float(seen["consumer_surplus"]) + profit.sum(), rel=1e-14)
    sales = np.array([share[0] + share[2], share[1], share[3]])
    assert seen["hhi"] == pytest.approx(np.sum((sales / sales.sum()) ** 2), rel=1e-14)


def test_firms_and_owners_follow_from_the_products():
    assert MARKET.firms == ("A", "B", "C")
    assert MARKET.owners() == {"price": (0, 1, 0, 2)}
    np.testing.assert_array_equal(MARKET.ownership, [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def test_ownership_has_the_dtype_of_the_parameters():
    single = monopoly(np.ones(2, np.float32), np.ones(2, np.float32), np.float32(1.0))
    assert single.ownership.dtype == jnp.float32


def test_a_merger_joins_prices_and_profits():
    merged = MARKET.merge("B", "C")
    assert merged.firms == ("A", "B")
    assert merged.owners() == {"price": (0, 1, 0, 1)}
    np.testing.assert_array_equal(merged.ownership, [[1, 0, 1, 0], [0, 1, 0, 1]])
    before, after = MARKET.payoff({"price": PRICE}), merged.payoff({"price": PRICE})
    np.testing.assert_allclose(after, [before[0], before[1] + before[2]], rtol=1e-14)


def test_a_merger_adds_partial_ownership_up_to_the_whole():
    partial = LogitBertrand(ownership=((1.0, 0.3, 0.4), (0.0, 0.7, 0.0), (0.0, 0.0, 0.6)), owner=("A", "B", "C")).merge(
        "A", "B"
    )
    np.testing.assert_allclose(partial.ownership, [[1.0, 1.0, 0.4], [0.0, 0.0, 0.6]])


def _own_slopes(game, price):
    rows = jax.jacfwd(lambda p: game.payoff({"price": p}))(price)
    return rows[np.asarray(game.owners()["price"]), np.arange(len(price))]


def test_full_internalization_has_the_first_order_conditions_of_the_merger():
    merged, internalized = MARKET.merge("A", "B"), MARKET.internalize("A", "B", 1.0)
    np.testing.assert_allclose(_own_slopes(internalized, PRICE), _own_slopes(merged, PRICE), rtol=1e-13)
    half = _own_slopes(MARKET.internalize("A", "B", 0.5), PRICE)
    np.testing.assert_allclose(
        half, (_own_slopes(MARKET, PRICE) + _own_slopes(merged, PRICE)) / 2, rtol=1e-12, atol=1e-16
    )


def test_the_weight_of_a_merger_is_a_parameter():
    game = LogitMerger(market=MARKET, profit_weight=0.25, parties=("A", "C"))
    s = {"price": PRICE}
    np.testing.assert_allclose(game.payoff(s), MARKET.internalize("A", "C", 0.25).payoff(s), rtol=1e-14)
    np.testing.assert_allclose(game.outcomes(s)["profit"], MARKET.outcomes(s)["profit"])
    assert game.owners() == MARKET.owners()


@pytest.mark.parametrize(("a", "b"), [("A", "A"), ("A", "Z"), ("Z", "A")])
def test_only_two_firms_of_the_market_can_merge(a, b):
    with pytest.raises(ValueError, match="are not two of the firms"):
        MARKET.merge(a, b)
    with pytest.raises(ValueError, match="are not two of the firms"):
        MARKET.internalize(a, b, 0.5)


def test_shapes_that_do_not_agree_are_refused():
    with pytest.raises(ValueError, match="3 products of 2 firms"):
        LogitBertrand(quality=(1.0, 1.0), owner=("A", "A", "B"))
    with pytest.raises(ValueError, match="firms, products"):
        LogitBertrand(ownership=((1.0, 0.0), (0.0, 1.0)), owner=("A", "B", "C"))
