"""Gains beside an edge of a payoff are found however narrow they are, and programs are read for where edges may be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from figures.status_map import Line
from jaxtyping import Array, ArrayLike, Float

from nashgrid.games import IsoelasticCournot, LinearCournot, NicheDemand, SinghVivesBertrand
from nashgrid.solver import Game, GlobalSearch, Status, best_response_path, parameter, solve
from nashgrid.solver._layout import layout_of
from nashgrid.solver._signature import differ, differ_once, with_signature
from nashgrid.solver._smooth import Shape, shape_of_payoffs
from tests.judged import evidence, judge

CLIFF = 0.3141592653589793


class Cliff(Game):
    """x (2 - x), at most 1; below a cliff 1 + width + x - cliff, more than 1 only in a range of that `width`."""

    width: Float[Array, ""] = parameter(1e-6)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def below(self, x):
        return x < CLIFF

    def payoff(self, s):
        x = s["x"]
        return jnp.where(self.below(x), 1.0 + self.width + x - CLIFF, x * (2.0 - x))


class CliffByFloor(Cliff):
    def below(self, x):
        return jnp.floor(x / CLIFF) == 0.0


class CliffInACall(Cliff):
    def payoff(self, s):
        return jax.jit(super().payoff)(s)


class CliffAsNumber(Cliff):
    """The truth value is multiplied by, not chosen with."""

    def payoff(self, s):
        x = s["x"]
        return x * (2.0 - x) + (x < CLIFF).astype(x.dtype) * (1.0 + self.width + x - CLIFF - x * (2.0 - x))


class TwoCliffs(Cliff):
    """In the second of two strategies."""

    def bounds(self):
        return {"x": (0.0, 2.0), "y": (0.0, 2.0)}

    def payoff(self, s):
        return super().payoff({"x": s["y"]}) + s["x"] * (2.0 - s["x"])


class LongLine(Line):
    """Prices up to 10, sampled sparsely: an undercut gains in a range much narrower than the samples' spacing."""

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"price": (0.0, 10.0)}


@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("kind", [Cliff, CliffByFloor, CliffInACall, CliffAsNumber, TwoCliffs])
def test_the_narrow_range_below_a_cliff_is_found(kind, width):
    game = kind(jnp.asarray(width))
    one = {name: 1.0 for name in game.bounds()}
    result = judge(game, one, certify=GlobalSearch(points=8))
    np.testing.assert_allclose(evidence(result).gain, width, atol=4e-16)
    assert int(result.status) == (Status.deviation_found if width > result.tol else Status.successful)
    without = judge(kind(jnp.asarray(-width)), one)
    assert int(without.status) == Status.successful and float(evidence(without).regret) == 0.0


def test_also_in_single_precision():
    result = judge(Cliff(jnp.float32(1e-3)), {"x": 1.0})
    assert evidence(result).gain.dtype == jnp.float32 and int(result.status) == Status.deviation_found
    np.testing.assert_allclose(evidence(result).gain, 1e-3, atol=1e-6)


def test_undercutting_on_a_long_line_is_found_with_few_samples():
    """At a = b the condition for an equilibrium is a <= 1/4 (d'Aspremont, Gabszewicz and Thisse 1979)."""
    for a, status in ((0.24, Status.successful), (0.2501, Status.deviation_found)):
        found = judge(LongLine(jnp.asarray(a), jnp.asarray(a)), {"price": 1.0}, certify=GlobalSearch(points=8))
        assert int(found.status) == status
    # Undercutting takes the whole market at the price 1 - (1 - 2a), instead of half of it at 1.
    np.testing.assert_allclose(evidence(found).gain, 2 * 0.2501 - 0.5, rtol=1e-9)
    assert int(solve(LongLine(jnp.asarray(0.4), jnp.asarray(0.4)), throw=False).status) != Status.successful


def test_play_goes_to_the_edge_of_the_cliff():
    path = best_response_path(Cliff(jnp.asarray(1e-4)), {"x": 1.0})
    np.testing.assert_allclose(path.profiles["x"][1][path.mover[0]], CLIFF, rtol=1e-14)


class Made(Game):
    """The payoff is what `how` makes of the strategies."""

    how: object = None
    level: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        return self.how(s["x"], self.level)  # pyright: ignore[reportCallIssue]


PROGRAMS = {
    "powers": (lambda x, c: x**2.5 * jnp.exp(-x) / (c + x.sum()), Shape.smooth),
    "a choice by a parameter": (lambda x, c: jnp.where(c > 0.5, x, 2.0 * x) * jnp.maximum(c, 0.0), Shape.quadratic),
    "matrices": (lambda x, c: jnp.ones((2, 2)) @ x * x / c, Shape.quadratic),
    "a quotient": (lambda x, c: x**2 / (c + x.sum()), Shape.smooth),
    "degree three": (lambda x, c: (c - x.sum()) * x * x[::-1], Shape.smooth),
    "held fixed": (lambda x, c: x * (c - x) + jax.lax.stop_gradient(x**3), Shape.smooth),
    "a softmax": (lambda x, c: jax.nn.softmax(x), Shape.smooth),
    "a jump held fixed": (lambda x, c: x * (c - x) + jax.lax.stop_gradient(jnp.where(x < c, 1.0, 0.0)), Shape.edged),
    "a solve": (lambda x, c: jnp.linalg.solve(jnp.eye(2) + c * jnp.ones((2, 2)), x), Shape.smooth),
    "a call": (lambda x, c: jax.jit(jnp.tanh)(x), Shape.smooth),
    "stacked": (lambda x, c: jnp.stack([x[0] * x[1], jnp.tile(x, 2)[3] * c]), Shape.quadratic),
    "sums in a loop": (
        lambda x, c: jax.lax.scan(lambda s, y: (s + y * c, s * y), 0.0, x)[1] + x,
        Shape.quadratic,
    ),
    "a product that grows in a loop": (
        lambda x, c: x + jax.lax.scan(lambda s, y: (s[::-1] * jnp.stack([y, c]), y), jnp.ones(2), x)[0],
        Shape.smooth,
    ),
    "a choice in a loop by what it carries": (
        lambda x, c: jax.lax.scan(lambda s, y: (s + y, jnp.where(s > 1.0, y, c)), 0.0, x)[1],
        Shape.edged,
    ),
    "a loop": (lambda x, c: jax.lax.scan(lambda s, _: (s * x, None), x, None, length=3)[0], Shape.smooth),
    "a loop of no rounds": (
        lambda x, c: jax.lax.scan(lambda s, _: (s * 0.0 + c, None), x**4, None, length=0)[0],
        Shape.smooth,
    ),
    "max": (lambda x, c: jnp.maximum(x, c), Shape.edged),
    "abs in a call": (lambda x, c: jax.jit(jnp.abs)(x - c), Shape.edged),
    "clip": (lambda x, c: jnp.clip(x, 0.0, c), Shape.edged),
    "sort": (lambda x, c: jnp.sort(x), Shape.edged),
    "min in a loop": (
        lambda x, c: jax.lax.scan(lambda s, _: (jnp.minimum(s, x), None), x, None, length=3)[0],
        Shape.edged,
    ),
    "where": (lambda x, c: jnp.where(x < c, x, 2.0 * x), Shape.edged),
    "floor": (lambda x, c: jnp.floor(x), Shape.edged),
    "sign": (lambda x, c: jnp.sign(x - c), Shape.edged),
    "order": (lambda x, c: x[jnp.argsort(x)], Shape.edged),
    "truth as a number": (lambda x, c: x * (x < c).astype(x.dtype), Shape.edged),
    "a condition": (lambda x, c: jax.lax.cond(x[0] < c, jnp.sin, jnp.cos, x), Shape.edged),
    "somebody's derivative": (lambda x, c: jax.nn.relu(x), Shape.edged),
}


@pytest.mark.parametrize(("how", "expected"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_are_read(how, expected):
    game = Made(how=how)
    assert shape_of_payoffs(game, layout_of(game), jnp.dtype(jnp.float64)) == expected


def test_the_shipped_games():
    for game, expected in (
        (LinearCournot(), Shape.quadratic),
        (NicheDemand(), Shape.smooth),
        (IsoelasticCournot(), Shape.edged),
        (SinghVivesBertrand(), Shape.edged),
        (Line(), Shape.edged),
    ):
        assert shape_of_payoffs(game, layout_of(game), jnp.dtype(jnp.float64)) == expected, game


@pytest.mark.parametrize(
    "name",
    ["max", "abs in a call", "clip", "sort", "where", "floor", "sign", "order", "truth as a number", "a condition"],
)
def test_a_signature_differs_where_the_program_decides_differently(name):
    how = PROGRAMS[name][0]
    rows = jnp.array([[0.2, 0.8], [0.3, 0.9], [1.7, 0.9], [1.8, 0.7]])
    values, signs = jax.jit(jax.vmap(lambda x: with_signature(lambda x: how(x, jnp.asarray(1.0)), x)))(rows)
    np.testing.assert_array_equal(values, jax.vmap(lambda x: how(x, jnp.asarray(1.0)))(rows))
    np.testing.assert_array_equal(differ(signs[:3], signs[1:]), [False, True, False])
    one = {"order", "sort", "floor", "sign"}  # Both places in the order change; of whole numbers parity is kept only.
    assert name in one or bool(differ_once(signs[1], signs[2]))


def test_a_decision_that_counts_twice_is_one():
    def how(x):
        right = x > 0.5
        return jnp.where(right, x, 0.0) + jnp.where(right, 1.0, x)

    (_, low), (_, high) = (with_signature(how, jnp.asarray(x)) for x in (0.2, 0.8))
    assert bool(differ(low, high)) and bool(differ_once(low, high))


@pytest.mark.parametrize("count", [31, 32, 33, 100])
def test_no_single_decision_is_lost_among_many(count):
    places = jnp.arange(float(count)) + 0.5
    rows = jnp.arange(count + 1.0)
    _, signs = jax.vmap(lambda x: with_signature(lambda x: jnp.sum(jnp.where(x > places, 1.0, 0.0)), x))(rows)
    assert len(np.unique(np.asarray(signs[:, 0]))) == count + 1
    assert differ_once(signs[1:], signs[:-1]).all()
