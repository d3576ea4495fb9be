"""Every method finds the known equilibria, whatever the precision and the units."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from nashgrid.games import IsoelasticCournot, LinearCournot, ResearchSpillovers
from nashgrid.solver import (
    BestResponse,
    Equilibrium,
    Game,
    GameError,
    GradientPlay,
    Method,
    Newton,
    NotSolvedError,
    Status,
    parameter,
    solve,
    sweep,
)
from nashgrid.solver._conditions import conditions_of
from nashgrid.solver._layout import layout_of
from tests.closed_forms import CASES, Case
from tests.judged import evidence

BY_NAME = {case.name: case for case in CASES}


def _away(case: Case, result: Equilibrium) -> float:
    """The largest distance to the known equilibrium, relative to the largest strategy of the same name."""
    return max(
        float(np.abs(np.asarray(result.strategy[name]) - value).max() / np.abs(value).max())
        for name, value in case.strategy.items()
    )


def _check_corners(case: Case, result: Equilibrium) -> None:
    """Strategies at a bound in the known equilibrium are exactly there."""
    bounds = case.problem.bounds()
    for name, value in case.strategy.items():
        for bound in bounds[name]:
            held = value == np.broadcast_to(bound, value.shape)
            np.testing.assert_array_equal(np.asarray(result.strategy[name])[held], value[held])


def _allowed(result: Equilibrium) -> float:
    """What the tolerance on the residual allows: the distance is at most the conditioning times it, here below 30."""
    return 30 * result.tol


def _cases(names):
    return [pytest.param(BY_NAME[n], id=n) for n in names]


TYPICAL = ["cournot_three", "cournot_inactive", "logit_merged", "private_provision", "tullock_asymmetric"]
# At equal taxes first-order conditions hold on one side of the kinks: only the certificate says that this is nothing.
MISLEADING = "tax_competition"
CERTIFIED = [
    *TYPICAL,
    "open_sourcing_simultaneous",
    "research_unstable",
    "mixed_oligopoly",
    "murphy_sherali_soyster",
    MISLEADING,
]


@pytest.mark.parametrize("case", _cases(name for name in BY_NAME if name != MISLEADING))
def test_the_default_method_finds_every_known_equilibrium(case):
    result = solve(case.problem, certify=False)
    assert int(result.status) == Status.first_order
    assert _away(case, result) <= _allowed(result)
    _check_corners(case, result)
    if case.payoff is not None:
        np.testing.assert_allclose(result.payoff, case.payoff, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", _cases(CERTIFIED))
def test_the_default_method_certifies_the_known_equilibrium(case):
    result = solve(case.problem)
    assert int(result.status) == Status.successful
    certificate = evidence(result)
    assert float(certificate.residual) <= result.tol and float(certificate.regret) <= result.tol
    assert _away(case, result) <= _allowed(result)
    # The estimate of the distance holds, up to the digits of the known strategies.
    assert _away(case, result) <= 2 * float(certificate.error) + 1e-14
    _check_corners(case, result)
    # Three equal firms are the border of stability, not beyond it.
    assert float(certificate.stability) > 1 - 1e-9 if case.unstable else float(certificate.stability) < 1


METHODS: dict[str, Method] = {
    "sequential": BestResponse(sequential=True),
    "anderson": BestResponse(memory=3),
    "newton": Newton(),
    "gradient": GradientPlay(),
}


@pytest.mark.parametrize("case", _cases(TYPICAL))
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_finds_it(method, case):
    result = solve(case.problem, method, certify=False)
    assert int(result.status) == Status.first_order
    assert _away(case, result) <= _allowed(result)
    _check_corners(case, result)


@pytest.mark.parametrize("case", _cases(["cournot_three", "cournot_inactive", "logit_merged"]))
def test_plain_best_responses_find_it_where_they_converge(case):
    result = solve(case.problem, BestResponse(finish=False), certify=False)
    assert int(result.status) == Status.first_order
    assert _away(case, result) <= _allowed(result)
    _check_corners(case, result)


@pytest.mark.parametrize("case", _cases(["cournot_five", "research_unstable"]))
def test_damped_best_responses_converge_where_undamped_ones_do_not(case):
    plain = BestResponse(finish=False, damping=0.25)
    result = solve(case.problem, plain, certify=False, throw=False, max_steps=1000)
    assert _away(case, result) <= _allowed(result)
    assert int(result.status) == Status.first_order


def test_gradient_play_with_other_optimizers():
    # Twenty firms need a learning rate below 4/21.
    case = BY_NAME["cournot_twenty"]
    assert (
        _away(case, solve(case.problem, GradientPlay(optimizer=optax.sgd(0.1)), certify=False, max_steps=2000)) <= 3e-9
    )
    case = BY_NAME["cournot_three"]
    with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes in Adam
        adam = GradientPlay(optimizer=optax.adam(0.01), scaled=False)
        assert _away(case, solve(case.problem, adam, certify=False, max_steps=20_000)) <= 3e-9


@pytest.mark.parametrize("n", [2, 4, 7, 12, 20])
def test_cournot_with_many_firms(n):
    cost = np.linspace(1.0, 2.0, n)
    result = solve(LinearCournot(cost=tuple(cost)), certify=False)
    quantity = (10.0 + cost.sum()) / (n + 1) - cost
    assert quantity.min() > 0 or n > 15
    known = Case("", None, {"quantity": _cournot(10.0, cost)})
    assert _away(known, result) <= _allowed(result)


@pytest.mark.parametrize("spillover", [0.0, 0.1, 0.2])
def test_research_with_small_spillovers_is_found_though_best_responses_diverge(spillover):
    game = ResearchSpillovers(intercept=1.9, cost=(1.0, 1.0), research_cost=0.95, spillover=spillover)
    result = solve(game)
    known = 0.9 * (2 - spillover) / (4.5 * 0.95 - (2 - spillover) * (1 + spillover))
    np.testing.assert_allclose(result.strategy["research"], known, rtol=1e-9)
    slope = 2 * (2 - spillover) * (1 - 2 * spillover) / (9 * 0.95 - 2 * (2 - spillover) ** 2)
    assert float(evidence(result).stability) == pytest.approx(slope, rel=1e-7)
    assert slope > 1


SINGLE = ["cournot_inactive", "logit_merged", "private_provision"]


@pytest.mark.parametrize("name", SINGLE)
def test_single_precision(name):
    case = BY_NAME[name]
    game = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), case.problem)
    result = solve(game)
    assert int(result.status) == Status.successful
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((result.strategy, result.payoff)))
    assert result.tol == 3e-5
    assert _away(case, result) <= _allowed(result)
    for field, value in case.strategy.items():
        np.testing.assert_array_equal(np.asarray(result.strategy[field])[value == 0], 0)


class Scaled(Game):
    """Two firms with two strategies each, one of them at a bound; in any unit of payoffs and of either strategy."""

    payoff_unit: Float[Array, ""] = parameter(1.0)
    units: Float[Array, "2"] = parameter((1.0, 1.0))
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 2.0 * self.units[0]), "y": (0.0, 2.0 * self.units[1])}

    def payoff(self, s):
        x, y = s["x"] / self.units[0], s["y"] / self.units[1]
        best = jnp.asarray([0.5, -0.5], x.dtype)
        own = -jnp.square(x - 1.0) - jnp.square(y - best) + 0.2 * x * y - 0.1 * x**4
        return self.payoff_unit * (own + 0.3 * x * x[::-1])


UNITS = [(1e6, 1.0, 1.0), (1e-6, 1.0, 1.0), (1.0, 1e6, 1e6), (1.0, 1e-6, 1e-6), (1.0, 1e6, 1.0), (1e-12, 1.0, 1e-6)]


def _in_units(payoff_unit: float, x: float, y: float, dtype: Any = float) -> Scaled:
    return Scaled(jnp.asarray(payoff_unit, dtype), jnp.asarray([x, y], dtype))


@pytest.mark.parametrize("units", UNITS, ids=str)
def test_units_change_neither_status_nor_evidence(units):
    usual, other = solve(Scaled()), solve(_in_units(*units), throw=False)
    assert int(usual.status) == Status.successful
    assert int(other.status) == Status.successful
    assert int(usual.steps) == int(other.steps)
    for name, unit in (("x", units[1]), ("y", units[2])):
        np.testing.assert_allclose(other.strategy[name] / unit, usual.strategy[name], rtol=1e-9)
    assert float(other.strategy["y"][1]) == 0.0
    for name in ("concavity", "stability", "conditioning", "margin"):
        value = float(getattr(evidence(usual), name))
        assert float(getattr(evidence(other), name)) == pytest.approx(value, rel=1e-7), name


@pytest.mark.parametrize("units", UNITS[:-1], ids=str)
def test_units_do_not_matter_for_plain_best_responses_and_in_single_precision(units):
    plain = BestResponse(finish=False)
    usual, other = (solve(_in_units(*u), plain, certify=False, throw=False) for u in ((1.0, 1.0, 1.0), units))
    assert int(usual.status) == int(other.status) == Status.first_order
    single = solve(_in_units(*units, dtype=jnp.float32), certify=False, throw=False)
    assert int(single.status) == Status.first_order
    np.testing.assert_allclose(single.strategy["x"] / units[1], usual.strategy["x"], rtol=1e-3)


class Centred(Game):
    """Two firms whose only equilibrium is at exactly zero, inside the bounds or without any."""

    bound: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-self.bound, self.bound)}

    def payoff(self, s):
        x = s["x"]
        return -jnp.square(x) - x**4 + 0.3 * x * x[::-1]


@pytest.mark.parametrize("method", [BestResponse(), Newton()], ids=["default", "newton"])
@pytest.mark.parametrize("bound", [1.0, np.inf])
def test_an_equilibrium_at_zero(bound, method):
    for start in ([0.3, -0.7], [0.9, 0.8]):
        result = solve(Centred(bound), method, start={"x": jnp.asarray(start)}, certify=False, throw=False)
        assert int(result.status) == Status.first_order
        np.testing.assert_allclose(result.strategy["x"], 0.0, atol=1e-9)


class Bundle(Game):
    """A monopolist of twenty goods that share one market; the least valued are not sold. No upper bound."""

    value: Float[Array, " good"] = parameter(tuple(np.linspace(-0.4, 0.5, 20)))
    firms = ("monopolist",)

    def owners(self):
        return {"q": (0,) * 20}

    def bounds(self):
        return {"q": (0.0, jnp.inf)}

    def payoff(self, s):
        q = s["q"]
        return (jnp.sum(self.value * q) - jnp.sum(jnp.square(q)) / 2 - 0.02 * jnp.square(jnp.sum(q)))[None]


def test_a_single_firm_with_twenty_strategies():
    result = solve(Bundle(), certify=False)
    value = np.linspace(-0.4, 0.5, 20)
    # Goods sold at values v solve q = v - 0.04 sum q.
    candidates = [np.maximum(value - 0.04 * value[-k:].sum() / (1 + 0.04 * k), 0.0) for k in range(1, 21)]
    (quantity,) = [q for k, q in enumerate(candidates, 1) if np.count_nonzero(q) == k]
    np.testing.assert_allclose(result.strategy["q"], quantity, atol=1e-10)
    np.testing.assert_array_equal(np.asarray(result.strategy["q"])[quantity == 0], 0.0)


class Uniform(Game):
    """Payoffs linear in the own strategy: everything is at a bound, whichever pays, or does not matter at all."""

    slope: Float[Array, " firm"] = parameter((1.0, -1.0))
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-1.0, 2.0)}

    def payoff(self, s):
        return self.slope * s["x"] + 0.1 * s["x"][::-1]


@pytest.mark.parametrize("method", [BestResponse(), Newton(), GradientPlay()], ids=["default", "newton", "gradient"])
def test_linear_and_flat_payoffs(method):
    np.testing.assert_array_equal(solve(Uniform(), method).strategy["x"], [2.0, -1.0])
    flat = solve(Uniform(slope=(0.0, 0.0)), method, throw=False)
    np.testing.assert_array_equal(flat.strategy["x"], 0.5)
    # Nobody can gain anything: an equilibrium, though not one that is locally unique.
    assert int(flat.status) == Status.successful
    assert float(evidence(flat).conditioning) == np.inf


def test_from_every_corner_of_the_bounds():
    case = BY_NAME["cournot_three"]
    for corner in ([0.0, 0.0, 0.0], [10.0, 10.0, 10.0], [10.0, 0.0, 10.0], [0.0, 0.0, 10.0], [99.0, -5.0, 3.0]):
        result = solve(case.problem, start={"quantity": jnp.asarray(corner)}, certify=False)
        assert _away(case, result) <= _allowed(result)


def test_too_few_steps():
    game = BY_NAME["tullock_asymmetric"].problem
    result = solve(game, max_steps=1, throw=False)
    assert int(result.status) == Status.max_steps
    assert int(result.steps) == 1
    with pytest.raises(NotSolvedError, match=r"(?s)max_steps: Nash.*Raise `max_steps`, try another `start`"):
        solve(game, max_steps=1)


def test_all_steps_are_used_before_giving_up():
    # At an unstable equilibrium responses settle more slowly than the residual.
    game = BY_NAME["cournot_five"].problem
    result = solve(game, BestResponse(finish=False), certify=False, throw=False, max_steps=1000)
    assert int(result.status) == Status.first_order or int(result.steps) == 1000


def test_a_summary_says_all():
    text = str(solve(LinearCournot()))
    assert text.startswith("successful: Nash equilibrium (simultaneous play)\n  method    BestResponse(")
    assert "quantity  [3.333333 2.333333]" in text
    assert "payoff    [11.111111  5.444444]" in text
    assert "residual" in text and "regret" in text and "tol 1e-10, float64" in text
    batch = jax.vmap(lambda a: solve(LinearCournot(intercept=a), certify=False, throw=False))(jnp.asarray([9.0, 8.0]))
    assert str(batch).startswith("2 points, Nash equilibrium (simultaneous play)")
    assert "first_order 2" in str(batch)


INTERIOR = ["tullock_asymmetric", "logit_merged", "mixed_oligopoly", "network_star", "cournot_isoelastic"]


@pytest.mark.parametrize("name", INTERIOR)
def test_a_root_finder_agrees(name):
    game = BY_NAME[name].problem
    layout = layout_of(game)
    conditions = conditions_of(game, layout, jnp.dtype(float))
    newton = solve(game, Newton(), certify=False)
    z = layout.flatten(newton.strategy)
    finder = optx.LevenbergMarquardt(rtol=1e-13, atol=1e-13)
    root = optx.root_find(lambda z, _: conditions.gradient(z), finder, 1.05 * z, max_steps=200).value
    np.testing.assert_allclose(z, root, rtol=1e-9)


def _cournot(intercept: float, cost: np.ndarray) -> np.ndarray:
    """Drop the firm with the highest cost while its quantity is negative."""
    active = np.argsort(cost, kind="stable")
    while True:
        price = (intercept + cost[active].sum()) / (len(active) + 1)
        if len(active) == 0 or price > cost[active[-1]]:
            break
        active = active[:-1]
    quantity = np.zeros(len(cost))
    quantity[active] = price - cost[active]
    return quantity


@settings(deadline=None, max_examples=100)
@given(data=st.data(), n=st.sampled_from([2, 3, 6]))
def test_random_cournot_oligopolies(data, n):
    cost = np.array(data.draw(st.lists(st.floats(0.0, 12.0, width=32), min_size=n, max_size=n)), float)
    known = _cournot(10.0, cost)
    result = solve(LinearCournot(cost=cost), certify=False)
    # Relative to the largest quantity, as the residual is; where nobody sells, to a millionth of the bound.
    size = max(known.max(), 1e-5)
    assert np.abs(np.asarray(result.strategy["quantity"]) - known).max() <= 30 * result.tol * size
    order = data.draw(st.permutations(range(n)))
    permuted = solve(LinearCournot(cost=cost[order]), certify=False)
    moved = np.asarray(permuted.strategy["quantity"]) - np.asarray(result.strategy["quantity"])[order]
    assert np.abs(moved).max() <= 60 * result.tol * size


def test_parameters_that_cannot_be_started_are_refused_by_name():
    with pytest.raises(GameError, match=r"'cost' is \[nan"):
        solve(LinearCournot(cost=(np.nan, 1.0)))
    status = solve(LinearCournot(cost=(np.nan, 1.0)), throw=False).status
    assert int(status) == Status.nonfinite


class Worthless(LinearCournot):
    """First-order conditions hold at the usual quantities, where the payoffs are infinite."""

    def payoff(self, s):
        return super().payoff(s) + jnp.log(self.slope - 1.0)


@pytest.mark.parametrize("method", [Newton(), BestResponse(), GradientPlay()], ids=lambda m: type(m).__name__)
def test_infinite_payoffs_are_no_equilibrium_whatever_their_slopes(method):
    game = Worthless(slope=1.0)
    assert int(solve(game, method, tol=1e-6, certify=False, throw=False).status) == Status.nonfinite
    found = sweep(game, {"slope": [1.0, 1.5]}, method=method, tol=1e-6, certify=False, progress=False)
    assert found.status.values.tolist() == [Status.nonfinite, Status.first_order]


def test_derivatives_of_the_batch_are_those_of_its_lanes():
    def quantity(cost):
        return solve(LinearCournot(cost=cost), Newton(), certify=False, throw=False).strategy["quantity"]

    costs = jnp.asarray([[1.0, 2.0, 3.0], [1.0, 1.0, 6.0]])
    # XLA rounds a program for many otherwise than one for one: a few units in the last place of the largest quantity.
    np.testing.assert_allclose(jax.vmap(quantity)(costs), jnp.stack([quantity(c) for c in costs]), rtol=0, atol=2e-15)
    together = eqx.filter_jit(jax.vmap(jax.jacfwd(quantity)))(costs)
    np.testing.assert_allclose(together, jnp.stack([jax.jacfwd(quantity)(c) for c in costs]), rtol=1e-13, atol=1e-15)


def test_many_firms_have_the_closed_form_and_its_derivatives():
    # More than 24 strategies: systems are solved by blocks, and second derivatives taken one strategy at a time.
    cost = jnp.linspace(1.0, 1.2, 27)

    def quantities(cost):
        return solve(LinearCournot(cost=cost), Newton(), certify=False).strategy["quantity"]

    found, transposed = jax.vjp(quantities, cost)
    np.testing.assert_allclose(found, (10.0 + jnp.sum(cost)) / 28 - cost, rtol=1e-11)
    (slopes,) = transposed(jnp.eye(27)[3])
    np.testing.assert_allclose(slopes, 1 / 28 - np.eye(27)[3], rtol=1e-9, atol=1e-11)


def test_second_derivatives_of_many_firms():
    game = IsoelasticCournot(cost=np.linspace(0.5, 1.5, 26))
    conditions = conditions_of(game, layout_of(game), jnp.dtype(float))
    z = jnp.linspace(0.1, 0.4, 26)
    price, slope, bend = (f(jnp.sum(z)) for f in _inverse_demand(game.elasticity))
    point = jax.jit(lambda z: conditions.at(z))(z)
    np.testing.assert_allclose(point.gradient, price + slope * z - game.cost * z, rtol=1e-12)
    expected = (slope + bend * z)[:, None] + jnp.diag(slope - game.cost)
    np.testing.assert_allclose(point.jacobian, expected, rtol=1e-12)


def _inverse_demand(elasticity):
    """The price Q^(-1/e) and its first two derivatives."""
    power = -1.0 / elasticity
    return (
        lambda q: q**power,
        lambda q: power * q ** (power - 1),
        lambda q: power * (power - 1) * q ** (power - 2),
    )
