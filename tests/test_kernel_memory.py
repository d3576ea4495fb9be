"""Kernels of games with many firms: elimination and products as loops over memory, and programs made shorter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nashgrid.games import IsoelasticCournot, LinearCournot, linear_cournot_equilibrium
from nashgrid.solver import BestResponse, Newton, Status, _devices, _kernel_read, sweep
from nashgrid.solver._each import in_blocks
from nashgrid.solver._kernel import Kernel
from nashgrid.solver._linear import solve

MOST = 100_000


def made(function, rows, points=float("inf")):
    return Kernel(function, (), jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype), MOST, points)


def systems(n, m, dtype=np.float64):
    """Matrices whose pivots are somewhere else in each, and right-hand sides."""
    rng = np.random.default_rng(n + 100 * m)
    return rng.normal(size=(21, n, n)).astype(dtype), rng.normal(size=(21, n, m)).astype(dtype)


def rows_of(matrix, rhs):
    return np.concatenate([matrix.reshape(len(matrix), -1), rhs.reshape(len(rhs), -1)], axis=1)


def solution(n, m):
    return lambda _, x: solve(x[: n * n].reshape(n, n), x[n * n :].reshape(n, m))


@pytest.mark.parametrize(("n", "m"), [(7, 1), (8, 3), (9, 9), (20, 21)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_systems_are_eliminated_in_memory(n, m, dtype):
    matrix, rhs = systems(n, m, dtype)
    rows = rows_of(matrix, rhs)
    kernel = made(solution(n, m), rows)
    assert kernel.lines < 12 * n * (n + m)
    wanted = np.linalg.solve(matrix, rhs)
    error = np.max(np.abs(kernel.run((), rows) - wanted), axis=(1, 2))
    limit = np.linalg.cond(matrix) * np.max(np.abs(wanted), axis=(1, 2))
    assert np.all(error <= 8 * np.finfo(dtype).eps * limit)


def test_zero_pivots_are_exchanged_and_singular_systems_are_not_finite():
    n = 8
    matrix, rhs = systems(n, 1)
    matrix[::3] = np.eye(n)[np.roll(np.arange(n), 3)]
    matrix[1::3] = 0.0
    rows = rows_of(matrix, rhs)
    found = made(solution(n, 1), rows).run((), rows)
    np.testing.assert_array_equal(found[::3], np.roll(rhs[::3], -3, axis=1))
    assert not np.isfinite(found[1::3]).any()
    np.testing.assert_allclose(found[2::3], np.linalg.solve(matrix[2::3], rhs[2::3]), rtol=1e-9)


def test_derivatives_of_solutions_are_those_of_vmap():
    n = 7
    rows = rows_of(*systems(n, 1))

    def forwards(_, x):
        return jax.jvp(lambda x: solution(n, 1)((), x), (x,), (jnp.cos(x),))[1]

    def backwards(_, x):
        return jax.grad(lambda x: jnp.sum(solution(n, 1)((), x) ** 2))(x)

    for function in (forwards, backwards):
        wanted = jax.jit(jax.vmap(lambda x, function=function: function((), x)))(rows)
        np.testing.assert_allclose(made(function, rows).run((), rows), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shapes", [((9, 11), (11, 7)), ((3, 40), (40, 5)), ((30,), (30, 20)), ((23, 23), (23,))])
def test_long_products_are_a_loop(shapes):
    sizes = [int(np.prod(shape)) for shape in shapes]
    rows = np.random.default_rng(0).normal(size=(11, sum(sizes)))

    def function(_, x):
        a, b = x[: sizes[0]].reshape(shapes[0]), x[sizes[0] :].reshape(shapes[1])
        return a @ b

    found = made(function, rows).run((), rows)
    wanted = np.stack([function((), row) for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_memory_is_used_again_only_for_what_nobody_reads_any_more():
    n = 16

    def function(_, x):
        """Loops within a loop and after it, with rows of the same lengths."""

        def inner(total, row):
            total = 0.5 * jnp.sin(total) + row
            return total, jnp.sum(total) * row

        def outer(carry, row):
            end, rows = lax.scan(inner, carry + row, x[::-1] * row + jnp.cos(x))
            again, more = lax.scan(inner, end, rows + row)
            return again, jnp.sum(rows * more) + jnp.sum(x * lax.scan(inner, again, more)[1])

        end, many = lax.scan(outer, x, x * x)
        last, rows = lax.scan(inner, end, many)
        return last, rows, many

    rows = np.random.default_rng(1).uniform(0.1, 0.9, (19, n))
    wanted = jax.jit(jax.vmap(lambda x: function((), x)))(rows)
    for found, known in zip(made(function, rows).run((), rows), wanted, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-10)


def test_a_longer_program_takes_the_place_of_a_short_one_where_many_points_are_expected(monkeypatch):
    monkeypatch.setattr(_kernel_read, "_WORTH", 0)
    rows = np.random.default_rng(2).uniform(0.5, 2.0, (9, 3))

    def function(_, x):
        return in_blocks(lambda k: jnp.sum(jnp.sqrt(k * x[0] + jnp.arange(60.0)) * x[1]), jnp.arange(30.0), 1)

    kernel = made(function, rows, points=10)
    short, lines = kernel.run((), rows), kernel.lines
    kernel.expect(10)
    assert kernel.lines == lines
    kernel.expect(10**9)
    assert kernel.lines > lines
    np.testing.assert_allclose(kernel.run((), rows), short, rtol=1e-12)
    codes = len(kernel._codes)
    kernel.expect(10**9)
    assert len(kernel._codes) == codes


def swept(game, axes, **options):
    return sweep(game, axes, progress=False, **options)


def test_twenty_firms_have_a_kernel_and_are_the_same_without(monkeypatch):
    game = IsoelasticCournot(cost=np.linspace(0.5, 1.0, 20))
    axes = {"elasticity": np.linspace(1.3, 2.5, 5), "cost[3]": [0.6, 0.9]}
    options = {"method": Newton(), "certify": False}
    with_kernel = swept(game, axes, **options)
    monkeypatch.setattr(_devices, "available", lambda: False)
    plain = swept(game, axes, **options)
    assert (with_kernel.attrs["program"], plain.attrs["program"]) == ("kernel", "vmap")
    np.testing.assert_array_equal(with_kernel["status"], plain["status"])
    assert (plain["status"] == Status.first_order).all()
    for name in ("quantity", "payoff", "price"):
        np.testing.assert_allclose(with_kernel[name], plain[name], rtol=1e-12)


def test_twenty_certified_firms_have_a_kernel_and_are_those_of_the_closed_form():
    cost = np.linspace(1.0, 1.2, 20)
    axes = {"intercept": np.linspace(8.0, 12.0, 5), "cost[3]": [1.0, 1.3]}
    data = swept(LinearCournot(cost=cost), axes, method=BestResponse())
    assert data.attrs["program"] == "kernel"
    assert (data["status"] == Status.successful).all()
    for i, intercept in enumerate(axes["intercept"]):
        for j, third in enumerate(axes["cost[3]"]):
            wanted = linear_cournot_equilibrium(intercept, jnp.float64(1.0), jnp.asarray([*cost[:3], third, *cost[4:]]))
            np.testing.assert_allclose(data["quantity"][i, j], wanted, rtol=1e-9)
