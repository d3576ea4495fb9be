"""Where payoffs are quadratic their best deviations are found exactly: from three points, on the faces of a few
strategies' box, or not at all where many strategies' payoffs are concave."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from nashgrid.solver import Game, Newton, Status, parameter, solve, sweep
from nashgrid.solver import _search as search_module
from nashgrid.solver._concave import best_by_concavity
from nashgrid.solver._conditions import conditions_of
from nashgrid.solver._layout import layout_of
from tests.judged import evidence, judge


class Parabolas(Game):
    """slope x + bend x^2 / 2, each firm for itself, of any bend and between any bounds."""

    slope: Float[Array, " firm"] = parameter((0.0, 0.0))
    bend: Float[Array, " firm"] = parameter((0.0, 0.0))
    lower: Float[Array, " firm"] = parameter((0.0, 0.0))
    width: Float[Array, " firm"] = parameter((1.0, 1.0))
    firms = ("A", "B")

    def bounds(self):
        return {"x": (self.lower, self.lower + self.width)}

    def payoff(self, s):
        x = s["x"]
        return self.slope * x + 0.5 * self.bend * x**2


@jax.jit
def _judged(game, x):
    result = judge(game, {"x": x})
    return result.status, evidence(result)


def _pair(low, high):
    return st.tuples(*[st.floats(low, high, allow_subnormal=False, width=32)] * 2)


@settings(deadline=None)
@given(_pair(-2, 2), _pair(-3, 3), _pair(-4, 4), _pair(0, 5), _pair(0, 1))
def test_gains_are_those_of_the_best_point_within_the_bounds(slope, bend, lower, width, share):
    slope, bend, lower, width, share = map(np.asarray, (slope, bend, lower, width, share))
    game = Parabolas(slope=slope, bend=bend, lower=lower, width=width)
    here = np.clip(lower + share * width, lower, lower + width)
    _, found = _judged(game, jnp.asarray(here))

    def payoff(x):
        return slope * x + bend * x**2 / 2

    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.where(bend < 0, np.clip(-slope / bend, lower, lower + width), lower)
    best = np.max([payoff(lower), payoff(lower + width), payoff(top)], axis=0)
    # Rounding of the payoffs, on which nothing better can be said.
    noise = 64 * 2.0**-52 * (np.abs(slope) + np.abs(bend) * 10.0) * 10.0
    np.testing.assert_allclose(found.gain, best - payoff(here), atol=noise.max() + 1e-15)
    deviation = np.asarray(found.deviation["x"])
    assert np.all((deviation >= lower) & (deviation <= lower + width))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_at_the_best_points_nothing_is_gained(dtype):
    game = Parabolas(*(jnp.asarray(part, dtype) for part in ((1.0, 0.5), (-2.0, 1.0), (0.0, -1.0), (np.inf, 2.0))))
    status, found = _judged(game, jnp.asarray([0.5, 1.0], dtype))
    assert int(status) == Status.successful and np.all(found.gain == 0.0) and found.gain.dtype == dtype
    status, found = _judged(game, jnp.asarray([0.5, -1.0], dtype))
    assert int(status) == Status.deviation_found
    np.testing.assert_allclose(found.gain, [0.0, 1.0], rtol=1e-6)
    assert float(found.deviation["x"][1]) == 1.0


@pytest.mark.parametrize("upper", [1.0, np.inf])
def test_a_firm_that_does_nothing_gains_by_what_is_far(upper):
    # Nothing pays a little of it, with a slope below zero, and much does: sizes of strategies at zero say nothing.
    status, found = _judged(Parabolas((-0.1, -0.1), (2.0, 2.0), (0.0, 0.0), (upper, upper)), jnp.zeros(2))
    assert int(status) == Status.deviation_found
    assert np.all(found.gain >= 0.9 * (1.0 - 1e-12))


class Forms(Game):
    """slope x + x' bend x / 2 of each firm's own strategies, and what the other's add to the slope."""

    slope: Float[Array, "firm own"] = parameter()
    bend: Float[Array, "firm own own"] = parameter()
    cross: Float[Array, ""] = parameter()
    lower: Float[Array, "firm own"] = parameter()
    upper: Float[Array, "firm own"] = parameter()
    firms = ("A", "B")

    def bounds(self):
        return {"x": (self.lower, self.upper)}

    def payoff(self, s):
        x = s["x"]
        slope = self.slope + self.cross * jnp.sum(x[::-1], axis=1, keepdims=True)
        return jnp.sum(slope * x, axis=1) + 0.5 * jnp.sum(self.bend * x[:, :, None] * x[:, None, :], axis=(1, 2))


def _forms(random, own, dtype=float):
    """Random ones, concave or not, some strategies held fixed, and a profile."""
    root = random.normal(size=(2, own, own))
    bend = random.choice([0.0, 0.3, 2.0]) * np.eye(own) - root @ root.transpose(0, 2, 1) / own
    lower = random.normal(size=(2, own))
    width = random.choice([0.0, 0.5, 2.0, 20.0], size=(2, own))
    share = random.choice([0.0, 0.3, 1.0], size=(2, own))
    slope = random.normal(size=(2, own))
    every = (slope, bend, 0.0, lower, lower + width)
    return Forms(*(jnp.asarray(part, dtype) for part in every)), jnp.asarray(lower + share * width, dtype)


def _best(game, firm):
    """The highest payoff of a firm by itself, by the stationary points of all faces of its box that are inside."""
    slope, bend, lower, upper = (np.asarray(p[firm], float) for p in (game.slope, game.bend, game.lower, game.upper))
    best = -np.inf
    for side in itertools.product((0, 1, 2), repeat=len(slope)):
        inside, x = np.array(side) == 2, np.where(np.array(side) == 1, upper, lower)
        held = ~inside
        x[inside] = np.linalg.solve(bend[inside][:, inside], -slope[inside] - bend[inside][:, held] @ x[held])
        if np.all((x >= lower - 1e-12) & (x <= upper + 1e-12)):
            best = max(best, slope @ x + x @ bend @ x / 2)
    return best


@pytest.mark.parametrize(("own", "dtype"), [(2, np.float64), (2, np.float32), (3, np.float64)])
def test_several_strategies_gain_what_the_best_point_of_all_faces_does(own, dtype):
    random, some = np.random.default_rng(own), 0
    for _ in range(60):
        game, x = _forms(random, own, dtype)
        _, found = _judged(game, x)
        here = np.asarray(game.payoff({"x": x}), float)
        best = np.array([_best(game, firm) for firm in (0, 1)])
        near = 1e3 * float(jnp.finfo(dtype).eps) * np.maximum(1.0, np.abs([here, best]).max(axis=0))
        assert np.all(np.abs(np.asarray(found.gain) - (best - here)) <= near)
        deviation = found.deviation["x"]
        assert np.all((deviation >= game.lower) & (deviation <= game.upper))
        # What is gained is what the payoff says.
        np.testing.assert_array_less(
            np.abs(np.asarray(game.payoff({"x": deviation})) - here - np.asarray(found.gain)), near
        )
        some += np.any(best - here > 1.0)
    assert some > 10


def test_where_nothing_bounds_two_strategies_what_pays_is_found():
    bend = np.stack([np.array([[-1.0, 1.5], [1.5, -1.0]]), -np.eye(2)])  # both together rise for ever
    game = Forms(-np.ones((2, 2)), bend, 0.0, np.zeros((2, 2)), np.full((2, 2), np.inf))
    status, found = _judged(game, jnp.zeros((2, 2)))
    assert int(status) == Status.deviation_found and found.gain[0] > 0.0 and found.gain[1] == 0.0


@pytest.fixture
def unsearched(monkeypatch):
    """Whatever is searched is not a number."""
    parts = search_module.parts_of

    def spoilt(count, *, alike=False):
        return tuple(np.full_like(part, np.nan) for part in parts(count, alike=alike))

    monkeypatch.setattr(search_module, "parts_of", spoilt)


def _many(own, worst):
    """Firms with the same concave form; its eigenvalue for all strategies together is `worst`."""
    bend = -np.eye(own) + (1.0 + worst) / own
    part = np.broadcast_to(bend, (2, own, own))
    slope = np.where(np.arange(own) == 0, -2.0, 1.0) * np.ones((2, 1))
    return Forms(slope, part, 0.05, np.zeros((2, own)), np.full((2, own), 8.0))


@pytest.mark.usefixtures("unsearched")
def test_concave_payoffs_of_many_strategies_are_not_searched():
    assert int(solve(_many(7, -0.3), throw=False).status) == Status.successful
    # Neither without curvature together nor where it is not concave is anything proved.
    assert int(solve(_many(6, 0.2), Newton(), start={"x": 1.0}, throw=False).status) == Status.nonfinite


def test_what_is_not_concave_is_searched_with_many_strategies():
    status, found = _judged(_many(6, 0.5), jnp.zeros((2, 6)))
    assert int(status) != Status.successful and np.all(found.gain > 0.0)


def test_nothing_is_proved_that_is_not_so():
    random, proved = np.random.default_rng(0), 0
    layout = None

    @jax.jit
    def judged(game, z, negligible):
        conditions = conditions_of(game, layout, z.dtype)
        gradient, jacobian = conditions.gradient(z), jax.jacfwd(conditions.gradient)(z)
        curvature = jnp.abs(jnp.diagonal(jacobian))
        return best_by_concavity(conditions, z, gradient, jacobian, curvature, jnp.full(2, negligible))

    for k in range(200):
        game, x = _forms(random, 3)
        layout = layout_of(game)
        if k % 2:  # Near what is best for a concave firm, at bounds or not.
            x = jnp.clip(-jnp.linalg.solve(game.bend, game.slope[:, :, None])[:, :, 0], game.lower, game.upper)
        best = np.array([_best(game, firm) for firm in (0, 1)])
        for negligible in (1e-3, 1e-1, 10.0):
            if judged(game, x.reshape(-1), negligible):
                proved += 1
                assert np.all(best - np.asarray(game.payoff({"x": x})) <= negligible * (1 + 1e-9))
    assert proved > 10


def test_prices_of_several_products_under_linear_demand_are_a_kernel_of_faces():
    class Products(Game):
        """Two firms with two products each: a_j - p_j + sum of the others' prices / 5."""

        cost: Float[Array, ""] = parameter(0.5)
        firms = ("A", "B")

        def bounds(self):
            return {"price": (np.zeros((2, 2)), np.full((2, 2), 10.0))}

        def payoff(self, s):
            p = s["price"]
            sold = 1.0 - 1.2 * p + 0.2 * jnp.sum(p)
            return jnp.stack([jnp.sum((p[0] - self.cost) * sold[0]), jnp.sum((p[1] - self.cost) * sold[1])])

    costs = np.linspace(0.2, 0.8, 12)
    data = sweep(Products(), {"cost": costs}, progress=False)
    assert data.attrs["program"] == "kernel" and np.all(data.status == Status.successful)
    # By symmetry what is sold is 1 - 0.4 p, and a firm loses 1 - 0.2 of it by a price: 1 - 0.4 p = 0.8 (p - c).
    exact = (1.0 + 0.8 * costs) / 1.2
    np.testing.assert_allclose(data.price, np.broadcast_to(exact[:, None, None], (12, 2, 2)), rtol=1e-12)


class Rising(Game):
    """Losses near nothing, and a gain at the far end."""

    bend: Float[Array, ""] = parameter(1.0)
    slope: Float[Array, ""] = parameter(-1.0)
    most: Float[Array, ""] = parameter(1.0)
    second: bool = eqx.field(static=True, default=False)
    firms = ("A",)

    def bounds(self):
        return {"q": (0.0, self.most)} | ({"r": (0.0, 1.0)} if self.second else {})

    def payoff(self, s):
        q = s["q"]
        return 1.0 + self.bend * q**2 + self.slope * q + (s["r"] - s["r"] ** 2 if self.second else 0.0)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize(
    ("bend", "slope", "most"),
    [
        (1.0, -1.0, 1e200),  # The best is more than the largest number.
        (1.0, -1.0, 1e150),
        (1e-16, -5e-11, 1e6),  # The curvature is less than the rounding of the payoff nearby.
        (0.01, -1.0, 1e4),
    ],
)
def test_gains_at_the_far_end_are_seen(bend, slope, most, second):
    game = Rising(*map(jnp.asarray, (bend, slope, most)), second=second)
    given = {"q": jnp.zeros(1)} | ({"r": jnp.full(1, 0.5)} if second else {})
    result = judge(game, given)
    # Not a number where both the gain and the scale of payoffs are infinite.
    assert result.status == Status.deviation_found and not evidence(result).regret <= 1e-6
