"""Names of parameters: what they resolve to, and one clear sentence for each that does not."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import Game, GameError, parameter
from nashgrid.solver._axes import grid, knob, knobs, put, take
from nashgrid.solver._check import prepare
from nashgrid.solver._grid import Grid, cut


class Demand(eqx.Module):
    """A part of a game that has parameters of its own."""

    slope: Float[Array, ""] = parameter(1.0, "slope of demand")
    shift: Float[Array, ""] = parameter(0.0, "shift of demand")


class Duopoly(Game):
    """Two firms with linear demand, a part nested in the game, and a matrix of parameters."""

    demand: Demand
    cost: Float[Array, " firm"] = parameter((1.0, 2.0), "marginal cost")
    intercept: Float[Array, ""] = parameter(10.0, "choke price")
    shift: Float[Array, ""] = parameter(0.5, "a name that is found twice")
    spill: Float[Array, "firm firm"] = parameter(((0.0, 0.0), (0.0, 0.0)), "spillovers")
    count: int = eqx.field(static=True, default=2)
    firms = ("A", "B")

    def bounds(self):
        return {"q": (0.0, 10.0)}

    def payoff(self, s):
        price = self.intercept + self.shift + self.demand.shift - self.demand.slope * s["q"].sum()
        return (price - self.cost - self.spill.sum(axis=1)) * s["q"]


GAME: Any = prepare(Duopoly(Demand()))


@pytest.mark.parametrize(
    "name, path, index, canonical",
    [
        ("intercept", ("intercept",), (), "intercept"),
        ("cost[0]", ("cost",), (0,), "cost[0]"),
        ("cost[-1]", ("cost",), (1,), "cost[1]"),
        ("cost[ 1 ]", ("cost",), (1,), "cost[1]"),
        ("spill[1,0]", ("spill",), (1, 0), "spill[1,0]"),
        ("slope", ("demand", "slope"), (), "slope"),
        ("demand.slope", ("demand", "slope"), (), "demand.slope"),
        ("demand.shift", ("demand", "shift"), (), "demand.shift"),
        ("shift", ("shift",), (), "shift"),
    ],
)
def test_name_resolves(name, path, index, canonical):
    found = knob(GAME, name)
    assert (found.path, found.index, found.name) == (path, index, canonical)


def test_put_sets_only_what_is_named():
    where = knobs(GAME, ("cost[1]", "demand.slope", "cost[0]"), "axes")
    changed: Any = put(GAME, where, (7.0, 3.0, 5.0))
    assert changed.cost.tolist() == [5.0, 7.0]
    assert float(changed.demand.slope) == 3.0
    assert float(changed.intercept) == 10.0 and float(changed.shift) == 0.5
    assert [float(v) for v in take(changed, where)] == [7.0, 3.0, 5.0]
    assert GAME.cost.tolist() == [1.0, 2.0]
    assert changed.cost.dtype == jnp.result_type(float)


def test_put_keeps_the_dtype_of_the_parameter():
    game = eqx.tree_at(lambda g: g.cost, GAME, GAME.cost.astype(jnp.float32))
    changed: Any = put(game, knobs(game, ("cost[0]",), "axes"), (jnp.asarray(3.0),))
    assert changed.cost.dtype == jnp.float32


LINE = np.linspace(1.0, 2.0, 3)


@pytest.mark.parametrize(
    "axes, says",
    [
        ({}, "at least one parameter"),
        ([("intercept", LINE)], "at least one parameter"),
        ({"interceptt": LINE}, "no parameter 'interceptt'; did you mean 'intercept'?"),
        ({"zzz": LINE}, "no parameter 'zzz'; it has cost, intercept"),
        ({"count": LINE}, "no parameter 'count'"),
        ({"": LINE}, "does not name a parameter"),
        ({3: LINE}, "does not name a parameter"),
        ({"cost[": LINE}, "does not name a parameter"),
        ({"cost": LINE}, r"array of shape \(2,\); name one element of it: 'cost\[0\]', 'cost\[1\]'"),
        ({"spill": LINE}, r"'spill\[0,0\]', 'spill\[0,1\]', 'spill\[1,0\]'"),
        ({"cost[2]": LINE}, "index 2 is out of range"),
        ({"cost[-3]": LINE}, "index -3 is out of range"),
        ({"cost[0,1]": LINE}, "has shape .* 1 indices|has 1 indices"),
        ({"cost[a]": LINE}, "an index is a whole number"),
        ({"intercept[0]": LINE}, "an element has 0 indices"),
        ({"cost[0]": LINE, "cost[-2]": LINE}, "'cost.0.' and 'cost.0.' are the same parameter"),
        ({"slope": LINE, "demand.slope": LINE}, "are the same parameter"),
        ({"intercept": []}, "at least one value"),
        ({"intercept": 3.0}, "one-dimensional"),
        ({"intercept": np.ones((2, 2))}, "one-dimensional"),
        ({"intercept": [1.0, np.nan]}, "nan is not finite"),
        ({"intercept": [1.0, np.inf]}, "inf is not finite"),
        ({"intercept": [2.0, 1.0]}, "strictly increasing; use np.unique"),
        ({"intercept": [1.0, 1.0]}, "strictly increasing; use np.unique"),
        ({"intercept": ["a", "b"]}, "must be real numbers"),
        ({"intercept": [1.0 + 2.0j]}, "must be real numbers"),
        ({"intercept": [[1.0], [1.0, 2.0]]}, "must be real numbers"),
    ],
)
def test_each_mistake_has_a_sentence(axes, says):
    with pytest.raises(GameError, match=says):
        grid(GAME, axes)


def test_values_that_single_precision_cannot_tell_apart():
    game = eqx.tree_at(lambda g: g.intercept, GAME, GAME.intercept.astype(jnp.float32))
    close = [1.0, 1.0 + 1e-9]
    assert len(grid(GAME, {"intercept": close})[1][0]) == 2
    with pytest.raises(GameError, match="same number in float32"):
        grid(game, {"intercept": close})


class Two(Game):
    """The same name in two parts, in neither case at the top."""

    first: Demand
    second: Demand
    firms = ("A",)

    def bounds(self):
        return {"q": (0.0, 1.0)}

    def payoff(self, s):
        return self.first.slope * s["q"] - self.second.slope * s["q"] ** 2


def test_a_name_found_twice_needs_its_path():
    game = prepare(Two(Demand(), Demand()))
    with pytest.raises(GameError, match=r"write one of 'first.slope', 'second.slope'"):
        knob(game, "slope")
    assert knob(game, "second.slope").path == ("second", "slope")


@pytest.mark.parametrize("shape", [(7,), (5, 3), (4, 1, 6), (3, 50)])
@pytest.mark.parametrize("points", [1, 2, 5, 7, 20, 1000])
def test_blocks_cover_the_grid_once(shape, points):
    blocks = cut(shape, points)
    assert blocks.lanes <= points
    seen = np.zeros(shape, int)
    for k in range(blocks.blocks):
        seen[blocks.region(k)] += 1
    assert (seen == 1).all()


def test_points_of_a_block_run_with_the_last_axis_fastest():
    blocks = Grid((2, 3), (1, 2))
    axes = (np.array([10.0, 20.0]), np.array([1.0, 2.0, 3.0]))
    assert blocks.values(2, axes).tolist() == [[20.0, 1.0], [20.0, 2.0]]
    assert blocks.values(3, axes).tolist() == [[20.0, 3.0]]
    assert blocks.size(3) == 1


def test_block_size_does_not_depend_on_more_than_the_grid_and_the_points():
    assert cut((1000, 1000), 8192).block == (8, 1000)
    assert cut((3, 10_000), 8192).block == (1, 5000)
