"""The dense linear algebra of single games, against NumPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nashgrid.solver._blocked import solve_blocked
from nashgrid.solver._linear import _looped, _written_out, largest_eigenvalue, solve, spectral_radius

# Elimination is backward stable: the residual, not the error, is small whatever the condition number.
ROUNDING = 64 * np.finfo(float).eps


def _system(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A matrix whose entries range over many magnitudes, and a right-hand side."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)) * 10.0 ** rng.integers(-3, 4, (n, n)), rng.normal(size=n)


def _backward_error(matrix, x, rhs) -> float:
    size = np.abs(matrix).max() * np.abs(x).sum() + np.abs(rhs).max()
    return float(np.abs(matrix @ x - rhs).max() / size)


@pytest.mark.parametrize("n", range(1, 13))
def test_every_size_is_solved(n):
    systems = [_system(n, seed) for seed in range(20)]
    matrices, rhs = (np.stack(part) for part in zip(*systems, strict=True))
    for eliminated in (solve, _looped):
        x = np.asarray(jax.jit(jax.vmap(lambda a, b, f=eliminated: f(a, b[:, None])[:, 0]))(matrices, rhs))
        for k in range(len(systems)):
            assert _backward_error(matrices[k], x[k], rhs[k]) < ROUNDING


@pytest.mark.parametrize("n", [1, 5, 8, 25, 32, 61])
def test_every_size_is_solved_by_blocks(n):
    systems = [_system(n, seed) for seed in range(8)]
    matrices, rhs = (np.stack(part) for part in zip(*systems, strict=True))
    x = np.asarray(jax.jit(jax.vmap(lambda a, b: solve_blocked(a, b[:, None])[:, 0]))(matrices, rhs))
    for k in range(len(systems)):
        assert _backward_error(matrices[k], x[k], rhs[k]) < ROUNDING


@pytest.mark.parametrize("n", range(1, 7))
def test_written_out_and_looped_elimination_agree(n):
    rng = np.random.default_rng(n)
    matrix, rhs = rng.normal(size=(n, n)) + n * np.eye(n), rng.normal(size=(n, 3))
    np.testing.assert_allclose(_written_out(matrix, rhs), np.linalg.solve(matrix, rhs), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(_looped(matrix, rhs), np.linalg.solve(matrix, rhs), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 9, 27])
def test_zero_and_tiny_pivots_are_exchanged(n):
    # A cyclic permutation has a zero pivot in every column; without an exchange the tiny one loses all digits.
    cyclic = np.roll(np.eye(n), 1, axis=0)
    rhs = np.arange(1.0, n + 1)
    np.testing.assert_array_equal(solve(jnp.asarray(cyclic), jnp.asarray(rhs)), np.roll(rhs, -1))
    tiny = np.ones((n, n)) + np.diag(np.r_[-1 + 1e-18, np.arange(1.0, n)])
    np.testing.assert_allclose(solve(jnp.asarray(tiny), jnp.asarray(rhs)), np.linalg.solve(tiny, rhs), rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 6, 7, 26])
def test_singular_systems_are_not_finite(n):
    matrix = np.ones((n, n)) if n > 1 else np.zeros((1, 1))
    assert not np.all(np.isfinite(solve(jnp.asarray(matrix), jnp.arange(1.0, n + 1))))


@pytest.mark.parametrize("n", [1, 3, 6, 8, 26])
def test_derivatives_and_transposes(n):
    rng = np.random.default_rng(n)
    matrix, rhs = jnp.asarray(rng.normal(size=(n, n)) + 2 * n * np.eye(n)), jnp.asarray(rng.normal(size=n))
    d_matrix, d_rhs, weight = (jnp.asarray(rng.normal(size=shape)) for shape in ((n, n), (n,), (n,)))
    x, d_x = jax.jit(lambda *moves: jax.jvp(solve, (matrix, rhs), moves))(d_matrix, d_rhs)
    np.testing.assert_allclose(d_x, np.linalg.solve(matrix, d_rhs - d_matrix @ x), rtol=1e-12, atol=1e-14)
    by_matrix, by_rhs = jax.jit(lambda w: jax.vjp(solve, matrix, rhs)[1](w))(weight)
    adjoint = np.linalg.solve(matrix.T, weight)
    np.testing.assert_allclose(by_rhs, adjoint, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(by_matrix, -np.outer(adjoint, x), rtol=1e-12, atol=1e-14)
    (transposed,) = jax.jit(jax.linear_transpose(lambda b: solve(matrix, b), rhs))(weight)
    np.testing.assert_allclose(transposed, adjoint, rtol=1e-12, atol=1e-14)


def test_several_right_hand_sides_keep_their_shape():
    matrix = jnp.diag(jnp.asarray([1.0, 2.0, 4.0]))
    assert solve(matrix, jnp.ones((3, 5))).shape == (3, 5)
    np.testing.assert_array_equal(solve(matrix, jnp.ones(3)), [1.0, 0.5, 0.25])


@pytest.mark.parametrize("n", [7, 26])
def test_single_precision_stays_single(n):
    matrix, rhs = _system(n, 0)
    x = solve(jnp.asarray(matrix, jnp.float32), jnp.asarray(rhs, jnp.float32))
    assert x.dtype == jnp.float32
    assert _backward_error(matrix, np.asarray(x, float), rhs) < 64 * np.finfo(np.float32).eps


_radius = jax.jit(spectral_radius)
_largest = jax.jit(largest_eigenvalue)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 8), seed=st.integers(0, 2**32 - 1), magnitude=st.integers(-12, 12))
def test_spectral_radius_of_random_matrices(n, seed, magnitude):
    matrix = np.random.default_rng(seed).normal(size=(n, n)) * 10.0**magnitude
    # The limit is cut at the power 2^30: log(condition of the eigenvectors)/2^30 and rounding remain.
    assert float(_radius(matrix)) == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max(), rel=1e-7)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 8), seed=st.integers(0, 2**32 - 1), rank=st.integers(0, 8), shift=st.floats(-3, 3))
def test_largest_eigenvalue_of_random_symmetric_matrices(n, seed, rank, shift):
    part = np.random.default_rng(seed).normal(size=(n, rank))
    matrix = shift * np.eye(n) - part @ part.T / n
    size = np.abs(matrix).sum(axis=1).max()
    assert abs(float(_largest(matrix)) - np.linalg.eigvalsh(matrix)[-1]) <= 1e-8 * size + np.finfo(float).tiny


@pytest.mark.parametrize("seed", range(3))
def test_spectral_radius_of_a_large_matrix(seed):
    matrix = np.random.default_rng(seed).normal(size=(30, 30))
    assert float(_radius(matrix)) == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max(), rel=1e-7)


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        ([[0.0, 1.0], [0.0, 0.0]], 0.0),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
        ([[0.0, -1.0], [1.0, 0.0]], 1.0),
        ([[0.0, 1e9], [4e-9, 0.0]], 2.0),
        ([[0.5, 1e8], [0.0, 0.5]], 0.5),
        ([[-3.0]], 3.0),
        ([[1e-200, 0.0], [0.0, 1e-201]], 1e-200),
        ([[0.0, -1.0, -1.0], [-1.0, 0.0, -1.0], [-1.0, -1.0, 0.0]], 2.0),
    ],
    ids=["nilpotent", "zero", "rotation", "unbalanced", "defective", "number", "tiny", "theocharis"],
)
def test_spectral_radius_of_special_matrices(matrix, radius):
    assert float(spectral_radius(jnp.asarray(matrix))) == pytest.approx(radius, rel=1e-6)


@pytest.mark.parametrize("rows", [40, 41])
def test_spectral_radius_where_powers_grow_as_a_high_power_of_the_exponent(rows):
    """Plans that answer those of the period before: 0.3 at every date, and nothing else."""
    plan = np.diag(np.full(rows, 0.3)) + np.diag(np.ones(rows - 1), -1)
    assert 0.3 * (1 - 1e-9) < float(_radius(jnp.asarray(plan))) < 0.301


@pytest.mark.parametrize("n", [1, 3, 4, 7])
def test_derivatives_of_the_spectral_radius(n):
    rng = np.random.default_rng(n)
    left, right, way = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n), rng.normal(size=(n, n))
    for matrix in (np.outer(left, right), rng.uniform(0.1, 1.0, (n, n))):
        values, vectors = np.linalg.eig(matrix)
        top = np.argmax(np.abs(values))
        expected = (np.linalg.inv(vectors)[top] @ way @ vectors[:, top]).real
        jvp = jax.jvp(spectral_radius, (jnp.asarray(matrix),), (jnp.asarray(way),))[1]
        np.testing.assert_allclose(jvp, expected, rtol=1e-6)
        np.testing.assert_allclose(jnp.sum(jax.grad(spectral_radius)(jnp.asarray(matrix)) * way), expected, rtol=1e-6)


def test_a_radius_that_is_not_known_is_no_number():
    assert np.isnan(spectral_radius(jnp.full((3, 3), jnp.nan)))


def test_spectral_radius_in_single_precision():
    for seed in range(5):
        matrix = np.random.default_rng(seed).normal(size=(5, 5)).astype(np.float32)
        # Squarings double the rounding of the logarithm's earlier terms at worst: a few times log(radius) eps.
        assert float(_radius(matrix)) == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max(), rel=2e-5)
