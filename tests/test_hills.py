"""Deviations far from a profile: on another hill, off the axes, between the samples; and none where there is none."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks._brute_force import gains_on_grid
from benchmarks._random_games import FAMILIES
from benchmarks.certificates import BLOCK, SEED
from jaxtyping import Array, Float

from nashgrid.solver import Game, Newton, Status, parameter, solve
from tests.judged import evidence, judge


class TwoHills(Game):
    """The first firm's payoff has two hills, at about 2 and 7 of its unit; the second firm's is a parabola."""

    unit: Float[Array, " firm"] = parameter((1.0, 1.0))
    origin: Float[Array, ""] = parameter(0.0)
    worth: Float[Array, ""] = parameter(1.0)
    firms = ("hilly", "round")

    def bounds(self):
        return {"x": (self.origin, self.origin + 10.0 * self.unit)}

    def payoff(self, s):
        y = (s["x"] - self.origin) / self.unit
        hills = -0.1 * jnp.square((y[0] - 2.0) * (y[0] - 7.0)) + 0.5 * y[0]
        return self.worth * jnp.stack([hills, -jnp.square(y[1] - 3.0)])


TOPS = np.sort(np.roots(np.polyder(-0.1 * np.polymul([1, -9, 14], [1, -9, 14]) + np.array([0, 0, 0, 0.5, 0]))).real)
LOW, HIGH = TOPS[0], TOPS[2]

UNITS = {
    "one": {},
    "payoffs in millions": {"worth": 1e6},
    "payoffs in millionths": {"worth": 1e-6},
    "strategies in millions": {"unit": (1e6, 1e6)},
    "strategies in millionths": {"unit": (1e-6, 1e-6)},
    "the other firm a million times larger": {"unit": (1.0, 1e6)},
    "the other firm a billion times larger": {"unit": (1.0, 1e9)},
    "strategies counted from a thousand": {"origin": 1e3},
    "strategies counted from a million": {"origin": 1e6},
}


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
def test_the_lower_of_two_hills_is_no_equilibrium_in_any_units(units):
    game = TwoHills(**units)
    low, high = (game.origin + game.unit * np.array([top, 3.0]) for top in (LOW, HIGH))
    gain = float(game.worth) * 2.4979829
    result = judge(game, {"x": low}, tol=1e-6)
    assert int(result.status) == Status.deviation_found
    assert float(evidence(result).gain[0]) == pytest.approx(gain, rel=1e-4)
    result = solve(game, start={"x": low}, tol=1e-6)
    np.testing.assert_allclose(result.strategy["x"] - game.origin, high - game.origin, rtol=1e-4)


class Saddle(Game):
    """One firm whose payoff has a saddle at 0: it falls along every axis and rises where all strategies rise."""

    strength: Float[Array, ""] = parameter(1.1)
    many: int = eqx.field(static=True, default=2)
    firms = ("A",)

    def owners(self):
        return {"x": (0,) * self.many}

    def bounds(self):
        return {"x": (-1.0, 1.0)}

    def payoff(self, s):
        x = s["x"]
        square = jnp.sum(jnp.square(x))
        along = jnp.square(jnp.sum(x)) / self.many
        return (self.strength * along - square - 2.0 * jnp.square(square))[None]


@pytest.mark.parametrize("many", [2, 12])
def test_a_saddle_is_no_maximum(many):
    result = judge(Saddle(many=many), {"x": jnp.zeros(many)})
    assert float(evidence(result).residual) == 0.0
    assert float(evidence(result).concavity) == pytest.approx(0.1 / (1 - 1.1 / many), rel=1e-6)
    assert int(result.status) == Status.deviation_found


def test_a_saddle_is_left():
    # On the diagonal x = t the payoff is 0.1 n t^2 - 2 n^2 t^4.
    result = solve(Saddle(many=3), start={"x": jnp.zeros(3)})
    np.testing.assert_allclose(np.abs(result.strategy["x"]), np.sqrt(0.1 / 12), rtol=1e-6)


class Bumps(Game):
    """One firm with two strategies: a low, wide hill at (0.5, 0.5), a higher and narrower one at `centre`."""

    centre: Float[Array, "2"] = parameter((1.5, 1.5))
    firms = ("A",)

    def owners(self):
        return {"x": (0, 0)}

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        low = jnp.exp(-jnp.sum(jnp.square(s["x"] - 0.5)) / 0.5)
        high = 2.0 * jnp.exp(-jnp.sum(jnp.square(s["x"] - self.centre)) / (2 * 0.25**2))
        return (low + high)[None]


def test_a_hill_off_the_axes_is_found_wherever_it_is():
    # Its width at half height, 0.6 of a box of 2, is what the search must not miss.
    places = np.linspace(1.2, 1.9, 8)
    centres = jnp.asarray([[a, b] for a in places for b in places])
    low = jax.vmap(lambda c: solve(Bumps(c), Newton(), certify=False, start={"x": 0.5}, throw=False).strategy)(centres)
    status = jax.vmap(lambda c, s: judge(Bumps(c), s).status)(centres, low)
    assert np.all(np.asarray(low["x"]) < 1.0), "not on the low hill"
    np.testing.assert_array_equal(status, Status.deviation_found)


class ThreeHills(Game):
    """A wave with three hills of nearly the same height; that on the right, at the bound, is not the highest."""

    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        return (
            0.73078017 * x
            - 0.3 * x**2
            - 0.29162540 * jnp.sin(1.87489586 * x - 0.46356)
            - 1.48974744 * jnp.sin(-6.06176584 * x - 1.54748)
        )


def test_hills_are_compared_by_their_tops():
    points = np.linspace(0.0, 2.0, 200_001)
    values = np.asarray(ThreeHills().payoff({"x": jnp.asarray(points)}))
    result = judge(ThreeHills(), {"x": 2.0})
    gain = values.max() - values[-1]
    assert 1e-5 < gain < 1e-2
    np.testing.assert_allclose(evidence(result).gain[0], gain, rtol=1e-6)


@pytest.mark.parametrize("name, number", [("hills", 47_875), ("hills_two", 1_208)])
def test_hills_between_the_samples_are_found(name, number):
    """Random games that were called solved at another hill: one with a dip of a hundred thousandth, one in a box."""
    (family,) = [family for family in FAMILIES if family.name == name]
    first = number // BLOCK * BLOCK
    block = family.draw(np.random.default_rng((SEED, first)), BLOCK)
    game = jax.tree.map(lambda leaf: jnp.asarray(leaf[number - first]), block)
    result = solve(game, throw=False)
    own = len(result.strategy["x"]) // 2
    gain = gains_on_grid(jax.tree.map(lambda leaf: leaf[None], game), result.strategy["x"][None], own)[0]
    gain = gain / evidence(result).payoff_scale
    assert (int(result.status) == Status.successful) == bool(jnp.max(gain) <= 1e-10)


class Effort(Game):
    """A contest in which efforts differ by orders of magnitude, won with a chance proportional to effort^r."""

    decisiveness: Float[Array, ""] = parameter(0.8)
    cost: Float[Array, " firm"] = parameter((1.0,) * 7)
    firms = tuple("ABCDEFG")

    def bounds(self):
        return {"effort": (0.0, 1.0)}

    def start(self):
        return {"effort": 0.1}

    def payoff(self, s):
        impact = jnp.power(s["effort"], self.decisiveness)
        return impact / jnp.sum(impact) - self.cost * s["effort"]


def test_a_payoff_that_bends_within_the_smallest_step_is_no_gain():
    # Seen from the largest firm's step, the payoffs of the smallest ones are far from parabolas.
    costs = np.sort(np.random.default_rng(2).uniform(1.0, 20.0, (6, 7)), axis=1)
    games = jax.vmap(lambda c: Effort(cost=c))(jnp.asarray(costs))
    results = jax.vmap(lambda game: solve(game, throw=False))(games)
    np.testing.assert_array_equal(results.status, Status.successful)
    effort = np.asarray(results.strategy["effort"])
    assert (effort.min(axis=1) < 0.02 * effort.max(axis=1)).any()
