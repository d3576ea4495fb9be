"""Open sourcing over time: one period is the known game, and what is derived about its rest points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    CapitalizedOpenSourcing,
    LeadingOwner,
    OpenSourcing,
    OpenSourcingOverTime,
    ResearchOverTime,
    SimultaneousOpenSourcing,
    committed_openness,
    optimal_openness,
    simultaneous_openness,
    steady_openness,
)
from nashgrid.solver import MarkovPerfect, OpenLoop, PathGame, Status, solve

STATIC = {"owner_share": 0.5, "edge": 0.05, "opening_cost": 0.0, "openness_curvature": 0.2, "research_cost": 1.0}


def test_one_period_is_the_simultaneous_game():
    known = SimultaneousOpenSourcing(**STATIC, outsiders=3)
    game = PathGame(OpenSourcingOverTime(**STATIC, diffusion=1.0, outsiders=3), 1)
    rng = np.random.default_rng(0)
    s = {"research": jnp.asarray(rng.random((3, 4))), "openness": jnp.asarray(rng.random((3, 1)))}
    path = {name: value[..., None] for name, value in s.items()}
    both = jax.jit(lambda path, s: (jax.vmap(game.payoff)(path), jax.vmap(known.payoff)(s)))
    np.testing.assert_allclose(*both(path, s), rtol=1e-13)
    # Of the linear-quadratic form too, where technology lasts for a period only.
    once = CapitalizedOpenSourcing(**STATIC, diffusion=1.0, depreciation=1.0, outsiders=3)
    openness = solve(MarkovPerfect(once, 1)).strategy["openness"][0, 0]
    np.testing.assert_allclose(openness, [simultaneous_openness(known)], rtol=1e-12)
    np.testing.assert_allclose(steady_openness(once, persistence=0.0), openness, rtol=1e-12)
    np.testing.assert_allclose(committed_openness(once), optimal_openness(known), rtol=1e-12)


def test_technology_as_a_state_or_paid_for_at_once_is_the_same():
    options = {"outsiders": 1, "access_at_start": 0.3}
    paths = solve(PathGame(OpenSourcingOverTime(**options, remaining=1.0), 2), certify=False)
    exact = solve(OpenLoop(CapitalizedOpenSourcing(**options), 2), certify=False)
    for name, value in exact.strategy.items():
        np.testing.assert_allclose(paths.strategy[name], value, rtol=1e-9)
    np.testing.assert_allclose(paths.payoff[0], exact.payoff[0], rtol=1e-12)
    np.testing.assert_allclose(paths.outcomes["access"], exact.outcomes["access"], rtol=1e-9)
    kept, research = paths.outcomes["technology"][1], paths.strategy["research"][1]
    np.testing.assert_allclose(kept, [0.0, float(research[0]), float(0.7 * research[0] + research[1])], rtol=1e-12)


@jax.jit
def _rest(diffusion, share):
    """Openness that play comes to, by concept, and what is said of it; of many games at once."""

    def one(diffusion, share):
        primitives = {"diffusion": diffusion, "owner_share": share, "outsiders": 1}
        game = CapitalizedOpenSourcing(**primitives, edge=0.03)
        seen = solve(MarkovPerfect(game, shown=400))
        led = solve(
            MarkovPerfect(LeadingOwner(diffusion=diffusion, owner_share=share, edge=0.03), shown=400), certify=False
        )
        formulas = steady_openness(game, persistence=seen.outcomes["persistence"]), committed_openness(game)
        rests = seen.strategy["openness"][0, -1], led.strategy["openness"][0, -1]
        good = (seen.status == Status.successful) & (led.status == Status.first_order)
        return jnp.stack(formulas), jnp.stack(rests), seen.outcomes["persistence"], steady_openness(game), good

    return jax.vmap(one)(diffusion, share)


def test_feedback_lies_between_open_loop_and_commitment():
    diffusion, share = jnp.array([0.1, 0.3, 0.6, 1.0]), jnp.array([0.4, 0.5, 0.6, 0.5])
    formulas, rests, g, committed_to_paths, good = _rest(diffusion, share)
    assert good.all()
    np.testing.assert_allclose(rests, formulas, rtol=1e-9)
    assert (rests[:3, 0] > 1.03 * committed_to_paths[:3]).all()
    assert (rests[:, 1] > rests[:, 0]).all()
    assert g[3] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(rests[3, 0], committed_to_paths[3], rtol=1e-12)  # nothing is left of past openness
    # The persistence of access solves the cubic of the owner's Euler equation, written here for itself.
    for k, s, seen in zip(diffusion[:3].tolist(), share[:3].tolist(), g, strict=False):
        slope = 0.6 * (0.9 / (1 - 0.9 * 0.7)) ** 2 * s * (1 - s) / 5.0 * 0.5
        phi = np.poly1d([1.0, k - 1.0]) / k
        left = (-0.3 * phi + np.poly1d([slope, 0.0])) * np.poly1d([-0.9 * (1 - k), 1.0])
        cubic = left + 0.9 * k * slope * np.poly1d([1.0, 0.0, 0.0]) * phi
        assert np.min(np.abs(cubic.roots - float(seen))) < 1e-10


def test_one_period_of_research_is_the_oligopoly():
    rng = np.random.default_rng(0)
    x, openness = jnp.asarray(0.3 * rng.random((3, 4))), jnp.array([0.0, 0.5, 1.0])

    @jax.jit
    @jax.vmap
    def both(x, openness):
        known = OpenSourcing(outsiders=3, openness=openness, research_cost=5.0)
        game = PathGame(ResearchOverTime(outsiders=3, openness=openness), 1)
        once, seen = game.outcomes({"research": x[:, None]}), known.outcomes({"research": x})
        ours = game.payoff({"research": x[:, None]}), once["welfare"][0], once["technology"][0, 1]
        return ours, (known.payoff({"research": x}), seen["welfare"], seen["technology"][0])

    for ours, known in zip(*both(x, openness), strict=True):
        np.testing.assert_allclose(ours, known, rtol=1e-12)


def test_seen_technology_discourages_rivals_or_is_answered():
    competition, openness = jnp.array([0.3, 0.7, 0.3, 0.7]), jnp.array([0.0, 0.0, 1.0, 1.0])

    @jax.jit
    @jax.vmap
    def owner(competition, openness):
        game = ResearchOverTime(competition=competition, openness=openness)
        seen, committed = solve(MarkovPerfect(game, shown=30)), solve(OpenLoop(game, shown=30), certify=False)
        research = [eq.strategy["research"][0, -1] for eq in (seen, committed)]
        return research[0] / research[1] - 1.0, seen.status, seen.outcomes["least_quantity"][-1]

    more, status, least = owner(competition, openness)
    assert (status == Status.successful).all() and (least > 0.4).all()
    np.testing.assert_array_equal(np.sign(more), [1.0, 1.0, 1.0, -1.0])
    assert more[1] > 10.0 * more[0]
