"""How often a firm with several strategies is searched: once where its payoff is one hill, closer where it falls on a
way to where the firm is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import Game, GlobalSearch, Status, parameter, sweep
from nashgrid.solver import _search as module
from nashgrid.solver._conditions import conditions_of
from nashgrid.solver._dips import dips
from nashgrid.solver._layout import layout_of
from nashgrid.solver._search import deviations


class Ridge(Game):
    """One firm with a narrow, slanting hill around 0.4 of its bounds, and another one, wide and low, if it is `worth`
    anything; it is on the hill however many strategies there are."""

    worth: Float[Array, ""] = parameter(0.0, "what the other hill is worth")
    many: int = eqx.field(static=True, default=2)
    firms = ("A",)

    def owners(self):
        return {"x": (0,) * self.many}

    def bounds(self):
        return {"x": (0.0, 1.0)}

    def payoff(self, s):
        away = s["x"] - 0.4
        slanting = jnp.sum(jnp.square(away)) + 4.0 * jnp.square(jnp.sum(away)) / self.many
        other = jnp.exp(-4.0 * jnp.sum(jnp.square(s["x"] - 0.9)))
        return (1.0 + jnp.exp(-3.0 * slanting) + self.worth * other)[None]


@pytest.fixture
def looks(monkeypatch):
    """Whether a game's first firm is searched again from 0.4: then samples are not numbers, and the search says so."""
    parts = module.parts_of

    def spoilt(count, *, alike=False):
        begin, width = parts(count, alike=alike)
        return np.where(np.arange(len(begin))[:, None] > 0, np.nan, begin), width

    monkeypatch.setattr(module, "parts_of", spoilt)

    def again(game, worths):
        layout = layout_of(game)
        z = jnp.full(layout.size, 0.4, worths.dtype)
        ways = jnp.zeros((1, game.many), worths.dtype)

        @jax.jit
        def search(worth):
            each = Ridge(worth=worth, many=game.many)
            return deviations(conditions_of(each, layout, z.dtype), z, z, GlobalSearch(), each, ways)

        found = [search(worth) for worth in worths]
        return [bool(~defined) for _, _, defined, _ in found], float(found[0][1][0])

    return again


@pytest.mark.parametrize(("many", "dtype"), [(2, jnp.float32), (3, jnp.float64), (5, jnp.float64)])
def test_one_hill_is_searched_once_and_two_are_searched_again(looks, many, dtype):
    assert looks(Ridge(many=many), jnp.array([0.0, 0.6], dtype)) == ([False, True], 0.0)


@pytest.mark.parametrize("batch", [False, True])
def test_a_way_that_falls_is_seen_from_samples_and_from_tops(batch):
    here, far = jnp.array([0.5, 0.5]), jnp.array([0.95, 0.05])

    def found(height, wanted, top):
        def payoff(x):
            hill = jnp.exp(-30.0 * jnp.sum(jnp.square(x - 0.5)))
            return hill + height * jnp.exp(-400.0 * jnp.sum(jnp.square(x - far)))

        # The only sample has nothing on its way; a top may.
        return dips(payoff, lambda k: jnp.array([0.1, 0.1]), 1, [(far, top)], here, wanted)

    rows = [(0.0, True, True), (0.1, True, True), (0.1, True, False), (0.1, False, True)]
    columns = [jnp.asarray(column) for column in zip(*rows, strict=True)]
    got = jax.jit(jax.vmap(found))(*columns) if batch else [jax.jit(found)(*row) for row in zip(*columns, strict=True)]
    assert [bool(x) for x in got] == [False, True, False, False]


class Three(Game):
    """Two firms, each in three markets with costs that they have in common."""

    size: Float[Array, ""] = parameter(1.0, "of the markets")
    firms = ("A", "B")

    def bounds(self):
        return {"q": (np.zeros((2, 3)), np.full((2, 3), 4.0))}

    def payoff(self, s):
        q = s["q"]
        sold = self.size * jnp.sum(jnp.array([1.0, 1.2, 1.4])[None, :] * jnp.log1p(q) - 0.1 * q * q[::-1], axis=1)
        return sold - 0.3 * jnp.square(jnp.sum(q, axis=1))


def test_certified_sweeps_of_firms_with_three_strategies_have_kernels():
    sizes = np.linspace(0.8, 1.5, 12)
    data = sweep(Three(), {"size": sizes}, progress=False)
    assert data.attrs["program"] == "kernel"
    assert np.all(data.status == Status.successful)
    free = sweep(Three(), {"size": sizes}, certify=False, progress=False)
    np.testing.assert_allclose(data.q, free.q, rtol=1e-13)
