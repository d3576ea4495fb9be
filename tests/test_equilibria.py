"""Several equilibria: all that closed forms and brute force know are found, no other point counts, and rules choose."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import LinearCournot, NicheDemand
from nashgrid.solver import (
    Game,
    GameError,
    HighestOutcome,
    Leader,
    Nearest,
    Newton,
    ParetoDominant,
    ReachedFrom,
    RiskDominant,
    Selected,
    Status,
    equilibria,
    parameter,
    solve,
    sweep,
)
from nashgrid.solver._check import prepare


class Coordination(Game):
    """Each firm wants to do as the other does: x is 0 or +-sqrt(pull - 1) without `tilt`; `gift` moves payoffs only."""

    pull: Float[Array, ""] = parameter(3.0)
    tilt: Float[Array, ""] = parameter(0.0)
    gift: Float[Array, ""] = parameter(0.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-2.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        return self.pull * x * x[::-1] - x**2 / 2 - x**4 / 4 + self.tilt * x + self.gift * x[::-1]

    def outcomes(self, s):
        return {"welfare": jnp.sum(self.payoff(s)), "both": s["x"]}


def test_all_three_of_a_coordination_game_and_their_derivatives():
    found = equilibria(Coordination(), Newton(), starts=4)
    assert len(found) == 3 and int(found.others) == 0 and not found.full
    np.testing.assert_allclose([e.strategy["x"][0] for e in found], [-np.sqrt(2), 0, np.sqrt(2)], atol=1e-9)
    assert [float(e.certificate.stability) > 1 for e in found if e.certificate] == [False, True, False]
    assert [int(e.status) for e in found] == [Status.successful] * 3
    np.testing.assert_array_equal(found[-1].strategy["x"], found[2].strategy["x"])
    with pytest.raises(IndexError, match="3 equilibria; 3 is"):
        found[3]
    assert "3 equilibria, 0 other" in str(found)

    def positions(pull):
        return equilibria(Coordination(pull=pull), Newton(), starts=4).points.strategy["x"][:3, 0]

    slope = 1 / (2 * np.sqrt(2))
    np.testing.assert_allclose(jax.jacfwd(positions)(3.0), [-slope, 0.0, slope], atol=1e-9)
    np.testing.assert_allclose(jax.jacrev(positions)(3.0), [-slope, 0.0, slope], atol=1e-9)


def test_a_batch_counts_every_lane_and_a_table_that_is_full_says_so():
    pulls = jnp.asarray([0.5, 3.0])
    found = jax.jit(jax.vmap(lambda pull: equilibria(Coordination(pull=pull), Newton(), starts=4)))(pulls)
    np.testing.assert_array_equal(found.count, [1, 3])
    assert "(2,)" in str(found)
    small = equilibria(Coordination(), Newton(), starts=4, capacity=2)
    assert len(small) == 2 and bool(small.full) and "raise `capacity`" in str(small)


def brute_force(masses: np.ndarray) -> list[list[tuple[float, float]]]:
    """By mass, fixed points of global best responses on a fine grid, by sign changes where they do not jump."""
    prices = np.linspace(1.0, 50.0, 9801)
    usual, niche = (prices - 1) * (50 - prices), (prices - 1) * prices**-3
    inverse = prices**-2
    best = [np.argmax(usual + masses[:, None] * (niche / np.sqrt(inverse + rival)), axis=1) for rival in inverse]
    fixed = []
    for response in prices[np.array(best).T]:
        twice = np.interp(response, prices, response)
        above, jump = twice - prices, np.abs(np.diff(twice)) > 1.0
        crossing = np.flatnonzero((above[:-1] >= 0) & (above[1:] < 0) & ~jump)
        fixed.append([(prices[k], response[k]) for k in crossing])
    return fixed


MASSES = (1000.0, 2475.0, 2700.0, 3200.0, 5000.0)


def test_no_one_and_two_equilibria_of_the_niche_game():
    found = jax.vmap(lambda mass: equilibria(NicheDemand(mass=mass), Newton(), starts=24))(jnp.asarray(MASSES))
    np.testing.assert_array_equal(found.count, [1, 0, 2, 0, 1])
    for k, known in enumerate(brute_force(np.array(MASSES))):
        prices = np.asarray(found.points.strategy["price"][k, : int(found.count[k])])
        np.testing.assert_allclose(prices, np.reshape(known, (-1, 2)), atol=0.02)
        others = np.asarray(found.points.status[k, int(found.count[k]) :][: int(found.others[k])])
        np.testing.assert_array_equal(others, Status.deviation_found)
    # The published points that pass first- and second-order conditions are among them, and do not count.
    rest = np.asarray(found.points.strategy["price"][2, 2:, 0])
    assert np.abs(rest - 1.757).min() < 5e-4 and np.abs(rest - 22.987).min() < 5e-4


RULES = {
    "highest outcome": (HighestOutcome("welfare"), {"gift": 0.5}, 1.0),
    "lowest payoffs on the other side": (HighestOutcome("B"), {"gift": -0.5}, -1.0),
    "Pareto": (ParetoDominant(), {"gift": -0.5}, -1.0),
    # Payoffs alone do not matter for risk: the tilt does.
    "risk": (RiskDominant(), {"tilt": 0.1, "gift": -3.0}, 1.0),
    "nearest": (Nearest({"x": -0.9}), {}, -1.0),
    "unstable one nearest": (Nearest({"x": jnp.asarray([0.1, -0.2])}), {}, 0.0),
    "reached": (ReachedFrom({"x": jnp.asarray([-0.5, -0.1])}), {}, -1.0),
}


@pytest.mark.parametrize(("rule", "fields", "sign"), RULES.values(), ids=RULES)
def test_rules(rule, fields, sign):
    game = prepare(Coordination(**fields))
    found = equilibria(game, Newton(), starts=4)
    row, decided = rule.choose(game, found)
    assert len(found) == 3 and bool(decided)
    assert np.all(np.sign(np.round(found[int(row)].strategy["x"], 6)) == sign)


def test_mirror_images_are_for_no_rule_of_dominance_to_decide():
    game = prepare(Coordination())
    found = equilibria(game, Newton(), starts=4)
    assert [bool(rule.choose(game, found)[1]) for rule in (ParetoDominant(), RiskDominant())] == [False, False]
    # Dynamics that start exactly at the unstable equilibrium stay there.
    row, decided = ReachedFrom({"x": 0.0}).choose(game, found)
    assert int(row) == 1 and bool(decided)
    undecided = solve(Selected(game, ParetoDominant(), starts=4), throw=False)
    assert int(undecided.status) == Status.undecided
    assert "Pareto-dominates" in undecided.concept and "BestResponse" in undecided.method


def test_dynamics_that_end_where_nothing_was_found_decide_nothing():
    found = equilibria(Coordination(), Newton(), starts=4)
    only_right = eqx.tree_at(lambda f: f.points.strategy["x"], found, jnp.full_like(found.points.strategy["x"], 2**0.5))
    assert not bool(ReachedFrom({"x": -1.0}).choose(prepare(Coordination()), only_right)[1])


def test_selected_in_sweeps_and_under_a_leader():
    rule = HighestOutcome("welfare")
    followers = Selected(Coordination(tilt=0.1), rule, starts=4)
    data = sweep(followers, {"pull": [0.5, 3.0]}, method=Newton(), sensitivity=["pull"])
    np.testing.assert_array_equal(data.equilibrium_count, [1, 3])
    assert (data.status == Status.successful).all() and "highest welfare" in data.attrs["concept"]
    x = data.x.sel(firm="A")
    np.testing.assert_allclose((data.pull - 1) * x - x**3 + 0.1, 0.0, atol=1e-9)
    np.testing.assert_allclose(data.d_x_d_pull.sel(firm="A"), x / (3 * x**2 + 1 - data.pull), rtol=1e-8)
    led = solve(Leader(followers, "pull", "welfare", choices=(0.5, 3.0)), Newton())
    assert float(led.strategy["pull"]) == 3.0 and led.subgame is not None
    np.testing.assert_allclose(led.subgame.strategy["x"], x[1], rtol=1e-9)


def test_without_an_equilibrium_the_status_is_that_of_a_first_order_point():
    result = solve(Selected(NicheDemand(mass=2475.0), HighestOutcome("A"), starts=8), throw=False)
    assert int(result.status) == Status.deviation_found and int(result.outcomes["equilibrium_count"]) == 0
    invalid = solve(Selected(NicheDemand(mass=jnp.nan), HighestOutcome("A"), starts=8), throw=False)
    assert int(invalid.status) == Status.nonfinite


def test_a_unique_equilibrium_is_found_once_also_in_single_precision():
    game = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), LinearCournot(cost=(1.0, 2.0, 6.0)))
    found = equilibria(game, Newton(), starts=4)
    assert len(found) == 1 and found[0].strategy["quantity"].dtype == jnp.float32
    np.testing.assert_allclose(found[0].strategy["quantity"], solve(game).strategy["quantity"], rtol=1e-4, atol=1e-4)


WRONG = {
    "a leader": (lambda: equilibria(Leader(Coordination(), "pull", "A", choices=(1.0, 2.0))), r"not for a Leader"),  # pyright: ignore[reportArgumentType]
    "starts": (lambda: equilibria(Coordination(), starts=-1), r"starts is -1; give a whole number"),
    "capacity": (lambda: equilibria(Coordination(), capacity=True), r"capacity is True"),
    "no rule": (lambda: Selected(Coordination(), "welfare"), r"takes a Game and a rule"),  # pyright: ignore[reportArgumentType]
    "unknown": (
        lambda: solve(Selected(Coordination(), HighestOutcome("profit"))),
        r"names neither a firm .* 'welfare'",
    ),
    "by firm": (lambda: solve(Selected(Coordination(), HighestOutcome("both"))), r"not a scalar"),
    "three firms": (
        lambda: solve(Selected(LinearCournot(cost=(1.0, 1.0, 1.0)), RiskDominant())),
        r"two firms, not for 3",
    ),
    "a profile": (lambda: solve(Selected(Coordination(), Nearest({"y": 1.0}))), r"names 'y'"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_refusals(call, message):
    with pytest.raises(GameError, match=message):
        call()
