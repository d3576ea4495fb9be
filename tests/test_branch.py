"""Branches: folds, bifurcations, bends and lost equilibria where closed forms and other solvers put them."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy import optimize

from nashgrid.games import (
    LinearCournot,
    NicheDemand,
    ResearchSpillovers,
    linear_cournot_equilibrium,
    research_curvature,
    research_noncooperative,
)
from nashgrid.solver import Game, GameError, Leader, Newton, Status, follow, parameter
from nashgrid.solver._roots import roots


class Polynomial(Game):
    """One player whose marginal payoff at x is constant + push + sideways push x + linear x + square x^2 - cube x^3
    + bend push^2, in units of everything."""

    push: Float[Array, ""] = parameter(0.0)
    constant: Float[Array, ""] = parameter(0.0)
    along: Float[Array, ""] = parameter(1.0)
    sideways: Float[Array, ""] = parameter(0.0)
    bend: Float[Array, ""] = parameter(0.0)
    linear: Float[Array, ""] = parameter(1.0)
    square: Float[Array, ""] = parameter(0.0)
    cube: Float[Array, ""] = parameter(1.0)
    units: Float[Array, "3"] = parameter((1.0, 1.0, 1.0), "of the strategy, the parameter and the payoff")
    firms = ("A",)

    def bounds(self):
        return {"x": (-3.0 * self.units[0], 3.0 * self.units[0])}

    def payoff(self, s):
        x, push = s["x"] / self.units[0], self.push / self.units[1]
        fixed = self.constant + self.along * push + self.bend * push * push
        value = fixed * x + (self.linear + self.sideways * push) * x**2 / 2.0
        return self.units[2] * (value + self.square * x**3 / 3.0 - self.cube * x**4 / 4.0)


class Kinked(Game):
    """One player who does push x - x^2/2, less what exceeds 2."""

    push: Float[Array, ""] = parameter(1.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 5.0)}

    def payoff(self, s):
        return self.push * s["x"] - s["x"] ** 2 / 2.0 - jnp.maximum(s["x"] - 2.0, 0.0)


FOLD = 2.0 / np.sqrt(27.0)


def values(branch, kind):
    return [event.value for event in branch.of_kind(kind)]


@pytest.fixture(scope="module")
def cubic():
    return follow(Polynomial(push=0.1), "push", (-1.0, 1.0), start={"x": 1.0})


def test_folds_of_a_cubic(cubic):
    np.testing.assert_allclose(values(cubic, "fold"), [FOLD, -FOLD], rtol=0, atol=1e-13)
    x = [float(event.strategy["x"][0]) for event in cubic.of_kind("fold")]
    np.testing.assert_allclose(x, [-1 / np.sqrt(3), 1 / np.sqrt(3)], atol=1e-10)
    assert cubic.ends == ("interval", "interval")


def test_the_points_of_a_cubic(cubic):
    x, push = cubic.data["x"].values[:, 0], cubic.data["push"].values
    np.testing.assert_allclose(x - x**3 + push, 0.0, atol=1e-14)
    assert (push[0], push[-1]) == (-1.0, 1.0)
    assert (np.diff(cubic.data["arclength"]) > 0).all() and float(np.min(np.abs(cubic.data["arclength"]))) == 0.0
    regular = cubic.data["event"].values == ""
    slope = 1.0 / (3.0 * x[regular] ** 2 - 1.0)
    np.testing.assert_allclose(cubic.data["d_x_d_push"].values[regular, 0], slope, rtol=1e-9)
    np.testing.assert_allclose(cubic.data["d_payoff_d_push"].values[regular, 0], x[regular], rtol=1e-9)
    assert (np.abs(cubic.data["d_x_d_push"].values[cubic.data["event"].values == "fold", 0]) > 1e9).all()


def test_the_global_maximum_changes_sides_where_the_two_hills_are_equal(cubic):
    # The branch is an equilibrium beyond push = 0 only, by symmetry.
    np.testing.assert_allclose(values(cubic, "certificate"), [0.0, 0.0], atol=1e-13)
    x, push = cubic.data["x"].values[:, 0], cubic.data["push"].values
    regular = cubic.data["event"].values == ""
    np.testing.assert_array_equal((cubic.data["status"] == Status.successful).values[regular], (x * push > 0)[regular])


@pytest.mark.parametrize("units", [(1e3, 1e6, 1.0), (1e-4, 1e-6, 1e6), (1.0, 1.0, 1e-6)])
def test_units_do_not_matter(cubic, units):
    game = Polynomial(push=0.1 * units[1], units=units)
    other = follow(game, "push", (-units[1], units[1]), start={"x": units[0]})
    np.testing.assert_allclose(other.data["push"] / units[1], cubic.data["push"], atol=1e-9)
    np.testing.assert_allclose(other.data["x"] / units[0], cubic.data["x"], atol=1e-9)
    regular = cubic.data["event"].values == ""
    np.testing.assert_array_equal(other.data["status"][regular], cubic.data["status"][regular])
    np.testing.assert_allclose(values(other, "fold"), np.array(values(cubic, "fold")) * units[1], rtol=1e-12)
    assert [event.kind for event in other.events] == [event.kind for event in cubic.events]


def test_single_precision():
    game = Polynomial(push=np.float32(0.1), **{name: np.float32(value) for name, value in {
        "constant": 0, "along": 1, "sideways": 0, "bend": 0, "linear": 1, "square": 0, "cube": 1}.items()},
        units=np.ones(3, np.float32))  # fmt: skip
    branch = follow(game, "push", (-1.0, 1.0), start={"x": 1.0})
    assert branch.data["x"].dtype == np.float32
    np.testing.assert_allclose(values(branch, "fold"), [FOLD, -FOLD], atol=1e-6)
    np.testing.assert_allclose(values(branch, "certificate"), [0.0, 0.0], atol=1e-4)


def test_a_transcritical_bifurcation():
    # (push - 0.123) x - x^2: the branches x = 0 and x = push - 0.123 cross.
    game = Polynomial(push=-0.5, along=0.0, sideways=1.0, linear=-0.123, square=-1.0, cube=0.0)
    for start in (0.0, -0.623):
        branch = follow(game, "push", (-0.5, 1.0), start={"x": start}, certify=False)
        np.testing.assert_allclose(values(branch, "bifurcation"), [0.123], atol=1e-10)
        push, x = branch.data["push"].values, branch.data["x"].values[:, 0]
        np.testing.assert_allclose(x, 0.0 if start == 0.0 else push - 0.123, atol=1e-9)
        assert not branch.of_kind("fold")


def test_a_pitchfork_from_both_sides():
    # push x - x^3: the branch x = 0 goes through, the other one turns back.
    game = Polynomial(push=0.7, along=0.0, sideways=1.0, linear=-0.2)
    through = follow(game, "push", (-1.0, 1.0), start={"x": 0.0}, certify=False)
    np.testing.assert_allclose(values(through, "bifurcation"), [0.2], atol=1e-10)
    assert not through.of_kind("fold")
    turning = follow(game, "push", (-1.0, 1.0), start={"x": 0.7}, certify=False)
    np.testing.assert_allclose(values(turning, "bifurcation"), [0.2], atol=1e-10)
    np.testing.assert_allclose(values(turning, "fold"), [0.2], atol=1e-10)
    np.testing.assert_allclose(turning.data["x"].values[[0, -1], 0], [-np.sqrt(0.8), np.sqrt(0.8)], atol=1e-12)


def test_a_bound_on_the_way_and_a_kink_at_the_end():
    branch = follow(Kinked(), "push", (-1.0, 4.0), start={"x": 1.0}, certify=False)
    assert branch.ends == ("interval", "stuck")
    np.testing.assert_allclose(values(branch, "active_set"), [0.0], atol=1e-12)
    push = branch.data["push"].values
    np.testing.assert_allclose(branch.data["x"].values[:, 0], np.maximum(push, 0.0), atol=1e-14)
    assert push[0] == -1.0 and abs(push[-1] - 2.0) < 1e-6


def test_a_closed_branch():
    # 1 - x^2 - push^2: a circle.
    game = Polynomial(push=0.3, constant=1.0, along=0.0, bend=-1.0, linear=0.0, square=-1.0, cube=0.0)
    branch = follow(game, "push", (-2.0, 2.0), start={"x": 0.9}, certify=False)
    assert branch.ends == ("closed", "closed")
    np.testing.assert_allclose(np.sort(values(branch, "fold")), [-1.0, 1.0], atol=1e-12)
    x, push = branch.data["x"].values[:, 0], branch.data["push"].values
    np.testing.assert_allclose(x**2 + push**2, 1.0, atol=1e-13)
    assert x.min() < -0.9 and push.min() < -0.9 < 0.9 < push.max()


def test_max_points_is_an_end_and_no_exception():
    branch = follow(Polynomial(push=0.1), "push", (-1.0, 1.0), start={"x": 1.0}, certify=False, max_points=10)
    assert branch.data.sizes["point"] == 10
    assert "max_points" in branch.ends and "raise max_points" in str(branch)


COST = (1.0, 2.0, 3.0)


def test_entry_of_firms_in_linear_cournot():
    # The third firm sells where (a + 1 + 2)/3 > 3, the second where (a + 1)/2 > 2, the first where a > 1.
    branch = follow(LinearCournot(intercept=9.0, cost=COST), "intercept", (0.5, 12.0))
    np.testing.assert_allclose(values(branch, "active_set"), [1.0, 3.0, 6.0], atol=1e-10)
    details = [event.detail for event in branch.of_kind("active_set")]
    assert details == [f"quantity of firm {i} leaves its lower bound" for i in (1, 2, 3)]
    for a, q in zip(branch.data["intercept"].values, branch.data["quantity"].values, strict=True):
        exact = linear_cournot_equilibrium(jnp.asarray(a), jnp.asarray(1.0), jnp.asarray(COST))
        np.testing.assert_allclose(q, exact, atol=1e-12)
    assert (branch.data["status"] == Status.successful).all()
    # Among three firms best responses neither converge nor diverge, among two they converge.
    np.testing.assert_allclose(values(branch, "stability"), [6.0], atol=1e-10)
    price = branch.data["d_price_d_intercept"].values[branch.data["event"].values == ""]
    np.testing.assert_allclose(np.unique(price.round(10)), [0.25, 0.3333333333, 0.5, 1.0])


def test_equal_firms_enter_together():
    branch = follow(LinearCournot(intercept=9.0, cost=(2.0, 2.0, 2.0)), "intercept", (0.5, 12.0))
    np.testing.assert_allclose(values(branch, "active_set"), [2.0], atol=1e-10)
    exact = np.maximum(branch.data["intercept"].values - 2.0, 0.0) / 4.0
    np.testing.assert_allclose(branch.data["quantity"], exact[:, None] * np.ones(3), atol=1e-12)
    assert branch.ends == ("interval", "interval")


def test_symmetric_research_loses_its_stability_in_a_pitchfork():
    beta = 0.1
    branch = follow(
        ResearchSpillovers(spillover=beta, cost=(5.0, 5.0)), "research_cost", (0.95, 5.0), start={"research": 0.5}
    )
    # |2 (2 - beta)(2 beta - 1)| = 9 gamma - 2 (2 - beta)^2, see `research_response_slope`.
    exact = 2.0 * (2.0 - beta) * (3.0 - 3.0 * beta) / 9.0
    np.testing.assert_allclose(values(branch, "stability"), [exact], atol=1e-10)
    np.testing.assert_allclose(values(branch, "bifurcation"), [exact], atol=1e-10)
    for gamma, x in zip(branch.data["research_cost"].values, branch.data["research"].values, strict=True):
        game = ResearchSpillovers(spillover=beta, cost=(5.0, 5.0), research_cost=gamma)
        assert float(research_curvature(game)) < 0
        np.testing.assert_allclose(x, float(research_noncooperative(game)), rtol=1e-8)


def niche_conditions(p, q, n):
    """The first-order condition of the firm that asks p when the other asks q, by hand."""
    index = p**-2 + q**-2
    demand = 50.0 - p + n * p**-3 * index**-0.5
    slope = -1.0 + n * (-3.0 * p**-4 * index**-0.5 + p**-6 * index**-1.5)
    return demand + (p - 1.0) * slope


def niche_profit(p, q, n):
    return (p - 1.0) * (50.0 - p + n * p**-3 * (p**-2 + q**-2) ** -0.5)


def indifference(p, q, deviation, n):
    """Where the firm that asks p gains nothing by the other price, and both prices and the deviation are optimal."""

    def system(v):
        p, q, d, n = v
        change = niche_profit(d, q, n) - niche_profit(p, q, n)
        return [niche_conditions(p, q, n), niche_conditions(q, p, n), niche_conditions(d, q, n), change]

    found = optimize.root(system, [p, q, deviation, n], tol=1e-14)
    return found.x[3]


@pytest.fixture(scope="module")
def niche():
    starts = {"symmetric": (1.757, 1.757), "asymmetric": (2.168, 25.157)}
    return {
        name: follow(NicheDemand(), "mass", (500.0, 5500.0), start={"price": np.array(price)})
        for name, price in starts.items()
    }


def test_folds_of_the_niche_game(niche):
    # On the symmetric branch n = sqrt(2) (2 p - 51) p^3 / (2.5 - 1.5 p).
    def n(p):
        return np.sqrt(2.0) * (2.0 * p - 51.0) * p**3 / (2.5 - 1.5 * p)

    steep = np.polynomial.Polynomial([0, 0, 0, -51.0, 2.0])
    below = np.polynomial.Polynomial([2.5, -1.5])
    extremes = (steep.deriv() * below - steep * below.deriv()).roots()
    inside = [float(p.real) for p in extremes if abs(p.imag) < 1e-12 and 1.7 < p.real < 25.0]
    np.testing.assert_allclose(np.sort(values(niche["symmetric"], "fold")), np.sort([n(p) for p in inside]), rtol=1e-11)
    assert len(inside) == 2
    price = niche["symmetric"].data["price"].values
    np.testing.assert_allclose(niche["symmetric"].data["mass"], n(price[:, 0]), rtol=1e-9)
    np.testing.assert_allclose(price[:, 0], price[:, 1], rtol=1e-7)

    def conditions(p, q, n):
        return np.array([niche_conditions(p, q, n), niche_conditions(q, p, n)])

    def singular(v):
        p, q, n = v
        h = 1e-4
        rates = [conditions(p + h, q, n) - conditions(p - h, q, n), conditions(p, q + h, n) - conditions(p, q - h, n)]
        return [*conditions(p, q, n), np.linalg.det(np.array(rates) / (2.0 * h)) / 1e3]

    asymmetric = optimize.root(singular, [3.07, 25.3, 1189.0]).x[2]
    least = [event.value for event in niche["asymmetric"].of_kind("fold") if "smallest" in event.detail]
    np.testing.assert_allclose(least, 2 * [asymmetric], rtol=1e-8)


def test_the_niche_games_branches_meet(niche):
    """The asymmetric branch turns back where it crosses the symmetric one, into its own mirror image."""
    (met,) = values(niche["asymmetric"], "bifurcation")
    assert min(abs(met - other) for other in values(niche["symmetric"], "bifurcation")) < 1e-9 * met
    prices = niche["asymmetric"].data["price"].values
    np.testing.assert_allclose(prices[0], prices[-1, ::-1], rtol=1e-9)


def test_where_the_niche_game_loses_its_equilibria(niche):
    symmetric = [indifference(23.1, 23.1, 2.3, 2470.0), indifference(1.74, 1.74, 25.0, 3318.0)]
    np.testing.assert_allclose(values(niche["symmetric"], "certificate"), symmetric, rtol=1e-10)
    low, high = indifference(25.157, 2.19, 2.3, 2481.0), indifference(2.14, 25.1, 25.0, 3020.0)
    low, high = sorted((low, high))
    np.testing.assert_allclose(np.sort(values(niche["asymmetric"], "certificate")), [low, low, high, high], rtol=1e-10)
    data = niche["asymmetric"].data.isel(point=niche["asymmetric"].data["event"].values == "")
    inside = (data["mass"].values > low) & (data["mass"].values < high)
    outer = inside & (data["price"].max("firm").values > 24.9) & (data["price"].min("firm").values < 2.5)
    np.testing.assert_array_equal(data["status"].values == Status.successful, outer)


def niche_fixed_points(n):
    """Prices q = r(r(q)), r the best response found on a grid, that are not jumps of r."""
    p = np.exp(np.linspace(0.0, np.log(50.0), 2001))

    def respond(q):
        values = niche_profit(p[None, :], q[:, None], n)
        i = np.clip(values.argmax(axis=1), 1, len(p) - 2)
        left, here, right = (values[np.arange(len(q)), i + k] for k in (-1, 0, 1))
        return p[i] * (p[1] / p[0]) ** ((left - right) / (2.0 * (left - 2.0 * here + right)))

    q = np.exp(np.linspace(0.0, np.log(50.0), 1501))
    first = respond(q)
    twice = respond(first)
    cross = (twice[:-1] > q[:-1]) != (twice[1:] > q[1:])
    smooth = (np.abs(np.diff(first)) < 0.5) & (np.abs(np.diff(twice)) < 0.5)
    return q[:-1][cross & smooth]


@pytest.mark.parametrize(("n", "count"), [(2400.0, 1), (2476.0, 0), (2701.0, 2), (3100.0, 0), (3250.0, 0), (3400.0, 1)])
def test_brute_force_finds_as_many_equilibria_in_the_niche_game(niche, n, count):
    assert len(niche_fixed_points(n)) == count
    found = 0
    for branch in niche.values():
        value, status = branch.data["mass"].values, branch.data["status"].values
        regular = branch.data["event"].values == ""
        use = np.where(regular[:-1], np.arange(len(value) - 1), np.arange(1, len(value)))
        found += int((((value[:-1] - n) * (value[1:] - n) < 0) & (status[use] == Status.successful)).sum())
    assert found == count


def test_no_equilibrium_to_start_from():
    with pytest.raises(GameError, match=r"There is no equilibrium to start from at mass = 3200 \(\w+\): give start="):
        follow(NicheDemand(mass=3200.0), "mass", (500.0, 5500.0), method=Newton())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameter": "pull"}, "has no parameter 'pull'"),
        ({"parameter": "units"}, "name one element of it"),
        ({"interval": (0.5, 1.0)}, r"push = 0\.1, which is outside the interval \(0\.5, 1\)"),
        ({"interval": (1.0, -1.0)}, "the lower one first"),
        ({"interval": (0.0, np.inf)}, "two finite numbers"),
        ({"interval": 1.0}, "give two numbers"),
        ({"max_points": 1}, "max_points is 1; give a whole number of at least 2"),
        ({"step": 0.0}, "step is 0.0; give a number from 1e-6 to 1"),
        ({"start": {"y": 1.0}}, "start names 'y'"),
        ({"tol": 1e-20}, "raise it"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"parameter": "push", "interval": (-1.0, 1.0), **change}
    with pytest.raises(GameError, match=message):
        follow(Polynomial(push=0.1), **arguments)


def test_only_games_of_simultaneous_play():
    with pytest.raises(GameError, match="sweep a Leader instead"):
        follow(Leader(Polynomial(), "push", "A", choices=(0.0, 1.0)), "push", (0.0, 1.0))  # type: ignore


@pytest.mark.parametrize("noise", [0.0, 1e-14])
def test_roots(noise):
    rng = np.random.default_rng(0)

    def f(x):
        return np.exp(x) - 2.0 + noise * rng.normal() if abs(x - np.log(2.0)) > 1e-9 else np.nan

    (found,) = roots(f, 0.0, 1.3, f(0.0), f(1.3), tol=1e-12)
    np.testing.assert_allclose(found, np.log(2.0), atol=1e-12)


def test_roots_of_what_is_not_smooth():
    (found,) = roots(lambda x: 1.0 if x > 0.3 else -1.0, 0.0, 1.0, -1.0, 1.0, tol=1e-12)
    np.testing.assert_allclose(found, 0.3, atol=1e-12)
    assert roots(lambda x: np.nan, 0.0, 1.0, -1.0, 1.0, tol=1e-12) == []
