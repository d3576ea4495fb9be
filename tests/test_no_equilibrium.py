"""Games without a pure equilibrium end in a status of their own, soon, and with the profiles that play goes through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import LinearCournot
from nashgrid.solver import (
    BestResponse,
    Game,
    GameError,
    Leader,
    NotSolvedError,
    PathEnd,
    Status,
    best_response_path,
    parameter,
    solve,
)


class Evasion(Game):
    """A seeker wants to be where the hider is, who wants to be far away: only a mixed equilibrium exists."""

    firms = ("seeker", "hider")

    def bounds(self):
        return {"x": (0.0, 1.0)}

    def payoff(self, s):
        gap = (s["x"][0] - s["x"][1]) ** 2
        return jnp.stack([-gap, gap])


class Contest(Game):
    """Tullock's contest; a pure equilibrium exists for r <= 2 only."""

    r: Float[Array, ""] = parameter(3.0)
    firms = ("A", "B")

    def bounds(self):
        return {"effort": (0.0, 2.0)}

    def payoff(self, s):
        impact = s["effort"] ** self.r
        total = jnp.sum(impact)
        return jnp.where(total > 0, impact / jnp.where(total > 0, total, 1.0), 0.5) - s["effort"]


class Hotelling(Game):
    """Linear transport, firms at `inside` from either end; there are equilibrium prices only if that is at most 1/4
    (d'Aspremont, Gabszewicz & Thisse 1979)."""

    inside: Float[Array, ""] = parameter(0.4)
    firms = ("A", "B")

    def bounds(self):
        return {"price": (0.0, 5.0)}

    def payoff(self, s):
        p, apart = s["price"], 1.0 - 2.0 * self.inside
        between = self.inside + apart / 2.0 + (p[1] - p[0]) / 2.0
        left = jnp.where(p[0] + apart < p[1], 1.0, jnp.where(p[1] + apart < p[0], 0.0, between))
        return p * jnp.stack([left, 1.0 - left])


class Capacity(Game):
    """Prices after capacities, efficient rationing, demand 1 - p: no pure equilibrium above a capacity of 1/3."""

    capacity: Float[Array, ""] = parameter(0.5)
    firms = ("A", "B")

    def bounds(self):
        return {"price": (0.0, 1.0)}

    def payoff(self, s):
        p, rival, demand = s["price"], s["price"][::-1], 1.0 - s["price"]
        cheaper = jnp.minimum(self.capacity, demand)
        dearer = jnp.minimum(self.capacity, jnp.maximum(0.0, demand - self.capacity))
        same = jnp.minimum(self.capacity, demand / 2.0)
        return p * jnp.where(p < rival, cheaper, jnp.where(p > rival, dearer, same))


ENDLESS = {
    "evasion": (Evasion(), Status.cycling),
    "contest": (Contest(), Status.unattained),
    "hotelling": (Hotelling(), Status.unattained),
    "capacity": (Capacity(), Status.unattained),
}


@pytest.mark.parametrize(("game", "status"), ENDLESS.values(), ids=ENDLESS)
def test_without_a_pure_equilibrium_the_status_says_how_play_goes_on(game, status):
    result = solve(game, throw=False)
    assert int(result.status) == status
    assert int(result.steps) < 64
    with pytest.raises(NotSolvedError, match="best_response_path"):
        solve(game)


@pytest.mark.parametrize("game", [Contest(r=1.5), Hotelling(inside=0.2)], ids=["contest", "hotelling"])
def test_where_one_exists_it_is_found(game):
    expected = {"effort": 1.5 / 4, "price": 1.0}
    for name, value in solve(game).strategy.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-8)


def test_in_a_batch_each_lane_has_its_own():
    status = jax.vmap(lambda r: solve(Contest(r=r)).status)(jnp.asarray([1.5, 3.0]))
    np.testing.assert_array_equal(status, [Status.successful, Status.unattained])


def test_a_cycle_and_its_profiles():
    path = best_response_path(Evasion(), {"x": jnp.asarray([0.5, 0.5])})
    assert int(path.end) == PathEnd.cycle and int(path.period) == 4
    length = int(path.length)
    x = np.asarray(path.profiles["x"])
    np.testing.assert_allclose(x[length - 4 : length], [[0, 0], [0, 1], [1, 1], [1, 0]], atol=1e-9)
    assert np.isnan(x[length:]).all()
    # Each profile is the one before with the mover's strategy replaced, by which it gains.
    for k in range(length - 1):
        other = 1 - int(path.mover[k])
        assert x[k + 1, other] == x[k, other] and float(path.gain[k]) > 0


def test_play_that_settles_is_at_the_equilibrium():
    path = best_response_path(LinearCournot(cost=(1.0, 2.0)), moves=40)
    assert int(path.end) == PathEnd.settled and int(path.period) == 0
    last = np.asarray(path.profiles["quantity"])[int(path.length) - 1]
    np.testing.assert_allclose(last, solve(LinearCournot(cost=(1.0, 2.0))).strategy["quantity"], rtol=1e-3)
    assert int(path.mover[int(path.length) - 1]) == -1


def test_other_ends_of_play():
    assert int(best_response_path(Capacity()).end) == PathEnd.unattained
    short = best_response_path(LinearCournot(cost=(1.0, 2.0)), moves=2)
    assert int(short.end) == PathEnd.unfinished and int(short.length) == 2
    undefined = best_response_path(Contest(r=jnp.nan))
    assert int(undefined.end) == PathEnd.undefined


def test_refusals():
    with pytest.raises(GameError, match="not for a Leader"):
        best_response_path(Leader(LinearCournot(), "intercept", "welfare", choices=(1.0, 2.0)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(GameError, match="names 'y'"):
        best_response_path(Evasion(), {"y": 0.0})


def test_methods_without_escapes_report_the_deviation():
    result = solve(Evasion(), BestResponse(escapes=0), throw=False)
    assert int(result.status) == Status.deviation_found
