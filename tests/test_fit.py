"""Calibration finds the parameters that moments were made with, says how exactly, and what they do not tell."""

import math
import warnings

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import LinearCournot, LinearValueOpenSourcing, LogitBertrand, commitment
from nashgrid.solver import GameError, Newton, NotIdentifiedWarning, NotSolvedError, fit, solve
from nashgrid.solver._identified import covariance, flat_directions

COSTS = {"cost[0]": (0.0, 6.0), "cost[1]": (0.0, 6.0)}


def _moments(game, *names):
    eq = solve(game)
    every = {**eq.strategy, "payoff": eq.payoff, **eq.outcomes}
    return {name: np.asarray(every[name]) for name in names}


def _changed(game, **values):
    new = [jnp.asarray(value, float) for value in values.values()]
    return eqx.tree_at(lambda g: [getattr(g, name) for name in values], game, new)


def test_parameters_are_recovered_with_the_errors_of_the_closed_form():
    """With b known, q_i = (a - 2 c_i + c_j)/(3 b) and P = (a + c_1 + c_2)/3: linear in (a, c_1, c_2)."""
    true = LinearCournot(intercept=11.0, cost=(1.5, 3.0))
    given = _moments(true, "quantity", "price")
    errors = {"quantity": (0.1, 0.2), "price": 0.05}
    found = fit(LinearCournot(), given, {"intercept": (5.0, 20.0), **COSTS}, errors=errors)
    assert found.values == pytest.approx({"intercept": 11.0, "cost[0]": 1.5, "cost[1]": 3.0}, rel=1e-9)
    slopes = np.array([[1, -2, 1], [1, 1, -2], [1, 1, 1]]) / 3 / np.array([[0.1], [0.2], [0.05]])
    np.testing.assert_allclose(found.covariance, np.linalg.inv(slopes.T @ slopes), rtol=1e-8)
    assert found.errors["intercept"] == pytest.approx(math.sqrt(found.covariance[0, 0]))
    assert found.objective < 1e-18 and found.freedom == 0 and not found.flat and not found.at_bound
    assert "intercept = 11" in str(found)


def test_more_moments_than_parameters_are_weighed_by_their_errors():
    """One cost and two prices that contradict each other: the exact one counts."""
    game = LinearCournot(cost=(1.0, 1.0))
    price, quantity = _moments(_changed(game, cost=[2.0, 1.0]), "price", "quantity").values()
    fields = {"cost[0]": (0.0, 6.0)}
    found = fit(
        game,
        {"price": price, "quantity": np.array([quantity[0] + 0.3, np.nan])},
        fields,
        errors={"price": 0.01, "quantity": 1.0},
    )
    # P = (a + c_1 + c_2)/3 and q_1 = (a - 2 c_1 + c_2)/3.
    weights, slopes, off = np.array([1e4, 1.0]), np.array([1 / 3, -2 / 3]), np.array([0.0, 0.3])
    change = (weights * slopes * off).sum() / (weights * slopes**2).sum()
    assert found.values["cost[0]"] == pytest.approx(2.0 + change, rel=1e-9)
    assert found.freedom == 1 and np.isnan(found.misses["quantity"][1])
    assert found.objective == pytest.approx((weights * (slopes * change - off) ** 2).sum(), rel=1e-6)


def test_nonlinear_demand_from_several_starts():
    true = LogitBertrand(quality=(1.0, 0.3, 0.6), cost=(0.2, 0.1, 0.3), price_coefficient=1.4)
    given = _moments(true, "price", "share")
    fields = {"price_coefficient": (0.2, 5.0), "quality[0]": (-2.0, 3.0), "quality[1]": (-2.0, 3.0)}
    game = _changed(true, quality=[0.0, 0.0, 0.6], price_coefficient=3.0)
    found = fit(game, given, fields, starts=3)
    assert found.values == pytest.approx({"price_coefficient": 1.4, "quality[0]": 1.0, "quality[1]": 0.3}, rel=1e-7)
    assert all(math.isnan(error) for error in found.errors.values())


def test_what_cannot_be_told_apart_is_named():
    """Quantities depend on a - c only: a and both costs can rise together."""
    given = _moments(LinearCournot(cost=(1.0, 2.0)), "quantity")
    with pytest.warns(NotIdentifiedWarning, match=r"cost\[0\] .*intercept|intercept.*cost"):
        found = fit(
            LinearCournot(cost=(2.0, 2.0)), given, {"intercept": (5.0, 20.0), **COSTS}, errors={"quantity": 0.1}
        )
    (direction,) = found.flat
    assert list(direction.values()) == pytest.approx([next(iter(direction.values()))] * 3, rel=1e-6)
    assert all(math.isinf(error) for error in found.errors.values())
    assert "not identified" in str(found)


def test_a_parameter_at_its_bound_has_no_error():
    given = _moments(LinearCournot(cost=(1.0, 2.0)), "quantity")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit(LinearCournot(cost=(2.0, 2.0)), given, {"cost[0]": (1.5, 6.0), "cost[1]": (0.0, 6.0)})
    assert found.at_bound == ("cost[0]",) and found.values["cost[0]"] == pytest.approx(1.5)
    assert math.isnan(found.errors["cost[0]"])


def test_unbounded_parameters_and_moments_that_are_partly_known():
    given = _moments(LinearCournot(cost=(1.0, 2.0)), "quantity")
    found = fit(
        LinearCournot(cost=(1.5, 2.0)), {"quantity": given["quantity"] + [0.0, np.nan]}, {"cost[0]": (0.0, np.inf)}
    )
    assert found.values["cost[0]"] == pytest.approx(1.0)
    assert "off by" in str(found) and "nan" not in str(found).partition("off by")[2]


def test_flat_directions_and_covariances_of_matrices():
    slopes = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    flat = flat_directions(slopes, np.array([1.0, 10.0, 1.0]))
    assert flat.shape == (1, 3) and abs(slopes @ (flat[0] * [1.0, 10.0, 1.0])).max() < 1e-12
    spread = covariance(slopes, np.ones(3), flat_directions(slopes, np.ones(3)))
    assert np.isinf(spread[0, 0]) and np.isinf(spread[1, 1]) and spread[2, 2] == pytest.approx(1 / 9)
    assert flat_directions(np.eye(2), np.ones(2)).shape == (0, 2)


def _with(**changes):
    arguments = {"problem": LinearCournot(), "moments": {"price": 4.0}, "fields": {"intercept": (5.0, 20.0)}}
    return lambda: fit(**(arguments | changes))


@pytest.mark.parametrize(
    "call, says",
    [
        (_with(moments={}), "moments: give at least one"),
        (_with(moments={"prices": 4.0}), "did you mean 'price'"),
        (_with(moments={"quantity": 4.0}), r"shape \(2,\), not \(\)"),
        (_with(moments={"price": np.inf}), "finite numbers"),
        (_with(errors={"quantity": 1.0}), "not among the moments"),
        (_with(errors={"price": 0.0}), "above 0"),
        (_with(moments={"price": 4.0, "quantity": [1.0, 1.0]}, errors={"price": 1.0}), "'quantity' has none"),
        (_with(fields={}), "fields: give at least one"),
        (_with(fields={"intercepts": (0, 1)}), "did you mean 'intercept'"),
        (_with(fields={"intercept": (1.0, 1.0)}), "below the upper"),
        (_with(fields={"intercept": 3.0}), "two bounds"),
        (_with(moments={"price": "a"}), "must be real numbers"),
        (_with(errors={"price": [1.0, 1.0]}), r"have shape \(2,\); give one"),
        (_with(starts=0), "begin at least once"),
    ],
)
def test_wrong_arguments_are_refused(call, says):
    with pytest.raises(GameError, match=says):
        call()


def test_no_equilibrium_anywhere_is_said():
    with pytest.raises(NotSolvedError, match="no start"):
        fit(LinearCournot(slope=np.nan), {"price": 4.0}, {"intercept": (5.0, 20.0)})


def test_a_choice_between_few_does_not_move_with_parameters():
    """Derivatives of a discrete choice are zero: nothing is identified, and that is said."""
    game = commitment(LinearValueOpenSourcing())
    quick = {"method": Newton(), "certify": False}
    with pytest.warns(NotIdentifiedWarning, match="edge"):
        fit(game, {"openness": solve(game, **quick).strategy["openness"]}, {"edge": (0.0, 0.3)}, **quick)
