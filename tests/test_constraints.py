"""Constraints: variational equilibria and their multipliers, against published, closed and constructed ones."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import EmissionCap, LinearCournot, emission_cap_equilibrium
from nashgrid.solver import (
    BestResponse,
    Constraint,
    Game,
    GameError,
    GlobalSearch,
    GradientPlay,
    Leader,
    Newton,
    NotSolvedError,
    Status,
    parameter,
    solve,
    sweep,
)
from nashgrid.solver._axes import grid
from nashgrid.solver._check import prepare
from nashgrid.solver._equilibrium import equilibrium
from nashgrid.solver._fingerprint import fingerprint
from nashgrid.solver._how import How, shapes
from nashgrid.solver._labels import schema
from tests.judged import Quadratic, evidence, judge, quadratic

QUICK: dict[str, Any] = {"method": Newton(), "certify": False}


class Bound(Quadratic):
    """`Quadratic` with lower <= slopes @ z <= upper, row by row; `by` names the owners, all firms if None."""

    slopes: Float[Array, "row strategy"] = parameter()
    least: Float[Array, " row"] = parameter()
    most: Float[Array, " row"] = parameter()
    by: Any = eqx.field(static=True, default=None)

    def constraints(self, s):
        value = jnp.sum(self.slopes * s["z"][None, :], axis=1)
        return {"row": Constraint(value, lower=self.least, upper=self.most, owner=self.by)}


class River(Game):
    """The river basin pollution game of Krawczyk and Uryasev (2000, Environmental Modeling and Assessment 5)."""

    cap: Float[Array, " station"] = parameter((100.0, 100.0))
    firms = ("1", "2", "3")

    def bounds(self):
        return {"x": (0.0, jnp.inf)}

    def payoff(self, s):
        x = s["x"]
        c1, c2 = jnp.asarray([0.1, 0.12, 0.15], x.dtype), jnp.asarray([0.01, 0.05, 0.01], x.dtype)
        return (3.0 - 0.01 * jnp.sum(x) - c1 - c2 * x) * x

    def constraints(self, s):
        emitted = jnp.asarray([[3.25, 1.25, 4.125], [2.2915, 1.5625, 2.8125]], s["x"].dtype) * s["x"][None, :]
        return {"station": Constraint(jnp.sum(emitted, axis=1), upper=self.cap)}

    def dims(self):
        return {"station": ("station",)}


class Harker(Game):
    """Harker's game with a shared constraint (1991, European J. Operational Research 54)."""

    cap: Float[Array, ""] = parameter(15.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 10.0)}

    def payoff(self, s):
        x = s["x"]
        slope, cross = jnp.asarray([34.0, 24.25], x.dtype), jnp.asarray([8 / 3, 1.25], x.dtype)
        return (slope - x - cross * jnp.flip(x)) * x

    def constraints(self, s):
        return {"cap": Constraint(jnp.sum(s["x"]), upper=self.cap)}


class Textbook(Game):
    """min (x_i - t_i)^2 with x_1 + x_2 <= 1 (Facchinei, Fischer and Piccialli, 2007, Operations Research Letters 35),
    with the constraint written as wanted."""

    total: Float[Array, ""] = parameter(1.0)
    how: str = eqx.field(static=True, default="upper")
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-10.0, 10.0)}

    def payoff(self, s):
        return -jnp.square(s["x"] - jnp.asarray([1.0, 0.5], s["x"].dtype))

    def constraints(self, s):
        x = s["x"]
        return {
            "upper": {"total": Constraint(x[0] + x[1], upper=self.total)},
            "lower": {"total": Constraint(-x[0] - x[1], lower=-self.total)},
            "equal": {"total": Constraint(x[0] + x[1], lower=self.total, upper=self.total)},
            "between": {"total": Constraint(x[0] + x[1], lower=self.total - 7.0, upper=self.total)},
            "twice": {
                "one": Constraint(x[0] + x[1], upper=self.total),
                "two": Constraint(jnp.sum(x), upper=self.total),
            },
            "owned": {"total": Constraint(x[0] + x[1], upper=self.total, owner="B")},
            "mild": {"total": Constraint(x[0] + x[1], upper=10.0 * self.total)},
        }[self.how]


def test_the_river_basin_game_has_its_published_equilibrium():
    eq = solve(River(), Newton())
    np.testing.assert_allclose(eq.strategy["x"], [21.14479601540964, 16.02785344702527, 2.7259627008817175], rtol=1e-10)
    np.testing.assert_allclose(eq.multipliers["station"], [0.57436, 0.0], atol=5e-6)
    assert "one multiplier for all firms" in eq.concept


def test_harkers_game_is_solved_at_the_variational_equilibrium_only():
    loose, tight = solve(Harker(), **QUICK), solve(Harker(cap=12.0), **QUICK)
    np.testing.assert_allclose(loose.strategy["x"], [5.0, 9.0], rtol=1e-12)
    assert loose.multipliers["cap"] == 0.0
    # A at its upper bound and the cap binding: the price is what is left to B, 24.25 - 2 x 2 - 1.25 x 10.
    np.testing.assert_allclose(tight.strategy["x"], [10.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(tight.multipliers["cap"], 7.75, rtol=1e-12)
    # (9.5, 5.5) is a generalized equilibrium with a price for each firm: nobody gains, but it is refused.
    other = judge(Harker(), {"x": [9.5, 5.5]})
    assert evidence(other).regret < 1e-14
    assert other.status == Status.max_steps


@pytest.mark.parametrize(
    ("how", "x", "price"),
    [
        ("upper", (0.75, 0.25), 0.5),
        ("lower", (0.75, 0.25), -0.5),
        ("equal", (0.75, 0.25), 0.5),
        ("between", (0.75, 0.25), 0.5),
        ("owned", (1.0, 0.0), 1.0),
        ("mild", (1.0, 0.5), 0.0),
    ],
)
def test_every_way_to_write_a_constraint(how, x, price):
    eq = solve(Textbook(how=how), **QUICK)
    np.testing.assert_allclose(eq.strategy["x"], x, atol=1e-12)
    np.testing.assert_allclose(eq.multipliers["total"], price, atol=1e-12)


def test_an_equality_may_pull_either_way():
    for total, x, price in ((1.0, (0.75, 0.25), 0.5), (2.0, (1.25, 0.75), -0.5)):
        eq = solve(Textbook(how="equal", total=total), **QUICK)
        np.testing.assert_allclose(eq.strategy["x"], x, atol=1e-12)
        np.testing.assert_allclose(eq.multipliers["total"], price, atol=1e-12)


def test_constraints_that_say_the_same_share_their_price():
    eq = solve(Textbook(how="twice"), **QUICK)
    np.testing.assert_allclose(eq.strategy["x"], [0.75, 0.25], atol=1e-12)
    np.testing.assert_allclose(eq.multipliers["one"] + eq.multipliers["two"], 0.5, atol=1e-10)


@pytest.mark.parametrize("cap", [0.7, 3.0, 4.5, 8.0])
def test_the_emission_cap_has_its_closed_form(cap):
    game = EmissionCap(cost=(1.0, 2.0), intensity=(1.0, 0.8), cap=cap)
    eq = solve(game)
    q, price = emission_cap_equilibrium(game.intercept, game.slope, game.cost, game.intensity, game.cap)
    assert np.all(np.asarray(q) > 0)
    np.testing.assert_allclose(eq.strategy["quantity"], q, atol=1e-11)
    np.testing.assert_allclose(eq.multipliers["cap"], price, atol=1e-10)


def test_multipliers_are_marginal_payoffs():
    """Envelope theorem: one firm's payoff rises by the multiplier per unit of the cap."""
    game = EmissionCap(cost=(1.0,), intensity=(2.0,), cap=3.0)

    def payoff(cap):
        eq = solve(eqx.tree_at(lambda g: g.cap, game, cap), **QUICK)
        return eq.payoff[0], eq.multipliers["cap"]

    slope, price = jax.grad(payoff, has_aux=True)(game.cap)
    np.testing.assert_allclose(slope, price, rtol=1e-12)
    np.testing.assert_allclose(price, (10.0 - 1.0 - 2 * 1.5) / 2.0, rtol=1e-12)


@pytest.mark.parametrize("cap", [3.0, 8.0])
def test_derivatives_are_those_of_the_closed_form(cap):
    """Of quantities and multipliers in every field, with the cap binding and slack, forwards and backwards."""
    game = EmissionCap(intensity=(1.0, 0.8), cap=cap)

    def solved(game):
        eq = solve(game, **QUICK)
        return jnp.append(eq.strategy["quantity"], eq.multipliers["cap"])

    def closed(game):
        q, price = emission_cap_equilibrium(game.intercept, game.slope, game.cost, game.intensity, game.cap)
        return jnp.append(q, price)

    expected = jax.jit(jax.jacfwd(closed))(game)
    for way in (jax.jacfwd, jax.jacrev):
        found = jax.jit(way(solved))(game)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-11)


def test_second_derivatives_of_a_curved_constraint():
    """One firm, (a - q) q with q^2 <= cap: q = sqrt(cap), multiplier (a - 2 q)/(2 q)."""

    class Curved(Game):
        cap: Float[Array, ""] = parameter(4.0)
        firms = ("A",)

        def bounds(self):
            return {"q": (0.0, 10.0)}

        def payoff(self, s):
            return (10.0 - s["q"]) * s["q"]

        def constraints(self, s):
            return {"cap": Constraint(jnp.square(s["q"][0]), upper=self.cap)}

    def price(cap):
        return solve(Curved(cap=cap), **QUICK).multipliers["cap"]

    first, second = jax.jit(jax.value_and_grad(jax.grad(price)))(jnp.asarray(4.0))
    np.testing.assert_allclose(first, -10 / 4 / 8, rtol=1e-9)
    np.testing.assert_allclose(second, 0.75 * 5 / 32, rtol=1e-9)


def _constructed(seed: int, owner: tuple[int, ...], by: tuple[str, ...] | None):
    """A random game with a chosen equilibrium: the linear terms are what makes the conditions hold there."""
    rng = np.random.default_rng(seed)
    base = quadratic(owner, seed)
    size, rows = len(owner), 3
    z = rng.normal(size=size)
    slopes = rng.normal(size=(rows, size))
    firms = np.asarray(owner)
    pays = np.ones((rows, size)) if by is None else np.array([[ord(b) - 65 == f for f in firms] for b in by], float)
    # What others do to the constraint of a firm is little, so that the equilibrium is unique.
    slopes *= np.where(pays > 0, 1.0, 0.1)
    # One row binds above, one below, one not at all.
    price = np.array([rng.random() + 0.1, -rng.random() - 0.1, 0.0])
    value = slopes @ z
    most, least = value + np.array([0.0, 1.0, 1.0]), value - np.array([1.0, 0.0, 1.0])
    index = np.arange(size)
    linear = np.array(base.linear)
    linear[firms, index] = np.asarray(base.curvature)[firms, index] @ z + (pays * slopes).T @ price
    game = Bound(linear, base.curvature, base.lower, base.upper, owner, slopes, least, most, by)
    return game, z, price


@pytest.mark.parametrize(
    ("by", "count", "search"),
    # A batch goes on until the last of its searches ends: few are enough to be certified.
    [(None, 12, None), (None, 4, GlobalSearch(points=16, joint=8)), (("A", "B", "A"), 12, None)],
    ids=["shared", "certified", "owned"],
)
def test_constructed_equilibria_are_recovered(by, count, search):
    """Firms with two strategies; constraints shared by all, or owned by one."""
    made = [_constructed(seed, (0, 0, 1, 1), by) for seed in range(count)]
    games = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[game for game, _, _ in made])
    expected = np.stack([z for _, z, _ in made])
    start = {"z": expected + np.random.default_rng(0).normal(size=expected.shape) / 10.0}

    def one(game, start):
        return equilibrium(game, Newton(), start=start, tol=1e-10, max_steps=128, search=search)

    eq = jax.jit(jax.vmap(one))(games, start)
    np.testing.assert_array_equal(eq.status, Status.successful if search else Status.first_order)
    np.testing.assert_allclose(eq.strategy["z"], expected, atol=1e-10)
    np.testing.assert_allclose(eq.multipliers["row"], [price for _, _, price in made], atol=1e-10)


def test_every_method_solves_them():
    game = EmissionCap(intensity=(1.0, 0.8))
    _, price = emission_cap_equilibrium(game.intercept, game.slope, game.cost, game.intensity, game.cap)
    for method in (BestResponse(finish=False, sequential=True), GradientPlay()):
        eq = solve(game, method, certify=False, max_steps=2000)
        np.testing.assert_allclose(eq.multipliers["cap"], price, rtol=1e-8)


class TwoPlants(Game):
    """One firm with two plants and one rival: profits are sums of (peak - x/2) x, with a capacity of the first."""

    peak: Float[Array, " plant"] = parameter((1.0, 3.0))
    firms = ("A", "B")

    def owners(self):
        return {"x": (0, 0, 1)}

    def bounds(self):
        return {"x": (jnp.zeros(3), 5.0)}

    def payoff(self, s):
        x = s["x"]
        return jnp.stack([jnp.sum((self.peak - x[:2] / 2) * x[:2]), (2.0 - x[2] / 2) * x[2]])

    def constraints(self, s):
        return {"capacity": Constraint(s["x"][0] + s["x"][1], upper=2.0, owner="A")}


def test_deviations_are_searched_along_the_edge():
    """At (1, 1) plant A is at its capacity; its best deviation (0, 2) is on the same edge, worth 4 against 3."""
    eq = judge(TwoPlants(), {"x": [1.0, 1.0, 2.0]}, certify=GlobalSearch(points=16, joint=16))
    c = evidence(eq)
    np.testing.assert_allclose(c.deviation["x"], [0.0, 2.0, 2.0], atol=1e-4)
    np.testing.assert_allclose(c.gain, [1.0, 0.0], atol=1e-4)
    assert not eq.successful


class Hills(Game):
    """One firm, payoff with a low hill near 1 and a high one near 4, and a constraint that can leave out either."""

    most: Float[Array, ""] = parameter(10.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 10.0)}

    def payoff(self, s):
        x = s["x"]
        return jnp.exp(-4.0 * jnp.square(x - 1.0)) + 3.0 * jnp.exp(-4.0 * jnp.square(x - 4.0))

    def constraints(self, s):
        return {"most": Constraint(s["x"][0], upper=self.most)}


def test_only_what_is_allowed_counts_as_a_deviation():
    low = {"x": [1.0]}
    assert judge(Hills(most=2.0), low, tol=1e-4).successful
    refused = judge(Hills(), low, tol=1e-4)
    assert refused.status == Status.deviation_found
    np.testing.assert_allclose(evidence(refused).deviation["x"], 4.0, atol=1e-3)


def test_what_violates_a_constraint_is_no_equilibrium():
    """(5, 9) is the equilibrium without the cap."""
    for excess in (1e-8, 1e-3, 1.0):
        assert judge(Harker(cap=14.0 - excess), {"x": [5.0, 9.0]}).status == Status.infeasible


def test_constraints_that_exclude_each_other():
    """Nothing is raised under jit; alone, the message says what is wrong."""
    game = Harker(cap=-1.0)
    assert jax.jit(lambda g: solve(g, **QUICK))(game).status == Status.infeasible
    with pytest.raises(NotSolvedError, match="violates a constraint"):
        solve(game, **QUICK)
    crossed = _constructed(0, (0, 1), None)[0]
    crossed = eqx.tree_at(lambda g: g.least, crossed, crossed.most + 1.0)
    assert solve(crossed, throw=False, **QUICK).status == Status.invalid_bounds
    with pytest.raises(GameError, match="nothing is between"):
        solve(crossed, **QUICK)


def test_single_precision():
    game = jax.tree.map(lambda x: x.astype(jnp.float32), EmissionCap())
    eq = solve(game, Newton())
    assert eq.multipliers["cap"].dtype == jnp.float32
    np.testing.assert_allclose(eq.strategy["quantity"], [11 / 6, 7 / 3], rtol=1e-5)
    np.testing.assert_allclose(eq.multipliers["cap"], 3.0, rtol=1e-4)


def test_sweeps_name_multipliers_by_their_constraints():
    data = sweep(EmissionCap(), {"cap": [2.0, 3.0, 9.0]}, sensitivity=("cap",), progress=False, **QUICK)
    np.testing.assert_allclose(data["multiplier_cap"], [5.0, 3.0, 0.0], atol=1e-10)
    np.testing.assert_allclose(data["d_multiplier_cap_d_cap"], [-2.0, -2.0, 0.0], atol=1e-10)
    assert "variational" in data.attrs["concept"]
    found = _schema(River(), "cap[0]")
    assert {v.name: v.dims for v in found.variables}["multiplier_station"] == ("station",)


def test_stores_tell_constraints_apart():
    item = "what constraints computes"
    assert _print(Textbook(how="upper"), "total")[item] != _print(Textbook(how="mild"), "total")[item]
    assert item not in _print(LinearCournot(), "slope")


def _print(game: Game, axis: str) -> dict[str, str]:
    prepared, how, values, one = _planned(game, axis)
    return fingerprint(prepared, how, values, one, "0")


def _schema(game: Game, axis: str):
    game, how, values, one = _planned(game, axis)
    return schema(game, one, how.axes, values, (), {})


def _planned(game: Game, axis: str) -> Any:
    """What a sweep makes before it computes anything."""
    prepared = prepare(game)
    where, values = grid(prepared, {axis: [1.0]})
    how = How(where, (), Newton(), 1e-10, 8, None)
    return prepared, how, values, shapes(prepared, how)


def test_followers_may_be_constrained():
    """A regulator that counts no damage sets the cap that does not bind."""
    leader = Leader(EmissionCap(), choose="cap", maximize="welfare", choices=(2.0, 3.0, 9.0))
    eq = solve(leader, **QUICK)
    assert eq.strategy["cap"] == 9.0
    assert eq.subgame is not None
    np.testing.assert_allclose(eq.subgame.multipliers["cap"], 0.0)
    assert eq.multipliers == {}


def test_games_without_constraints_have_no_multipliers():
    eq = solve(LinearCournot(), **QUICK)
    assert eq.multipliers == {}
    assert "variational" not in eq.concept
