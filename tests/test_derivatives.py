"""Derivatives of equilibria: against closed forms, finite differences and unrolled iterations, in every mode."""

import functools
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import (
    LinearCournot,
    ResearchSpillovers,
    SinghVivesBertrand,
    linear_cournot_equilibrium,
    research_noncooperative,
    singh_vives_bertrand_equilibrium,
)
from nashgrid.solver import BestResponse, Game, Newton, Status, parameter, solve
from nashgrid.solver._conditions import conditions_of
from nashgrid.solver._layout import layout_of
from tests.closed_forms import CASES

BY_NAME = {case.name: case for case in CASES}


def _solve(game, **options):
    return solve(game, Newton(), certify=False, throw=False, **options)


def _strategies(game):
    return _solve(game).strategy


# Compiled once for all games of the same shape.
FORWARD = jax.jit(jax.jacfwd(_strategies))
REVERSE = jax.jit(jax.jacrev(_strategies))
FORWARD_OVER_REVERSE = jax.jit(jax.jacfwd(jax.jacrev(_strategies)))
REVERSE_OVER_FORWARD = jax.jit(jax.jacrev(jax.jacfwd(_strategies)))


@functools.cache
def _derivatives(closed):
    """The first and second derivatives of a closed form."""
    return jax.jit(jax.jacrev(closed)), jax.jit(jax.jacfwd(jax.jacrev(closed)))


def _closely(got, expected, rtol=1e-9):
    """Equal leaf by leaf; what is zero in theory may be a rounding of numbers of order one."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-11)


def _cournot(game):
    return {"quantity": linear_cournot_equilibrium(game.intercept, game.slope, game.cost)}


CLOSED = {
    "cournot": (LinearCournot(cost=(1.0, 2.0, 3.0)), _cournot),
    "cournot with a firm that is out": (LinearCournot(cost=(1.0, 1.0, 6.0)), _cournot),
    "bertrand": (
        SinghVivesBertrand(value=(1.2, 1.0), cost=(0.1, 0.2)),
        lambda g: {"price": singh_vives_bertrand_equilibrium(g.value, g.cost, g.substitutability)},
    ),
}


@pytest.mark.parametrize(("game", "closed"), CLOSED.values(), ids=CLOSED)
def test_first_and_second_derivatives_in_every_field(game, closed):
    first, second = _derivatives(closed)
    forward = FORWARD(game)
    _closely(forward, first(game))
    _closely(REVERSE(game), forward)
    _closely(FORWARD_OVER_REVERSE(game), second(game), rtol=1e-8)
    _closely(REVERSE_OVER_FORWARD(game), second(game), rtol=1e-8)


def test_an_inactive_firm_stays_inactive():
    game = LinearCournot(cost=(1.0, 1.0, 6.0))
    by_game = FORWARD(game)["quantity"]
    assert all(np.all(np.asarray(leaf)[2] == 0) for leaf in jax.tree.leaves(by_game))
    # Its own cost moves nobody.
    np.testing.assert_array_equal(by_game.cost[:, 2], 0.0)


def test_third_derivatives():
    def third(f):
        return jax.jit(jax.grad(jax.grad(jax.grad(f))))(jnp.asarray(1.3))

    def solved(slope):
        return _strategies(LinearCournot(slope=slope))["quantity"][0]

    def closed(slope):
        game = LinearCournot(slope=slope)
        return linear_cournot_equilibrium(game.intercept, game.slope, game.cost)[0]

    np.testing.assert_allclose(third(solved), third(closed), rtol=1e-8)


def test_payoffs_and_outcomes_have_derivatives_too():
    def solved(game):
        result = _solve(game)
        return result.payoff, result.outcomes

    def closed(game):
        s = {"quantity": linear_cournot_equilibrium(game.intercept, game.slope, game.cost)}
        return game.payoff(s), game.outcomes(s)

    game = LinearCournot(cost=(1.0, 2.0, 6.0))
    _closely(jax.jit(jax.jacrev(solved))(game), jax.jit(jax.jacrev(closed))(game))
    gradient = jax.grad(lambda game: _solve(game).outcomes["welfare"])(game)
    _closely(gradient, jax.jit(jax.grad(lambda game: closed(game)[1]["welfare"]))(game))


def test_products_with_tangents_and_cotangents():
    game = BY_NAME["research_small_spillover"].problem
    rng = np.random.default_rng(0)
    tangent = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), game)
    weight = jnp.asarray(rng.normal(size=2))

    def research(game):
        return _strategies(game)["research"]

    jacobian = jax.jacfwd(research)(game)
    _, moved = jax.jvp(research, (game,), (tangent,))
    (pulled,) = jax.vjp(research, game)[1](weight)
    both = jax.tree.leaves(jax.tree.map(lambda j, t: jnp.tensordot(j, t, t.ndim), jacobian, tangent))
    np.testing.assert_allclose(moved, sum(both), rtol=1e-12)
    _closely(pulled, jax.tree.map(lambda j: jnp.tensordot(weight, j, 1), jacobian), rtol=1e-12)
    linear, moved_again = jax.linearize(research, game)[1](tangent), moved
    np.testing.assert_allclose(linear, moved_again, rtol=1e-12)
    # Where costs are equal, the closed form holds along the other parameters.
    closed = jax.jit(jax.grad(research_noncooperative))(ResearchSpillovers(spillover=0.2))
    for name in ("intercept", "slope", "spillover", "research_cost", "joint"):
        np.testing.assert_allclose(getattr(jacobian, name)[0], getattr(closed, name), rtol=1e-9)


DIFFERENCES = ["logit_merged", "private_provision", "tullock_asymmetric", "open_sourcing_simultaneous"]


@pytest.mark.parametrize("name", [*DIFFERENCES, "murphy_sherali_soyster", "research_unstable"])
def test_derivatives_are_the_limits_of_differences(name):
    game = BY_NAME[name].problem
    rng = np.random.default_rng(0)
    tangent = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)) * jnp.abs(leaf), game)

    @jax.jit
    def reported(game):
        result = _solve(game, tol=1e-13, start={k: jnp.asarray(v) for k, v in BY_NAME[name].strategy.items()})
        return result.strategy, result.payoff, result.outcomes

    @jax.jit
    def moved(game):
        return jax.jvp(reported, (game,), (tangent,))[1]

    def difference(step):
        ahead, back = (reported(jax.tree.map(lambda v, t, k=k: v + k * t, game, tangent)) for k in (step, -step))
        return jax.tree.map(lambda a, b: (a - b) / (2 * step), ahead, back)

    # Two central differences, extrapolated: what is left is the fifth derivative, and the tolerance over the step.
    differences = jax.tree.map(lambda fine, coarse: (4 * fine - coarse) / 3, difference(2e-4), difference(4e-4))
    for one, other in zip(jax.tree.leaves(moved(game)), jax.tree.leaves(differences), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * float(np.abs(other).max()) + 1e-8)


@pytest.mark.parametrize("name", ["logit_three_asymmetric", "cournot_isoelastic"])
def test_derivatives_are_those_of_unrolled_iterations(name):
    game = BY_NAME[name].problem
    layout = layout_of(game)
    begin = layout.flatten({k: jnp.asarray(0.98 * v) for k, v in BY_NAME[name].strategy.items()})

    def unrolled(game):
        conditions = conditions_of(game, layout, jnp.dtype(float))

        def newton(_, z):
            return z - jnp.linalg.solve(jax.jacfwd(conditions.gradient)(z), conditions.gradient(z))

        return jax.lax.fori_loop(0, 6, newton, begin)

    def implicit(game):
        return layout.flatten(_strategies(game))

    for derivative in (jax.jacfwd, lambda f: jax.jacfwd(jax.jacfwd(f))):
        _closely(jax.jit(derivative(implicit))(game), jax.jit(derivative(unrolled))(game), rtol=1e-7)


class Capacity(Game):
    """Cournot duopoly in which the first firm sells all it can and the second at least a share of that."""

    intercept: Float[Array, ""] = parameter(10.0)
    capacity: Float[Array, ""] = parameter(2.0)
    duty: Float[Array, ""] = parameter(0.1)
    cost: Float[Array, " firm"] = parameter((1.0, 2.0))
    firms = ("A", "B")

    def bounds(self):
        lower = jnp.stack([jnp.zeros_like(self.capacity), self.duty * self.capacity])
        return {"q": (lower, jnp.stack([self.capacity, 2.0 * self.intercept]))}

    def payoff(self, s):
        return (self.intercept - jnp.sum(s["q"]) - self.cost) * s["q"]


@pytest.mark.parametrize(
    ("game", "closed"),
    [
        (Capacity(), lambda g: jnp.stack([g.capacity, (g.intercept - g.cost[1] - g.capacity) / 2])),
        (Capacity(duty=2.0), lambda g: jnp.stack([g.capacity, g.duty * g.capacity])),
        (
            Capacity(duty=0.9, capacity=4.0, cost=(1.0, 9.5)),
            lambda g: jnp.stack([(g.intercept - g.cost[0] - g.duty * g.capacity) / 2, g.duty * g.capacity]),
        ),
    ],
    ids=["upper bound", "both at bounds", "lower bound"],
)
def test_bounds_that_depend_on_parameters(game, closed):
    def known(game):
        return {"q": closed(game)}

    np.testing.assert_allclose(_strategies(game)["q"], closed(game), rtol=1e-12)
    first = jax.jit(jax.jacfwd(known))(game)
    _closely(FORWARD(game), first)
    _closely(REVERSE(game), first)
    _closely(FORWARD_OVER_REVERSE(game), jax.jit(jax.jacfwd(jax.jacfwd(known)))(game))


class PowerCost(Game):
    """Cournot with cost c q + q^1.5: its second derivative is infinite where a firm does not produce."""

    intercept: Float[Array, ""] = parameter(10.0)
    cost: Float[Array, " firm"] = parameter((1.0, 1.5, 9.0))
    firms = ("A", "B", "C")

    def bounds(self):
        return {"q": (0.0, 10.0)}

    def payoff(self, s):
        q = s["q"]
        return (self.intercept - jnp.sum(q) - self.cost) * q - q**1.5


def test_an_infinite_second_derivative_at_a_bound_does_no_harm():
    game = PowerCost()

    def quantity(game):
        return solve(game, certify=False, throw=False).strategy["q"]

    np.testing.assert_array_equal(np.asarray(quantity(game))[2], 0.0)
    duopoly = eqx.tree_at(lambda g: g.cost, game, jnp.asarray([1.0, 1.5, 99.0]))
    derivative = jax.jit(jax.jacfwd(quantity))
    forward = derivative(game)
    _closely(forward, derivative(duopoly))
    _closely(jax.jit(jax.jacrev(quantity))(game), forward)
    assert np.all(np.isfinite(forward.cost)) and np.all(np.asarray(forward.cost)[:2, :2] != 0)


def test_methods_certificates_and_starts_do_not_matter():
    game = BY_NAME["tullock_asymmetric"].problem

    def by_prize(**options):
        return jax.jacfwd(lambda g: solve(g, throw=False, **options).strategy["effort"])(game).prize

    expected = by_prize(method=Newton(), certify=False)
    np.testing.assert_allclose(by_prize(), expected, rtol=1e-8)
    np.testing.assert_allclose(by_prize(method=BestResponse(memory=3), certify=False), expected, rtol=1e-8)

    def from_start(start):
        return _solve(game, start={"effort": start}).strategy["effort"]

    np.testing.assert_array_equal(jax.jacfwd(from_start)(jnp.asarray([0.5, 0.2])), 0.0)
    np.testing.assert_array_equal(jax.jacrev(from_start)(jnp.asarray([0.5, 0.2])), 0.0)


def test_the_evidence_is_a_constant():
    game = LinearCournot()

    def certificate(game):
        return eqx.filter(solve(game, Newton(), throw=False).certificate, eqx.is_inexact_array)

    moved = jax.jvp(certificate, (game,), (jax.tree.map(jnp.ones_like, game),))[1]
    assert all(np.all(np.asarray(leaf) == 0) for leaf in jax.tree.leaves(moved))


def test_away_from_an_equilibrium_derivatives_are_nan_and_only_there():
    def effort(value, steps):
        game = eqx.tree_at(lambda g: g.prize, BY_NAME["tullock_asymmetric"].problem, jnp.stack([value, value / 3]))
        return solve(game, Newton(), certify=False, throw=False, max_steps=steps)

    values = jnp.asarray([3.0, jnp.nan, 6.0])
    for derivative in (jax.grad, jax.jacfwd):
        unsolved = derivative(lambda v: effort(v, 2).strategy["effort"][0])(values[0])
        assert int(effort(values[0], 2).status) == Status.max_steps
        assert np.isnan(unsolved)
        lanes = jax.vmap(derivative(lambda v: effort(v, 256).strategy["effort"][0]))(values)
        np.testing.assert_allclose(lanes, [3 / 16, np.nan, 3 / 16], rtol=1e-9)


def test_at_a_singular_point_derivatives_are_not_finite():
    class Line(Game):
        level: Float[Array, ""] = parameter(1.0)
        firms = ("A", "B")

        def bounds(self):
            return {"x": (0.0, 2.0)}

        def payoff(self, s):
            return -jnp.square(jnp.sum(s["x"]) - self.level) * jnp.ones_like(s["x"])

    # Every division of the level is an equilibrium, so that none moves in a definite way.
    result = solve(Line(), Newton(), throw=False)
    assert result.certificate is not None
    assert float(result.certificate.conditioning) > 1e15
    assert not np.all(np.isfinite(jax.jacfwd(_strategies)(Line())["x"].level))


@pytest.mark.parametrize("derivative", [jax.jacfwd, jax.jacrev], ids=["forward", "reverse"])
def test_batches_and_compilation_change_nothing(derivative):
    costs = jnp.asarray([[1.0, 2.0, 3.0], [1.0, 1.0, 6.0], [0.5, 0.5, 0.5]])

    def by_cost(cost):
        return derivative(lambda c: _strategies(LinearCournot(cost=c))["quantity"])(cost)

    alone = jnp.stack([by_cost(cost) for cost in costs])
    np.testing.assert_allclose(jax.vmap(by_cost)(costs), alone, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(jax.jit(jax.vmap(by_cost))(costs), alone, rtol=1e-13, atol=1e-15)


def test_single_precision():
    game = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), LinearCournot(cost=(1.0, 2.0, 6.0)))
    got = jax.jacrev(_strategies)(game)["quantity"]
    expected = jax.jacrev(lambda g: linear_cournot_equilibrium(g.intercept, g.slope, g.cost))(
        LinearCournot(cost=(1.0, 2.0, 6.0))
    )
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


TWO_DEVICES = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec as P
from nashgrid.games import LinearCournot
from nashgrid.solver import Newton, solve

def value_and_derivative(cost):
    def welfare(cost):
        return solve(LinearCournot(cost=cost), Newton(), certify=False, throw=False).outcomes["welfare"]
    return jax.value_and_grad(welfare)(cost)

assert len(jax.devices()) == 2
mesh = Mesh(np.array(jax.devices()), ("lanes",), axis_types=(AxisType.Auto,))
costs = jnp.asarray(np.random.default_rng(0).uniform(0, 9, (16, 3)))
lanes = jax.vmap(value_and_derivative)
both = jax.jit(jax.shard_map(lanes, mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes"), check_vma=False))(costs)
assert len(both[1].sharding.device_set) == 2
for one, other in zip(both, jax.jit(lanes)(costs)):
    np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)
print("equal")
"""


def test_two_devices_give_what_one_gives():
    ran = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, timeout=120)
    assert ran.stdout.strip() == "equal", ran.stderr
