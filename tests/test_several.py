"""Games with several equilibria, with a constraint or with a leader, of which the answers are known."""

import numpy as np
import pytest

from nashgrid.solver import Newton, equilibria, solve
from tests.closed_forms import SEQUENTIAL, largest_gain
from tests.several import SEVERAL, SHARED

# Where every first-order point is an equilibrium, no certificate has to tell them apart.
PLAIN = ("local_public_good", "search", "falling_costs")


@pytest.mark.parametrize(("name", "game", "strategy", "known"), SEVERAL, ids=[row[0] for row in SEVERAL])
def test_all_known_equilibria_are_found_and_nothing_else(name, game, strategy, known):
    assert max(largest_gain(game, {strategy: profile}) for profile in known) <= 1e-13
    found = equilibria(game, Newton(), starts=256, certify=name not in PLAIN)
    assert not found.full and len(found) == len(known)
    points = np.stack([eq.strategy[strategy] for eq in found])
    np.testing.assert_allclose(points, known, atol=3e-9)
    assert (int(found.others) > 0) == (name == "quality_before_price")


@pytest.mark.parametrize(("name", "game", "strategy", "known", "price"), SHARED, ids=[row[0] for row in SHARED])
def test_known_variational_equilibria_have_their_multipliers(name, game, strategy, known, price):
    eq = solve(game, certify=False)
    np.testing.assert_allclose(eq.strategy[strategy], known, atol=3e-9)
    assert eq.multipliers.keys() == price.keys()
    for constraint, value in price.items():
        np.testing.assert_allclose(eq.multipliers[constraint], value, atol=3e-9)


@pytest.mark.parametrize("case", SEQUENTIAL, ids=lambda case: case.name)
def test_known_choices_of_leaders_are_found(case):
    eq = solve(case.problem, Newton(), certify=False)
    for name, value in case.strategy.items():
        np.testing.assert_allclose(eq.strategy[name], value, atol=3e-9)
    np.testing.assert_allclose(eq.payoff, case.payoff, rtol=1e-9)
