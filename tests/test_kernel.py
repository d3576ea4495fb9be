"""Kernels return what `vmap` returns, whatever the function does, and where there is none XLA takes its place."""

import itertools
import math
import subprocess
import sys
import threading
import weakref

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nashgrid.games import (
    IsoelasticCournot,
    LinearCournot,
    OpenSourcing,
    ResearchSpillovers,
    linear_cournot_equilibrium,
)
from nashgrid.solver import BestResponse, Game, GlobalSearch, Newton, Status, _devices, _kernel, parameter, sweep
from nashgrid.solver._axes import knobs
from nashgrid.solver._devices import kernel_of
from nashgrid.solver._how import How, Limit
from nashgrid.solver._kernel import Addressed, Kernel, kernel
from nashgrid.solver._kernel_ir import UnsupportedError
from nashgrid.solver._kernel_read import traced, written
from nashgrid.solver._lowering import over_lanes
from nashgrid.solver._retry import FIRST_STEPS
from tests.test_lowering import FUNCTIONS, SIZES
from tests.textbook import SeveralMarkets

MOST = 100_000
ULP = 2.0**-52


def made(function, rows, shared=()):
    """The results at the rows, by a kernel."""
    shape = jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype)
    return Kernel(function, shared, shape, MOST).run(shared, rows)


def same(found, wanted, tolerance):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def _whole(x):
    """Whole numbers and bits, signed and not."""
    n = jnp.int32(4.0 * x)
    bits = jnp.uint32(jnp.abs(1e4 * x))
    mixed = [bits ^ (bits >> 3), bits << 2, bits << 40, lax.population_count(bits), bits * bits, bits & 12, ~bits | 1]
    long = n.astype(jnp.int64) * 3 - jnp.int64(5)
    return (
        mixed,
        long,
        -n,
        jnp.abs(n),
        jnp.maximum(n, -n),
        n > 2,
        bits >= 7,
        jnp.sign(n),
        n.astype(x.dtype),
        n % 3,
        n // 2,
    )


def _rounded(x):
    kinds = [jnp.floor(4.0 * x), jnp.ceil(4.0 * x), jnp.round(4.0 * x), lax.round(4.0 * x), jnp.sign(x)]
    powers = [x**2, x**-3, x**0, jnp.square(x), lax.rsqrt(jnp.abs(x)), jnp.sqrt(x), x**7]
    return kinds, powers, jnp.clip(x, -0.5, 0.5), lax.rem(x, jnp.ones_like(x)), jnp.isfinite(1.0 / (x - x[0]))


def _nan(x):
    """What is not a number stays so in maxima and is nowhere larger or smaller."""
    some = jnp.where(x > 0.0, jnp.nan, x)
    rest = jnp.zeros_like(x)
    both = [f(a, b) for f in (jnp.maximum, jnp.minimum) for a, b in ((some, rest), (rest, some), (some, x))]
    return both, some > 0.0, some == some, some != some, jnp.maximum(some, 0.5), jnp.max(some), jnp.nanmax(some)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("function", (*FUNCTIONS, _rounded, _nan), ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("dtype", (np.float64, np.float32))
def test_functions_are_those_of_vmap(function, size, dtype):
    rows = np.random.default_rng(size).normal(size=(21, size)).astype(dtype)
    wanted = jax.jit(jax.vmap(function))(rows)
    same(made(lambda _, x: function(x), rows), wanted, 1e-13 if dtype == np.float64 else 1e-4)


def test_whole_numbers_are_those_of_vmap():
    rows = np.random.default_rng(0).normal(size=(21, 5))
    same(made(lambda _, x: _whole(x), rows), jax.jit(jax.vmap(_whole))(rows), 0.0)
    # By zero a processor does not divide them.
    with pytest.raises(UnsupportedError, match="whole numbers"):
        made(lambda _, x: lax.div(jnp.int32(x), jnp.int32(x)), rows)


EDGES = (0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310, 2.2250738585072014e-308, 1.7976931348623157e308, 1.0, -1.0)
RANGES = {
    "exp": (jnp.exp, np.exp, (-745.0, 709.7), 2.0),
    "exp2": (jnp.exp2, np.exp2, (-1074.0, 1023.9), 2.0),
    "log": (jnp.log, np.log, (1e-300, 1e300), 2.0),
    "log1p": (jnp.log1p, np.log1p, (-0.999, 1e6), 3.0),
    "expm1": (jnp.expm1, np.expm1, (-40.0, 700.0), 4.0),
    "tanh": (jnp.tanh, np.tanh, (-25.0, 25.0), 4.0),
    "logistic": (jax.nn.sigmoid, lambda x: 1.0 / (1.0 + np.exp(-x)), (-700.0, 40.0), 4.0),
    "sin": (jnp.sin, np.sin, (-100.0, 100.0), 1.0),
    "erf": (lax.erf, np.vectorize(math.erf), (-6.0, 6.0), 1.0),
}


@pytest.mark.parametrize("name", RANGES)
def test_functions_are_exact_to_a_few_units_in_the_last_place(name):
    ours, theirs, (low, high), units = RANGES[name]
    rng = np.random.default_rng(0)
    wide = np.exp(rng.uniform(np.log(low), np.log(high), 20_000)) if low > 0 else rng.uniform(low, high, 20_000)
    near = rng.normal(size=20_000) * 10.0 ** rng.uniform(-12.0, 0.0, 20_000)
    near = near if low < 0 else 1.0 + 0.1 * near
    x = np.concatenate([wide, near, EDGES])
    with np.errstate(all="ignore"):
        wanted = theirs(x)
    found = made(lambda _, row: ours(row[0]), x[:, None])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(found[~finite], wanted[~finite])
    # Beside the smallest normal numbers, units are those of these.
    unit = np.maximum(np.spacing(np.abs(wanted[finite])), 5e-324)
    assert np.max(np.abs(found[finite] - wanted[finite]) / unit) <= units


def _corners(x):
    """Arrays without entries, a loop of no copies, sums of truth values, signs and places of small whole numbers."""
    some, bits = x > 0.0, jnp.uint32(jnp.abs(x))
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    nothing = lax.scatter_add(x, np.zeros((0, 1), np.int32), x[:0], numbers)
    loops = jax.vmap(lambda y: lax.while_loop(lambda s: s < 3.0, lambda s: s + 1.0, y))(x[:0])
    places = lax.argmax(jnp.arange(140.0) * jnp.sign(x[0]), 0, jnp.int8)
    return nothing, loops, some @ some, jnp.outer(some, some) @ some, lax.sign(bits), places


def test_corners_are_those_of_vmap():
    rows = np.random.default_rng(0).normal(size=(21, 5))
    same(made(lambda _, x: _corners(x), rows), jax.jit(jax.vmap(_corners))(rows), 0.0)
    over = jax.jit(lambda rows: over_lanes(lambda _, x: _corners(x), (), rows))(rows)
    same(over, jax.jit(jax.vmap(_corners))(rows), 0.0)
    same(made(lambda _, x: ~x, rows > 0.0), rows <= 0.0, 0.0)


@pytest.mark.parametrize("dtype", (np.float64, np.float32))
def test_quotients_are_rounded_as_they_should_be(dtype):
    """Also those by reciprocals: several by the same number, by one that a loop does not change, by known ones."""

    def function(_, row):
        x, y, z = row
        looped = lax.fori_loop(0, 7, lambda k, s: (s[1], s[0] / y), (x, z))
        return x / y, z / y, (x * z) / y, 1.0 / y, looped, x / dtype(3.0), x / dtype(-4.0), x / dtype(1e-40)

    special = [0.0, -0.0, 1.0, -3.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).tiny]
    random = np.random.default_rng(0).standard_cauchy((4000, 3)).astype(dtype)
    rows = np.concatenate([random, np.array(list(itertools.product(special, repeat=3)), dtype)])
    x, y, z = rows.T
    with np.errstate(all="ignore"):
        a, b = x, z
        for _ in range(7):
            a, b = b, a / y
        wanted = (x / y, z / y, x * z / y, 1 / y, (a, b), x / dtype(3), x / dtype(-4), x / dtype(1e-40))
    for found, right in zip(jax.tree.leaves(made(function, rows)), jax.tree.leaves(wanted), strict=True):
        usual = ~((abs(right) < 1e10 * np.finfo(dtype).tiny) & (right != 0))  # Close to denormals, a bit may be lost.
        np.testing.assert_array_equal(found[usual], right[usual])


def test_branches_are_those_of_vmap_whoever_takes_them():
    """Lanes that differ, loops in branches, branches in loops, and branches that nobody takes."""

    def function(_, row):
        x, y = row

        def halve(x, y):
            return lax.while_loop(lambda s: s[0] > y, lambda s: (0.5 * s[0], s[1] + 1), (x, jnp.int32(0)))

        one = lax.cond(x > y, halve, lambda x, y: (y + jnp.exp(x), jnp.int32(-1)), x, y)
        two = lax.switch(jnp.int32(x), [lambda x: x * x, jnp.sin, lambda x: x * x + jnp.sin(x)], x)
        never = lax.cond(x > 1e9, jnp.cos, lambda x: x * x, x)
        step = lambda k, s: lax.cond(s > y, lambda s: s - jnp.square(x) * 0.1, lambda s: s + 0.3, s)  # noqa: E731
        return one, two, never, lax.fori_loop(0, 9, step, x)

    rows = np.random.default_rng(0).uniform(0.1, 3.9, (200, 2))
    rows[:64, 0] = 0.05  # Whole vectors of lanes that go the same way.
    same(made(function, rows), jax.vmap(function, in_axes=(None, 0))((), rows), 16 * ULP)


def test_branches_that_change_nothing_in_some_lanes_keep_what_was_there():
    """In loops, in other branches, with results that are not used, and where the state does not change at all."""

    def function(_, row):
        x, y = row

        def unfinished(state):
            return (state[0] > 0.1) & (state[3] < 20)

        def step(state):
            a, b, never, count = state
            same, moved = lambda a, b, n: (a, b, n), lambda a, b, n: (0.7 * a, b + a, n * jnp.exp(b))
            nested = lambda a, b, n: lax.cond(b > 1.0, same, moved, a, b, n)  # noqa: E731
            a, b, never = lax.cond(a > y, nested, lambda a, b, n: (a - 0.3, b, n), a, b, never)
            a, b, never = lax.cond(count % 2 == 0, same, nested, a, b, never)
            return (*lax.cond(b > 2.0, lambda a, b: (a, b), lambda a, b: (0.5 * a, y), a, b), never, count + 1)

        a, b, _, count = lax.while_loop(unfinished, step, (x, y, x, jnp.int32(0)))
        return a, b, count, lax.cond(x > y, lambda a: a, lambda a: a + 1.0, a)

    rows = np.random.default_rng(0).uniform(0.0, 3.0, (200, 2))
    same(made(function, rows), jax.vmap(function, in_axes=(None, 0))((), rows), 16 * ULP)


def test_what_nobody_asks_for_is_not_written():
    """Neither what a derivative computes on its way to a comparison, nor rows of a loop that are known or the same."""
    row = jax.ShapeDtypeStruct((2,), np.float64)

    def compared(_, x):
        return jax.jvp(lambda x: jnp.where(x[0] / x[1] > 1.0, x[0], x[1]), (x,), (x,))[1]

    def rows(_, x):
        step = lambda c, k: (c * x[0], (c, c, jnp.float64(3.0)))  # noqa: E731
        return lax.scan(step, x[1], jnp.arange(1000.0))[1]

    assert _text(compared, row).count("fdiv") == 1
    assert _text(rows, row).count("alloca") == 1  # Of three columns that are asked for, and one that is not.


def _text(function, row):
    return written(traced(function, (), row).closed, (), row, MOST).text


def test_powers_at_infinity_and_of_one_are_those_of_vmap():
    some = np.array([1.0, -1.0, np.inf, -np.inf, np.nan, 0.0, 0.5, -0.5, 2.0, -3.0])
    rows = np.stack(np.meshgrid(some, some), -1).reshape(-1, 2)
    exponents = (0.5, -0.5, np.inf, -np.inf, np.nan)

    def function(x):
        return jnp.power(x[0], x[1]), [lax.pow(x[0], jnp.asarray(y, x.dtype)) for y in exponents]

    same(made(lambda _, x: function(x), rows), jax.jit(jax.vmap(function))(rows), 1e-13)


def test_random_keys_and_large_tables_have_no_kernel():
    row, key, table = jax.ShapeDtypeStruct((1,), jnp.float64), jax.random.key(0), np.zeros(10**5)
    assert kernel(lambda key, x: x + jax.random.uniform(key), key, row, MOST) is None
    assert kernel(lambda _, x: x + jax.random.uniform(key), (), row, MOST) is None
    assert kernel(lambda _, x: x + jnp.asarray(table)[:1], (), row, MOST) is None
    # Zero divided by zero is a whole number, too, and not zero.
    assert kernel(lambda _, x: lax.div(jnp.int32(0), jnp.int32(x)), (), row, MOST) is None


def test_a_call_that_is_dropped_keeps_its_memory_and_computes_nothing_more(monkeypatch):
    built = Kernel(lambda _, x: 2.0 * x, (), jax.ShapeDtypeStruct((1,), jnp.float64), MOST)
    begun, go_on, left = threading.Event(), threading.Event(), []
    original = built._call

    def call(*arguments):
        begun.set()
        go_on.wait(60.0)
        original(*arguments)
        left.append(np.array(memory()))

    monkeypatch.setattr(built, "_call", call)
    running = built.start(Addressed(()), np.ones((3 * _kernel._BLOCK, 1)))
    running._outs.arrays[0][:] = 7.0
    begun.wait(60.0)
    memory, parts = weakref.ref(running._outs.arrays[0]), running._parts
    del running
    go_on.set()
    parts[0].result(60.0)
    assert (left[0] == 7.0).all()


FIRST = """
import os, warnings
import jax, jax.numpy as jnp, numpy as np
from nashgrid.solver._kernel import kernel
rows = np.ones((9, 1), np.float32)
built = kernel(lambda _, x: jnp.sin(x), (), jax.ShapeDtypeStruct((1,), jnp.float32), 1000)
assert built is not None
first = built.run((), rows)
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    os._exit(int(not np.array_equal(built.run((), rows), first)))
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_the_first_kernel_of_a_process_finds_the_c_library_and_runs_in_forks():
    subprocess.run([sys.executable, "-c", FIRST], check=True, timeout=120.0)


def test_what_all_points_share_is_an_argument():
    shared = {"few": jnp.arange(3.0), "whether": jnp.array([True, False, True]), "count": jnp.int32(4)}

    def function(shared, x):
        return jnp.where(shared["whether"], shared["few"], -1.0) * x, shared["count"] + 1, shared["whether"]

    rows = np.random.default_rng(0).normal(size=(9, 3))
    built = Kernel(function, shared, jax.ShapeDtypeStruct((3,), jnp.float64), MOST)
    for few in (shared["few"], 2.0 * shared["few"]):
        changed = shared | {"few": few}
        same(built.run(changed, rows), jax.vmap(function, in_axes=(None, 0))(changed, rows), 0.0)


def test_many_points_and_several_calls_at_once():
    built = Kernel(lambda _, x: (x[0] - x[1], x.sum()), (), jax.ShapeDtypeStruct((2,), jnp.float64), MOST)
    rows = [np.random.default_rng(k).normal(size=(count, 2)) for k, count in enumerate((1, 8, 5000, 3001))]
    for each, started in [(r, built.start(Addressed(()), r)) for r in rows]:
        difference, total = started.results()
        np.testing.assert_array_equal(difference, each[:, 0] - each[:, 1])
        np.testing.assert_array_equal(total, each[:, 0] + each[:, 1])


def _rounds(shared, x):
    """How often a half has been taken, at most so often; left if it could go on and may be asked again."""
    most, final = shared

    def halved(state):
        return state[0] / 2.0, state[1] + 1

    value, steps = lax.while_loop(lambda s: (s[0] > 1.0) & (s[1] < most), halved, (x[0] * x[1], jnp.int32(0)))
    several = value * jnp.arange(3.0), jnp.zeros((0,)), jnp.float32(value), value > 0.75
    return (several, steps, jnp.stack([steps > 2, value < 0.75])), (value > 1.0) & ~final


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_points_that_are_left_are_computed_again_beside_each_other(share):
    few, many = [Addressed([np.int32(most), np.bool_(final)]) for most, final in ((3, False), (40, True))]
    shared = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((), jnp.bool_)
    built = Kernel(_rounds, shared, jax.ShapeDtypeStruct((2,), jnp.float64), MOST, flagged=True)
    random = np.random.default_rng(0)
    for count in (1, 15, 16, 17, 255, 257, 4099, 30_001):
        rows = random.uniform(0.5, 2.0, (count, 2))
        rows[random.uniform(size=count) < share, 1] = 1e9
        (wanted, left), at_once = built.start(many, rows).results(), built.start(many, rows)
        assert not left.any() and at_once.results() and at_once.again() == 0
        twice = built.start(few, rows, many)
        same(twice.results(), (wanted, left), 0.0)
        hard = np.count_nonzero(rows.prod(axis=1) > 8.0)
        # The last vector has points of the one before it.
        assert hard <= twice.again() <= hard + built.lanes and wanted[1][rows[:, 1] > 2.0].min(initial=30) > 25
        np.testing.assert_array_equal(built.start(few, rows).results()[1], rows.prod(axis=1) > 8.0)


class Edged(Game):
    """A capacity, and a price below which nothing is earned."""

    slope: jax.Array = parameter(1.0)
    capacity: jax.Array = parameter(0.4)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        sold = jnp.minimum(jnp.maximum(1.0 - self.slope * x + 0.5 * x[::-1], 0.0), self.capacity)
        return jnp.where(x > 0.1, x, 0.0) * sold


GAMES = {
    "quadratic": (
        LinearCournot(cost=(1.0, 2.0, 3.0)),
        BestResponse(),
        {"intercept": (3.0, 15.0), "cost[1]": (0.5, 9.0)},
    ),
    "corners": (ResearchSpillovers(), None, {"spillover": (0.0, 1.0), "research_cost": (0.6, 6.0)}),
    "powers": (IsoelasticCournot(), None, {"elasticity": (1.2, 3.0), "cost[0]": (0.2, 2.0)}),
    "edges": (Edged(), BestResponse(), {"slope": (0.5, 2.0), "capacity": (0.1, 1.0)}),
    "open": (OpenSourcing(outsiders=3, competition=0.3), None, {"owner_share": (0.1, 0.9), "openness": (0.0, 1.0)}),
    "multi": (SeveralMarkets(), None, {"demand[0]": (0.0, 20.0)}),
}


@pytest.mark.parametrize("name", GAMES)
def test_solvers_are_those_of_vmap(name):
    game, certified, ranges = GAMES[name]
    slopes = knobs(game, tuple(ranges)[:1], "sensitivity")
    # What compiles long under XLA is compared without its certificate.
    method = certified or BestResponse(escapes=0)
    search = None if certified is None else GlobalSearch(points=8)
    how = How(knobs(game, tuple(ranges), "axes"), slopes, method, 1e-10, 64, search)
    low, high = np.array(list(ranges.values())).T
    rows = low + (high - low) * np.random.default_rng(0).random((64, len(low)))
    arrays, static = eqx.partition(game, eqx.is_array)
    built = kernel_of(game, how)
    assert isinstance(built, Kernel)
    found, left = built.run((arrays, Limit(np.int32(how.max_steps), np.bool_(True))), rows)
    one = jax.vmap(lambda arrays, row: how.point(eqx.combine(arrays, static), row), in_axes=(None, 0))
    wanted = jax.jit(one)(arrays, rows)
    assert found.keys() == wanted.keys()
    np.testing.assert_array_equal(found["status"], wanted["status"])
    solved = np.isin(wanted["status"], (Status.successful, Status.first_order))
    assert solved.sum() > 32
    np.testing.assert_array_equal(left, ~solved)
    loose = {"residual", "regret", "error"}
    for key in wanted.keys() - loose:
        np.testing.assert_allclose(found[key][solved], wanted[key][solved], rtol=1e-9, atol=1e-10, err_msg=key)
    for key in {"residual", "regret"} & wanted.keys():
        assert np.nanmax(found[key][solved]) <= 1e-10


def swept(game, **options):
    axes = {"spillover": np.linspace(0.0, 1.0, 9), "research_cost": np.linspace(0.4, 2.0, 7)}
    return sweep(game, axes, method=Newton(), certify=False, progress=False, **options)


def test_a_sweep_says_which_program_ran_and_is_the_same_without_kernels(monkeypatch):
    game = ResearchSpillovers(intercept=2.0, cost=(1.0, 1.1))
    with_kernel = swept(game)
    monkeypatch.setattr(_devices, "available", lambda: False)
    plain = swept(game)
    assert (with_kernel.attrs["program"], plain.attrs["program"]) == ("kernel", "vmap")
    np.testing.assert_array_equal(with_kernel["status"], plain["status"])
    solved = plain["status"] == Status.first_order
    assert 30 < int(solved.sum()) < solved.size
    for name in ("research", "payoff", "welfare"):
        np.testing.assert_allclose(with_kernel[name].where(solved), plain[name].where(solved), rtol=1e-9, atol=1e-12)


class Median(Game):
    """A payoff in the median, of which nobody has made instructions."""

    pull: jax.Array = parameter(1.0)
    firms = ("A", "B", "C")

    def bounds(self):
        return {"x": (0.0, 1.0)}

    def payoff(self, s):
        x = s["x"]
        return -jnp.square(x - self.pull * lax.stop_gradient(lax.top_k(x, 2)[0][1]) - 0.1)


def test_what_has_no_instructions_is_swept_by_xla():
    data = sweep(Median(), {"pull": np.linspace(0.1, 0.5, 3)}, certify=False, progress=False)
    assert data.attrs["program"] == "vmap"
    np.testing.assert_allclose(data["x"], 0.1 / (1.0 - data["pull"].values[:, None]) * np.ones(3), rtol=1e-8)


def test_a_program_that_cannot_be_read_is_left_to_xla(monkeypatch):
    def unknown(*_):
        raise KeyError("num_carry")  # As in a later version of JAX.

    _devices._kernel.cache_clear()
    monkeypatch.setattr(_kernel, "written", unknown)
    with pytest.warns(UserWarning, match=r"No kernel \(KeyError: 'num_carry'\). Please report it; XLA is used"):
        data = sweep(LinearCournot(), {"slope": [0.5, 1.0]}, certify=False, progress=False)
    _devices._kernel.cache_clear()
    assert data.attrs["program"] == "vmap" and (data.status == Status.first_order).all()


def test_points_that_take_long_are_solved_in_a_second_pass():
    slow = BestResponse(damping=0.2, finish=False)
    axes = {"cost[1]": np.linspace(0.5, 3.0, 20), "intercept": np.linspace(6.0, 12.0, 5)}
    data = sweep(LinearCournot(), axes, method=slow, certify=False, progress=False)
    assert data.attrs["program"] == "kernel"
    assert (data.status == Status.first_order).all() and float(data.steps.min()) > FIRST_STEPS
    game, at = LinearCournot(), itertools.product(*axes.values())
    wanted = [linear_cournot_equilibrium(a, game.slope, jnp.array([game.cost[0], c])) for c, a in at]
    np.testing.assert_allclose(data["quantity"].values.reshape(-1, 2), wanted, rtol=1e-8)
    short = sweep(LinearCournot(), axes, method=slow, certify=False, max_steps=FIRST_STEPS + 1, progress=False)
    assert (short.status == Status.max_steps).all() and (short.steps == FIRST_STEPS + 1).all()


def test_kernels_of_single_and_double_precision_are_not_confused():
    game = LinearCournot(cost=jnp.ones(2, jnp.float32), intercept=jnp.float32(9.0), slope=jnp.float32(1.0))
    how = How(knobs(game, ("intercept",), "axes"), (), Newton(), 3e-5, 64, None)
    double = kernel_of(game, how)
    with jax.enable_x64(False):
        single = kernel_of(game, how)
    assert double is not None and single is not None
    assert (double.row.dtype, single.row.dtype) == (np.float64, np.float32)


def test_too_long_a_program_is_none():
    row = jax.ShapeDtypeStruct((8,), jnp.float64)
    assert kernel(lambda _, x: jnp.outer(x, x) @ x, (), row, 50) is None
    assert kernel(lambda _, x: jnp.zeros((200, 200)) + x[0], (), row, MOST) is None
    assert kernel(lambda _, x: jnp.outer(x, x) @ x, (), row, MOST) is not None
