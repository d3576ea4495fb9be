"""Measures of access to a language model, as properties of any usage."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings

from nashgrid.games import PlannedGood, access_equity, best_use, lorenz_curve, publicness, static_loss

GAME = PlannedGood(mass=(0.1, 0.2, 0.3, 0.4), need=(0.6, 0.9, 1.0, 1.2))
USAGE = st.lists(st.floats(0.0, 9.0, allow_subnormal=False), min_size=4, max_size=4).map(np.array)


@jax.jit
def measured(quality, usage):
    users = GAME.users()
    total = jnp.sum(GAME.mass * usage)
    benefit = users.benefit(quality, usage)
    loss = static_loss(GAME, users, quality, benefit, total)
    equity, public = access_equity(usage, GAME.mass), publicness(GAME, users, quality, benefit, total)
    return equity, lorenz_curve(usage + 1e-3, GAME.mass), public, loss, best_use(GAME, users, quality)


@settings(deadline=None, max_examples=40)
@given(quality=st.floats(0.5, 3.0), usage=USAGE)
def test_measures_of_any_usage_are_within_their_ranges(quality, usage):
    equity, (people, used), public, loss, best = measured(quality, usage)
    mass = np.asarray(GAME.mass)
    between = np.abs(usage[:, None] - usage[None, :]) * mass[:, None] * mass[None, :]
    total = np.sum(mass * usage)
    np.testing.assert_allclose(equity["gini"] * 2.0 * total, np.sum(between), rtol=1e-12, atol=1e-12)
    assert 0.0 <= equity["gini"] < 1.0
    np.testing.assert_allclose(equity["served_share"], np.sum(mass[usage > 0.0]), rtol=1e-12)
    assert equity["poorest_usage"] == usage.min()
    assert np.all(np.asarray(used) <= np.asarray(people) + 1e-12) and np.all(np.diff(used) >= 0.0)
    assert all(0.0 <= value <= 1.0 for value in public.values())
    assert public["publicness_geometric"] <= public["publicness"] + 1e-12
    assert loss >= -1e-12
    assert abs(float(measured(quality, np.asarray(best))[3])) < 1e-12


def test_equal_usage_is_equal():
    equity, (people, used), *_ = measured(1.0, np.full(4, 1.3))
    assert equity["gini"] == 0.0 and equity["served_share"] == 1.0
    np.testing.assert_allclose(people, used, atol=1e-15)


def test_the_area_under_the_lorenz_curve_gives_the_gini_coefficient():
    usage = np.array([0.3, 2.0, 0.0, 1.1])
    people, used = lorenz_curve(jnp.asarray(usage), GAME.mass)
    np.testing.assert_allclose(1.0 - 2.0 * np.trapezoid(used, people), measured(1.0, usage)[0]["gini"], rtol=1e-12)
