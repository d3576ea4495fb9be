"""Sweeps: closed forms over a grid, the same answers as `solve`, one compilation, no lane dropped."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array, Float

from nashgrid.games import IsoelasticCournot
from nashgrid.solver import BestResponse, Game, GameError, Leader, Newton, Status, _retry, parameter, solve
from nashgrid.solver import _devices as devices_module
from nashgrid.solver._axes import knobs
from nashgrid.solver._check import prepare
from nashgrid.solver._how import How
from nashgrid.solver._points import at_points
from nashgrid.solver._search import GlobalSearch
from nashgrid.solver._sweep import sweep
from tests.small_games import Duopoly, Follower

ROOT = Path(__file__).parent.parent
TRACES = []
# Compiling is what costs time here, and most of these tests are about blocks and labels, not about methods.
QUICK: dict[str, Any] = {"method": Newton(), "certify": False}


class Traced(Duopoly):
    """Counts how often its payoff is traced."""

    def payoff(self, s):
        TRACES.append(1)
        return super().payoff(s)


COST, INTERCEPT = np.linspace(0.0, 12.0, 9), np.linspace(8.0, 14.0, 7)
AXES = {"cost[0]": COST, "intercept": INTERCEPT}


def closed_form():
    """(quantities, their derivative in the intercept), shape (9, 7, 2)."""
    c = np.broadcast_to(np.stack([COST, np.full(9, 2.0)], -1)[:, None], (9, 7, 2))
    a = INTERCEPT[None, :, None]
    q = (a - 2 * c + c[..., ::-1]) / 3
    alone = np.broadcast_to((a - c) / 2, c.shape)
    inside = (q > 0).all(-1, keepdims=True)
    rich = q == q.max(-1, keepdims=True)
    return np.where(inside, q, np.where(rich, alone, 0.0)), np.where(inside, 1 / 3, np.where(rich, 0.5, 0.0))


@pytest.fixture(scope="module")
def whole():
    return sweep(Duopoly(), AXES, sensitivity=("intercept", "cost[1]"))


def test_closed_form_over_the_grid(whole):
    q, slope = closed_form()
    assert (whole.status == Status.successful).all()
    np.testing.assert_allclose(whole.q, q, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.price, INTERCEPT - q.sum(-1), rtol=1e-12)
    np.testing.assert_allclose(whole["d_q_d_intercept"], slope, rtol=1e-9, atol=1e-12)
    inside = (q > 0).all(-1)
    np.testing.assert_allclose(whole["d_q_d_cost[1]"].values[inside], np.tile([1 / 3, -2 / 3], (inside.sum(), 1)))
    np.testing.assert_allclose(whole["d_price_d_cost[1]"].values[inside], 1 / 3)


def test_labels(whole):
    assert whole.q.dims == ("cost[0]", "intercept", "firm")
    assert whole.payoff.dims == whole.share.dims == whole.q.dims
    assert whole.price.dims == whole.status.dims == whole.regret.dims == ("cost[0]", "intercept")
    np.testing.assert_array_equal(whole["cost[0]"], COST)
    assert whole.firm.values.tolist() == ["A", "B"]
    assert whole["intercept"].attrs == {"long_name": "intercept", "description": "price at which demand is zero"}
    assert whole.status.dtype == np.int8 and whole.steps.dtype == np.int32
    meanings = dict(zip(whole.status.attrs["flag_values"], whole.status.attrs["flag_meanings"].split(), strict=True))
    assert meanings == {int(s): s.name for s in Status}
    assert {"residual", "regret", "concavity", "stability", "conditioning", "margin", "error"} < set(whole)
    assert json.loads(whole.attrs["parameters"]) == {"cost": "float64 [nan, 2.0]"}
    assert whole.attrs["game"].endswith("Duopoly") and whole.attrs["tol"] == 1e-10


@pytest.mark.parametrize("at", [(0, 0), (4, 3), (8, 6)])
def test_each_point_is_what_solve_returns(whole, at):
    game = Duopoly(cost=(COST[at[0]], 2.0), intercept=INTERCEPT[at[1]])
    eq = solve(game)
    np.testing.assert_array_max_ulp(whole.q.values[at], np.asarray(eq.strategy["q"]), maxulp=8)
    np.testing.assert_array_max_ulp(whole.payoff.values[at], np.asarray(eq.payoff), maxulp=16)
    assert whole.steps.values[at] == int(eq.steps)


@pytest.mark.parametrize("chunk", [1, 28])
def test_blocks_do_not_change_results(whole, chunk):
    parts = sweep(Duopoly(), AXES, chunk=chunk, **QUICK)
    for name in ("q", "payoff", "price"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-12, atol=1e-12)
    assert (parts.status == Status.first_order).all()


def test_one_program_for_all_blocks_and_for_the_next_sweep():
    class Fresh(Traced):
        pass

    TRACES.clear()
    sweep(Fresh(), AXES, chunk=63, **QUICK)
    one_block = len(TRACES)
    sweep(Fresh(intercept=3.0), AXES | {"intercept": INTERCEPT + 1.0}, chunk=63, **QUICK)
    assert len(TRACES) == one_block
    TRACES.clear()

    class Other(Traced):
        pass

    sweep(Other(), AXES, chunk=8, **QUICK)
    assert len(TRACES) == one_block


@pytest.mark.parametrize("certified", [False, True])
def test_all_derivatives_come_from_one_solve(certified):
    loops = []
    for names in (("intercept",), ("intercept", "cost[0]", "cost[1]")):
        game = prepare(Duopoly())
        search = GlobalSearch() if certified else None
        how = How(knobs(game, ("intercept",), ""), knobs(game, names, ""), Newton(), 1e-9, 9, search)
        lowered = devices_module.program(game, how).lower(eqx.filter(game, eqx.is_array), np.ones((4, 1)))
        loops.append(lowered.as_text().count("stablehlo.while"))
    assert loops[0] == loops[1] > 0


class Slow(Duopoly):
    """No program of another test is that of this class."""


def test_points_that_need_many_steps_are_finished():
    # Strategies that go half of the way to a small tolerance need more steps than the first pass has.
    method = BestResponse(damping=0.5, finish=False)
    data = sweep(Slow(), AXES, method=method, chunk=20, certify=False)
    assert (data.status == Status.first_order).all()
    assert (data.steps > 24).any()
    np.testing.assert_allclose(data.q, closed_form()[0], atol=1e-8)
    eq = solve(Slow(cost=(COST[4], 2.0), intercept=INTERCEPT[3]), method, certify=False)
    assert data.steps.values[4, 3] == int(eq.steps)


class Broken(Duopoly):
    """Payoffs that are not defined for a part of the grid."""

    def payoff(self, s):
        return (jnp.sqrt(9.5 - self.intercept) + 5.0 - s["q"].sum() - self.cost) * s["q"]


def test_a_failing_point_fails_alone():
    data = sweep(Broken(), AXES, sensitivity=("intercept",), chunk=16, **QUICK)
    defined = np.broadcast_to(INTERCEPT < 9.5, (9, 7))
    assert (data.status.values[~defined] == Status.nonfinite).all()
    assert (data.status.values[defined] == Status.first_order).all()
    assert np.isnan(data["d_q_d_intercept"].values[~defined]).all()
    assert np.isfinite(data["d_q_d_intercept"].values[defined]).all()


def test_without_certificates():
    data = sweep(Duopoly(), AXES, **QUICK)
    assert (data.status == Status.first_order).all()
    assert "regret" not in data
    np.testing.assert_allclose(data.q, closed_form()[0], rtol=1e-9, atol=1e-9)


def test_single_precision():
    game = jax.tree.map(lambda x: x.astype(jnp.float32), Duopoly())
    data = sweep(game, AXES, sensitivity=("intercept",), **QUICK)
    assert data.q.dtype == data.payoff.dtype == data["d_q_d_intercept"].dtype == np.float32
    assert data["intercept"].dtype == np.float64
    assert (data.status == Status.first_order).all()
    np.testing.assert_allclose(data.q, closed_form()[0], atol=1e-4)


class Markets(Game):
    """Two firms, each selling in three markets; names of dimensions given for one result of two."""

    size: Float[Array, " market"] = parameter((1.0, 2.0, 3.0), "size of each market")
    firms = ("A", "B")

    def bounds(self):
        return {"q": (jnp.zeros((2, 3)), 10.0 * jnp.ones((2, 3)))}

    def payoff(self, s):
        return jnp.sum((self.size[None, :] - s["q"].sum(axis=0, keepdims=True)) * s["q"], axis=1)

    def outcomes(self, s):
        return {"price": self.size - s["q"].sum(axis=0), "cross": s["q"][:, :2]}

    def dims(self):
        return {"q": ("firm", "market"), "price": ("market",)}


def test_dimensions_of_games_with_more_than_firms():
    data = sweep(Markets(), {"size[1]": [1.5, 2.5]}, **QUICK)
    assert data.q.dims == ("size[1]", "firm", "market")
    assert data.price.dims == ("size[1]", "market")
    assert data.cross.dims == ("size[1]", "firm", "cross_axis1")
    np.testing.assert_allclose(data.price, [[1 / 3, 0.5, 1.0], [1 / 3, 2.5 / 3, 1.0]], rtol=1e-9)


def test_sequential_play():
    leader = Leader(Follower(), "first", "leader_profit", choices=(2.0, 4.0, 6.0))
    intercept = np.array([5.0, 9.0, 12.0])
    data = sweep(leader, {"intercept": intercept}, sensitivity=("intercept",), **QUICK)
    first = np.array([2.0, 4.0, 6.0])
    np.testing.assert_allclose(data["first"], first, rtol=1e-12)
    np.testing.assert_allclose(data.q[:, 0], (intercept - first) / 2, rtol=1e-9)
    np.testing.assert_allclose(data.payoff[:, 0], first * (intercept - first) / 2, rtol=1e-9)
    np.testing.assert_allclose(data["d_q_d_intercept"][:, 0], 0.5, rtol=1e-9)
    np.testing.assert_array_equal(data["d_first_d_intercept"], 0.0)
    assert data.payoff.dims == ("intercept", "leader") and data.leader.values.tolist() == ["leader"]
    assert data.q.dims == data.subgame_payoff.dims == ("intercept", "firm")
    assert data.choice_payoff.dims == ("intercept", "choice") and data.choice.values.tolist() == [2.0, 4.0, 6.0]
    assert data.subgame_status.dims == ("intercept",) and data.subgame_status.dtype == np.int8
    with pytest.raises(GameError, match="is what the Leader of this problem chooses"):
        sweep(leader, {"first": [1.0, 2.0]})


class Clash(Duopoly):
    def outcomes(self, s):
        return {"intercept": s["q"].sum()}


class WrongDims(Duopoly):
    def dims(self):
        return {"q": ("firm", "market")}


def test_only_what_is_kept_is_in_the_result_and_is_what_it_was(whole):
    data = sweep(Duopoly(), AXES, sensitivity=("intercept",), keep=("q", "regret"))
    assert set(data) == {"q", "d_q_d_intercept", "regret", "status", "steps"}
    for name in data:
        np.testing.assert_array_equal(data[name], whole[name])
    assert set(data.coords) == {"cost[0]", "intercept", "firm"}
    assert set(sweep(Duopoly(), AXES, keep=())) == {"status", "steps"}


def test_what_is_found_does_not_depend_on_where_the_first_pass_stops(monkeypatch):
    """Plain best responses end a few steps after they are within the tolerance: some at points where a pass stops."""
    axes = {"elasticity": np.linspace(1.05, 3.3, 24), "cost[0]": np.linspace(0.3, 1.6, 24)}
    plain = {"method": BestResponse(damping=0.7, finish=False), "certify": False, "keep": "quantity"}

    def found(first):
        monkeypatch.setattr(_retry, "_BEGIN", first)
        return sweep(IsoelasticCournot(), axes, progress=False, **plain)

    whole = found(256)
    for first in np.unique(whole["steps"])[::2]:
        cut = found(int(first) - 1)
        for name in whole.data_vars:
            np.testing.assert_array_equal(cut[name], whole[name])


def test_listed_points_are_those_of_the_grid(whole):
    i, j = np.random.default_rng(0).integers((len(COST), len(INTERCEPT)), size=(40, 2)).T
    draws = {"cost[0]": COST[i], "intercept": INTERCEPT[j]}
    data = at_points(Duopoly(), draws, sensitivity=("intercept",))
    assert data.q.dims == ("point", "firm") and data["cost[0]"].dims == ("point",)
    for name in data.data_vars:
        np.testing.assert_array_equal(data[name], whole[name].values[i, j])
    np.testing.assert_array_equal(data["cost[0]"], COST[i])
    few = at_points(Duopoly(), draws, keep="q", method=Newton(), certify=False)
    assert set(few.data_vars) == {"q", "status", "steps"}


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: sweep(Clash(), AXES), "'intercept' is the name of two results"),
        (lambda: sweep(WrongDims(), AXES), "cannot have the dimensions"),
        (lambda: sweep(Duopoly(), AXES, chunk=0), "chunk must be"),
        (lambda: sweep(Duopoly(), AXES, chunk=2.5), "chunk must be"),  # type: ignore[arg-type]
        (lambda: sweep(Duopoly(), AXES, shard=(0, 2)), "only through a store"),
        (lambda: sweep(Duopoly(), AXES, shard=(2, 2)), "0 <= i < n"),
        (lambda: sweep(Duopoly(), AXES, sensitivity=("costs[0]",)), "did you mean 'cost'"),
        (lambda: sweep(Duopoly(), AXES, sensitivity=("intercept", "intercept")), "the same parameter"),
        (lambda: sweep(Duopoly(), AXES, keep=("q", "pay_off")), "keep: .* did you mean 'payoff'"),
        (lambda: sweep(Duopoly(), AXES, keep=5), "a list of strings"),  # type: ignore[arg-type]
        (lambda: sweep(Duopoly(), AXES, max_steps=0), "max_steps"),
        (lambda: at_points(Clash(), {"intercept": [9.0]}), "'intercept' is the name of a parameter and of a result"),
        (lambda: at_points(Duopoly(), {}), "points: give at least one"),
        (lambda: at_points(Duopoly(), {"intercept": [9.0, np.nan]}), "is nan at a point"),
        (lambda: at_points(Duopoly(), {"intercept": [[9.0]]}), "one value for each point"),  # type: ignore[list-item]
        (lambda: at_points(Duopoly(), {"intercept": ["a"]}), "real numbers"),  # type: ignore[list-item]
        (lambda: at_points(Duopoly(), {"intercept": [9.0], "cost[0]": [1.0, 2.0]}), "1 of 'intercept', 2 of 'cost"),
        (lambda: sweep(Duopoly(), AXES, tol=1e-20), "64 eps"),
    ],
)
def test_wrong_arguments_are_refused_before_computing(call, says):
    with pytest.raises(GameError, match=says):
        call()


def test_when_memory_runs_out_the_call_is_halved_and_no_point_is_lost(whole, monkeypatch, without_kernels):
    call, widths = devices_module.Lanes._call, set()

    def small(self, points):
        widths.add(self.width)
        if self.width > 6:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
        return call(self, points)

    monkeypatch.setattr(devices_module.Lanes, "_call", small)
    data = sweep(Duopoly(), AXES, chunk=21, **QUICK)
    assert widths == {21, 10, 5}
    np.testing.assert_allclose(data.q, whole.q, rtol=1e-12, atol=1e-12)


def test_other_errors_of_the_device_come_up(monkeypatch, without_kernels):
    def fail(self, points):
        raise jax.errors.JaxRuntimeError("INTERNAL: the device is gone")

    monkeypatch.setattr(devices_module.Lanes, "_call", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        sweep(Duopoly(), AXES, chunk=28, **QUICK)


def test_automatic_blocks_fit_the_memory(monkeypatch, without_kernels):
    memory, start, needs, seen = devices_module.Lanes.memory, devices_module.Lanes.start, {}, []

    def measured(self):
        needs[self.width] = memory(self)
        return needs[self.width]

    monkeypatch.setattr(devices_module.Lanes, "memory", measured)
    sweep(Duopoly(), AXES, **QUICK)
    assert needs[63] > 63 * 8 * 6  # At least the results have to fit.
    monkeypatch.setattr("nashgrid.solver._sweep.budget", lambda: needs[63] - 1)
    monkeypatch.setattr(devices_module.Lanes, "start", lambda self, p: (seen.append(len(p)), start(self, p))[1])
    data = sweep(Duopoly(), AXES, **QUICK)
    assert max(seen) == 21 and sum(seen) == 63
    assert (data.status == Status.first_order).all()


def test_progress_is_shown_on_request_only(capfd):
    sweep(Duopoly(), AXES, chunk=28, **QUICK, progress=False)
    sweep(Duopoly(), AXES, chunk=28, **QUICK)
    assert capfd.readouterr().err == ""
    sweep(Duopoly(), AXES, chunk=28, **QUICK, progress=True)
    shown = capfd.readouterr().err
    assert "63.0/63.0" in shown and "solved 100.00%" in shown and "points/s" in shown


MANY = """
import jax, numpy as np, sys
jax.config.update("jax_enable_x64", True)
from nashgrid.solver import Newton, _devices
from nashgrid.solver._sweep import sweep
from tests.small_games import Duopoly
_devices.available = lambda: False  # A kernel is for the cores of the first device, however many there are.
assert jax.device_count() == int(sys.argv[2])
axes = {"cost[0]": np.linspace(0, 12, 9), "intercept": np.linspace(8, 14, 7)}
data = sweep(Duopoly(), axes, chunk=10, method=Newton(), certify=False)
assert data.attrs["program"] == "vmap", data.attrs["program"]
np.savez(sys.argv[1], **{k: data[k].values for k in ("q", "payoff", "status", "steps")})
"""


def test_several_devices_give_the_results_of_one(tmp_path):
    for n in (1, 4):
        flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={n}"
        environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", textwrap.dedent(MANY), str(tmp_path / f"{n}.npz"), str(n)]
        subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=300)
    one, four = (np.load(tmp_path / f"{n}.npz") for n in (1, 4))
    np.testing.assert_array_max_ulp(four["q"], one["q"], maxulp=8)
    np.testing.assert_array_max_ulp(four["payoff"], one["payoff"], maxulp=16)
    np.testing.assert_array_equal(four["status"], one["status"])
    np.testing.assert_array_equal(four["steps"], one["steps"])


def test_result_is_a_dataset_that_selects_by_name(whole):
    assert isinstance(whole, xr.Dataset)
    point = whole.sel({"cost[0]": 1.5, "intercept": 8.0, "firm": "A"})
    assert float(point.q) == pytest.approx((8.0 - 3.0 + 2.0) / 3, rel=1e-12)
