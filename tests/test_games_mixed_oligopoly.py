"""A public firm among private ones: closed forms, and the three statements of Haraguchi and Matsumura (2016)."""

import jax
import numpy as np
import pytest

from nashgrid.games import (
    MixedBertrand,
    MixedCournot,
    mixed_bertrand_equilibrium,
    mixed_cournot_equilibrium,
    singh_vives_bertrand_equilibrium,
    singh_vives_cournot_equilibrium,
)
from nashgrid.solver import Newton, solve
from tests.closed_forms import largest_gain

KINDS = {
    "quantity": (MixedCournot, mixed_cournot_equilibrium, singh_vives_cournot_equilibrium),
    "price": (MixedBertrand, mixed_bertrand_equilibrium, singh_vives_bertrand_equilibrium),
}


def market(kind, private, weight, gamma, cost=0.0):
    values, costs = (1.0,) * (private + 1), (cost,) + (0.0,) * private
    return kind(value=values, cost=costs, substitutability=gamma, welfare_weight=weight)


@pytest.mark.parametrize("name", KINDS)
def test_the_equilibrium_is_the_closed_form(name):
    kind, form, private = KINDS[name]
    for weight, cost in ((1.0, 0.0), (0.6, 0.1)):
        game = market(kind, 2, weight, 0.5, cost)
        eq = solve(game, Newton(), certify=False)
        np.testing.assert_allclose(eq.strategy[name], form(game), rtol=1e-9)
        assert largest_gain(game, {name: np.asarray(form(game))}) <= 1e-13
        welfare, profit = eq.outcomes["welfare"], eq.outcomes["profit"]
        assert float(eq.payoff[0]) == pytest.approx(float(weight * welfare + (1.0 - weight) * profit[0]))
    nobody = market(kind, 2, 0.0, 0.5, 0.1)
    np.testing.assert_allclose(form(nobody), private(nobody.value, nobody.cost, nobody.substitutability), rtol=1e-12)


def test_nobody_where_somebody_would_not_sell():
    """At the same good in quantities a public firm of no higher cost takes everything: p = c."""
    assert np.isnan(mixed_cournot_equilibrium(market(MixedCournot, 2, 1.0, 1.0))).all()
    assert np.isnan(mixed_bertrand_equilibrium(market(MixedBertrand, 2, 0.5, 0.9, 0.3))).all()


def test_prices_against_quantities_at_equal_costs():
    """Welfare is higher in prices for any number of firms; private profit is higher in prices in a duopoly, and in
    quantities for some substitutability with five private firms or more."""
    gammas = np.linspace(0.01, 0.99, 99)
    flips = []
    for private in (1, 4, 5, 9):

        def both(gamma, private=private):
            prices = market(MixedBertrand, private, 1.0, gamma)
            quantities = market(MixedCournot, private, 1.0, gamma)
            found = (
                prices.outcomes({"price": mixed_bertrand_equilibrium(prices)}),
                quantities.outcomes({"quantity": mixed_cournot_equilibrium(quantities)}),
            )
            return [x["welfare"] for x in found], [x["profit"][-1] for x in found]

        welfare, profit = jax.jit(jax.vmap(both))(gammas)
        assert (welfare[0] > welfare[1]).all(), private
        flips.append(bool((profit[0] < profit[1]).any()))
    assert flips == [False, False, True, True]
