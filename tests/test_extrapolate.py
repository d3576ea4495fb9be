"""Newton's steps, extrapolated where they shrink by a fixed ratio."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks._flat import FlatTops
from jaxtyping import Array, Float

from nashgrid.solver import BestResponse, Game, Newton, Status, parameter, solve, sweep
from nashgrid.solver import _kernel as kernel_module
from nashgrid.solver import _newton as newton_module
from nashgrid.solver._conditions import conditions_of
from nashgrid.solver._extrapolate import extrapolation
from nashgrid.solver._layout import layout_of
from nashgrid.solver._newton import newton

TOL = 1e-8
UNITS = jnp.asarray([1e-3, 40.0])
ROOT = jnp.asarray([2e-3, 30.0])


def _steps(power, z):
    """Newton's at payoffs that fall with a power of the distance."""
    return -(z - ROOT) / (power - 1.0)


@pytest.mark.parametrize("power", [2.5, 3.0, 4.0, 8.0, 32.0])
def test_what_a_known_ratio_leaves_is_a_thirty_second_of_what_newton_leaves(power):
    last = ROOT + UNITS * jnp.asarray([0.3, -0.2])
    z = last + _steps(power, last)
    step = _steps(power, z)
    more, linear = extrapolation(z - last, _steps(power, last), step, UNITS)
    assert bool(linear)
    np.testing.assert_allclose(z + step + more - ROOT, (z + step - ROOT) / 32, rtol=1e-9)


def _turned(angle):
    return jnp.asarray([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])


NO_RATIO = {
    "quadratic": (jnp.asarray([0.1, 0.1]), jnp.asarray([0.01, 0.01])),
    "nearly none": (jnp.asarray([0.1, 0.1]), jnp.asarray([0.0999, 0.0999])),
    "growing": (jnp.asarray([0.1, 0.1]), jnp.asarray([0.12, 0.12])),
    "the same": (jnp.asarray([0.1, 0.1]), jnp.asarray([0.1, 0.1])),
    "alternating": (jnp.asarray([0.1, 0.1]), jnp.asarray([-0.09, -0.09])),
    "turning": (jnp.asarray([0.1, 0.0]), 0.9 * _turned(1.0) @ jnp.asarray([0.1, 0.0])),
    "none": (jnp.zeros(2), jnp.zeros(2)),
    "undefined": (jnp.asarray([0.1, 0.1]), jnp.asarray([jnp.nan, 0.09])),
    "infinite": (jnp.asarray([jnp.inf, 0.1]), jnp.asarray([0.1, 0.09])),
}


@pytest.mark.parametrize("name", NO_RATIO)
def test_without_a_ratio_nothing_is_added(name):
    last, step = NO_RATIO[name]
    more, linear = extrapolation(last, last, step, jnp.ones(2))
    assert not bool(linear)
    np.testing.assert_array_equal(more, 0.0)


def _run(game: Game, start=None, *, tol=TOL, most=256, plain=False, monkeypatch=None):
    if plain:
        assert monkeypatch is not None
        monkeypatch.setattr(newton_module, "_PLAIN", 10**6)
    layout = layout_of(game)
    dtype = jax.tree.leaves(game)[0].dtype
    conditions = conditions_of(game, layout, dtype)
    z = jnp.full(layout.size, 2.0, dtype) if start is None else jnp.asarray(start, dtype)
    return jax.jit(lambda z: newton(conditions, z, tol=tol, max_steps=most)[0])(z), conditions


@pytest.mark.parametrize("power", [4, 6, 8, 12, 20])
def test_flat_tops_take_a_few_steps_more_and_end_where_newton_ends(monkeypatch, power):
    game = FlatTops(flat=jnp.asarray(1.0), power=power)
    fast, conditions = _run(game)
    slow, _ = _run(game, most=1024, plain=True, monkeypatch=monkeypatch)
    quadratic, _ = _run(FlatTops(flat=jnp.asarray(0.0)))
    # The distance falls by the ratio with each step; those of a game without flat tops are the same.
    ratio = (power - 2) / (power - 1)
    assert int(slow.steps) > 0.8 * np.log(TOL) / np.log(ratio)
    assert int(fast.steps) <= 16 and int(quadratic.steps) <= 6
    for end in (fast, slow):
        assert float(end.residual) <= TOL
        assert float(conditions.at(end.z).residual) == pytest.approx(float(end.residual), rel=1e-6)
        # A residual is the own Newton step, relative to strategies of size 2.
        np.testing.assert_allclose(end.z, quadratic.z, atol=8 * TOL * power)


def test_single_precision_and_its_tolerance():
    game = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), FlatTops(flat=jnp.asarray(1.0), power=8))
    end, _ = _run(game, tol=3e-5)
    assert end.z.dtype == jnp.float32 and int(end.steps) <= 12 and float(end.residual) <= 3e-5
    np.testing.assert_allclose(end.z, _run(FlatTops(flat=jnp.asarray(0.0)))[0].z, rtol=2e-3)


class Tops(Game):
    """Payoffs that fall with powers of the distance to tops, which the others move, within bounds."""

    top: Float[Array, " firm"] = parameter((1.0, 2.0, 0.5))
    power: Float[Array, " firm"] = parameter((8.0, 8.0, 8.0))
    unit: Float[Array, " firm"] = parameter((1.0, 1.0, 1.0))
    effect: Float[Array, ""] = parameter(0.1)
    wobble: Float[Array, ""] = parameter(0.0)
    firms = ("A", "B", "C")

    def bounds(self):
        return {"x": (jnp.zeros_like(self.unit), 3.0 * self.unit)}

    def payoff(self, s):
        x = s["x"] / self.unit
        away = jnp.square(x - self.top - self.effect * (jnp.sum(x) - x))
        distance = jnp.log(jnp.maximum(away, 1e-60)) / 2.0
        return -jnp.exp(self.power * distance) * (1.0 + self.wobble * jnp.sin(distance))


def test_different_powers_and_units(monkeypatch):
    game = Tops(power=jnp.asarray([8.0, 4.0, 6.0]), unit=jnp.asarray([1e-3, 1.0, 1e4]))
    start = 1.5 * game.unit
    fast, conditions = _run(game, start)
    slow, _ = _run(game, start, plain=True, monkeypatch=monkeypatch)
    assert float(slow.residual) <= TOL and float(conditions.at(fast.z).residual) <= TOL
    assert 3 * int(fast.steps) < 2 * int(slow.steps)
    np.testing.assert_allclose(fast.z / game.unit, slow.z / game.unit, rtol=1e-6)


@pytest.mark.parametrize("top", [3.0, 2.999, 3.5, 0.0, -0.5])
def test_a_top_at_a_bound_or_beyond_it(top):
    game = Tops(top=jnp.asarray([top, 1.0, 1.5]), effect=jnp.asarray(0.0))
    end, conditions = _run(game, [1.0, 1.2, 1.2])
    assert ((end.z >= conditions.lower) & (end.z <= conditions.upper)).all()
    assert float(conditions.at(end.z).residual) <= TOL and int(end.steps) <= 24
    np.testing.assert_allclose(end.z, np.clip([top, 1.0, 1.5], 0.0, 3.0), atol=1e-6)


@pytest.mark.parametrize("wobble", [0.05, 0.2, 0.5])
def test_where_the_ratio_changes_it_takes_hardly_longer_than_without(monkeypatch, wobble):
    game = Tops(wobble=jnp.asarray(wobble))
    fast, conditions = _run(game, [1.5, 1.5, 1.5])
    slow, _ = _run(game, [1.5, 1.5, 1.5], plain=True, monkeypatch=monkeypatch)
    # Steps that are not accepted are tried again only after as many more.
    assert int(fast.steps) <= int(slow.steps) + int(np.log2(256 / newton_module._PLAIN)) + 1
    if float(slow.residual) <= TOL:
        assert float(conditions.at(fast.z).residual) <= TOL


def test_no_step_is_extrapolated_to_where_second_derivatives_are_lost():
    game = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), Tops(effect=jnp.asarray(0.0), power=jnp.full(3, 12.0)))
    end, conditions = _run(game, [1.5, 1.5, 1.5], tol=1e-4)
    assert float(end.residual) <= 1e-4
    assert float(conditions.at(end.z).curvature.min()) > jnp.finfo(jnp.float32).tiny


class Away(Game):
    """A payoff that rises for ever, of which all Newton steps are equal."""

    pace: Float[Array, ""] = parameter(1.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, jnp.inf)}

    def payoff(self, s):
        return -jnp.exp(-self.pace * s["x"])


def test_what_never_ends_does_not_end_sooner(monkeypatch):
    fast, _ = _run(Away(), [1.0])
    slow, _ = _run(Away(), [1.0], plain=True, monkeypatch=monkeypatch)
    assert float(fast.residual) > TOL and float(slow.residual) > TOL
    np.testing.assert_allclose(fast.z, slow.z, rtol=1e-12)


METHODS = {"newton": Newton(), "best_response": BestResponse(), "sequential": BestResponse(sequential=True)}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_that_ends_with_newton_certifies_flat_tops_in_few_steps(name):
    flat, usual = (solve(FlatTops(flat=x, power=8), METHODS[name], tol=TOL) for x in (1.0, 0.0))
    assert int(flat.status) == int(usual.status) == Status.successful
    assert int(flat.steps) <= 20
    assert flat.certificate is not None and float(flat.certificate.residual) <= TOL
    np.testing.assert_allclose(flat.strategy["quantity"], usual.strategy["quantity"], atol=8 * 8 * TOL)


def test_derivatives_at_flat_tops_are_those_of_the_tops():
    def quantity(flat):
        def of(size):
            return solve(FlatTops(flat=flat, size=size, power=8), Newton(), tol=TOL, certify=False).strategy["quantity"]

        return jax.jacobian(of)(jnp.asarray([2.0, 2.5]))

    np.testing.assert_allclose(quantity(jnp.asarray(1.0)), quantity(jnp.asarray(0.0)), rtol=1e-5)


@pytest.mark.parametrize("kernels", [True, False])
def test_a_sweep_takes_the_steps_of_a_single_point(monkeypatch, kernels):
    monkeypatch.setattr(kernel_module, "available", lambda: kernels)
    axes = {"flat": [0.0, 1.0], "size[0]": np.linspace(1.5, 3.0, 5)}
    data = sweep(FlatTops(power=8), axes, method=Newton(), certify=False, tol=TOL, progress=False)
    assert (data.status == Status.first_order).all() and int(data.steps.max()) <= 20
    for k in range(5):
        game = FlatTops(flat=1.0, size=(axes["size[0]"][k], 2.5), power=8)
        alone = solve(game, Newton(), certify=False, tol=TOL)
        at = data.isel({"flat": 1, "size[0]": k})
        assert abs(int(at.steps) - int(alone.steps)) <= 1
        np.testing.assert_allclose(at["quantity"], alone.strategy["quantity"], atol=8 * 8 * TOL)
