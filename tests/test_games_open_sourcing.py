"""Open sourcing with linear value: closed forms against numbers and brute force, and both concepts."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    LinearValueOpenSourcing,
    OpennessAtOnce,
    OpenSourcing,
    SimultaneousOpenSourcing,
    commitment,
    gain_from_opening,
    linear_value_research,
    opening_interval,
    optimal_openness,
    peak_share,
    propensity,
    simultaneous_openness,
    threshold_edge,
)
from nashgrid.solver import Newton, Status, solve
from tests.closed_forms import largest_gain

BINARY = LinearValueOpenSourcing(edge=0.1, opening_cost=0.03, openness_curvature=0.0)
CONTINUOUS = LinearValueOpenSourcing(edge=0.05, opening_cost=0.0, openness_curvature=0.2)


def at(game, **fields):
    """The game with other parameters."""
    return dataclasses.replace(game, **fields)


@pytest.mark.parametrize(
    ("share", "gain"),
    [
        (0.05, -0.101915),
        (0.1, -0.07626),
        (0.2, -0.03224),
        (0.3, 0.00206),
        (0.5, 0.0415),
        (0.6, 0.04664),
        (0.7, 0.04206),
        (0.9, 0.00374),
        (0.95, -0.011915),
    ],
)
def test_gain_from_opening_has_the_known_numbers(share, gain):
    assert gain_from_opening(at(BINARY, owner_share=share)) == pytest.approx(gain, abs=1e-15)


def test_peak_and_interval_have_the_known_numbers():
    peak = peak_share(BINARY)
    assert peak == pytest.approx(0.602880658436214, rel=1e-14)
    assert gain_from_opening(at(BINARY, owner_share=peak)) == pytest.approx(0.04664403292181071, rel=1e-13)
    np.testing.assert_allclose(opening_interval(BINARY), [0.2930817294801465, 0.9126795873922815], rtol=1e-13)


@pytest.mark.parametrize(("share", "edge"), [(0.2, 0.0597), (0.4, 0.1444), (0.6, 0.2166), (0.8, 0.2388)])
def test_threshold_edge_has_the_known_numbers(share, edge):
    game = at(BINARY, owner_share=share)
    assert threshold_edge(game) == pytest.approx(edge, abs=1e-15)
    assert gain_from_opening(at(game, edge=threshold_edge(game))) == pytest.approx(0.0, abs=1e-16)


@pytest.mark.parametrize(
    ("share", "probability"),
    [(0.1, 0.00048737), (0.3, 0.55131865), (0.5, 0.98448024), (0.9, 0.59242516), (0.95, 0.23299077)],
)
def test_propensity_has_the_known_numbers(share, probability):
    assert propensity(at(BINARY, owner_share=share), jnp.asarray(0.01)) == pytest.approx(probability, abs=5e-9)


@pytest.mark.parametrize(
    ("share", "committed", "simultaneous"),
    [
        (0.1, 0.0, 0.0),
        (0.2, 0.0, 0.0),
        (0.25, 0.07405281285878297, 0.05220558478348844),
        (0.3, 0.16367163569532353, 0.10760555816607364),
        (0.4, 0.3397312859884837, 0.19988706945228685),
        (0.5, 0.4554140127388534, 0.2567324955116696),
        (0.6, 0.4596928982725526, 0.2704686617730095),
        (0.7, 0.3678782928323463, 0.24186077733771896),
        (0.8, 0.23625654450261777, 0.1792452830188679),
        (0.9, 0.10796109049020862, 0.09470611351260315),
        (0.95, 0.05111211598790383, 0.04798164042290705),
    ],
)
def test_openness_has_the_known_numbers_of_each_concept(share, committed, simultaneous):
    game = at(CONTINUOUS, owner_share=share)
    assert optimal_openness(game) == pytest.approx(committed, abs=1e-14)
    assert simultaneous_openness(game) == pytest.approx(simultaneous, abs=1e-14)


@jax.jit
def _committed_payoffs(game, grid):
    """The owner's payoff at each openness, with the research that follows it, from the payoff of the game."""

    def one(theta):
        there = eqx.tree_at(lambda g: g.openness, game, theta)
        return there.payoff({"research": linear_value_research(there)})[0]

    return jax.vmap(one)(grid)


@pytest.mark.parametrize("base", [BINARY, CONTINUOUS], ids=["binary", "continuous"])
@pytest.mark.parametrize("share", [0.15, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("access", [0.2, 0.7, 1.0])
def test_no_commitment_is_better_than_the_closed_form(base, share, access):
    game = at(base, owner_share=share, closed_access=access)
    grid = jnp.concatenate([jnp.linspace(0.0, 1.0, 2001), optimal_openness(game)[None]])
    payoffs = np.asarray(_committed_payoffs(game, grid))
    assert payoffs[-1] >= payoffs.max() - 1e-16
    assert payoffs[2000] - payoffs[0] == pytest.approx(float(gain_from_opening(game)), abs=1e-15)


def test_two_local_optima_where_the_payoff_is_convex():
    game = at(BINARY, owner_share=0.5)
    payoffs = np.asarray(_committed_payoffs(game, jnp.linspace(0.0, 1.0, 101)))
    assert payoffs[0] > payoffs[1]
    assert payoffs[-1] > payoffs[-2]


@pytest.mark.parametrize("openness", [0.0, 0.4, 1.0])
def test_research_is_a_dominant_strategy(openness):
    game = at(BINARY, openness=openness)
    assert largest_gain(game, {"research": np.asarray(linear_value_research(game))}) <= 1e-16
    other = {"research": np.r_[float(linear_value_research(game)[0]), np.full(4, 0.3)]}
    other["research"][2] = float(linear_value_research(game)[2])
    payoff = lambda x: game.payoff({"research": jnp.asarray(x)})  # noqa: E731
    for tried in np.linspace(0, 1, 21):
        moved = other["research"].copy()
        moved[2] = tried
        assert payoff(moved)[2] <= payoff(other["research"])[2]


def test_opening_multiplies_outside_research_by_the_inverse_of_closed_access():
    def outside(openness):
        game = at(BINARY, openness=openness)
        return game.outcomes({"research": linear_value_research(game)})["outside_research"]

    assert outside(1.0) / outside(0.0) == pytest.approx(1 / 0.5, rel=1e-14)


def test_a_larger_edge_lowers_the_gain_by_the_licence_base():
    slopes = jax.grad(lambda game: gain_from_opening(game))(at(BINARY, licence_value=1.5))
    assert slopes.edge == pytest.approx(-1.5 * (1 - 0.4), rel=1e-14)


def test_an_edge_worth_more_than_the_spill_back_is_never_opened():
    game = at(BINARY, edge=0.5)  # L = 0.5 > B = 0.486
    assert np.all(np.isnan(opening_interval(game)))
    assert peak_share(game) > 1.0
    gains = [gain_from_opening(at(game, owner_share=s)) for s in np.linspace(0.01, 0.99, 50)]
    assert max(gains) < 0


def test_the_opening_interval_has_derivatives():
    slopes = jax.jacrev(lambda e: jnp.stack(opening_interval(at(BINARY, edge=e))))(jnp.asarray(0.1))
    step = 1e-6
    ends = [np.array(opening_interval(at(BINARY, edge=0.1 + h))) for h in (step, -step)]
    np.testing.assert_allclose(slopes, (ends[0] - ends[1]) / (2 * step), rtol=1e-7)


def _simultaneous(base, share):
    fields = {f.name: getattr(base, f.name) for f in dataclasses.fields(base) if f.name != "openness"}
    return SimultaneousOpenSourcing(**{**fields, "owner_share": share})


def _profile(game, openness):
    there = at(BINARY, owner_share=game.owner_share, openness=openness)
    return {"research": np.asarray(linear_value_research(there)), "openness": np.array([openness])}


@pytest.mark.parametrize("share", [0.1, 0.25, 0.6, 0.95])
def test_nobody_gains_when_openness_is_chosen_with_research(share):
    game = _simultaneous(CONTINUOUS, share)
    assert largest_gain(game, _profile(game, float(simultaneous_openness(game)))) <= 1e-16


def test_beliefs_can_support_an_open_and_a_closed_model_at_once():
    game = _simultaneous(BINARY, 0.5)
    assert np.isnan(simultaneous_openness(game))
    assert largest_gain(game, _profile(game, 0.0)) <= 1e-16
    assert largest_gain(game, _profile(game, 1.0)) <= 1e-16
    only = _simultaneous(BINARY, 0.1)
    assert simultaneous_openness(only) == 0.0
    assert largest_gain(only, _profile(only, 1.0)) > 0.01


def test_the_licence_is_a_transfer():
    closed, half = (
        at(BINARY, openness=theta, opening_cost=0.0, spill_back=0.0, closed_access=1.0) for theta in (0, 0.5)
    )
    s = {"research": linear_value_research(closed)}
    assert closed.outcomes(s)["licensing_revenue"] == pytest.approx(0.1 * 0.6)
    assert half.outcomes(s)["licensing_revenue"] == pytest.approx(0.03)
    assert jnp.sum(closed.payoff(s)) == pytest.approx(float(jnp.sum(half.payoff(s))), rel=1e-14)


@pytest.mark.parametrize(("share", "opens"), [(0.29, 0.0), (0.3, 1.0), (0.91, 1.0), (0.92, 0.0)])
def test_the_sequential_game_opens_inside_the_interval(share, opens):
    eq = solve(commitment(at(BINARY, owner_share=share)))
    assert eq.strategy["openness"] == opens
    gain = eq.outcomes["choice_payoff"][1] - eq.outcomes["choice_payoff"][0]
    assert gain == pytest.approx(float(gain_from_opening(at(BINARY, owner_share=share))), abs=1e-14)


def _research_of(game, theta):
    return solve(eqx.tree_at(lambda g: g.openness, game, theta), Newton(), certify=False)


def test_at_once_is_the_linear_model_and_an_equilibrium_under_competition():
    """With linear value the known number; under competition no firm gains by openness or research of its own."""
    solved = eqx.filter_jit(lambda game: solve(game, Newton(), certify=False))
    linear = solved(OpennessAtOnce(at(CONTINUOUS, owner_share=0.5)))
    np.testing.assert_allclose(linear.strategy["openness"], 0.2567324955116696, rtol=1e-12)
    stage = OpenSourcing(owner_share=0.5, edge=0.02, openness_curvature=0.1, opening_cost=0.0, outsiders=2)
    game = OpennessAtOnce(stage)
    eq = solved(game)
    chosen = float(eq.strategy["openness"][0])
    assert eq.status == Status.first_order and 0.1 < chosen < 0.3
    strategy = {name: np.asarray(value) for name, value in eq.strategy.items()}
    assert largest_gain(game, strategy) <= 1e-14
    assert largest_gain(game, strategy | {"openness": 1.05 * strategy["openness"]}) > 1e-7
    assert float(eq.outcomes["licensing_revenue"]) == pytest.approx((1.0 - chosen) * 0.02 * 0.5, rel=1e-12)
    # Who commits counts on outside research, which is a gain of the owner's, but of its rivals' as well.
    rivals = at(stage, edge=0.0, spill_out=0.0, spill_side=0.0, competition=0.8, spill_back=0.4, closed_access=0.3)
    tried = np.linspace(0.0, 1.0, 101)
    earned = eqx.filter_jit(jax.vmap(lambda game, theta: _research_of(game, theta).payoff[0], (None, 0)))
    committed = [tried[np.argmax(earned(game, tried))] for game in (stage, rivals)]
    at_once = [chosen, float(solved(OpennessAtOnce(rivals)).strategy["openness"][0])]
    np.testing.assert_allclose(at_once, [0.18865, 0.44865], atol=5e-6)
    np.testing.assert_allclose(committed, [0.29, 0.0], atol=1e-12)
