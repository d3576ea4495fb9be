"""Spillovers by channel: they add up to quality, are worth what the path without them lacks, and are zero where off."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import QuasiPublicGood, ReleaseDate, innovation_path, spillover_channels

T = 8
outcomes_of = eqx.filter_jit(lambda game, s: game.outcomes(s))
channels_of, path_of = eqx.filter_jit(spillover_channels), eqx.filter_jit(innovation_path)
CLOSED, OPEN, LATER = jnp.zeros(T), jnp.ones(T), jnp.asarray([0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("openness", [CLOSED, OPEN, LATER], ids=["closed", "open", "later"])
def test_qualities_parts_add_up(openness):
    game = ReleaseDate(periods=T)
    found, path = channels_of(game, openness), path_of(game, openness)
    parts = found.own_innovation + found.knowledge_diffusion + found.user_know_how
    np.testing.assert_allclose(1.0 + parts, path.quality, rtol=1e-12)
    assert (found.knowledge_diffusion > 0.0).all() and found.diffusion_value > 0.0


def test_each_is_zero_where_its_channel_is_off():
    off = channels_of(ReleaseDate(periods=T, quality_spillover=0.0), CLOSED)
    assert (off.knowledge_diffusion == 0.0).all() and abs(off.diffusion_value) < 1e-12
    alone = channels_of(ReleaseDate(periods=T, developers=1), OPEN)
    assert (alone.knowledge_diffusion == 0.0).all() and abs(alone.diffusion_value) < 1e-12
    for found in (channels_of(ReleaseDate(periods=T, feedback=0.0), OPEN), channels_of(ReleaseDate(periods=T), CLOSED)):
        assert (abs(found.innovation_acceleration) < 1e-14).all() and abs(found.acceleration_value) < 1e-12
        assert (found.user_know_how == 0.0).all()
    nobody = channels_of(ReleaseDate(periods=T, spillover=0.0), LATER)
    assert (nobody.industry_transformation == 0.0).all() and nobody.transformation_value == 0.0


def test_values_are_what_welfare_lacks_without_them():
    game = ReleaseDate(periods=T)
    found = channels_of(game, LATER)
    value = game.present_value(path_of(game, LATER))
    for channel, fields in (("transformation", {"spillover": 0.0}), ("acceleration", {"feedback": 0.0})):
        without = game.present_value(path_of(ReleaseDate(periods=T, **fields), LATER))
        np.testing.assert_allclose(getattr(found, f"{channel}_value"), value - without, rtol=1e-10)


def test_acceleration_of_an_open_model_has_its_closed_form():
    """Open developers' investment does not depend on quality, so that in the second period quality is higher by lambda
    Z_1 and the know-how of the first period, kappa N_1, is that without feedback."""
    game = ReleaseDate(periods=T)
    found, path = channels_of(game, OPEN), path_of(game, OPEN)
    without = path_of(ReleaseDate(periods=T, feedback=0.0), OPEN)
    np.testing.assert_allclose(path.quality[1] - without.quality[1], 0.03 * 0.25 * path.total_usage[0], rtol=1e-12)
    grown = np.cumprod(1.0 + path.growth) - np.cumprod(1.0 + path.growth - found.innovation_acceleration)
    np.testing.assert_allclose(grown, path.quality - without.quality, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("theta", [0.0, 0.5, 1.0])
def test_the_value_of_diffusion_in_one_period_is_that_of_the_game(theta):
    """Half of the investment comes from elsewhere: the game at a base quality that is lower by it."""
    here = ReleaseDate(periods=1)
    found = channels_of(here, jnp.asarray([theta]))
    a = found.own_innovation[0]
    lost = found.knowledge_diffusion[0]
    assert float(lost) == pytest.approx(2.0 * float(a) * (0.2 * (1.0 - theta) + theta), rel=1e-12)
    at = {"investment": jnp.full(3, a)}
    if theta in (0.0, 1.0):
        best, less = (
            outcomes_of(QuasiPublicGood(openness=theta, base_quality=base), at) for base in (1.0, 1.0 - float(lost))
        )
        assert float(found.diffusion_value) == pytest.approx(float(best["welfare"] - less["welfare"]), rel=1e-10)
    assert float(outcomes_of(QuasiPublicGood(openness=theta), at)["knowledge_diffusion"]) == pytest.approx(float(lost))
