"""Open sourcing in a space of technologies: the case without distances, symmetric places, closed forms, who gains."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    OpenSourcing,
    OpenSourcingInSpace,
    commitment,
    gains_in_space,
    linear_gain_in_space,
    research_in_space,
)
from nashgrid.solver import Leader, Newton, Status, solve, sweep
from tests.closed_forms import largest_gain

SCATTERED = np.random.default_rng(0).uniform(size=(5, 2)) + np.array([[0, 0]] * 3 + [[2, 2]] * 2)
COMMON = {"competition": 0.6, "edge": 0.05, "edge_persistence": 0.7, "openness_curvature": 0.1, "openness": 0.4}

research = eqx.filter_jit(research_in_space)
gains = eqx.filter_jit(gains_in_space)
shut_out_by = eqx.filter_jit(lambda game, x: game.outcomes({"research": x})["shut_out"])


def at(game, **fields):
    """The game with other parameters."""
    return dataclasses.replace(game, **fields)


@eqx.filter_jit
def all_of(game, x):
    """Everything that a game says about a profile, and the derivatives of its payoffs."""
    s = {"research": x}
    slopes = jax.jacobian(game.payoff)(s)["research"]
    return {"most": game.bounds()["research"][1], "payoff": game.payoff(s), "slopes": slopes, **game.outcomes(s)}


def assert_same(found, expected):
    shared = set(expected) & set(found)
    assert len(shared) == 12
    for name in shared:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-15, err_msg=name)


def test_without_distances_it_is_the_game_without_space():
    game = OpenSourcingInSpace(positions=SCATTERED, idea_substitution=0.8, local_access=0.5, **COMMON)
    x = jnp.asarray([0.3, 0.05, 0.1, 0.0, 0.2])
    expected = all_of(OpenSourcing(outsiders=4, idea_substitution=0.8, **COMMON), x)
    assert_same(all_of(at(game, decay=jnp.asarray(0.0)), x), expected)
    assert_same(all_of(at(game, positions=jnp.full((5, 2), 0.7)), x), expected)


def test_around_the_owner_it_is_the_game_with_smaller_spillovers():
    """On a square with the owner in the middle, at Gaussian decay; distances 1, sqrt(2) and 2."""
    square = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
    game = OpenSourcingInSpace(positions=square, decay=0.5, decay_power=2.0, idea_substitution=0.8, **COMMON)
    near, sides = np.exp(-0.25), (2 * np.exp(-0.5) + np.exp(-1.0)) / 3
    same = OpenSourcing(
        outsiders=4,
        idea_substitution=0.8,
        spill_back=0.6 * near,
        spill_out=0.2 * near,
        spill_side=0.2 * sides,
        **COMMON,
    )
    x = jnp.asarray([0.3, *[0.05] * 4])
    found, expected = all_of(game, x), all_of(same, x)
    for name in ("most", "payoff", "technology", "welfare"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6 if name == "technology" else 1e-7)
    # A stock of ideas is added to all of them before they are weighted: only that differs.
    at_one = (at(each, idea_substitution=jnp.asarray(1.0)) for each in (game, same))
    found, expected = (all_of(each, x) for each in at_one)
    for name in ("most", "payoff", "technology", "welfare"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)
    np.testing.assert_allclose(found["distance"], [0.0, 1.0, 1.0, 1.0, 1.0], rtol=1e-15)
    np.testing.assert_allclose(found["proximity"], [1.0, *[near] * 4], rtol=1e-15)
    assert found["mean_spillover"] == pytest.approx(np.mean(found["spillover"]))


@pytest.mark.parametrize(
    ("fields", "shut_out"),
    [
        ({"openness": 0.0, "competition": 0.3}, 0),
        ({"openness": 0.6, "competition": 0.8, "local_access": 1.0, "decay_power": 2.0}, 0),
        ({"openness": 1.0, "competition": 0.95, "edge": 0.2, "spill_side": 0.4}, 2),
        ({"openness": 0.0, "competition": 0.95, "edge": 0.2}, 4),
    ],
)
def test_nobody_gains_by_a_deviation_from_the_closed_form(fields, shut_out):
    game = OpenSourcingInSpace(positions=SCATTERED, owner_share=0.6, decay=1.5, **fields)
    x = research(game)
    assert largest_gain(game, {"research": np.asarray(x)}) < 1e-12
    assert shut_out_by(game, x) == shut_out


def test_without_an_equilibrium_at_first_order_conditions_there_is_no_number():
    """The owner does just the research that shuts all out, at a kink; and a cost of research that is too low."""
    game = OpenSourcingInSpace(positions=SCATTERED, owner_share=0.6, competition=0.9, edge=0.2)
    cheap = at(game, competition=jnp.asarray(0.0), research_cost=jnp.asarray(0.2))
    assert np.isnan(research(game)).all() and np.isnan(research(cheap)).all()


def test_dear_research_gives_the_linear_gain():
    errors = []
    for cost in (40.0, 400.0):
        game = OpenSourcingInSpace(
            positions=SCATTERED, local_access=0.6, competition=0.0, edge=0.05 / cost, opening_cost=0.003 / cost,
            research_cost=cost, openness_curvature=0.01 / cost,
        )  # fmt: skip
        errors.append(abs(float(gains(game)[0] - linear_gain_in_space(game))) * cost)
    assert errors[0] < 3e-3 and errors[1] == pytest.approx(errors[0] / 10.0, rel=0.1)


def test_those_near_an_open_model_gain_and_under_competition_remote_ones_lose():
    """Without an edge that becomes public; outsiders at growing distances from the owner."""
    line = jnp.asarray([[0.0], [0.1], [0.5], [1.0], [2.0]])
    game = OpenSourcingInSpace(positions=line, edge=0.0, local_access=1.0, competition=0.0)
    alone, rivals = np.asarray(gains(game))[1:], np.asarray(gains(at(game, competition=jnp.asarray(0.8))))[1:]
    assert np.all(np.diff(alone) < 0.0) and np.all(alone > 0.0)
    assert np.all(np.diff(rivals) < 0.0) and rivals[0] > 0.0 > rivals[-1]


def test_an_open_owner_goes_among_outsiders_or_away_from_its_rivals():
    line = jnp.asarray([[0.5], [0.0], [0.2], [0.4], [0.6], [0.8], [1.0]])
    game = OpenSourcingInSpace(positions=line, openness=1.0, competition=0.8)

    @jax.jit
    def payoffs(game):
        def one(place):
            there = eqx.tree_at(lambda g: g.positions, game, game.positions.at[0, 0].set(place))
            return there.payoff({"research": research_in_space(there)})[0]

        return jax.vmap(one)(jnp.linspace(-1.0, 2.0, 31))

    assert np.argmax(payoffs(game)) in (14, 16)  # At 0.4 or 0.6, beside one of the two in the middle.
    stingy = at(game, spill_back=jnp.asarray(0.1), spill_out=jnp.asarray(0.6))
    assert np.argmax(payoffs(stingy)) in (0, 30)


def test_coordinates_are_axes_and_a_leader_can_choose_one():
    line = ((0.0,), (1.0,), (1.2,))
    game = OpenSourcingInSpace(positions=line, owner_share=0.5, edge=0.0, opening_cost=0.01, local_access=0.5)
    places = np.array([-2.0, 0.5, 1.1])
    data = sweep(
        commitment(game), {"positions[0,0]": places}, method=Newton(), certify=False, progress=False,
        keep=("openness", "choice_payoff"),
    )  # fmt: skip
    assert (data["status"] == int(Status.first_order)).all()
    np.testing.assert_array_equal(data["openness"].values.ravel(), [0.0, 1.0, 1.0])
    expected = [gains(at(game, positions=game.positions.at[0, 0].set(z)))[0] for z in places]
    payoff = data["choice_payoff"].values
    np.testing.assert_allclose(payoff[:, 1] - payoff[:, 0], expected, atol=1e-12)
    opened = at(game, openness=jnp.asarray(1.0))
    best = solve(Leader(opened, "positions[0,0]", "owner", choices=tuple(places)), Newton(), certify=False)
    assert best.strategy["positions[0,0]"] == 1.1  # Nearest to both, not in the middle.
