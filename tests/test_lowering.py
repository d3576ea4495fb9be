"""Programs with arrays taken apart return what `vmap` returns, whatever the function does."""

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import lax

from nashgrid.games import LinearCournot, OpenSourcing, ResearchSpillovers
from nashgrid.solver import BestResponse, GlobalSearch, Newton, Status, _devices, _each, _lowering, sweep
from nashgrid.solver._axes import knobs
from nashgrid.solver._devices import Lanes
from nashgrid.solver._elements import Elements
from nashgrid.solver._how import How
from nashgrid.solver._lowering import over_lanes
from tests.textbook import SeveralMarkets

LANES = 5
SIZES = (1, 3, 7)
"""Axes of up to six entries are taken apart, longer ones are not."""


def _rows(size: int, dtype=np.float64) -> jax.Array:
    return jnp.asarray(np.random.default_rng(size).normal(size=(LANES, size)), dtype)


def _powers(x):
    base = jnp.concatenate([x, jnp.zeros(1, x.dtype), -jnp.ones(1, x.dtype)])
    exponents = jnp.asarray([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0], x.dtype)
    return jnp.power(base[:, None], exponents[None, :]), jnp.power(jnp.abs(x), x), jnp.abs(x) ** x.sum()


def _until(x):
    """A loop of another number of steps in every lane, in a batch of such loops."""

    def one(y):
        return lax.while_loop(lambda s: jnp.abs(s[0]) < 3.0, lambda s: (1.7 * s[0] + 0.1, s[1] + 1), (y, 0))

    return jax.vmap(one)(x), one(x[0])


def _counted(x):
    """Loops of the same number of steps in every lane, with results by row."""
    total = lax.fori_loop(0, 4, lambda k, s: s * 0.5 + k.astype(x.dtype), x)
    end, rows = lax.scan(
        lambda s, row: (s + row[0], (s * row[1], row[0])), x[0], (x, jnp.arange(len(x), dtype=x.dtype))
    )
    return total, end, rows


def _branches(x):
    known = lax.switch(1, [jnp.sin, jnp.cos], x)
    each = lax.cond(x[0] > 0.0, lambda x: (x, x.sum()), lambda x: (2.0 * x, x[0]), x)
    which = lax.switch(jnp.int32(x[0] > 0.0) + jnp.int32(x[0] > 1.0), [jnp.sin, jnp.cos, jnp.exp], x)
    return known, each, which


def _shapes(x):
    both = jnp.stack([x, 2.0 * x], axis=1)
    wide = jnp.concatenate([x, x[::-1], jnp.zeros(2, x.dtype)])
    return both.T, both.reshape(-1), jnp.broadcast_to(x[None, :, None], (2, len(x), 3)), wide, jnp.split(wide, [1, 2])


def _places(x):
    middle = len(x) // 2
    placed = jnp.pad(x, (1, 8)).at[0].set(3.0)
    return x[::2], x[middle], x[jnp.array([middle, 0])], placed, lax.dynamic_slice(x, (middle,), (1,)), x.at[0].add(1.0)


def _sums(x):
    table = x[:, None] * x[None, :] + jnp.arange(len(x), dtype=x.dtype)[:, None]
    reduced = [f(table, axis=k) for f in (jnp.sum, jnp.max, jnp.min, jnp.prod, jnp.argmax, jnp.argmin) for k in (0, 1)]
    return reduced, table.sum(), jnp.any(table > 1.0), jnp.all(table > -9.0, axis=0), jnp.cumsum(x), table @ x


def _places_that_differ(x):
    """Read and written, also at places that there are not, once and at several places at once."""
    at, off, out = jnp.argmax(x), jnp.int32(3.0 * x[0]), jnp.int32(9.0 * x[-1])
    table = x[:, None] * jnp.arange(1.0, 4.0, dtype=x.dtype)[None, :]
    some = jnp.stack([off, out, jnp.int32(at)])
    modes = [table.at[some, some[::-1]].get(mode=mode) for mode in ("clip", "fill", "promise_in_bounds")]
    fills = [y.at[jnp.int8(out)].get(mode="fill") for y in (x, jnp.int32(x), jnp.uint32(jnp.abs(x)), x > 0.0)]
    part = lax.dynamic_slice(table, (off, out), (1, 2))
    written = [lax.dynamic_update_slice(table, part, (out, off)), x.at[off].set(2.0, mode="clip"), x.at[some].add(x[0])]
    return x[at], table[:, off], table[some], modes, fills, part, written, table.at[some, off].set(x[:1])


def _sorted(x):
    """With ties, NaN and zeros of both signs."""
    signed, some = jnp.round(x), jnp.where(x > 0.7, jnp.nan, x)
    pairs = lax.sort((jnp.abs(signed), signed, x, jnp.arange(len(x))), num_keys=2)
    table = x[:, None] * jnp.array([[1.0, -1.0, 0.5]], x.dtype)
    down = jnp.sort(table, axis=1, descending=True)
    return jnp.sort(x), jnp.argsort(some), 1.0 / jnp.sort(signed), jnp.sort(table, axis=0), down, pairs


def _mixed(x):
    """A scalar condition, integers, truth values, NaN, and what does not vary between lanes."""
    some = jnp.where(x[0] > 0.0, x, jnp.where(x > 1.0, jnp.nan, 2.0))
    whole = jnp.int32(x)
    known = jnp.arange(9.0), jnp.float32(1.0)
    return some, jnp.argmax(some), jnp.isnan(some), whole, jnp.sum(whole, dtype=jnp.int32), known, ~(x > 0.0)


def _derivatives(x):
    def f(y):
        return jnp.stack([jnp.sum(jnp.exp(y)) * y[0], jnp.prod(jnp.tanh(y)), jax.nn.logsumexp(y)])

    return jax.jacfwd(f)(x), jax.jacrev(f)(x), jax.jacfwd(jax.jacfwd(f))(x)


def _primitives_of_newer_versions(x):
    """What some versions of JAX write with primitives that others do not have, their derivatives included."""
    functions = jnp.log2, jnp.arctanh, lax.erf, lax.erfc, lambda y: jnp.polyval(jnp.array([0.5, -1.0, 2.0], y.dtype), y)
    near = 0.25 + 0.5 * jax.nn.sigmoid(x)
    made = [(f(near), jax.jacfwd(f)(near), jax.jacfwd(jax.jacrev(f))(near)) for f in functions]
    kind = {4: np.uint32, 8: np.uint64}[x.dtype.itemsize]
    bits = lax.bitcast_convert_type(x, kind)
    return made, bits, lax.bitcast_convert_type(bits & kind(2**31), x.dtype)


FUNCTIONS = (
    _powers, _until, _counted, _branches, _shapes, _places, _sums, _places_that_differ, _sorted, _mixed,
    _derivatives, _primitives_of_newer_versions,
)  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__.strip("_"))
def test_functions_are_those_of_vmap(function, size):
    rows = _rows(size)
    wanted = jax.jit(jax.vmap(function))(rows)
    found = jax.jit(lambda rows: over_lanes(lambda _, x: function(x), (), rows))(rows)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def test_what_all_lanes_share_is_an_argument_too():
    shared = {"few": jnp.arange(3.0), "many": jnp.arange(40.0)}

    def function(shared, x):
        return shared["many"][:5].sum() * x + shared["few"], shared["many"] * 2.0, shared["many"] * x[0]

    rows = _rows(3)
    wanted = jax.vmap(function, in_axes=(None, 0))(shared, rows)
    for a, b in zip(jax.jit(functools.partial(over_lanes, function))(shared, rows), wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_is_computed_twice_and_nothing_that_is_known():
    """The Hessian of a sum of powers needs a logarithm and two exponentials for each variable."""

    def function(_, x):
        return jax.hessian(lambda y: jnp.sum(jnp.abs(y) ** 2.5))(x)

    text = str(jax.make_jaxpr(lambda rows: over_lanes(function, (), rows))(_rows(3)))
    assert text.count(" log ") == 3
    assert text.count(" exp ") <= 9
    elements = Elements(LANES)
    one, x = np.float64(1.0), jnp.arange(float(LANES))
    assert elements.op(lax.mul_p, x, np.float64(0.0)) == 0.0
    assert elements.op(lax.mul_p, one, x) is x
    assert elements.op(lax.sub_p, x, np.float64(0.0)) is x
    assert elements.op(lax.add_p, x, one) is elements.op(lax.add_p, one, x)
    assert elements.op(lax.sub_p, x, one) is not elements.op(lax.sub_p, one, x)


@pytest.mark.parametrize("function", [_until, _counted], ids=lambda f: f.__name__.strip("_"))
def test_too_long_a_program_is_not_taken_apart(function, monkeypatch):
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(131, 5)))  # Two batches, and a part of one.

    def equations():
        return str(jax.make_jaxpr(lambda rows: over_lanes(lambda _, x: function(x), (), rows))(rows)).count(" = ")

    apart = equations()
    monkeypatch.setattr(_lowering, "_MOST", 10)
    assert equations() < apart
    wanted = jax.jit(jax.vmap(function))(rows)
    found = jax.jit(lambda rows: over_lanes(lambda _, x: function(x), (), rows))(rows)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def test_a_sweep_says_whether_its_program_is_taken_apart(monkeypatch):
    monkeypatch.setattr(_devices, "_fused", lambda: True)
    game = LinearCournot(cost=(1.0, 2.0))
    how = How(knobs(game, ("intercept",), "axes"), (), Newton(), 1e-8, 4, None)
    few, many = (Lanes(game, how, width) for width in (1, len(_devices.devices()) * _devices._APART))
    assert (few.kind, many.kind) == ("vmap", "arrays taken apart")
    monkeypatch.setattr(_lowering, "_MOST", 10)
    assert Lanes(game, dataclasses.replace(how, tol=1e-7), many.width).kind == "vmap"  # Another program.


def test_fewer_points_of_large_games_are_solved_at_once(monkeypatch):
    game = LinearCournot(intercept=10.0, slope=1.0, cost=(1.0, 2.0, 3.0))
    for numbers, points in ((2**16, 64), (40, 4), (9, 1)):
        monkeypatch.setattr(_each, "_CACHED", numbers)
        assert _devices._at_once(game) == points
    lanes = Lanes(game, How(knobs(game, ("intercept",), "axes"), (), Newton(), 1e-8, 5, None), 3)
    rows = np.array([[8.0], [10.0], [12.0]])
    found = lanes.finish(lanes.start(rows), rows)
    np.testing.assert_allclose(found["quantity"], (rows + 6.0) / 4.0 - np.array([[1.0, 2.0, 3.0]]), rtol=1e-12)


GAMES = {
    "cournot": (LinearCournot(cost=(1.0, 2.0, 3.0)), {"intercept": (3.0, 15.0), "cost[1]": (0.5, 9.0)}),
    "research": (ResearchSpillovers(), {"spillover": (0.0, 1.0), "research_cost": (0.6, 6.0)}),
    "open": (OpenSourcing(outsiders=3, competition=0.3), {"owner_share": (0.1, 0.9), "openness": (0.0, 1.0)}),
    # With several strategies by firm, and corners.
    "multi": (SeveralMarkets(), {"demand[0]": (0.0, 20.0)}),
}


@pytest.mark.parametrize("name", GAMES)
def test_solvers_are_those_of_vmap(name):
    game, ranges = GAMES[name]
    slopes = knobs(game, tuple(ranges)[:1], "sensitivity")
    # What compiles long is compared without its certificate.
    method = Newton() if name in ("cournot", "open") else BestResponse()
    search = GlobalSearch() if name == "cournot" else None
    how = How(knobs(game, tuple(ranges), "axes"), slopes, method, 1e-10, 64, search)
    arrays, static = eqx.partition(game, eqx.is_array)

    def one(arrays, values):
        return how.point(eqx.combine(arrays, static), values)

    low, high = np.array(list(ranges.values())).T
    rows = jnp.asarray(low + (high - low) * np.random.default_rng(0).random((16, len(low))))
    wanted = jax.jit(jax.vmap(one, in_axes=(None, 0)))(arrays, rows)
    found = jax.jit(functools.partial(over_lanes, one))(arrays, rows)
    assert found.keys() == wanted.keys()
    solved = np.isin(wanted["status"], (Status.successful, Status.first_order))
    assert solved.sum() > 8
    for key in ("status", "steps"):
        np.testing.assert_array_equal(found[key], wanted[key])
    loose = {"residual", "regret", "error", "gain", "deviation"}
    for key in wanted.keys() - loose:
        np.testing.assert_allclose(found[key][solved], wanted[key][solved], rtol=1e-9, atol=1e-10, err_msg=key)
    for key in {"residual", "regret"} & wanted.keys():
        assert float(jnp.max(found[key][solved])) <= 1e-10


PROGRAM = """
from nashgrid.solver import _devices, configure
configure()
_devices.available = lambda: False
_devices._APART = 16  # Points a device, below which it does not pay.
from tests.test_lowering import swept
data = swept()
assert data.attrs["program"] == "arrays taken apart", data.attrs["program"]
data.to_zarr("apart.zarr")
"""


def swept() -> xr.Dataset:
    """A sweep with corners, and with points that a first pass does not solve."""
    game = ResearchSpillovers(intercept=2.0, cost=(1.0, 1.1))
    axes = {"spillover": np.linspace(0.0, 1.0, 9), "research_cost": np.linspace(0.4, 2.0, 7)}
    return sweep(game, axes, method=Newton(), certify=False, progress=False)


def test_sweeps_use_it_where_loops_are_fused_and_there_are_no_kernels(tmp_path, without_kernels):
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"XDG_CACHE_HOME": str(tmp_path)}
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", f"import os, sys; sys.path.insert(0, {str(root)!r})\n{PROGRAM}"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    apart, plain = xr.open_zarr(tmp_path / "apart.zarr").load(), swept()
    assert plain.attrs["program"] == "vmap"
    np.testing.assert_array_equal(apart["status"], plain["status"])
    # Where Newton's method ends without an answer, the last digit decides where.
    solved = plain["status"] == Status.first_order
    assert 30 < int(solved.sum()) < solved.size
    for name in ("research", "payoff", "welfare"):
        np.testing.assert_allclose(apart[name].where(solved), plain[name].where(solved), rtol=1e-9, atol=1e-12)


@pytest.fixture
def accelerated(monkeypatch):
    """As where programs do not run on the processor."""
    _devices._program.cache_clear()
    monkeypatch.setattr(_devices, "on_host", lambda: False)
    yield
    _devices._program.cache_clear()


def test_an_accelerator_takes_all_points_apart_at_once(accelerated, monkeypatch):
    found = swept()
    assert found.attrs["program"] == "arrays taken apart" and found["status"].size == 63
    monkeypatch.setattr(_devices, "on_host", lambda: True)
    monkeypatch.setattr(_devices, "available", lambda: False)
    _devices._program.cache_clear()
    plain = swept()
    assert plain.attrs["program"] == "vmap"
    np.testing.assert_array_equal(found["status"], plain["status"])
    solved = plain["status"] == Status.first_order
    for name in ("research", "payoff", "welfare"):
        np.testing.assert_allclose(found[name].where(solved), plain[name].where(solved), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("most", (10, _lowering._MOST))
def test_an_accelerator_computes_any_number_of_points(accelerated, monkeypatch, most):
    monkeypatch.setattr(_lowering, "_MOST", most)
    game = LinearCournot(intercept=10.0, slope=1.0, cost=(1.0, 2.0))
    how = How(knobs(game, ("intercept",), "axes"), (), Newton(), 1e-8, 5, None)
    one, some = (Lanes(game, how, width * len(_devices.devices())) for width in (1, 3))
    assert (one.kind, some.kind) == ("vmap", "vmap" if most == 10 else "arrays taken apart")
    for count in (1, 7):
        rows = np.linspace(8.0, 12.0, count)[:, None]
        for lanes in (one, some):
            found = lanes.finish(lanes.start(rows), rows)
            np.testing.assert_allclose(found["quantity"], (rows - [[0.0, 3.0]]) / 3.0, rtol=1e-9)


def test_a_barrier_takes_nothing_together():
    """As `only_if` has them: arrays would be written to memory and read again for it."""

    def function(_, x):
        return lax.optimization_barrier((2.0 * x, x[0], np.float64(3.0), x > 0.0))

    rows = _rows(3)
    found = jax.jit(lambda rows: over_lanes(function, (), rows))(rows)
    for a, b in zip(found, jax.vmap(functools.partial(function, None))(rows), strict=True):
        np.testing.assert_array_equal(a, b)
    text = str(jax.make_jaxpr(lambda rows: over_lanes(lambda _, x: lax.optimization_barrier(x)[0], (), rows))(rows))
    assert "optimization_barrier" in text and "concatenate" not in text
