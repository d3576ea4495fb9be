"""Quality over time: closed forms, the recursion by hand, and when a model should be opened."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import ReleaseDate, closed_path, innovation_path, opened_from, overtaking_period

GAME = ReleaseDate(periods=10)
path_of = eqx.filter_jit(innovation_path)
closed_form = eqx.filter_jit(closed_path)
PRESENT = {"quality": 1.0407035175879398, "total_usage": 1.0078966259870783, "welfare": 0.8530827137266589}


def test_the_first_period_is_the_game_without_time():
    path = path_of(GAME, jnp.zeros(10))
    for name, value in PRESENT.items():
        np.testing.assert_allclose(getattr(path, name)[0], value, rtol=1e-12)


@pytest.mark.parametrize("fields", [{}, {"subsidy": 0.05, "depreciation": 0.0}, {"investment_cost": 4.0}])
def test_a_closed_path_has_its_closed_form(fields):
    game = ReleaseDate(periods=10, **fields)
    path = path_of(game, jnp.zeros(10))
    np.testing.assert_allclose(path.quality, closed_form(game), rtol=1e-12)
    np.testing.assert_allclose(np.diff(path.quality) / path.quality[:-1], path.growth[1:], rtol=1e-9, atol=1e-12)


def by_hand(switch, periods=10, feedback=0.03, diffusion=0.25):
    """Qualities and the present value of welfare, at the default numbers, opened at the end of period `switch`."""
    quality, know_how, value, qualities = 1.0, 0.0, 0.0, []
    slope, network, variance = 2.2 / 3, 0.1, 0.054
    for t in range(1, periods + 1):
        base = 0.9 * quality + 0.1
        if t <= switch:
            divisor = slope - network + 0.9 / 3
            al, be = 2.0 - network - 0.6, 0.6 - network
            f = 1.8 / al * (1.0 - be * 1.4 / (al + 3 * be))
            rate = f * 1.4 / 36.0
            used = (base - 0.1) / (divisor - rate)
            a, quality, cost = f * used / 36.0, base + rate * used, 0.1
        else:
            a = 0.2 / (36.0 * (slope - network))
            quality, cost = base + feedback * know_how + 3 * a, 0.15
            used = (quality - cost) / (slope - network)
        know_how = (1 - diffusion) * know_how + diffusion * used
        worth = quality * used + quality**2 * variance / (2 * slope) - (slope / 2 - network) * used**2
        value += 0.95 ** (t - 1) * (worth + (0.15 - cost) * used - 18.0 * a**2)
        qualities.append(quality)
    return np.array(qualities), value


@pytest.mark.parametrize("switch", [0, 4, 10])
def test_paths_are_those_of_the_recursion_by_hand(switch):
    openness = opened_from(GAME, jnp.asarray(float(switch)))
    path, (qualities, value) = path_of(GAME, openness), by_hand(switch)
    np.testing.assert_allclose(path.quality, qualities, rtol=1e-12)
    np.testing.assert_allclose(GAME.present_value(path), value, rtol=1e-12)


def test_opening_at_the_best_time_beats_all_others():
    switches = jnp.linspace(0.0, 10.0, 1001)
    values = jax.jit(jax.vmap(lambda x: GAME.payoff({"switch": x[None]})[0]))(switches)
    np.testing.assert_allclose(values[::400], [by_hand(t)[1] for t in (0, 4, 8)], rtol=1e-12)
    best = float(switches[jnp.argmax(values)])
    assert 0.0 < best < 1.0  # within the first period: the closed phase pays for a start
    assert max(by_hand(t)[1] for t in range(11)) < float(jnp.max(values))


def test_overtaking_hinges_on_know_how_and_its_lag():
    @jax.jit
    @jax.vmap
    def period(feedback, diffusion):
        return overtaking_period(ReleaseDate(periods=24, feedback=feedback, diffusion=diffusion))

    feedback, diffusion = np.meshgrid([0.0, 0.02, 0.05, 0.1], [0.05, 0.25, 1.0])
    found = period(feedback.ravel(), diffusion.ravel()).reshape(3, 4)
    assert np.all(np.isinf(found[:, 0]))
    assert np.all(np.diff(found[1:], axis=1) <= 0) and np.all(found[1:] <= found[:-1])
    assert set(np.ravel(found)) >= {2.0, 14.0, np.inf}
    ahead = by_hand(0, 24, 0.05, 0.05)[0] > by_hand(24, 24)[0]
    assert float(found[0, 2]) == float(np.argmax(ahead)) + 1.0
