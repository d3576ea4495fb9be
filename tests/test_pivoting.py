"""Active bounds of linear conditions: found whatever they are, where Newton's own steps go round for ever."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nashgrid.games import LinearCournot, linear_cournot_equilibrium
from nashgrid.solver import BestResponse, Newton, Status, solve, sweep
from nashgrid.solver._pivoting import pivoted


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from((2, 7, 12)))
def test_conditions_hold_at_the_end_of_the_step(seed, count):
    random = np.random.default_rng(seed)
    # Of a positive definite symmetric part all principal minors are positive.
    root, turn = random.normal(size=(2, count, count))
    jacobian = -(root @ root.T / count + 0.1 * np.eye(count) + turn - turn.T)
    lower = -random.exponential(size=count)
    upper = np.where(random.random(count) < 0.3, np.inf, random.exponential(size=count))
    z = np.clip(random.normal(size=count), lower, upper)
    gradient = 3.0 * random.normal(size=count)
    begin = np.clip(z + random.normal(size=count), lower, upper) - z
    end = z + np.asarray(jax.jit(pivoted)(*map(jnp.asarray, (begin, z, gradient, jacobian, lower, upper))))
    slope = gradient + jacobian @ (end - z)
    assert (end >= lower - 1e-9).all() and (end <= upper + 1e-9).all()
    np.testing.assert_allclose(np.clip(end + slope, lower, upper), end, rtol=1e-8, atol=1e-8)


def test_a_singular_system_leaves_the_step_as_it_is():
    step, zeros, bound = jnp.array([0.5, -0.25]), jnp.zeros(2), jnp.full(2, 9.0)
    found = pivoted(step, zeros, jnp.array([1.0, 2.0]), -jnp.ones((2, 2)), -bound, bound)
    np.testing.assert_array_equal(found, step)


def games(firms, count, dtype):
    """Marginal costs of linear Cournot games in which many firms produce nothing, and their equilibria."""
    costs = np.random.default_rng(firms).uniform(1.0, 3.0, (count, firms)).astype(dtype)
    a, b = (jnp.asarray(x, dtype) for x in (10.0, 1.0))
    return costs, np.asarray(jax.jit(jax.vmap(lambda c: linear_cournot_equilibrium(a, b, c)))(costs))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", [Newton(), BestResponse()], ids=["newton", "best_response"])
def test_many_firms_of_which_half_produce_nothing(method, dtype):
    costs, wanted = games(30, 64, dtype)
    assert 0.3 < np.mean(wanted > 0.0) < 0.7
    tol = 1e-10 if dtype == np.float64 else 3e-5

    def one(cost):
        game = LinearCournot(cost=cost, intercept=jnp.asarray(10.0, dtype), slope=jnp.asarray(1.0, dtype))
        eq = solve(game, method=method, certify=False, tol=tol)
        return eq.strategy["quantity"], eq.status, eq.steps

    found, status, steps = jax.jit(jax.vmap(one))(costs)
    assert (status == Status.first_order).all() and int(steps.max()) <= 16
    np.testing.assert_allclose(found, wanted, rtol=0, atol=20 * tol)


def test_kernels_find_them_as_well():
    costs, _ = games(20, 1, np.float64)
    game = LinearCournot(cost=jnp.asarray(costs[0]))
    found = sweep(game, {"intercept": np.linspace(1.5, 9.0, 40)}, method=Newton(), certify=False, progress=False)
    assert found.attrs["program"] == "kernel" and (found.status == Status.first_order).all()
    active = set()
    for k, intercept in enumerate(found["intercept"].values):
        wanted = linear_cournot_equilibrium(jnp.asarray(intercept), game.slope, game.cost)
        np.testing.assert_allclose(found["quantity"].values[k], wanted, rtol=0, atol=1e-9)
        active.add(int(jnp.sum(wanted > 0.0)))
    assert len(active) > 3
