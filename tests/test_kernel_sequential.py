"""Kernels of problems in which one choice follows another: their answers are the known ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jaxtyping import Array, Float

from nashgrid.games import (
    LinearValueOpenSourcing,
    OwnersOpenSourcing,
    StackelbergFollowers,
    commitment,
    gain_from_opening,
    opening_decisions,
    stackelberg,
    stackelberg_equilibrium,
    two_owner_gains,
)
from nashgrid.solver import Game, HighestOutcome, Newton, Selected, Status, _kernel_parts, parameter, sweep
from nashgrid.solver._each import in_blocks
from nashgrid.solver._kernel import kernel
from nashgrid.solver._kernel_ir import UnsupportedError
from nashgrid.solver._kernel_read import traced, written

QUICK: dict[str, Any] = {"method": Newton(), "certify": False, "progress": False}


def test_a_choice_from_a_list_and_where_a_payoff_has_no_maximum():
    axes = {"owner_share": np.linspace(0.1, 0.9, 9), "research_cost": [-0.2, 0.5, 1.0]}
    data = sweep(commitment(LinearValueOpenSourcing()), axes, method=Newton(), sensitivity=("edge",), progress=False)
    assert data.attrs["program"] == "kernel"
    assert (data["status"].sel(research_cost=-0.2) == Status.subgame_failed).all()
    good = data.sel(research_cost=[0.5, 1.0])
    assert (good["status"] == Status.successful).all() and (good["subgame_regret"] <= 1e-10).all()
    share, cost = np.meshgrid(good["owner_share"], good["research_cost"], indexing="ij")
    gain = np.vectorize(lambda s, c: gain_from_opening(LinearValueOpenSourcing(owner_share=s, research_cost=c)))
    wanted = gain(share, cost)
    assert 2 < np.sum(wanted > 0) < wanted.size - 2
    np.testing.assert_array_equal(good["openness"], wanted > 0)
    np.testing.assert_allclose(good["choice_payoff"].diff("choice").squeeze("choice"), wanted, atol=1e-12)
    # The edge is worth its licences, as long as there are any.
    slope = good["d_payoff_d_edge"].values[..., 0]
    np.testing.assert_allclose(slope, np.where(wanted > 0, 0.0, 1.0 - share), atol=1e-12)


def test_a_discrete_stage():
    axes = {"transport": np.linspace(0.023, 0.823, 11), "opening_cost": [0.0, 0.02, 0.04]}
    share = (0.35, 0.25)
    transport, cost = (jnp.asarray(x.reshape(-1)) for x in np.meshgrid(*axes.values(), indexing="ij"))
    gains = jax.jit(jax.vmap(lambda t, f: two_owner_gains(OwnersOpenSourcing(share, transport=t, opening_cost=f))))
    (a, b), (c, d) = (np.asarray(gain).T for gain in gains(transport, cost))
    # Neither, the second, the first or both open.
    pure = np.stack([(a < 0) & (b < 0), (b > 0) & (c < 0), (a > 0) & (d < 0), (c > 0) & (d > 0)], axis=-1)
    assert pure.any(axis=0).all() and (pure.sum(axis=1) == 2).any()
    for dtype in (jnp.float64, jnp.float32):
        game = jax.tree.map(lambda leaf, dtype=dtype: leaf.astype(dtype), OwnersOpenSourcing(share))
        data = sweep(opening_decisions(game), axes, **QUICK)
        assert data.attrs["program"] == "kernel" and data["payoff"].dtype == dtype
        np.testing.assert_array_equal(data["profile_equilibrium"].values.reshape(-1, 4), pure)
        np.testing.assert_array_equal(data["status"].values.reshape(-1) == Status.first_order, pure.any(axis=1))


def test_a_choice_from_an_interval():
    axes = {"intercept": np.linspace(6.0, 14.0, 5), "leader_cost": [1.0, 2.0]}
    data = sweep(stackelberg(StackelbergFollowers(intercept=14.0)), axes, **QUICK)
    assert data.attrs["program"] == "kernel" and (data["status"] == Status.first_order).all()
    a, c = (x.reshape(-1) for x in np.meshgrid(*axes.values(), indexing="ij"))
    known = jax.vmap(lambda a, c: stackelberg_equilibrium(a, jnp.ones(()), c, jnp.ones(()), 1))(a, c)
    for name, wanted in zip(("leader_quantity", "quantity"), known, strict=True):
        np.testing.assert_allclose(data[name].values.reshape(-1), wanted, rtol=1e-9)


class Coordination(Game):
    """Play is 0 or sqrt(pull - 1) by both, up to sign; only the latter are strict."""

    pull: Float[Array, ""] = parameter(3.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (-2.0, 2.0)}

    def payoff(self, s):
        return self.pull * s["x"] * s["x"][::-1] - s["x"] ** 2 / 2 - s["x"] ** 4 / 4

    def outcomes(self, s):
        return {"total": jnp.sum(s["x"])}


def test_one_of_several_equilibria():
    data = sweep(
        Selected(Coordination(), HighestOutcome("total"), starts=4, capacity=4), {"pull": [0.5, 2.0, 4.0]}, **QUICK
    )
    assert data.attrs["program"] == "kernel"
    np.testing.assert_array_equal(data["equilibrium_count"], [1, 3, 3])
    np.testing.assert_allclose(data["x"].T, [[0.0, 1.0, 3.0**0.5]] * 2, atol=1e-9)


@jax.jit
def _root(x, begin):
    """The square root by Newton's method, in as many steps as it takes, and their number."""
    return lax.while_loop(
        lambda state: jnp.abs(state[0] ** 2 - x) > 1e-12 * x,
        lambda state: (0.5 * (state[0] + x / state[0]), state[1] + 1.0),
        (begin, jnp.zeros_like(x)),
    )


def _roots(_, x):
    """The same program where it stands alone, with a start that is known, and in a loop that lanes leave."""
    known = jnp.asarray(np.ones(()))

    def longer(state):
        root, steps = _root(x[0] + state[0], x[1])
        return state[0] + root, state[1] + steps

    return _root(*x), _root(x[0], known), lax.while_loop(lambda state: state[0] < 9.0, longer, (x[1], x[0]))


def test_a_program_that_is_needed_at_several_places_is_written_once(monkeypatch):
    row, rows = jax.ShapeDtypeStruct((2,), np.float64), np.random.default_rng(0).uniform(0.5, 9.0, (37, 2))

    def text():
        return written(traced(_roots, (), row)[0], (), row, 10_000).text

    assert "@part" not in text()
    monkeypatch.setattr(_kernel_parts, "_LONG", 6)
    # Where the start is known it is another one.
    assert text().count("define internal") == 2 and text().count("} @part") == 5
    built = kernel(_roots, (), row, 10_000)
    assert built is not None
    wanted = jax.jit(jax.vmap(lambda x: _roots((), x)))(rows)
    assert len(np.unique(wanted[2][1])) > 5
    for found, known in zip(jax.tree.leaves(built.run((), rows)), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-12)


def test_a_program_that_is_needed_at_several_places_is_one_though_callers_ask_for_different_parts(monkeypatch):
    def both(_, x):
        return _root(x[0], x[1])[0], _root(x[1], x[0])[1]

    monkeypatch.setattr(_kernel_parts, "_LONG", 6)
    row, rows = jax.ShapeDtypeStruct((2,), np.float64), np.random.default_rng(0).uniform(0.5, 9.0, (37, 2))
    text = written(traced(both, (), row)[0], (), row, 10_000).text
    assert text.count("define internal") == 1 and text.count("} @part") == 3
    built = kernel(both, (), row, 10_000)
    assert built is not None
    wanted = jax.jit(jax.vmap(lambda x: both((), x)))(rows)
    for found, known in zip(built.run((), rows), wanted, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-12)


def test_rows_are_a_loop_where_the_program_would_be_long():
    row, rows = jax.ShapeDtypeStruct((2,), np.float64), np.random.default_rng(0).uniform(0.5, 9.0, (9, 2))

    def function(_, x):
        return in_blocks(lambda k: jnp.sum(jnp.sqrt(k * x[0] + jnp.arange(60.0)) * x[1]), jnp.arange(5.0), 1)

    # 1,200 numbers and a few more.
    long, short = (kernel(function, (), row, most) for most in (10_000, 500))
    assert long is not None and short is not None and short.lines < long.lines / 2
    np.testing.assert_allclose(short.run((), rows), long.run((), rows), rtol=1e-12)
    with pytest.raises(UnsupportedError):
        traced(function, (), row, 10)


def test_too_much_memory_is_none():
    def function(_, x):
        rows = jnp.outer(jnp.arange(3000.0), x)
        return [lax.scan(lambda total, row, k=k: (total + k * row.sum(), total * row), x[0], rows) for k in (1.0, 2.0)]

    assert kernel(function, (), jax.ShapeDtypeStruct((2,), jnp.float64), 100_000) is None
