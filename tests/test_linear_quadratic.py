"""Linear-quadratic dynamic games: published duopolies, brute force, derivatives, and what is refused."""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import (
    DynamicGame,
    GameError,
    LinearQuadratic,
    MarkovPerfect,
    NotSolvedError,
    OpenLoop,
    PathGame,
    Status,
    parameter,
    solve,
    sweep,
)
from nashgrid.solver._dynamic_game import programs_of, strategies_of
from nashgrid.solver._quadratic import quadratic_of
from nashgrid.solver._rules_certificate import judge_for_ever, judge_to_the_end


class StickyPrices(DynamicGame):
    """Fershtman and Kamien (1987, Econometrica 55), in periods of length `step`: the price moves towards a - q1 - q2 at
    the speed s; cost c q + q^2/2; interest r."""

    intercept: Float[Array, ""] = parameter(10.0)
    cost: Float[Array, ""] = parameter(2.0)
    speed: Float[Array, ""] = parameter(1.0)
    interest: Float[Array, ""] = parameter(0.1)
    step: Float[Array, ""] = parameter(0.01)
    firms = ("A", "B")

    @property
    def discount(self):
        return jnp.exp(-self.interest * self.step)

    def initial(self):
        return {"price": 4.0}

    def bounds(self):
        return {"q": (-jnp.inf, jnp.inf)}

    def transition(self, x, s):
        change = self.speed * (self.intercept - s["q"].sum() - x["price"])
        return {"price": x["price"] + self.step * change}

    def payoff(self, x, s):
        return self.step * ((x["price"] - self.cost) * s["q"] - s["q"] ** 2 / 2)


class Adjustment(DynamicGame):
    """Cournot duopoly with a cost of changing quantities, in the numbers of the QuantEcon lecture on Markov-perfect
    equilibrium: a0 = 10, a1 = 2, beta = 0.96, gamma = 12."""

    cost: Float[Array, ""] = parameter(12.0)
    intercept: Float[Array, ""] = parameter(10.0)
    discount: Float[Array, ""] = parameter(0.96)
    most: Float[Array, ""] = parameter(jnp.inf)
    firms = ("A", "B")

    def initial(self):
        return {"quantity": (1.0, 0.5)}

    def bounds(self):
        return {"change": (-self.most, self.most)}

    def transition(self, x, s):
        return {"quantity": x["quantity"] + s["change"]}

    def payoff(self, x, s):
        return (self.intercept - 2.0 * x["quantity"].sum()) * x["quantity"] - self.cost * s["change"] ** 2

    def outcomes(self, x, s):
        return {"price": self.intercept - 2.0 * x["quantity"].sum()}


def foreseen(**parameters):
    """Markov-perfect play of `Adjustment`; one program for all tests."""
    return solve(MarkovPerfect(Adjustment(**parameters), shown=150), throw=False)


def resting(rule):
    """The price at which sticky prices rest under q = e + alpha p: a - 2 q."""
    return (10.0 - 2.0 * rule[..., 0]) / (1.0 + 2.0 * rule[..., 1])


def test_sticky_prices_are_those_of_fershtman_and_kamien():
    a, c, r = 10.0, 2.0, 0.1
    speed, steps = np.array([1.0, 1000.0]), np.array([0.04, 0.02, 0.01])

    def price(play, speed, step):
        certify = play is MarkovPerfect
        eq = solve(play(StickyPrices(speed=speed, step=step / speed), shown=1), certify=certify)
        good = eq.status == (Status.successful if certify else Status.first_order)
        return eq.outcomes["q_rule"][0], good

    def limit(play):
        """As the period vanishes: without the errors of first and second order."""
        each = jax.vmap(jax.vmap(lambda *at: price(play, *at), (None, 0)), (0, None))
        rules, good = jax.jit(each)(jnp.asarray(speed), jnp.asarray(steps))
        assert good.all()
        rest = np.asarray(resting(rules))
        return (rest[:, 0] - 6.0 * rest[:, 1] + 8.0 * rest[:, 2]) / 3.0

    # q = (1 - s K) p + s E - c with V' = K p - E; their K and E.
    k = (r + 6 * speed - np.sqrt((r + 6 * speed) ** 2 - 12 * speed**2)) / (6 * speed**2)
    e = (c - speed * k * (a + 2 * c)) / (r + 3 * speed - 3 * speed**2 * k)
    feedback = limit(MarkovPerfect)
    np.testing.assert_allclose(feedback, (a + 2 * (c - speed * e)) / (2 * (1 - speed * k) + 1), rtol=1e-6)
    part = (r + speed) / (r + 2 * speed)
    np.testing.assert_allclose(limit(OpenLoop), (a + 2 * part * c) / (1 + 2 * part), rtol=1e-8)
    # At high speed open-loop play ends at the static Cournot price, feedback play below it, above the competitive one.
    share = 1 - np.sqrt(2 / 3)
    far = (a + 2 * c - 2 * (c - share * (a + 2 * c)) / (3 - 3 * share)) / (3 - 2 * share)
    assert feedback[1] == pytest.approx(far, abs=1e-3) and (a + 2 * c) / 3 < far < (a + c) / 2 - 0.4


def test_adjustment_costs_have_the_published_rules():
    eq = foreseen()
    assert eq.status == Status.successful
    published = [[-0.66846615, 0.29512482, 0.07584666], [-0.66846615, 0.07584666, 0.29512482]]
    np.testing.assert_allclose(eq.outcomes["change_rule"], -np.array(published), atol=3e-8)
    assert (eq.outcomes["quantity"][:, -1] > 1.8).all()  # more than the static Cournot quantities, 5/3
    assert eq.outcomes["price"].shape == (150,) and eq.outcomes["quantity"].shape == (2, 151)
    # Nothing is left to do but to hold the quantities, at the price that they give.
    rest = np.float64(eq.outcomes["price"][-1])
    discounted = 0.96 ** np.arange(150)
    present = float(discounted @ np.asarray(eq.outcomes["price"])) + 0.96**150 / 0.04 * rest
    assert float(eq.outcomes["present_price"]) == pytest.approx(present, rel=1e-12)


def _simulated(rules, first, start, periods=1500):
    """The present value of firm 1 in `Adjustment`, in NumPy, when it follows `first` and the other one its rule."""
    x, total = np.array(start), 0.0
    for t in range(periods):
        y = np.r_[1.0, x]
        u = np.array([first @ y, rules[1] @ y])
        total += 0.96**t * ((10 - 2 * x.sum()) * x[0] - 12 * u[0] ** 2)
        x = x + u
    return total


def test_no_other_rule_is_better_by_brute_force():
    eq = foreseen()
    rules = np.asarray(eq.outcomes["change_rule"])
    rng = np.random.default_rng(1)
    assert _simulated(rules, rules[0], (1.0, 0.5)) == pytest.approx(float(eq.payoff[0]), rel=1e-12)
    for start in ((1.0, 0.5), (3.0, 0.0)):
        best = _simulated(rules, rules[0], start)
        for _ in range(6):
            other = rules[0] + rng.normal(size=3) * [0.05, 0.02, 0.02]
            assert _simulated(rules, other, start) < best


def test_the_certificate_refuses_a_wrong_rule():
    game = Adjustment()
    layout, q = strategies_of(game), quadratic_of(game, jnp.dtype("float64"))
    sizes = jnp.ones(2), jnp.ones(2)
    right = foreseen().outcomes["change_rule"]
    wrong = right.at[0, 0].add(0.05)
    judge = jax.jit(lambda rules: judge_for_ever(q, rules, layout.owner, layout, sizes, feedback=True))
    assert judge(right).regret < 1e-13 and judge(right).residual < 1e-13
    seen = judge(wrong)
    assert seen.residual == pytest.approx(0.05, rel=0.2) and seen.regret > 1e-4
    # The bound holds, and is not far from what there is to gain.
    found = np.asarray(seen.answers[0, 0])
    gain = _simulated(np.asarray(wrong), found, (1.0, 1.0)) - _simulated(
        np.asarray(wrong), np.asarray(wrong[0]), (1.0, 1.0)
    )
    assert 0.2 * seen.gain[0] < gain <= seen.gain[0]
    # Rules that are right for ever are wrong before an end.
    last = jax.jit(lambda rules: judge_to_the_end(q, rules, layout.owner, layout, sizes, feedback=True))
    assert last(jnp.stack([right] * 3)).regret > 1e-2


def test_derivatives_are_those_of_the_fixed_point():
    def outcome(eq):
        return eq.payoff[0] + eq.outcomes["quantity"][1, 20] + eq.outcomes["persistence"]

    def at_point(v):
        return outcome(solve(MarkovPerfect(Adjustment(cost=v[0], discount=v[1]), shown=20), certify=False))

    at = jnp.array([12.0, 0.96])
    forward, reverse = jax.jit(lambda v: (jax.jacfwd(at_point)(v), jax.jacrev(at_point)(v)))(at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-11)
    for slope, (cost, discount) in zip(forward, ((1e-3, 0.0), (0.0, 1e-5)), strict=True):
        up, down = (outcome(foreseen(cost=12.0 + k * cost, discount=0.96 + k * discount)) for k in (1, -1))
        assert slope == pytest.approx(float(up - down) / (2 * (cost + discount)), rel=1e-6)


def test_capacity_given_by_matrices():
    """As Reynolds (1987, International Economic Review 28): (a - sum K) K_i - p I_i - c I_i^2/2, K' = (1 - d) K + I.
    Firms invest more when rivals can see capacity."""
    n, a, p, c, d, beta = 2, 10.0, 1.0, 4.0, 0.1, 0.95
    w = np.zeros((n, 1 + 2 * n, 1 + 2 * n))
    for i in range(n):
        mine, invest = 1 + i, 1 + n + i
        w[i, 0, mine], w[i, mine, 1 : 1 + n], w[i, 0, invest], w[i, invest, invest] = 2 * a, -2.0, -2 * p, -c
    w = (w + w.transpose(0, 2, 1)) / 2
    for i in range(n):
        w[i, 1 + i, 1 + i], w[i, 1 + n + i, 1 + n + i] = -2.0, -c
    game = LinearQuadratic((1 - d) * np.eye(n), np.eye(n), w, owner=(0, 1), discount=beta)
    x, u = np.array([1.0, 2.0]), np.array([0.3, 0.1])
    expected = (a - x.sum()) * x - p * u - c * u**2 / 2
    np.testing.assert_allclose(game.payoff({"x": jnp.asarray(x)}, {"u": jnp.asarray(u)}), expected)
    committed, seen = (
        solve(play(game, shown=300), certify=False).outcomes["x"][:, -1] for play in (OpenLoop, MarkovPerfect)
    )
    user_cost = 1 - beta * (1 - d)
    known = (beta * a - p * user_cost) / (beta * (n + 1) + c * d * user_cost)
    np.testing.assert_allclose(committed, known, rtol=1e-11)
    assert (seen > known * 1.02).all()


def test_far_from_the_end_rules_are_stationary():
    rule = solve(MarkovPerfect(Adjustment(), 60)).outcomes["change_rule"]
    assert rule.shape == (2, 60, 3)
    np.testing.assert_allclose(rule[:, 0], foreseen().outcomes["change_rule"], atol=1e-11)
    np.testing.assert_array_equal(rule[:, -1], 0.0)


class FishWar(DynamicGame):
    """Two countries catch parts of a stock that grows to the power alpha; what is left is worth log(stock)/(1 - alpha
    beta) to each, as if the game went on (Levhari and Mirman, 1980, Bell Journal of Economics 11)."""

    growth: Float[Array, ""] = parameter(0.5)
    discount: Float[Array, ""] = parameter(0.9)
    firms = ("A", "B")

    def initial(self):
        return {"stock": 0.7}

    def bounds(self):
        return {"part": (0.01, 0.49)}

    def transition(self, x, s):
        return {"stock": (x["stock"] * (1.0 - s["part"].sum())) ** self.growth}

    def payoff(self, x, s):
        return jnp.log(x["stock"] * s["part"])

    def terminal(self, x):
        return jnp.broadcast_to(jnp.log(x["stock"]) / (1.0 - self.growth * self.discount), (2,))


def test_the_great_fish_war():
    # With logarithms the best part of the stock depends on nothing that is seen: paths of parts are the feedback rules.
    game, best = PathGame(FishWar(), 3), (1 - 0.45) / (2 - 0.45)
    part = jnp.full((2, 3), best)

    @jax.jit
    def slopes(part):
        own = jax.jacfwd(lambda part: game.payoff({"part": part}))(part)
        return own[0, 0], own[1, 1], jax.hessian(lambda part: game.payoff({"part": part})[0])(part)[0, :, 0]

    first, second, curvature = slopes(part)
    np.testing.assert_allclose([first, second], 0.0, atol=1e-13)
    assert (np.linalg.eigvalsh(curvature) < 0).all()
    assert game.outcomes({"part": part})["stock"].shape == (4,)
    with pytest.raises(GameError, match=r"payoff is not quadratic.*PathGame"):
        solve(MarkovPerfect(FishWar()))


def test_single_precision():
    game = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), Adjustment())
    eq = solve(MarkovPerfect(game, shown=1))
    assert eq.payoff.dtype == eq.outcomes["change_rule"].dtype == jnp.float32
    np.testing.assert_allclose(eq.outcomes["change_rule"][0], [0.66846615, -0.29512482, -0.07584666], atol=1e-5)


def test_sweeps_have_named_rules():
    data = sweep(MarkovPerfect(Adjustment(), shown=3), {"cost": [6.0, 12.0]}, progress=False, certify=False)
    assert (data["status"] == Status.first_order).all()
    assert data["change_rule"].dims == ("cost", "firm", "coefficient")
    assert list(data["coefficient"].values) == ["1", "quantity[0]", "quantity[1]"]
    assert data["quantity"].sizes["date"] == 4 and data["change"].sizes["period"] == 3
    np.testing.assert_allclose(data["change_rule"][1], foreseen().outcomes["change_rule"], atol=1e-12)


class Dearer(Adjustment):
    def payoff(self, x, s):
        return Adjustment.payoff(self, x, s) - 1.0


def test_an_edited_payoff_is_noticed():
    here, there = (programs_of(kind()) for kind in (Adjustment, Dearer))
    assert [name for name in here if str(here[name]) != str(there[name])] == ["payoff"]


class Renamed(Adjustment):
    def transition(self, x, s):
        return {"q": x["quantity"] + s["change"]}


class Twice(Adjustment):
    def outcomes(self, x, s):
        return {"quantity": x["quantity"]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarkovPerfect(Adjustment(), 0), r"periods of MarkovPerfect is 0; give a whole number of at least 1"),
        (lambda: PathGame(Adjustment(), True), r"periods of a PathGame is True; give a whole number of at least 1\.$"),
        (lambda: solve(MarkovPerfect(Adjustment(discount=1.0))), r"discount is 1\.0; .*below 1 for an infinite"),
        (lambda: solve(cast(Any, Adjustment())), r"Adjustment is one period of a dynamic game; solve MarkovPerfect"),
        (lambda: solve(OpenLoop(Renamed())), r"Renamed\.transition returned .*'q'.*'quantity'"),
        (lambda: solve(PathGame(Twice(), 2)), r"Twice has two .* called 'quantity'; rename one"),
        (lambda: MarkovPerfect(cast(Any, 3.0)), r"MarkovPerfect takes a DynamicGame, not 3\.0"),
        (lambda: LinearQuadratic([[1.0]], [[1.0]], [[[1.0]]], owner=(0,)), r"with 1 states and 1 owned actions"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(GameError, match=message):
        make()


def test_bounds_and_horizons_without_end_are_not_overlooked():
    eq = foreseen(most=0.2)
    assert eq.status == Status.infeasible and eq.certificate is not None
    assert eq.certificate.margin < 0 and eq.certificate.regret < 1e-12
    assert "`PathGame` imposes bounds" in str(eq)
    # With so long periods the rules of finite horizons do not settle.
    rough = eqx.tree_at(lambda g: (g.step, g.speed), StickyPrices(), (jnp.asarray(1.0), jnp.asarray(0.5)))
    with pytest.raises(NotSolvedError, match="max_steps"):
        solve(MarkovPerfect(rough, shown=1), max_steps=4)


class Bent(DynamicGame):
    """A firm alone, whose payoffs may have a cubic term; u follows a state that creeps up to 1 if it is told to."""

    cubic: Float[Array, ""] = parameter(0.0, "weight of the cube")
    discount: Float[Array, ""] = parameter(0.9, "per period")
    motion: Float[Array, ""] = parameter(0.98, "of the state")
    most: Float[Array, ""] = parameter(2.0, "upper bound of u")
    firms = ("A",)

    def initial(self):
        return {"x": (0.1,)}

    def bounds(self):
        return {"u": (-2.0, self.most)}

    def transition(self, x, s):
        return {"x": self.motion * x["x"] + (1.0 - self.motion) + 0.0 * s["u"]}

    def payoff(self, x, s):
        return -jnp.square(s["u"] - x["x"]) - self.cubic * x["x"] ** 3

    def terminal(self, x):
        return -jnp.square(x["x"])


def test_each_point_of_a_sweep_has_to_be_linear_quadratic_with_a_discount_factor_below_one():
    map = sweep(MarkovPerfect(Bent()), {"game.cubic": [0.0, 0.1], "game.discount": [-0.1, 0.9, 1.0]}, progress=False)
    good = np.array([[False, True, False], [False] * 3])
    np.testing.assert_array_equal(map.status == Status.successful, good)
    assert np.isnan(map.payoff.values[~good]).all()


def test_bounds_hold_after_what_is_shown():
    # u = x: 0.65 after 40 periods, 1 in the end.
    for shown, most, status in (
        (5, 0.6, Status.infeasible),
        (5, 0.999, Status.infeasible),
        (5, 1.1, Status.successful),
    ):
        found = solve(MarkovPerfect(Bent(most=most), shown=shown), throw=False)
        assert found.status == status


def test_what_is_worth_something_at_the_end_does_not_count_without_one():
    class Idle(Bent):
        def transition(self, x, s):
            return {"x": 1.2 * x["x"] + s["u"]}

        def payoff(self, x, s):
            return -jnp.square(s["u"])

    # Doing nothing costs nothing; rules that hold the state back pay for what never comes.
    assert solve(MarkovPerfect(Idle(discount=0.95)), throw=False).status == Status.unbounded
