"""Aggregative games: what comes out is what the same game gives with a matrix of all firms, and what can be proved."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy.optimize import brentq

from nashgrid.games import (
    ManyFirmContest,
    ManyFirmCournot,
    ManyFirmLogit,
    many_firm_contest_equilibrium,
    many_firm_cournot_equilibrium,
)
from nashgrid.solver import (
    AggregativeGame,
    BestResponse,
    Constraint,
    GameError,
    GlobalSearch,
    Leader,
    Newton,
    Status,
    equilibria,
    parameter,
    solve,
    sweep,
)
from nashgrid.solver._ascent import ascend
from nashgrid.solver._equilibrium import nash
from nashgrid.solver._low_rank import LowRank, inverse, response_radius

SHARP = 1e-12


class Polluters(AggregativeGame):
    """Cournot competition that is taxed in proportion to all emissions: two totals."""

    cost: Float[Array, " firm"] = parameter((1.0, 2.0, 3.0, 5.0))
    dirt: Float[Array, " firm"] = parameter((1.0, 0.2, 0.5, 0.0))
    firms = ("A", "B", "C", "D")

    def bounds(self):
        return {"q": (0.0, 10.0)}

    def contribution(self, x):
        return {"supply": x, "emissions": self.dirt * x}

    def own_payoff(self, x, total):
        return (10.0 - total["supply"] - self.cost - 0.3 * total["emissions"] * self.dirt) * x


class TwoHills(AggregativeGame):
    """Each firm's payoff has a hill near -1 and a higher one near 1; all first-order conditions hold at both."""

    tilt: Float[Array, " firm"] = parameter((0.3, 0.4, 0.5))

    @property
    def firms(self):
        return range(self.tilt.shape[-1])

    def bounds(self):
        return {"x": (-2.0, 2.0)}

    def contribution(self, x):
        return {"total": x}

    def own_payoff(self, x, total):
        return self.tilt * x - jnp.square(jnp.square(x) - 1.0) - 0.02 * x * total["total"]


class Scale(ManyFirmCournot):
    """One firm's cost falls so fast that its marginal profit at a given total is the same at every quantity."""

    cost: Float[Array, " firm"] = parameter((1.0, 2.0, 3.0, 9.0))
    returns: Float[Array, " firm"] = parameter((1.0, 0.0, 0.5, 0.0))

    def own_payoff(self, x, total):
        return (10.0 - total["total"] - self.cost) * x + 0.5 * self.returns * jnp.square(x)


def _uniform(n, seed=0, low=1.0, high=5.0):
    return jnp.asarray(np.random.default_rng(seed).uniform(low, high, n))


@eqx.filter_jit
def _dense(game, certify=True):
    """The same game by the methods for all games."""
    return nash(game, BestResponse(), tol=SHARP, max_steps=256, search=GlobalSearch() if certify else None)


CASES = {
    "logit": ManyFirmLogit(quality=(1.0, 2.0, 0.5, 3.0), cost=(0.0, 1.0, 0.5, 0.2)),
    "polluters": Polluters(),
    "scale": Scale(),
}


@pytest.mark.parametrize("name", CASES)
def test_everything_is_as_with_a_matrix_of_all_firms(name):
    game = CASES[name]
    one, other = solve(game, tol=SHARP), _dense(game)
    assert one.certificate is not None and other.certificate is not None
    assert int(other.status) == Status.successful
    close = functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-11)
    for part in ("strategy", "payoff", "outcomes"):
        jax.tree.map(close, getattr(one, part), getattr(other, part))
    for part in ("gain", "deviation", "concavity", "margin", "payoff_scale"):
        jax.tree.map(close, getattr(one.certificate, part), getattr(other.certificate, part))
    close(one.certificate.stability, other.certificate.stability, rtol=1e-7)
    assert float(one.certificate.residual) <= SHARP
    bound = float(one.certificate.conditioning / other.certificate.conditioning)
    assert 1.0 - 1e-9 < bound < (2.0 if name == "polluters" else 1.0 + 1e-9)


def test_closed_forms_of_very_many_firms():
    n = 10_000
    cost = _uniform(n)
    for game, name, exact in (
        (ManyFirmCournot(cost=cost), "quantity", many_firm_cournot_equilibrium(jnp.array(10.0), jnp.array(1.0), cost)),
        (ManyFirmContest(cost=cost), "effort", many_firm_contest_equilibrium(jnp.array(1.0), cost)),
    ):
        answer = solve(game)
        assert 10 < int(answer.outcomes["active"]) < n / 10
        # Relative to the largest firm, as a residual is.
        error = np.abs(answer.strategy[name] - exact).max() / exact.max()
        assert error < 1e-9
        np.testing.assert_array_equal(answer.strategy[name] == 0, exact == 0)


def test_a_firm_is_known_as_well_as_the_total_that_it_is_a_part_of():
    n = 40_000
    answer = solve(ManyFirmCournot(cost=jnp.ones(n)))
    assert answer.tol == 16 * n * np.finfo(float).eps
    np.testing.assert_allclose(answer.strategy["quantity"], 9.0 / (n + 1), rtol=answer.tol)
    assert answer.certificate is not None
    assert float(answer.certificate.stability) == pytest.approx((n - 1) / 2, rel=1e-6)


def test_symmetric_logit_prices():
    n = 3000
    answer = solve(ManyFirmLogit(quality=jnp.full(n, -4.0), cost=jnp.ones(n)))

    def excess(markup):
        attraction = np.exp(-5.0 - markup)
        return markup * (1.0 - attraction / (1.0 + n * attraction)) - 1.0

    markup: Any = brentq(excess, 1.0, 2.0, xtol=1e-14)
    np.testing.assert_allclose(answer.strategy["price"], 1.0 + markup, rtol=1e-12)


def test_derivatives_are_those_of_the_closed_form():
    cost, weight = jnp.asarray([1.0, 2.0, 3.0, 9.0]), jnp.asarray([1.0, -2.0, 0.5, 4.0])

    def found(cost, intercept):
        answer = solve(ManyFirmCournot(intercept, cost=cost), certify=False)
        return jnp.sum(weight * jnp.square(answer.strategy["quantity"]))

    def exact(cost, intercept):
        return jnp.sum(weight * jnp.square(many_firm_cournot_equilibrium(intercept, jnp.ones(()), cost)))

    at = (cost, jnp.asarray(10.0))
    for rule in (jax.grad, jax.hessian):
        for one, other in zip(*(jax.jit(rule(f, (0,)))(*at) for f in (found, exact)), strict=True):
            jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-10), one, other)


@pytest.mark.parametrize("name", ["polluters", "scale"])
def test_derivatives_are_those_with_a_matrix_of_all_firms(name):
    def slopes(find):
        return jax.jit(jax.jacfwd(lambda cost: find(eqx.tree_at(lambda g: g.cost, CASES[name], cost))))(
            CASES[name].cost
        )

    one = slopes(lambda game: solve(game, tol=SHARP, certify=False).payoff)
    np.testing.assert_allclose(one, slopes(lambda game: _dense(game, certify=False).payoff), rtol=1e-9, atol=1e-10)


def test_batches_in_single_precision():
    cost = jnp.asarray([[1.0, 2.0, 3.0], [1.0, 1.0, 8.0]], jnp.float32)
    game = ManyFirmCournot(jnp.float32(10.0), jnp.float32(1.0))
    answer = jax.jit(jax.vmap(lambda c: solve(eqx.tree_at(lambda g: g.cost, game, c))))(cost)
    assert answer.successful.all() and answer.strategy["quantity"].dtype == jnp.float32
    np.testing.assert_allclose(answer.strategy["quantity"], [[3.0, 2.0, 1.0], [3.0, 3.0, 0.0]], atol=2e-4)


def test_sweeps_keep_what_is_reported_and_firms_with_names():
    game = ManyFirmCournot(cost=_uniform(50))
    map = sweep(game, {"intercept": [6.0, 8.0]}, sensitivity=("slope",), certify=False)
    assert (map.status == Status.first_order).all() and "firm" not in map.sizes
    assert {"total", "price", "hhi", "d_price_d_slope"} <= set(map) and not {"quantity", "payoff"} & set(map)
    exact = many_firm_cournot_equilibrium(jnp.asarray(8.0), jnp.asarray(1.0), game.cost)
    np.testing.assert_allclose(map.total[1], exact.sum(), rtol=1e-9)
    named = sweep(Polluters(), {"cost[0]": [1.0, 2.0]}, certify=False)
    assert named.q.sel(firm="B").shape == (2,) and named.emissions.shape == (2,)


def test_a_leader_before_many_firms():
    game = ManyFirmCournot(cost=_uniform(300))
    answer = solve(Leader(game, choose="slope", maximize="welfare", choices=(1.0, 2.0)), certify=False)
    assert float(answer.strategy["slope"]) == 1.0


def test_first_order_points_that_are_no_equilibria_are_caught():
    left = {"x": jnp.full(3, -0.95)}
    caught = solve(TwoHills(), Newton(), start=left, throw=False)
    assert int(caught.status) == Status.deviation_found and caught.certificate is not None
    assert float(caught.certificate.residual) < 1e-10 < 0.1 < float(caught.certificate.regret)
    assert (caught.certificate.deviation["x"] > 0.9).all()
    assert (solve(TwoHills(), start=left).strategy["x"] > 0.9).all()


def test_firms_climb_their_own_hill_though_a_last_step_rounds_to_nothing():
    square = jnp.linspace(0.5, 1.5, 300)  # The derivative x (s - x^2) falls through zero at -s^(1/2) and at s^(1/2).

    def slope(x):
        return jax.jvp(lambda x: x * (square - jnp.square(x)), (x,), (jnp.ones_like(x),))

    bounds = jnp.full(300, -2.0), jnp.full(300, 2.0)
    ends = jax.jit(lambda x: ascend(slope, x, *bounds, tol=1e-12, iterations=48))(-jnp.sqrt(square) - 1e-5)
    np.testing.assert_allclose(ends, -jnp.sqrt(square), rtol=1e-12)


def test_linear_algebra_against_numpy():
    rng = np.random.default_rng(0)
    norm = jax.jit(LowRank.norm)
    for n, k, zeros in ((5, 1, 1), (2, 3, 0), (300, 2, 2)):
        d, left, right = rng.normal(size=n) - 3.0, rng.normal(size=(k, n)), rng.normal(size=(k, n))
        d[:zeros] = 0.0
        low, matrix = LowRank(*map(jnp.asarray, (d, left, right))), np.diag(d) + left.T @ right
        back, exact = jax.jit(inverse)(low), np.linalg.inv(matrix)
        written = np.diag(back.diagonal) + np.asarray(back.left).T @ np.asarray(back.right)
        np.testing.assert_allclose(written, exact, rtol=1e-8, atol=1e-10)
        assert float(norm(low)) >= np.abs(matrix).sum(axis=1).max() * (1 - 1e-12)
        if k == 1:
            assert float(norm(low)) == pytest.approx(np.abs(matrix).sum(axis=1).max(), rel=1e-12)
            assert float(norm(back)) == pytest.approx(np.abs(exact).sum(axis=1).max(), rel=1e-10)
    none = LowRank(jnp.zeros(3), jnp.ones((1, 3)), jnp.ones((1, 3)))
    assert not np.all(np.isfinite(jax.jit(lambda low, x: inverse(low).times(x))(none, jnp.arange(3.0))))


@pytest.mark.parametrize("n", [8, 200])
def test_stability_against_numpy(n):
    rng = np.random.default_rng(n)
    d, left, right = -1.0 - rng.uniform(size=n), -rng.uniform(size=(1, n)), rng.uniform(size=(1, n))
    matrix = np.diag(d) + left.T @ right
    response = np.eye(n) - matrix / np.diag(matrix)[:, None]
    exact = np.abs(np.linalg.eigvals(response)).max()
    found = jax.jit(response_radius)(LowRank(*map(jnp.asarray, (d, left, right))))
    assert float(found) == pytest.approx(exact, rel=1e-6)


def _changed(name, method):
    return type(name, (ManyFirmCournot,), {name.partition("_of")[0]: method})(cost=(1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("name", "method", "words"),
    [
        ("own_payoff", lambda self, x, total: (10.0 - jnp.sum(x) - self.cost) * x, "in x, is not elementwise"),
        ("own_payoff_of", lambda self, x, total: x - jnp.mean(total["total"]) * x, "in total.'total'., is not elem"),
        ("contribution", lambda self, x: {"total": x + x[::-1]}, "contribution...'total'. is not elementwise"),
        ("contribution_of", lambda self, x: {"total": jnp.sum(x)}, "one float64 number for each of the 3 firms"),
        ("bounds", lambda self: {"q": (0.0, 1.0), "p": (0.0, 1.0)}, "one strategy"),
        ("bounds_of", lambda self: {"q": (jnp.zeros(2), 1.0)}, r"bound of shape \(2,\)"),
        ("constraints", lambda self, s: {"cap": Constraint(jnp.sum(s["quantity"]), upper=1.0)}, "constraints"),
        ("firms", property(lambda self: range(1, 4)), r"give range\(n\)"),
        ("firms_of", property(lambda self: ("A", "A", "B")), "a name twice"),
        ("outcomes", lambda self, s: {"quantity": jnp.sum(s["quantity"])}, "taken"),
    ],
    ids=lambda part: part if isinstance(part, str) and " " not in part else "",
)
def test_what_does_not_fit_is_refused(name, method, words):
    with pytest.raises(GameError, match=words):
        solve(_changed(name, method))


def test_what_needs_a_matrix_of_all_firms_is_refused_for_very_many():
    with pytest.raises(GameError, match="Only solve and sweep"):
        equilibria(ManyFirmCournot(cost=jnp.ones(3000)))
