"""Finite games as tables: all equilibria against brute force, quantal responses against the definition."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.solver import (
    GameError,
    HighestOutcome,
    PayoffTable,
    Status,
    StatusQuo,
    mixed_equilibria,
    pure_equilibria,
    quantal_response,
)


def two_by_two(c1, o1, c2, o2):
    """Gains from the second choice while the other makes its first (c) and its second (o); 0 from the first."""
    u = np.zeros((2, 2, 2))
    u[1, 0, 0], u[1, 1, 0], u[0, 1, 1], u[1, 1, 1] = c1, o1, c2, o2
    return u


COORDINATION = two_by_two(-1.0, 2.0, -2.0, 1.0)


def brute_force(u, certified=None):
    """(equilibria, undecided), profile by profile."""
    sizes, n = u.shape[:-1], u.shape[-1]
    ok = np.ones(sizes, bool) if certified is None else certified
    found, open_ = np.zeros(sizes, bool), np.zeros(sizes, bool)
    for d in itertools.product(*map(range, sizes)):
        others = [(i, (*d[:i], a, *d[i + 1 :])) for i in range(n) for a in range(sizes[i]) if a != d[i]]
        refuted = ok[d] and any(ok[e] and u[e][i] > u[d][i] for i, e in others)
        found[d] = ok[d] and all(ok[e] for _, e in others) and not refuted
        open_[d] = not found[d] and not refuted
    return found, open_


@pytest.mark.parametrize(("k", "n"), [(2, 2), (3, 2), (2, 4), (3, 3)])
def test_pure_equilibria_are_those_of_brute_force(k, n):
    rng = np.random.default_rng(k * n)
    for _ in range(5):
        u, certified = rng.normal(size=(k,) * n + (n,)), rng.random((k,) * n) < 0.9
        pure = pure_equilibria(PayoffTable(u))
        np.testing.assert_array_equal(pure.mask, brute_force(u)[0])
        assert bool(pure.complete)
        part = pure_equilibria(PayoffTable(u, certified=certified))
        found, undecided = brute_force(u, certified)
        np.testing.assert_array_equal(part.mask, found)
        np.testing.assert_array_equal(part.undecided, undecided)
        assert not (part.mask & ~pure.mask).any() and bool(part.complete) == certified.all()


def test_margins_ties_and_lists():
    pure = pure_equilibria(PayoffTable(COORDINATION))
    np.testing.assert_array_equal(pure.margin[0, 0], [1.0, 2.0])
    np.testing.assert_array_equal(pure.margin[1, 0], [-1.0, -1.0])
    rows, found = pure.listed(3)
    np.testing.assert_array_equal(rows, [[0.0, 0.0], [1.0, 1.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(found, [True, True, False])
    assert not pure.weak.any()
    # A difference within the tolerance is a tie, in whatever unit.
    for unit in (1e-9, 1.0, 1e9):
        tied = pure_equilibria(PayoffTable(unit * (1.0 + two_by_two(0.0, 1e-12, -1.0, -1.0))))
        np.testing.assert_array_equal(tied.mask, [[True, False], [True, False]])
        np.testing.assert_array_equal(tied.weak, tied.mask)


def regret(u, p, q):
    """Largest gain of a player of a 2x2 game by a pure deviation from the probabilities p, q of the second choice."""
    x, y = np.array([1 - p, p]), np.array([1 - q, q])
    one, two = u[..., 0] @ y, x @ u[..., 1]
    return max(one.max() - x @ one, two.max() - two @ y)


GRID = np.linspace(0.0, 1.0, 13)
GAINS = [
    (-1.0, 2.0, -2.0, 1.0),
    (1.0, -2.0, 2.0, -1.0),
    (1.0, -1.0, -1.0, 1.0),
    (1.0, 1.0, -1.0, 3.0),
    (0.0, 1.0, -1.0, 2.0),
    (-1.0, 0.0, 0.0, -1.0),
    (0.0, 0.0, 1.0, -1.0),
    (0.0, 0.0, 0.0, 0.0),
    (0.0, -1.0, 0.0, -1.0),
    (0.0, 2.0, 0.0, 0.0),
    (-1.0, 1.0, 0.0, 0.0),
]


@pytest.mark.parametrize("gains", GAINS, ids=str)
def test_the_boxes_and_the_pure_profiles_are_all_equilibria(gains):
    u = two_by_two(*gains)
    pure, mixed = np.asarray(pure_equilibria(PayoffTable(u)).mask), mixed_equilibria(PayoffTable(u))
    boxes = [box for box in np.asarray(mixed.boxes) if not np.isnan(box).any()]
    grid = np.union1d(GRID, [abs(c / (c - o)) for c, o in (gains[:2], gains[2:]) if c * o < 0])
    long = False
    for p, q in itertools.product(grid, grid):
        inside = any((lo1 - 1e-12 <= p <= hi1 + 1e-12 and lo2 - 1e-12 <= q <= hi2 + 1e-12)
                     for (lo1, hi1), (lo2, hi2) in boxes)  # fmt: skip
        corner = p in (0.0, 1.0) and q in (0.0, 1.0) and pure[int(p), int(q)]
        assert (inside or corner) == (regret(u, p, q) < 1e-12), (p, q)
        long |= inside and regret(u, p, q) < 1e-12
    assert bool(mixed.degenerate) == (0.0 in gains)
    assert bool(mixed.continuum) == any((box[:, 1] > box[:, 0]).any() for box in boxes)
    p, q = np.asarray(mixed.propensity)
    assert bool(mixed.exists) == (not np.isnan(p))
    if mixed.exists:
        assert 0 < p < 1 and 0 < q < 1 and regret(u, p, q) < 1e-12
        assert float(mixed.residual) < 1e-12 and int(mixed.status) == Status.successful


def test_no_continuum_in_general_position():
    rng = np.random.default_rng(1)
    for _ in range(20):
        mixed = mixed_equilibria(PayoffTable(rng.normal(size=(2, 2, 2))))
        assert not mixed.continuum and not mixed.degenerate


def expected_payoffs(u, probability):
    """Of every choice of every player, by summing over profiles."""
    (n, k), values = probability.shape, np.zeros(probability.shape)
    for d in itertools.product(range(k), repeat=n):
        for i in range(n):
            others = np.prod([probability[j, d[j]] for j in range(n) if j != i])
            values[i, d[i]] += others * u[d][i]
    return values


@pytest.fixture(scope="module")
def respond():
    return jax.jit(lambda u, precision: quantal_response(PayoffTable(u), precision=precision))


@pytest.mark.parametrize(("k", "n"), [(2, 3), (3, 2)])
def test_quantal_responses_are_logits_of_expected_payoffs(k, n, respond):
    rng = np.random.default_rng(n)
    for precision in (0.0, 0.5, 3.0, 20.0):
        u = rng.normal(size=(k,) * n + (n,))
        eq = respond(jnp.asarray(u), jnp.asarray(precision))
        assert int(eq.status) == Status.successful
        p = np.asarray(eq.probability)
        values = expected_payoffs(u, p)
        weight = np.exp(precision * (values - values.max(axis=1, keepdims=True)))
        np.testing.assert_allclose(p, weight / weight.sum(axis=1, keepdims=True), rtol=1e-10)
        np.testing.assert_allclose(eq.payoff, (p * values).sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(eq.gain, values.max(axis=1) - (p * values).sum(axis=1), atol=1e-12)


def test_the_limit_of_the_principal_branch_is_a_nash_equilibrium(respond):
    rng = np.random.default_rng(5)
    pure_limits = 0
    for _ in range(12):
        u = rng.normal(size=(2, 2, 2, 3))
        eq = respond(jnp.asarray(u), jnp.asarray(1e5))
        assert int(eq.status) == Status.successful
        assert float(np.max(eq.gain)) < 1e-4
        likely = np.asarray(eq.probability).max(axis=1)
        if (likely > 1 - 1e-9).all():
            pure_limits += 1
            assert brute_force(u)[0][tuple(np.asarray(eq.probability).argmax(axis=1))]
    assert pure_limits > 6


@pytest.mark.parametrize(
    ("gains", "limit"),
    [
        ((-1.0, 2.0, -1.0, 2.0), (1.0, 1.0)),  # the risk-dominant one of two
        ((-2.0, 1.0, -2.0, 1.0), (0.0, 0.0)),
        ((1.0, -2.0, 1.0, -2.0), (1 / 3, 1 / 3)),  # by symmetry
        ((1.1, -2.0, 1.0, -2.0), (1.0, 0.0)),
        ((1.0, -1.0, -1.0, 3.0), (1 / 4, 1 / 2)),  # no pure one
    ],
)
def test_limits_that_are_known(gains, limit, respond):
    u = jnp.asarray(two_by_two(*gains))
    np.testing.assert_allclose(respond(u, jnp.asarray(1e6)).propensity, limit, atol=2e-6)


def test_quantal_responses_have_exact_derivatives(respond):
    rng = np.random.default_rng(2)
    u, tangent = (jnp.asarray(rng.normal(size=(2, 2, 2, 3))) for _ in range(2))

    def propensity(u, precision):
        return respond(u, precision).propensity

    by_u, by_precision = jax.jit(jax.jacrev(propensity, argnums=(0, 1)))(u, jnp.asarray(2.0))
    h = 1e-5
    up = propensity(u + h * tangent, jnp.asarray(2.0 + 0.3 * h))
    down = propensity(u - h * tangent, jnp.asarray(2.0 - 0.3 * h))
    moved = jnp.tensordot(by_u, tangent, 4) + 0.3 * by_precision
    np.testing.assert_allclose(moved, (up - down) / (2 * h), rtol=1e-7)


def test_a_batch_of_tables():
    rng = np.random.default_rng(3)
    u = jnp.asarray(rng.normal(size=(4, 2, 2, 2)))

    @jax.jit
    @jax.vmap
    def every(u):
        table = PayoffTable(u)
        pure = pure_equilibria(table)
        return pure.mask, pure.count, mixed_equilibria(table).propensity, quantal_response(table, precision=2.0).status

    mask, count, propensity, status = every(u)
    for i in range(4):
        np.testing.assert_array_equal(mask[i], brute_force(np.asarray(u[i]))[0])
        assert int(count[i]) == int(mask[i].sum())
        np.testing.assert_array_equal(propensity[i], mixed_equilibria(PayoffTable(u[i])).propensity)
    assert (np.asarray(status) == Status.successful).all()


def picked(rule, u):
    table = PayoffTable(u)
    at = eqx.filter_jit(lambda table: rule.pick(table, pure_equilibria(table)))(table)
    return np.unravel_index(int(at), u.shape[:-1])


def test_best_responses_reach_the_equilibrium_of_the_start():
    assert picked(StatusQuo(), COORDINATION) == (0, 0)
    assert picked(StatusQuo(1.0), COORDINATION) == (1, 1)
    # From (0, 1) player 1 moves first, and follows player 2.
    assert picked(StatusQuo((0.0, 1.0)), COORDINATION) == (1, 1)
    assert picked(StatusQuo((1.0, 0.0)), COORDINATION) == (0, 0)


def test_where_best_responses_go_round_the_nearest_equilibrium_is_taken():
    # Matching pennies in the first two choices, and a strict equilibrium at (2, 2) which no best response leads to.
    u = np.full((3, 3, 2), -5.0)
    u[:2, :2, 0], u[:2, :2, 1] = [[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]
    u[2, 2] = 0.0
    assert picked(StatusQuo(), u) == (2, 2)
    # Without any equilibrium: the smallest regret.
    pennies = two_by_two(1.0, -1.0, -1.0, 3.0)
    at = picked(StatusQuo(), pennies)
    margin = np.asarray(pure_equilibria(PayoffTable(pennies)).margin)
    scale = np.asarray(pure_equilibria(PayoffTable(pennies)).scale)
    worst = (np.maximum(-margin, 0) / np.where(scale > 0, scale, 1)).max(axis=-1)
    assert worst[at] == worst.min() > 0


def test_single_precision_and_other_choices():
    table = PayoffTable(jnp.asarray(COORDINATION, jnp.float32), ("A", "B"), choices=(2.0, 5.0))
    assert table.choices.dtype == jnp.float32
    for leaf in jax.tree.leaves(
        (pure_equilibria(table), mixed_equilibria(table), quantal_response(table, precision=1))
    ):
        assert not jnp.issubdtype(leaf.dtype, jnp.floating) or leaf.dtype == jnp.float32
    eq = quantal_response(table, precision=1e3)
    assert int(eq.status) == Status.successful
    np.testing.assert_array_equal(pure_equilibria(table).listed(1)[0], [[2.0, 2.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PayoffTable(np.zeros((2, 2, 3))), r"shape \(2, 2, 3\)"),
        (lambda: PayoffTable(np.zeros((2, 3, 2))), "the same length"),
        (lambda: PayoffTable(COORDINATION, ("A",)), "give 2 names"),
        (lambda: PayoffTable(COORDINATION, choices=(1.0, 2.0, 3.0)), r"choices of shape \(2,\)"),
        (lambda: mixed_equilibria(PayoffTable(np.zeros((3, 3, 2)))), "quantal_response is for any number"),
        (lambda: quantal_response(PayoffTable(COORDINATION), precision=-1.0), "at least 0"),
        (lambda: quantal_response(PayoffTable(COORDINATION), precision=np.inf), "finite"),
        (lambda: quantal_response(PayoffTable(COORDINATION), precision=np.ones(2)), "jax.vmap"),
        (lambda: StatusQuo(0.5).begin(PayoffTable(COORDINATION).choices, 2), "not one of the choices"),
        (lambda: picked(StatusQuo((0.0,)), COORDINATION), "1 choices for 2 players"),
        (lambda: picked(HighestOutcome("welfare"), COORDINATION), "no subgame"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(GameError, match=message):
        call()
