"""Equilibria at kinks of a payoff are found and certified, without derivatives; what only looks like one is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from figures.status_map import Capacities
from jaxtyping import Array, Float

from nashgrid.games import OpenSourcing, SinghVivesBertrand
from nashgrid.solver import Game, Newton, Status, equilibria, parameter, solve, sweep
from tests.judged import evidence, judge

LIMIT = SinghVivesBertrand(value=(1.0, 0.55), cost=(0.0, 0.0), substitutability=0.8)
"""The better firm's price is what leaves the other no demand at its cost: (a_1 - c_1) - (a_2 - c_2)/gamma."""


class Weakest(Game):
    """The least effort counts (Bryant 1983): every common effort is an equilibrium if costs are below 1."""

    cost: Float[Array, " firm"] = parameter((0.3, 0.4))
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 1.0)}

    def payoff(self, s):
        return jnp.min(s["x"]) - self.cost * s["x"]


class Sweezy(Game):
    """Rivals follow a lower price and not a higher one (Sweezy 1939): equal prices in [1/2, 1] are equilibria."""

    follow: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"p": (0.0, 2.0)}

    def payoff(self, s):
        p = s["p"]
        return p * (1.0 - 0.5 * p - self.follow * jnp.maximum(p - p[::-1], 0.0))


class Roof(Game):
    """A roof with its top, 1, at 1/2, and a hill of height `high` at 3/2; upside down if `sign` is -1."""

    high: Float[Array, ""] = parameter(0.5)
    sign: Float[Array, ""] = parameter(1.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        roof = 1.0 - jnp.where(x < 0.5, 1.0, 3.0) * jnp.abs(x - 0.5)
        return jnp.maximum(self.sign * roof, self.high * (1.0 - 8.0 * jnp.square(x - 1.5)))


class Edge(Game):
    """Profit x up to 1/2, where it falls at once, by `drop`: it has a highest value if that is 0 or is attained."""

    drop: Float[Array, ""] = parameter(0.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        return jnp.where(x < 0.5, x, 1.0 - x - self.drop)


def single(game):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), game)


@pytest.mark.parametrize(
    ("game", "start", "expected"),
    [
        (Capacities(0.3, 0.2), None, [0.5, 0.5]),
        (Capacities(1.1, 1.2), None, [0.0, 0.0]),
        (LIMIT, None, [0.3125, 0.0]),
        (LIMIT, {"price": np.array([0.9, 0.2])}, [0.3125, 0.0]),
        (single(LIMIT), None, [0.3125, 0.0]),
        (Roof(), {"x": 0.2}, [0.5]),
        (Edge(), None, [0.5]),
    ],
    ids=["sold out", "price of zero", "limit price", "from elsewhere", "float32", "roof", "edge"],
)
def test_found_and_certified(game, start, expected):
    result = solve(game, start=start)
    eps = float(jnp.finfo(result.payoff.dtype).eps)
    (strategy,) = result.strategy.values()
    np.testing.assert_allclose(strategy, expected, rtol=32 * eps, atol=32 * eps)
    certificate = evidence(result)
    assert float(certificate.margin) == 0.0 and np.isnan(certificate.stability) and np.isnan(certificate.error)


def test_any_of_a_continuum_will_do():
    for game, name, lowest in ((Weakest(), "x", 0.0), (Sweezy(), "p", 0.5)):
        for start in ([0.2, 0.7], [0.6, 0.9]):
            result = solve(game, start={name: np.array(start)})
            one, two = np.asarray(result.strategy[name])
            assert lowest <= one <= 1.0 and abs(one - two) < 1e-14


def test_research_that_shuts_the_others_out():
    s, d, edge, theta, out = 0.491, 0.946, 0.17, 0.238, 0.241
    game = OpenSourcing(
        owner_share=s, competition=d, edge=edge, openness=theta, spill_out=out, closed_access=0.108, outsiders=4
    )
    sold = s / (2 * (1 - d) + 2 * d * s)
    limit = (1 - (1 - theta) * edge - d * sold) / (d * sold - out * theta)
    np.testing.assert_allclose(solve(game).strategy["research"], np.r_[limit, np.zeros(4)], rtol=1e-13)


def test_what_is_no_equilibrium_is_not_certified():
    for game, profile in (
        (Roof(high=1.01), 0.5),  # a local maximum that is not the highest
        (Roof(sign=-1.0), 0.5),  # a minimum
        (Edge(drop=0.1), 0.5),  # a highest value that is not attained
        (Edge(drop=0.1), 0.5 - 1e-16),
        *((Roof(), 0.5 + step) for step in (-1e-3, 1e-3, -1e-6, 1e-9, 1e-12, -1e-13)),  # only near
    ):
        assert int(judge(game, {"x": profile}).status) != Status.successful, (game, profile)
    assert int(judge(Roof(), {"x": 0.5}).status) == Status.successful
    # All prices are equal, as where two are undercut, but above what sells the capacities out.
    assert int(judge(Capacities(0.3, 0.2), {"price": 0.6}).status) != Status.successful


@jax.custom_jvp
def _bent(x, wrong):
    return x * (2.0 - x) + 0.0 * wrong


@_bent.defjvp
def _(primals, tangents):
    (x, wrong), (d_x, _) = primals, tangents
    return _bent(x, wrong), jnp.where(x < 1.0 + wrong, 1.0, -1.0) * d_x


class WrongKink(Game):
    """x (2 - x), best at 1, with a derivative as if it had its kink at 1 + `wrong`."""

    wrong: Float[Array, ""] = parameter(0.1)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 3.1)}

    def payoff(self, s):
        return _bent(s["x"], self.wrong)


@pytest.mark.parametrize("wrong", [0.5, 1e-2, 1e-3, 1e-4, -1e-4, -1e-2])
def test_a_wrong_derivative_does_not_certify_itself(wrong):
    result = judge(WrongKink(wrong), {"x": 1.0 + wrong})
    assert float(evidence(result).residual) <= 1e-10
    assert int(result.status) == Status.deviation_found
    assert 0.05 * wrong**2 < float(evidence(result).gain[0]) <= wrong**2 * (1 + 1e-9)


def test_no_derivatives():
    def price(value):
        return solve(SinghVivesBertrand(value=(value, 0.55), cost=(0.0, 0.0), substitutability=0.8)).strategy["price"]

    assert np.isnan(jax.jacfwd(price)(1.0)).all()

    # Here JAX's derivative at the kink happens to be zero, so that the conditions seem to hold.
    def effort(cost):
        return solve(Weakest(cost=jnp.stack([cost, cost])), Newton(), start={"x": 0.4}).strategy["x"]

    assert np.isnan(jax.jacrev(effort)(0.5)).all()


def test_among_all_equilibria_and_in_a_sweep():
    found = equilibria(LIMIT, starts=8)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].strategy["price"], [0.3125, 0.0], atol=1e-13)
    data = sweep(Capacities(), {"one": np.array([0.2, 0.5]), "two": np.array([0.1, 0.3])})
    np.testing.assert_array_equal(data["status"] == Status.successful, [[True, True], [False, False]])
