"""The search for deviations of firms with many strategies: what one strategy alone does not gain, and all together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import Game, GlobalSearch, parameter
from nashgrid.solver._conditions import conditions_of
from nashgrid.solver._hills import separate_hills
from nashgrid.solver._layout import layout_of
from nashgrid.solver._search import deviations
from nashgrid.solver._search_many import MANY_OWN, rows_of
from nashgrid.solver._signature import differ, with_signature

T = 40


class Plans(Game):
    """Two firms that plan for many periods, best at zero; from the 30th period on there is another hill, far off."""

    far: Float[Array, ""] = parameter(0.0, "what the far hill is worth")
    cliff: Float[Array, ""] = parameter(0.0, "what the tenth plan earns above 0.501")
    firms = ("A", "B")

    def bounds(self):
        return {"x": (np.full((2, T), -1.0), np.ones((2, T)))}

    def payoff(self, s):
        x = s["x"]
        near = -jnp.sum(jnp.square(x), axis=1)
        hill = jnp.exp(-50.0 * jnp.mean(jnp.square(x[:, 30:] - 0.8), axis=1))
        return near + self.far * hill + jnp.where(x[:, 10] > 0.501, self.cliff, 0.0)


class Box(Game):
    """Two firms with five strategies each, best at the middle but for a hill in a corner of the box."""

    corner: Float[Array, " five"] = parameter((0.2, 0.2, 0.2, 0.2, 0.2), "where the far hill is")
    firms = ("A", "B")

    def bounds(self):
        return {name: (0.0, 1.0) for name in "abcde"}

    def payoff(self, s):
        x = jnp.stack([s[name] for name in "abcde"], axis=-1)
        near, far = (jnp.sum(jnp.square(x - at), axis=-1) for at in (0.5, self.corner[None, :]))
        return jnp.exp(-12.5 * near) + 1.3 * jnp.exp(-35.0 * far)


@pytest.fixture(scope="module")
def found():
    """Gains and where they are, at zero; compiled once."""
    layout = layout_of(Plans())
    assert layout.own.shape[1] > MANY_OWN

    @jax.jit
    def every(far, cliff):
        game = Plans(far=far, cliff=cliff)
        conditions = conditions_of(game, layout, jnp.dtype(float))
        z = jnp.zeros(layout.size)
        search, ways = GlobalSearch(), jnp.zeros((2, T))
        best, gain, defined, _ = deviations(conditions, z, jnp.full_like(z, 1e-3), search, game, ways, edges=True)
        return best.reshape(2, T), gain, defined

    return every


def test_what_pays_from_some_period_on_is_found_and_climbed(found):
    best, gain, defined = found(10.0, 0.0)
    assert defined
    # All ten alike at the top: the best of a fine grid.
    np.testing.assert_allclose(best[:, 30:], best[0, 30], atol=1e-3)
    np.testing.assert_allclose(best[:, :30], 0.0, atol=1e-3)
    x = np.linspace(0.5, 0.9, 40001)
    top = np.max(10.0 * np.exp(-50.0 * (x - 0.8) ** 2) - 10.0 * x**2)
    np.testing.assert_allclose(gain, top, rtol=1e-4)


def test_nothing_is_found_where_there_is_nothing_and_an_edge_is(found):
    np.testing.assert_array_equal(found(0.0, 0.0)[1], 0.0)
    best, gain, _ = found(0.0, 0.27)  # at the samples beside it nothing is gained
    np.testing.assert_allclose(gain, 0.27 - 0.501**2, rtol=1e-6)
    np.testing.assert_allclose(best[:, 10], 0.501, atol=1e-6)


def test_a_far_hill_in_many_strategies_is_climbed_though_no_sample_on_it_is_higher():
    layout, search = layout_of(Box()), GlobalSearch()
    z = jnp.full(layout.size, 0.5)

    @jax.jit
    def gain(corner):
        game = Box(corner=corner)
        conditions = conditions_of(game, layout, jnp.dtype(float))
        return deviations(conditions, z, z, search, game, jnp.zeros((2, 5)))[1]

    random = np.random.default_rng(1)
    for _ in range(8):
        shares = random.uniform(0.12, 0.3, 5)
        corner = np.where(random.random(5) < 0.5, shares, 1.0 - shares)
        np.testing.assert_array_less(0.29, gain(corner))


@pytest.mark.parametrize(
    ("values", "here", "hill", "several"),
    [
        ([0, 1, 2, 3, 2, 1, 0], 0.1, None, False),  # one rise from `here`
        ([0, 2, 1, 0, 1, 3, 1], 0.2, 5, True),
        ([0, 2, 1, 0, 1, 3, 1], 0.8, 1, True),  # lower than what `here` is on
        ([4, 3, 2, 1, 2, 3, 4], 0.0, 6, True),  # at a bound
        ([0, 0, 0, 0, 0, 0, 0], 0.5, None, False),
    ],
)
def test_hills_of_a_line_beside_the_one_of_here(values, here, hill, several):
    found, more = separate_hills(jnp.linspace(0.0, 1.0, 7), jnp.asarray(values, float), jnp.asarray(here))
    assert np.flatnonzero(found).tolist() == ([] if hill is None else [hill]) and bool(more) is several


def test_rows_are_those_of_the_last_axis():
    rows, places = rows_of(layout_of(Plans()))  # type: ignore[misc]
    assert rows.tolist() == [0] * T + [1] * T and places.tolist() == [*range(T), *range(T)]


def test_decisions_in_a_loop_of_many_periods_are_seen():
    def left(used):
        return jax.lax.scan(lambda stock, u: (jnp.maximum(stock - u, 0.0), stock), jnp.ones(()), used)[0]

    signed = jax.jit(lambda used: with_signature(left, used))
    some, more, most = (signed(jnp.full(20, u)) for u in (0.02, 0.04, 0.06))
    np.testing.assert_allclose([some[0], more[0], most[0]], [0.6, 0.2, 0.0], atol=1e-12)
    assert not differ(some[1], more[1]) and differ(more[1], most[1])
