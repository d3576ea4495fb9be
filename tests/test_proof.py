"""Proofs of equilibria: they succeed where equilibria are known, and nothing that is none is ever proved."""

from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from nashgrid.games import LinearCournot, NicheDemand, OpenSourcing, SinghVivesBertrand, singh_vives_bertrand_duopoly
from nashgrid.solver import Game, GameError, Leader, parameter, prove, solve

from .closed_forms import CASES, largest_gain
from .judged import Known, WrongDerivative, quadratic
from .small_games import Duopoly

# Nine firms take longer; there are four in "open_sourcing_complements".
# The auction's payoff has two branches that meet at the equilibrium: which of them holds is undecided in every box.
UNPROVED = "first_price_auction"
GAMES = [case for case in CASES if not case.name.startswith(("open_sourcing_0", "open_sourcing_1", UNPROVED))]


class One(Game):
    """One firm, one strategy, with a payoff that is given."""

    firms = ("A",)
    bound: tuple[float, float] = eqx.field(static=True, default=(-2.0, 2.0))

    def bounds(self):
        return {"x": self.bound}


def one(payoff, low: float = -2.0, high: float = 2.0) -> Game:
    """A game of one firm with this payoff of x."""

    class Given(One):
        def payoff(self, s):
            return payoff(s["x"])

    return Given(bound=(low, high))


def test_where_two_branches_meet_at_the_equilibrium_nothing_is_claimed():
    case = next(case for case in CASES if case.name == UNPROVED)
    proof = prove(case.problem, case.strategy)
    assert not proof.proved and "could not be shown to have exactly one solution" in proof.reason


@pytest.mark.parametrize("case", GAMES, ids=lambda case: case.name)
def test_known_equilibria_are_proved(case):
    proof = prove(case.problem, case.strategy)
    assert proof.proved, proof.reason
    for name, exact in case.strategy.items():
        # The closed form in floats is itself rounded.
        slack = 1e-13 * np.max(np.abs(exact))
        assert np.all(proof.enclosure.lower[name] <= exact + slack)
        assert np.all(exact - slack <= proof.enclosure.upper[name])
        assert np.all(proof.box.lower[name] <= proof.enclosure.lower[name])
        assert np.all(proof.enclosure.upper[name] <= proof.box.upper[name])
        assert np.max(proof.enclosure.upper[name] - proof.enclosure.lower[name]) < 1e-11 * np.max(np.abs(exact))
    assert np.all(
        proof.gain_bound < 1e-9 * max(1.0, float(np.max(np.abs(case.problem.payoff(_arrays(case.strategy))))))
    )


def _arrays(strategy):
    return {name: jnp.asarray(value) for name, value in strategy.items()}


@given(st.floats(0.1, 3.0), st.floats(0.1, 3.0), st.floats(7.0, 20.0))
@settings(max_examples=8, deadline=None)
def test_the_exact_rational_equilibrium_is_in_the_enclosure(a, b, intercept):
    exact = [(Fraction(intercept) - 2 * Fraction(own) + Fraction(other)) / 3 for own, other in ((a, b), (b, a))]
    proof = prove(Duopoly(cost=(a, b), intercept=intercept), {"q": np.array([float(q) for q in exact])})
    assert proof.proved
    for k, q in enumerate(exact):
        assert Fraction(float(proof.enclosure.lower["q"][k])) <= q <= Fraction(float(proof.enclosure.upper["q"][k]))


@given(st.integers(0, 10**6), st.floats(-4, -1), st.booleans())
@settings(max_examples=6, deadline=None)
def test_the_bound_on_gains_is_one(seed, digits, moved):
    game = quadratic((0, 0, 1), seed)
    known = Known(game)
    z = known.equilibrium() + (10.0**digits * np.array([1.0, -1.0, 0.5]) if moved else 0.0)
    proof = prove(game, {"z": z})
    assert proof.proved == (not moved)
    for firm in (0, 1):
        gain = known.payoff(known.respond(z, firm))[firm] - known.payoff(z)[firm]
        assert gain <= proof.gain_bound[firm] + 1e-13
        assert proof.gain_bound[firm] <= gain + 1e-9


def test_what_solve_returns_is_proved_and_corners_are():
    game = LinearCournot(cost=(1.0, 1.0, 9.0))
    proof = prove(game, solve(game))
    assert proof.proved
    assert proof.enclosure.upper["quantity"][2] == 0.0
    # The firm at its bound is unique there too: the box is not flat.
    assert proof.box.upper["quantity"][2] > 0.0
    assert "proved" in str(proof)


def test_the_width_of_the_box_is_what_was_asked_for():
    proof = prove(Duopoly(), {"q": np.array([10.0, 7.0]) / 3}, radius=0.5)
    assert proof.proved
    np.testing.assert_allclose(proof.box.upper["q"] - proof.box.lower["q"], 1.0)


@pytest.mark.parametrize("price", [1.757, 22.987])
def test_local_maxima_that_are_not_global_are_refuted(price):
    # The digits are those of the paper: the first-order conditions are solved exactly somewhere near.
    proof = prove(NicheDemand(), {"price": jnp.full(2, price)}, radius=1e-3)
    assert not proof.proved
    assert "gains at least" in proof.reason and "no solution" not in proof.reason
    assert np.all(proof.enclosure.upper["price"] > proof.enclosure.lower["price"])
    gain = largest_gain(NicheDemand(), {"price": np.full(2, price)})
    assert gain <= np.max(proof.gain_bound) <= 1.1 * gain


def test_the_equilibrium_of_that_game_is_proved():
    assert prove(NicheDemand(), {"price": np.array([2.168, 25.157])}, radius=1e-3).proved


def test_firms_that_could_shut_each_other_out():
    # The conditions of an oligopoly with corners, at which every payoff has kinks elsewhere.
    game = OpenSourcing(outsiders=2, competition=0.5, openness=0.5)
    research = np.array([0.30677692, 0.13597829, 0.13597829])
    proof = prove(game, {"research": research}, radius=1e-6)
    assert proof.proved
    assert largest_gain(game, {"research": research}) <= 1e-12


@pytest.mark.parametrize("away", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_profiles_that_are_no_equilibria_are_not_proved(away):
    q = np.array([10.0, 7.0]) / 3
    for moved in (q + away, q - away, q + np.array([away, -away]), q + np.array([0.0, away])):
        proof = prove(Duopoly(), {"q": moved})
        assert not proof.proved
        assert "no solution" in proof.reason
        assert np.max(proof.gain_bound) > 0.0


# Two hills at -1 and 1, the second higher by `more`; the derivative is zero at both.
def hills(more: float):
    return lambda x: -jnp.square(jnp.square(x) - 1.0) + more * (3.0 * x - x**3 + 2.0) / 4.0


@pytest.mark.parametrize("more", [1.0, 1e-3, 1e-6, 1e-9, 1e-12])
def test_a_second_hill_that_is_slightly_higher_is_found(more):
    game = one(hills(more))
    lower = prove(game, {"x": -1.0})
    assert not lower.proved
    assert "gains at least" in lower.reason
    assert more * 0.999 <= float(lower.gain_bound[0]) <= more * 1.001 + 1e-13
    assert prove(game, {"x": 1.0}).proved


def test_ties_are_not_proved():
    for x in (-1.0, 1.0):
        proof = prove(one(hills(0.0)), {"x": x})
        assert not proof.proved
        assert "tie" in proof.reason
        assert proof.gain_bound[0] < 1e-12


@pytest.mark.parametrize(
    ("payoff", "x"),
    [
        (lambda x: jnp.square(x), 0.0),  # a minimum
        (lambda x: x**3, 0.0),  # a saddle
        (lambda x: 0.0 * x, 0.5),  # everything is best
        (lambda x: -(x**4), 0.0),  # no curvature
        (lambda x: -jnp.square(jnp.maximum(jnp.abs(x) - 0.5, 0.0)), 0.1),  # a flat top
        (lambda x: -jnp.abs(x), 0.0),  # a kink: an equilibrium, which first-order conditions cannot show
        (lambda x: jnp.where(x > 0.3, 2.0, -jnp.square(x)), 0.0),  # better beyond a jump
        (lambda x: jnp.where(jnp.abs(x - 0.3) < 1e-9, 1.0, -jnp.square(x)), 0.0),  # better on a needle
        (lambda x: jnp.maximum(-jnp.square(x), 1e-6 - 1e4 * jnp.abs(x - 1.2345)), 0.0),  # a small spike
        (lambda x: jnp.where(x == 1.0, 1.0, -jnp.square(x)), 0.0),  # better at one point only
        (lambda x: -jnp.square(x) + jnp.where(x > 1.0, jnp.log(x - 1.0), 0.0), 0.0),  # undefined at a point
        (lambda x: -jnp.square(x) + 0.1 * jnp.log(x + 1.0), 0.05),  # undefined over a part
    ],
)
def test_what_is_no_strict_smooth_and_global_maximum_is_not_proved(payoff, x):
    assert not prove(one(payoff), {"x": x}, max_boxes=4000).proved


def test_a_peak_at_a_kink_on_the_face_of_a_box_is_not_lost():
    # Bisection cuts at 0: the payoff rises on one side of the cut and falls on the other.
    for peak in (0.0, 0.5, -1.0, 1.0, 0.25):
        game = one(lambda x, c=peak: jnp.maximum(-jnp.square(x + 1.7), 0.3 - jnp.abs(x - c)))
        proof = prove(game, {"x": -1.7})
        assert not proof.proved
        assert proof.gain_bound[0] >= 0.3


@pytest.mark.parametrize("bound", [-2.0, 2.0])
def test_maxima_at_a_bound_are_found(bound):
    game = one(lambda x: jnp.where(x == bound, 0.0, 0.0) + 0.1 * bound * x - 0.01 * jnp.square(x))
    assert prove(game, {"x": bound}).proved
    # The same, and a local maximum inside that is lower.
    game = one(lambda x: 0.1 * bound * x**3 - 0.2 * jnp.square(x))
    inside = prove(game, {"x": 0.0})
    assert not inside.proved
    assert "gains at least" in inside.reason


def test_a_zero_derivative_at_a_bound_is_not_proved():
    # Strict complementarity fails: (x - 1)^2 from the bound 1 on, and just beside it.
    zero = prove(one(lambda x: -jnp.square(x - 1.0), low=1.0), {"x": 1.0})
    assert not zero.proved
    assert "complementarity" in zero.reason
    assert zero.gain_bound[0] < 1e-12
    assert prove(one(lambda x: -jnp.square(x - 0.999), low=1.0), {"x": 1.0}).proved
    beyond = prove(one(lambda x: -jnp.square(x - 1.001), low=1.0), {"x": 1.0})
    assert not beyond.proved
    assert beyond.gain_bound[0] >= 1e-6 * (1 - 1e-9)


class Pair(Game):
    """Payoffs -(x - f(y))^2/2 and -(y - x)^2/2: equilibria where x = f(x)."""

    apart: Float[Array, ""] = parameter(1e-3)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-2.0, 2.0)}

    def payoff(self, s):
        x, y = s["x"][0], s["x"][1]
        reply = y + y * (y - self.apart)
        return jnp.stack([-jnp.square(x - reply) / 2.0, -jnp.square(y - x) / 2.0])


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-8])
def test_a_box_with_two_equilibria_is_not_said_to_have_one(apart):
    game = Pair(apart=apart)
    for at in (0.0, apart):
        alone = prove(game, {"x": at})
        assert alone.proved
        low, high = alone.box.lower["x"], alone.box.upper["x"]
        assert not (np.all(low <= 0.0) and np.all(high >= apart))
        assert not prove(game, {"x": at}, radius=2.0 * apart).proved


def test_equilibria_that_touch_or_form_a_line_are_not_proved():
    assert not prove(Pair(apart=0.0), {"x": 0.0}).proved

    class Line(Pair):
        def payoff(self, s):
            return -jnp.square(s["x"] - s["x"][::-1])

    for at in (0.0, 0.5, -2.0):
        assert not prove(Line(), {"x": at}).proved


class Coordination(Game):
    """Two strategies of one firm: -(x^2 + y^2)/2 + c x y, a saddle for c > 1, though concave in each."""

    cross: Float[Array, ""] = parameter(0.5)
    firms = ("A",)

    def owners(self):
        return {"x": (0, 0)}

    def bounds(self):
        return {"x": (-1.0, 1.5)}

    def payoff(self, s):
        x, y = s["x"][0], s["x"][1]
        return (-(jnp.square(x) + jnp.square(y)) / 2.0 + self.cross * x * y)[None]


def test_saddles_in_several_strategies_are_not_proved():
    assert prove(Coordination(), {"x": 0.0}).proved
    for cross in (1.0, 1.001, 2.0):
        assert not prove(Coordination(cross), {"x": 0.0}).proved
    corner = prove(Coordination(2.0), {"x": 1.5})
    assert corner.proved
    assert np.all(corner.enclosure.lower["x"] == 1.5)


@pytest.mark.parametrize("wrong", [0.5, 1e-3, 1e-5, -0.1])
def test_a_wrong_derivative_does_not_prove_itself(wrong):
    game = WrongDerivative(wrong)
    assert not prove(game, {"x": 1.0 + wrong}).proved
    assert prove(game, {"x": 1.0}).proved


def test_a_limit_price_at_a_kink_is_bounded_but_not_proved():
    value, cost, gamma = jnp.array([1.0, 0.55]), jnp.zeros(2), jnp.array(0.8)
    price = singh_vives_bertrand_duopoly(value, cost, gamma)
    proof = prove(SinghVivesBertrand(value=value, cost=cost, substitutability=gamma), {"price": price})
    assert not proof.proved
    # An equilibrium all the same, and nobody gains more than this.
    assert np.max(proof.gain_bound) < 1e-9


class Unbounded(Game):
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, jnp.inf)}

    def payoff(self, s):
        return -jnp.square(s["x"] - 1.0)


def test_infinite_bounds_need_finite_ones():
    refused = prove(Unbounded(), {"x": 1.0})
    assert not refused.proved
    assert "infinite" in refused.reason and "within" in refused.reason
    assert np.all(np.isinf(refused.gain_bound))
    shown = prove(Unbounded(), {"x": 1.0}, within={"x": (0.0, 50.0)})
    assert shown.proved
    assert "within" in shown.reason


def test_too_few_boxes_say_so():
    proof = prove(one(hills(1e-9)), {"x": 1.0}, max_boxes=5)
    assert not proof.proved
    assert "max_boxes" in proof.reason
    assert proof.boxes <= 2 * 5


def test_what_is_not_covered_is_named():
    proof = prove(one(lambda x: -jnp.sort(jnp.square(x))), {"x": 0.0})
    assert not proof.proved
    assert "'sort'" in proof.reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prove(Leader(Duopoly(), "intercept", "A", choices=(1.0, 2.0)), {"q": 1.0}), "simultaneous"),  # type: ignore[arg-type]
        (lambda: prove(Duopoly(), {"q": 30.0}), "outside of its bounds"),
        (lambda: prove(Duopoly(), {"p": 1.0}), "'p'"),
        (lambda: prove(Duopoly(), {}), "has no 'q'"),
        (lambda: prove(Duopoly(), {"q": 1.0}, radius=0.0), "radius"),
        (lambda: prove(Duopoly(), {"q": 1.0}, max_boxes=0), "max_boxes"),
        (lambda: prove(Duopoly(), {"q": 1.0}, within={"p": (0.0, 1.0)}), "'p'"),
        (lambda: prove(Duopoly(cost=jnp.ones(2, jnp.float32), intercept=jnp.float32(10.0)), {"q": 1.0}), "float32"),
        (lambda: jax.jit(lambda q: prove(Duopoly(), {"q": q}).proved)(1.0), "traced"),
    ],
)
def test_refusals_say_what_to_change(call, message):
    with pytest.raises(GameError, match=message):
        call()


def test_float64_has_to_be_switched_on():
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(GameError, match="jax_enable_x64"):
            prove(Duopoly(), {"q": 1.0})
    finally:
        jax.config.update("jax_enable_x64", True)
