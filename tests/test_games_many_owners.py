"""Open sourcing by several owners with research behind it: the case of one owner, the linear limit, and who opens."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    ManyOwnersOpenSourcing,
    OpenSourcing,
    OwnersOpenSourcing,
    linear_owner_gains,
    owners_decide,
    two_owner_gains,
)
from nashgrid.solver import Newton, payoff_table, pure_equilibria
from tests.closed_forms import largest_gain


def at(game, **fields):
    """The game with other parameters."""
    return dataclasses.replace(game, **fields)


@eqx.filter_jit
def all_of(game, research):
    """Everything that a game says about a profile, and the derivatives of its payoffs."""
    s = {"research": research}
    slopes = jax.jacobian(game.payoff)(s)["research"]
    return {"most": game.bounds()["research"][1], "payoff": game.payoff(s), "slopes": slopes, **game.outcomes(s)}


def test_one_owner_is_the_game_of_one_owner():
    common = {"competition": 0.6, "idea_substitution": 0.8, "edge_persistence": 0.7, "openness_curvature": 0.1}
    for openness in (0.0, 0.4, 1.0):
        one = OpenSourcing(owner_share=0.35, edge=0.05, openness=openness, outsiders=2, **common)
        same = ManyOwnersOpenSourcing(share=(0.35,), edge=(0.05,), openness=(openness,), outsiders=2, **common)
        x = jnp.asarray([0.2, 0.05, 0.1])
        expected, found = all_of(one, x), all_of(same, x)
        shared = set(expected) & set(found)
        assert len(shared) == 11
        for name in shared:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-15, err_msg=name)


@eqx.filter_jit
def profiles(game):
    """The payoffs of all profiles of decisions, and the research behind them."""
    return payoff_table(owners_decide(game), Newton(), certify=False)


def scaled(cost):
    """Licences and the cost of opening as small as what dear research brings back."""
    edge = (0.08 / cost, 0.06 / cost)
    return ManyOwnersOpenSourcing(
        share=(0.3, 0.2), edge=edge, competition=0.0, research_cost=cost, opening_cost=0.01 / cost, pooling=0.3,
        clients_by_size=0.4, outsiders=2,
    )  # fmt: skip


def test_dear_research_gives_the_linear_gains():
    errors = []
    for cost in (40.0, 400.0):
        payoff = np.asarray(profiles(scaled(cost)).payoff)
        apart = []
        for rival in (0, 1):
            gains = payoff[1, rival, 0] - payoff[0, rival, 0], payoff[rival, 1, 1] - payoff[rival, 0, 1]
            exact = linear_owner_gains(at(scaled(cost), openness=jnp.full(2, float(rival))))
            apart.append(np.abs(np.asarray(gains) - exact) * cost)
        errors.append(np.max(apart))
    assert errors[0] < 2e-3 and errors[1] == pytest.approx(errors[0] / 10.0, rel=0.1)


def test_linear_gains_are_those_of_two_owners_who_sell_access():
    shares, t = (0.3, 0.2), 0.4
    game = ManyOwnersOpenSourcing(share=shares, spill_back=0.6, discount=0.9, opening_cost=0.01)
    closed, opened = two_owner_gains(
        OwnersOpenSourcing(share=shares, transport=t, spill_back_value=0.6 * 0.45**2, opening_cost=0.01)
    )
    alone = at(game, edge=jnp.asarray((t, t)))
    np.testing.assert_allclose(linear_owner_gains(alone), closed, rtol=1e-13)
    for i in range(2):
        edge, openness = np.full(2, 0.75 * t), np.ones(2)
        edge[i], openness[i] = t, 0.0
        both = at(game, edge=jnp.asarray(edge), openness=jnp.asarray(openness))
        np.testing.assert_allclose(linear_owner_gains(both)[i], opened[i], rtol=1e-13)


def test_research_is_bounded_by_mutual_adjustment():
    """With nobody behind and every benefit at its most, the bound is twice what the firms end up with."""
    game = ManyOwnersOpenSourcing(
        share=(0.25, 0.15, 0.2), edge=(0.0,) * 3, openness=(1.0, 0.0, 0.5), outsiders=2, spill_rivals=0.4, pooling=0.2
    )
    m, psi = np.asarray(game.shares()), np.r_[np.ones(3), np.ones(2)]
    slope = 0.9 * psi * m / (1.4 + 0.3 * m)
    u, adjust = jnp.zeros(5), jax.jit(lambda x: game.quality(x))
    for _ in range(60):
        u = slope * adjust(u)
    np.testing.assert_allclose(game.bounds()["research"][1], 2.0 * u, rtol=1e-9)


def test_licences_are_limited_by_what_is_public():
    game = ManyOwnersOpenSourcing(
        share=(0.2, 0.1, 0.2), edge=(0.05, 0.08, 0.02), openness=(1.0, 0.0, 0.0), outsiders=2, opening_cost=0.0
    )
    np.testing.assert_allclose(game.licences(), [0.0, 0.5 / 3 * 0.03, 0.0], rtol=1e-12)
    lag = np.asarray(game.quality(jnp.zeros(5))) - 1.0
    np.testing.assert_allclose(lag, [-0.03, 0.0, -0.03, -0.03, -0.03], atol=1e-15)
    # What the best model at hand is worth everywhere, less what owners have anyway.
    still = at(game, discount=jnp.asarray(0.0))
    first = np.sum(still.payoff({"research": jnp.zeros(5)}))
    np.testing.assert_allclose(first, 0.2 * 0.03 + 0.5 / 3 * (0.05 + 0.08 + 0.05), rtol=1e-12)


def test_both_stages_are_in_equilibrium():
    game = ManyOwnersOpenSourcing(share=(0.35, 0.15), edge=(0.04, 0.03), opening_cost=0.005, outsiders=2)
    table = profiles(game)
    assert bool(jnp.all(table.certified))
    u = np.asarray(table.payoff)
    expected = [[u[i, j, 0] >= u[1 - i, j, 0] and u[i, j, 1] >= u[i, 1 - j, 1] for j in (0, 1)] for i in (0, 1)]
    np.testing.assert_array_equal(pure_equilibria(table).mask, expected)
    assert np.sum(expected) == 1 and expected[1][1]
    assert table.subgame is not None
    research = np.asarray(table.subgame.strategy["research"])
    for opened in itertools.product((0, 1), repeat=2):
        there = at(game, openness=jnp.asarray(opened, float))
        assert largest_gain(there, {"research": research[opened]}) < 1e-9
