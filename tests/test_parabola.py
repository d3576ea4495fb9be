"""Where payoffs are quadratic their best deviations are found from three points, exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from nashgrid.solver import Game, Status, parameter
from tests.judged import evidence, judge


class Parabolas(Game):
    """slope x + bend x^2 / 2, each firm for itself, of any bend and between any bounds."""

    slope: Float[Array, " firm"] = parameter((0.0, 0.0))
    bend: Float[Array, " firm"] = parameter((0.0, 0.0))
    lower: Float[Array, " firm"] = parameter((0.0, 0.0))
    width: Float[Array, " firm"] = parameter((1.0, 1.0))
    firms = ("A", "B")

    def bounds(self):
        return {"x": (self.lower, self.lower + self.width)}

    def payoff(self, s):
        x = s["x"]
        return self.slope * x + 0.5 * self.bend * x**2


@jax.jit
def _judged(game, x):
    result = judge(game, {"x": x})
    return result.status, evidence(result)


def _pair(low, high):
    return st.tuples(*[st.floats(low, high, allow_subnormal=False, width=32)] * 2)


@settings(deadline=None)
@given(_pair(-2, 2), _pair(-3, 3), _pair(-4, 4), _pair(0, 5), _pair(0, 1))
def test_gains_are_those_of_the_best_point_within_the_bounds(slope, bend, lower, width, share):
    slope, bend, lower, width, share = map(np.asarray, (slope, bend, lower, width, share))
    game = Parabolas(slope=slope, bend=bend, lower=lower, width=width)
    here = np.clip(lower + share * width, lower, lower + width)
    _, found = _judged(game, jnp.asarray(here))

    def payoff(x):
        return slope * x + bend * x**2 / 2

    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.where(bend < 0, np.clip(-slope / bend, lower, lower + width), lower)
    best = np.max([payoff(lower), payoff(lower + width), payoff(top)], axis=0)
    # Rounding of the payoffs, on which nothing better can be said.
    noise = 64 * 2.0**-52 * (np.abs(slope) + np.abs(bend) * 10.0) * 10.0
    np.testing.assert_allclose(found.gain, best - payoff(here), atol=noise.max() + 1e-15)
    deviation = np.asarray(found.deviation["x"])
    assert np.all((deviation >= lower) & (deviation <= lower + width))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_at_the_best_points_nothing_is_gained(dtype):
    game = Parabolas(*(jnp.asarray(part, dtype) for part in ((1.0, 0.5), (-2.0, 1.0), (0.0, -1.0), (np.inf, 2.0))))
    status, found = _judged(game, jnp.asarray([0.5, 1.0], dtype))
    assert int(status) == Status.successful and np.all(found.gain == 0.0) and found.gain.dtype == dtype
    status, found = _judged(game, jnp.asarray([0.5, -1.0], dtype))
    assert int(status) == Status.deviation_found
    np.testing.assert_allclose(found.gain, [0.0, 1.0], rtol=1e-6)
    assert float(found.deviation["x"][1]) == 1.0
