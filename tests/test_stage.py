"""Discrete stages before a continuous game: what is played, how it is judged, its timing, its derivatives, its maps."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array, Float

from nashgrid.games import OwnersOpenSourcing, opening_decisions
from nashgrid.solver import (
    Game,
    GameError,
    HighestOutcome,
    Leader,
    Newton,
    QuantalStage,
    Stage,
    Status,
    StatusQuo,
    in_turn,
    mixed_equilibria,
    parameter,
    payoff_table,
    pure_equilibria,
    quantal_response,
    solve,
    sweep,
)
from nashgrid.solver._report import draw, report
from tests.judged import evidence
from tests.small_games import Follower

QUICK: dict[str, Any] = {"method": Newton(), "certify": False}
WRONG: dict[str, Any] = {"text": "A", "rule": "welfare", "game": None, "stage": Follower()}

DERIVED = ["concavity", "conditioning", "stability"]


def undefined(eq) -> list[str]:
    """What the certificate says is not defined."""
    return [name for name in (*DERIVED, "margin", "residual", "error") if np.isnan(getattr(evidence(eq), name))]


# transport, opening cost, pure equilibria as rows of choices, probability of opening when both randomize.
CASES = [
    (0.45, 0.0, [[0, 0], [1, 1]], 0.8),
    (0.02, 0.04, [[0, 1], [1, 0]], 0.5925925926),
    (0.02, 0.0, [[1, 1]], np.nan),
    (0.8, 0.0, [[0, 0]], np.nan),
]


def a2(transport, cost):
    table = payoff_table(opening_decisions(OwnersOpenSourcing(transport=transport, opening_cost=cost)), Newton())
    return pure_equilibria(table), mixed_equilibria(table), quantal_response(table, precision=1e5), table.certified


@pytest.fixture(scope="module")
def owners():
    """All four cases in one batch."""
    return jax.jit(jax.vmap(a2))(*(jnp.asarray([case[i] for case in CASES]) for i in (0, 1)))


@pytest.mark.parametrize("case", range(4))
def test_open_sourcing_by_two_owners(owners, case):
    pure, mixed, logit, certified = jax.tree.map(lambda leaf: leaf[case], owners)
    *_, expected, probability = CASES[case]
    assert np.all(certified) and bool(pure.complete)
    np.testing.assert_array_equal(np.argwhere(pure.mask), expected)
    assert np.all(np.asarray(pure.margin)[np.asarray(pure.mask)] > 1e-3)
    np.testing.assert_allclose(mixed.propensity, [probability] * 2, rtol=1e-9)
    assert bool(mixed.exists) == (case < 2) and not mixed.continuum
    # Noise that vanishes selects one of these equilibria: staying closed, by risk; the mixed one, by symmetry.
    limit = [0.0, probability, 1.0, 0.0][case]
    assert int(logit.status) == Status.successful
    np.testing.assert_allclose(logit.propensity, [limit] * 2, atol=2e-4)


def test_the_propensity_has_exact_derivatives():
    def propensity(theta):
        share, transport, cost, precision = theta[:2], theta[2], theta[3], theta[4]
        game = OwnersOpenSourcing(share=share, transport=transport, opening_cost=cost)
        return quantal_response(payoff_table(opening_decisions(game), **QUICK), precision=precision).propensity

    at = jnp.asarray([0.35, 0.25, 0.3, 0.01, 40.0])
    slopes = jax.jit(jax.jacrev(propensity))(at)
    step = 1e-6 * at
    ends = jnp.concatenate([at[None] + jnp.diag(step), at[None] - jnp.diag(step)])
    several = jax.jit(jax.vmap(propensity))(ends)
    np.testing.assert_allclose(slopes, ((several[:5] - several[5:]) / (2.0 * step[:, None])).T, rtol=1e-6)


class Moves(Game):
    """Two firms with payoffs by their discrete moves, plus what they lose if an effort is not theirs."""

    table: Float[Array, "one two firm"] = parameter()
    move: Float[Array, " firm"] = parameter((0.0, 0.0))
    curvature: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"effort": (0.0, 1.0)}

    def payoff(self, s):
        one, two = self.move
        weight = jnp.stack(
            [jnp.stack([(1 - one) * (1 - two), (1 - one) * two]), jnp.stack([one * (1 - two), one * two])]
        )
        return jnp.sum(weight[:, :, None] * self.table, axis=(0, 1)) - self.curvature * (s["effort"] - 0.25) ** 2

    def outcomes(self, s):
        return {"total": jnp.sum(self.payoff(s)), "spent": s["effort"] * self.move}


COORDINATION = np.array([[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 2.0]]])
PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
CHICKEN = np.array([[[2.0, 2.0], [1.0, 4.0]], [[4.0, 1.0], [0.0, 0.0]]])


def test_the_rule_chooses_among_equilibria_and_is_named():
    best = solve(Stage(Moves(COORDINATION), "move", rule=HighestOutcome("total")), **QUICK)
    np.testing.assert_array_equal(best.strategy["move"], [1.0, 1.0])
    np.testing.assert_allclose(best.payoff, [3.0, 2.0])
    assert int(best.status) == Status.first_order and "the one with the highest total" in best.concept
    eq = solve(Stage(Moves(COORDINATION), "move"), Newton())
    np.testing.assert_array_equal(eq.strategy["move"], [0.0, 0.0])
    assert StatusQuo().describe() in eq.concept and "simultaneous play" in eq.concept
    assert int(eq.outcomes["pure_equilibria"]) == int(best.outcomes["pure_equilibria"]) == 2
    assert int(eq.status) == Status.successful and eq.subgame is not None
    assert int(eq.subgame.status) == Status.successful
    np.testing.assert_allclose(evidence(eq).margin, 1.0)
    assert float(evidence(eq).regret) == 0.0


def test_no_pure_equilibrium_is_a_deviation_not_an_answer():
    eq = solve(Stage(Moves(PENNIES), "move"), Newton(), throw=False)
    assert int(eq.status) == Status.deviation_found and int(eq.outcomes["pure_equilibria"]) == 0
    assert not eq.outcomes["profile_equilibrium"].any()
    i = int(np.argmax(evidence(eq).gain))
    assert float(evidence(eq).gain[i]) == pytest.approx(2.0)
    assert float(evidence(eq).deviation["move"][i]) != float(eq.strategy["move"][i])


class Fragile(Moves):
    """As `Moves`, but without an equilibrium in effort after both have made their second move."""

    def payoff(self, s):
        one, two = self.move
        chase = jnp.stack([s["effort"][0] - s["effort"][1], s["effort"][1] - s["effort"][0]])
        return super().payoff(s) + one * two * jnp.stack([1.0, -1.0]) * 5.0 * jnp.square(chase)


def test_nothing_is_claimed_about_what_needs_a_failed_subgame():
    stage = Stage(Fragile(CHICKEN), "move")
    eq = solve(stage, Newton(), throw=False)
    assert int(eq.status) == Status.subgame_failed
    table = payoff_table(stage, Newton())
    np.testing.assert_array_equal(table.certified, [[True, True], [True, False]])
    pure = pure_equilibria(table)
    # (0, 0) is refuted without it; the other profiles depend on it.
    np.testing.assert_array_equal(pure.undecided, [[False, True], [True, True]])
    assert not pure.mask.any() and not pure.complete
    assert np.isnan(pure.margin[0, 1, 0]) and float(pure.margin[0, 0, 0]) == pytest.approx(-2.0)
    assert int(mixed_equilibria(table).status) == int(quantal_response(table, precision=1.0).status) == 8


def test_timing_is_one_line():
    stage = Stage(Moves(CHICKEN), "move", rule=StatusQuo((0.0, 1.0)))
    at_once = solve(stage, **QUICK)
    np.testing.assert_array_equal(at_once.strategy["move"], [0.0, 1.0])
    for first, payoff in (("A", (4.0, 1.0)), ("B", (1.0, 4.0))):
        order = (first, "B" if first == "A" else "A")
        eq = solve(in_turn(stage, order), **QUICK)
        assert eq.concept.startswith(f"subgame-perfect (sequential play): {first} sets move") and eq.subgame is not None
        assert eq.concept != at_once.concept
        # Who moves first commits to the second move, and the other gives way.
        assert eq.subgame.subgame is not None
        np.testing.assert_allclose([eq.payoff[0], eq.subgame.payoff[0]], [4.0, 1.0])
        np.testing.assert_allclose(eq.subgame.subgame.payoff, payoff)


def test_a_leader_before_the_stage():
    stage = Stage(Moves(COORDINATION), "move", rule=HighestOutcome("total"))
    leader = Leader(stage, "table[1,1,0]", "total", choices=(-1.0, 5.0))
    eq = solve(leader, **QUICK)
    assert float(eq.strategy["table[1,1,0]"]) == 5.0
    np.testing.assert_allclose(eq.outcomes["choice_payoff"], [2.0, 7.0])
    assert eq.subgame is not None and "discrete stage" in eq.concept
    np.testing.assert_array_equal(eq.subgame.strategy["move"], [1.0, 1.0])


def test_other_players_than_the_firms():
    class Reporting(Follower):
        second: Float[Array, ""] = parameter(0.0)

        def outcomes(self, s):
            price = self.intercept - self.first - self.second - s["q"].sum()
            return {"one": price * self.first, "two": price * self.second}

        def payoff(self, s):
            return super().payoff(s) - self.second * s["q"]

    stage = Stage(Reporting(), ("first", "second"), choices=(2.0, 4.0, 5.0), maximize=("one", "two"))
    eq = solve(stage, **QUICK)
    # With q = (12 - x)/2 left to the follower, each plays (12 - other)/2: 4 and 4.
    assert {name: float(value) for name, value in eq.strategy.items()} == {"first": 4.0, "second": 4.0}
    assert eq.firms == ("one", "two")
    np.testing.assert_allclose(eq.payoff, [8.0, 8.0])
    data = sweep(stage, {"intercept": [12.0, 15.0]}, **QUICK)
    assert data["payoff"].dims == ("intercept", "player") and data["first"].dims == ("intercept",)
    assert data["player"].values.tolist() == ["one", "two"] and data["profile"].values[1] == "2,4"
    np.testing.assert_allclose(data["first"], [4.0, 5.0])


def test_a_sweep_is_labelled_certified_and_kept(tmp_path):
    stage = opening_decisions(OwnersOpenSourcing())
    axes = {"transport": [0.02, 0.45, 0.8], "opening_cost": [0.0, 0.04]}
    data = sweep(stage, axes, method=Newton(), sensitivity=("spill_back_value",), store=tmp_path / "map").load()
    assert (data["status"] == Status.successful).all() and (data["subgame_status"] == Status.successful).all()
    assert data["stability"].isnull().all() and (data["margin"] > 0).all() and (data["subgame_stability"] < 1).all()
    assert report(data, None).count("worst") == 2
    draw(data, str(tmp_path / "undefined.png"), variable="stability")
    assert data["open"].dims == ("transport", "opening_cost", "firm")
    assert data["profile"].values.tolist() == ["0,0", "0,1", "1,0", "1,1"]
    np.testing.assert_array_equal(data["pure_equilibria"], [[1, 2], [2, 1], [1, 1]])
    np.testing.assert_array_equal(data["open"].sel(firm="owner 1"), [[1, 1], [0, 0], [0, 0]])
    both = data["profile_equilibrium"].sel(profile="1,1")
    np.testing.assert_array_equal(both, [[True, False], [True, False], [False, False]])
    gain = data["profile_payoff"].sel(profile="1,0", firm="owner 1") - data["profile_payoff"].sel(
        profile="0,0", firm="owner 1"
    )
    np.testing.assert_allclose(gain.sel(opening_cost=0.04), [0.016, -0.07, -0.14], atol=1e-12)
    # Of an owner that is open, the payoff rises by s (1 - S)/k with B.
    slope = data["d_payoff_d_spill_back_value"].sel(firm="owner 1")
    np.testing.assert_allclose(slope, [[0.06, 0.12], [0.0, 0.0], [0.0, 0.0]], atol=1e-12)
    xr.testing.assert_identical(sweep(stage, axes, method=Newton(), sensitivity=("spill_back_value",),
                                      store=tmp_path / "map").load(), data)  # fmt: skip
    with pytest.raises(GameError, match="is what the Stage of this problem chooses"):
        sweep(stage, {"open[0]": [0.0, 1.0]})


def test_maps_of_the_propensity():
    stage = opening_decisions(OwnersOpenSourcing(share=(0.35, 0.25)))
    step = 1e-5
    axes = {"transport": [0.2 - step, 0.2, 0.2 + step], "precision": [0.0, 40.0, 4e4]}
    data = sweep(QuantalStage(stage, 1.0), axes, sensitivity=("transport",), **QUICK)
    assert data["propensity"].dims == ("transport", "precision", "firm")
    assert data["probability"].dims == ("transport", "precision", "firm", "option")
    assert data["option"].values.tolist() == [0.0, 1.0] and (data["status"] == Status.first_order).all()
    np.testing.assert_allclose(data["probability"].sum("option"), 1.0, rtol=1e-14)
    middle = data.isel(transport=1)
    np.testing.assert_array_equal(middle["propensity"].sel(precision=0.0), 0.5)
    # Precise choice is that of the pure equilibrium, which is reported beside it.
    np.testing.assert_allclose(middle["propensity"].sel(precision=4e4), middle["open"].sel(precision=4e4), atol=1e-9)
    p, slope = (middle[name].sel(precision=40.0).values for name in ("propensity", "d_propensity_d_transport"))
    ends = data["propensity"].sel(precision=40.0).values
    np.testing.assert_allclose(slope, (ends[2] - ends[0]) / (2 * step), rtol=1e-7)
    # Expected outcomes: independent draws.
    np.testing.assert_allclose(middle["open_models"].sel(precision=40.0), p.sum(), rtol=1e-12)
    np.testing.assert_allclose(
        middle["outside_research"].sel(precision=40.0), 0.4 * (1 - (1 - p[0]) * (1 - p[1])), rtol=1e-12
    )


def test_noise_is_certified_and_named():
    eq = solve(QuantalStage(Stage(Moves(PENNIES), "move"), 2.0), Newton())
    assert int(eq.status) == Status.successful and eq.concept.startswith("logit quantal response")
    np.testing.assert_allclose(eq.outcomes["propensity"], 0.5, rtol=1e-12)
    np.testing.assert_allclose(eq.payoff, 0.0, atol=1e-12)
    assert float(evidence(eq).residual) < 1e-12 and float(evidence(eq).regret) < 1e-12
    assert eq.subgame is not None and int(eq.subgame.status) == Status.deviation_found
    assert undefined(eq) == [*DERIVED, "margin"] and undefined(eq.subgame) == DERIVED
    assert "evidence" in str(eq) and "nan" not in str(eq)


class Entry(Game):
    """Cournot competition of those who have entered, at a fee."""

    enter: Float[Array, " firm"] = parameter((0.0,) * 12)
    fee: Float[Array, ""] = parameter(0.7)

    @property
    def firms(self):
        return tuple(f"firm {i}" for i in range(self.enter.shape[-1]))

    def bounds(self):
        return {"q": (0.0, 3.0 * self.enter)}

    def payoff(self, s):
        return (3.0 - s["q"].sum()) * s["q"] - self.fee * self.enter


def test_twelve_players():
    table = payoff_table(Stage(Entry(), "enter"), **QUICK)
    assert table.payoff.shape == (*(2,) * 12, 12) and bool(jnp.all(table.certified))
    pure = pure_equilibria(table)
    # With m in, each earns (3/(m + 1))^2 - 0.7: there is room for two, whichever.
    entrants = np.argwhere(pure.mask).sum(axis=1)
    assert int(pure.count) == math.comb(12, 2) and (entrants == 2).all()
    assert len(table.choices) == 2 and not np.any(pure.weak)


def test_large_tables_are_counted_but_not_reported():
    stage = Stage(Entry(enter=(0.0,) * 7), "enter")
    shapes = jax.eval_shape(lambda: solve(stage, **QUICK))
    assert "profile_payoff" not in shapes.outcomes and shapes.outcomes["pure_equilibria"].shape == ()


def test_single_precision():
    game = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), OwnersOpenSourcing(transport=0.45))
    eq = solve(opening_decisions(game), Newton(), certify=False)
    assert eq.payoff.dtype == eq.strategy["open"].dtype == jnp.float32
    np.testing.assert_array_equal(eq.strategy["open"], [0.0, 0.0])
    assert int(eq.outcomes["pure_equilibria"]) == 2


class Clash(Moves):
    def outcomes(self, s):
        return {"pure_equilibria": jnp.sum(s["effort"])}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage(Moves(PENNIES), "moves"), "did you mean 'move'"),
        (lambda: Stage(Moves(PENNIES), "curvature"), r"'curvature' has shape \(\)"),
        (lambda: Stage(Moves(PENNIES), ("move[0]",)), "at least two players"),
        (lambda: Stage(Moves(PENNIES), ("move[0]", "move[2]")), "out of range"),
        (lambda: Stage(Moves(PENNIES), "move", choices=(1.0, 0.0)), "increasing"),
        (lambda: Stage(Moves(PENNIES), "move", choices=(1.0,)), "two or more"),
        (lambda: Stage(Moves(PENNIES), "move", maximize=("A",)), "one name for each choice"),
        (lambda: Stage(Moves(PENNIES), "move", maximize=WRONG["text"]), "give a tuple"),
        (lambda: Stage(Moves(PENNIES), "move", rule=WRONG["rule"]), "HighestOutcome"),
        (lambda: Stage(Entry(enter=(0.0,) * 17), "enter"), "131,072 profiles"),
        (lambda: Stage(WRONG["game"], "move"), "needs a Game"),
        (lambda: solve(Stage(Moves(PENNIES), "move", maximize=("A", "C"))), "maximize='C' names neither a firm"),
        (lambda: solve(Stage(Moves(PENNIES), "move", maximize=("A", "spent"))), "not a scalar"),
        (lambda: solve(Stage(Moves(PENNIES), "move", rule=HighestOutcome("welfare"))), "HighestOutcome='welfare'"),
        (lambda: Stage(Moves(PENNIES), "move", rule=StatusQuo(0.5)), "not one of the choices"),
        (lambda: Stage(Moves(PENNIES), "move", rule=StatusQuo((0.0,))), "1 choices for 2 players"),
        (lambda: solve(Stage(Moves(PENNIES), ("move[0]", "move[0]"))), "the same parameter"),
        (lambda: solve(Stage(Clash(PENNIES), "move")), "'pure_equilibria', which a Stage reports"),
        (lambda: solve(Stage(Moves(PENNIES), "move"), start={"effort": 0.1}), "start is for games"),
        (lambda: payoff_table(WRONG["stage"]), "needs a Stage"),
        (lambda: QuantalStage(WRONG["stage"], 1.0), "needs a Stage"),
        (lambda: QuantalStage(Stage(Moves(PENNIES), "move"), -1.0), "at least 0"),
        (lambda: QuantalStage(Stage(Moves(PENNIES), "move"), np.ones(2)), "one finite number"),
        (lambda: in_turn(Stage(Moves(PENNIES), "move"), ("A", "A")), "once"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make, message):
    with pytest.raises(GameError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
