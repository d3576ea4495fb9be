"""Games of so many strategies that derivatives are taken by rows, and systems solved by products with matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import IsoelasticCournot, LinearCournot
from nashgrid.solver import Game, Newton, Status, parameter, solve
from nashgrid.solver._certificate import own_derivatives
from nashgrid.solver._conditions import _with_jacobian, conditions_of
from nashgrid.solver._krylov import MANY, _inverse_norm, solve_once, with_inverse_norm
from nashgrid.solver._layout import layout_of
from nashgrid.solver._radius import radius_of_many
from tests.judged import evidence

N = MANY + 5


def _matrices():
    rng = np.random.default_rng(0)
    part, eye = rng.uniform(0.2, 1.0, (N, 1)), np.eye(N)
    one, two = np.abs(rng.normal(size=(2, N, N)))
    held = np.where(np.arange(N) < 20, 0.0, 1.0)
    return {
        "alike": 0.5 * (eye + 1.0),
        "few sums": eye * rng.uniform(1.0, 1.5, (N, 1)) + part * part.T,
        "weak": eye + 0.02 * rng.normal(size=(N, N)),
        "most at a bound": np.where(held[:, None] * held[None, :] > 0, 0.5 * (eye + 1.0), -eye),
        "random": rng.normal(size=(N, N)),
        "two groups": np.block([[one[:20, :20], np.zeros((20, N - 20))], [np.zeros((N - 20, 20)), -two[20:, 20:]]]),
        "rotation": np.roll(eye, 1, axis=0),
        "a column but no row": one * np.where(np.arange(N) == 3, 0.0, 1.0)[:, None],
        "no rows": np.zeros((N, N)),
        "nilpotent": np.triu(np.ones((N, N)), 1),
    }


@pytest.fixture(scope="module")
def linear():
    """All of it, compiled once."""

    def every(matrix):
        rhs = jnp.linspace(1.0, 2.0, N)
        x, norm = with_inverse_norm(matrix, rhs)
        return x, solve_once(matrix, rhs), norm, _inverse_norm(matrix)[1], radius_of_many(matrix)

    return jax.jit(every)


@pytest.mark.parametrize(("name", "matrix"), _matrices().items(), ids=_matrices())
def test_systems_and_norms_are_those_of_numpy(linear, name, matrix):
    x, again, norm, by_products, radius = (np.asarray(part) for part in linear(jnp.asarray(matrix)))
    exact = np.abs(np.linalg.eigvals(matrix)).max() if name != "nilpotent" else 0.0
    assert radius == pytest.approx(exact, rel=1e-7)
    if np.linalg.matrix_rank(matrix) < N:
        assert not np.isfinite(norm)
        assert not np.isfinite(x).all() and not np.isfinite(again).all()
        return
    rhs = np.linspace(1.0, 2.0, N)
    for found in (x, again):
        assert np.abs(matrix @ found - rhs).max() <= 1e-12 * max(1.0, np.abs(found).max())
    known = np.abs(np.linalg.inv(matrix)).sum(axis=1).max()
    assert norm == pytest.approx(known, rel=0.4 if by_products else 1e-9)
    assert norm <= known * (1 + 1e-9)
    assert bool(by_products) == (name in ("alike", "few sums", "weak", "most at a bound"))


class Roots(Game):
    """Payoffs with infinite slopes at zero and, with `looped`, a program that can only be gone through forwards."""

    weight: Float[Array, " firm"] = parameter(tuple(np.linspace(0.5, 1.5, N)))
    looped: bool = False
    firms = tuple(map(str, range(N)))

    def bounds(self):
        return {"x": (0.0, 5.0)}

    def payoff(self, s):
        total = s["x"].sum()
        if self.looped:
            total = jax.lax.while_loop(lambda c: c[1] < 1, lambda c: (c[0], c[1] + 1), (total, total * 0.0))[0]
        return self.weight * jnp.sqrt(s["x"]) - s["x"] * (0.1 + 0.01 * total)


@pytest.mark.parametrize("looped", [False, True])
def test_rows_are_columns_also_where_a_rival_has_an_infinite_slope(looped):
    game = Roots(looped=looped)
    layout = layout_of(game)
    conditions = conditions_of(game, layout, jnp.dtype(float))

    @jax.jit
    def every(z):
        point = conditions.at(z)
        return point, own_derivatives(game, layout, z), _with_jacobian(conditions, z)

    z = np.linspace(0.5, 4.5, N)
    for at in (z, np.where(np.arange(N) == 7, 0.0, z)):
        point, (payoff, gradient, jacobian), (known, _, table) = every(jnp.asarray(at))
        others = np.arange(N) != 7
        assert np.isfinite(table[others]).all()
        for found in (point.jacobian, jacobian):
            np.testing.assert_allclose(found[others], table[others], rtol=1e-12, atol=1e-15)
        for found in (point.gradient, gradient):
            np.testing.assert_allclose(found, known, rtol=1e-12)
        np.testing.assert_allclose(payoff, game.payoff({"x": jnp.asarray(at)}), rtol=1e-14)


def test_idle_firms_are_exactly_idle_and_the_evidence_is_that_of_those_that_produce():
    active = 15
    cost = np.r_[np.linspace(1.0, 1.3, active), np.linspace(5.0, 6.0, N - active)]
    result = solve(LinearCournot(cost=cost), Newton())
    quantity = (10.0 + cost[:active].sum()) / (active + 1) - cost[:active]
    np.testing.assert_allclose(result.strategy["quantity"][:active], quantity, rtol=1e-12)
    np.testing.assert_array_equal(result.strategy["quantity"][active:], 0.0)
    found = evidence(result)
    assert int(result.status) == Status.successful
    assert float(found.stability) == pytest.approx((active - 1) / 2, rel=1e-9)
    # (1 + 14/2) 2 (15/16 + 14/16): the inverse of I/2 + 1/2.
    assert float(found.conditioning) == pytest.approx(29.0, rel=1e-9)


def test_second_derivatives_go_through_columns():
    game = IsoelasticCournot(cost=np.linspace(0.5, 1.5, N))
    conditions = conditions_of(game, layout_of(game), jnp.dtype(float))
    z = jnp.linspace(0.1, 0.4, N)
    slope = jax.jit(jax.grad(lambda z: jnp.sum(conditions.at(z).gradient)))(z)
    jacobian = jax.jit(lambda z: conditions.at(z).jacobian)(z)
    np.testing.assert_allclose(slope, jnp.sum(jacobian, axis=0), rtol=1e-11)
