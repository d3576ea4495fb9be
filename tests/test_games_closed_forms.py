"""Every game of the library: known equilibria against brute-force deviations, derivatives at corners, both
dtypes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid import games
from nashgrid.solver import Game
from tests.closed_forms import CASES, largest_gain

GAMES = [value for value in vars(games).values() if isinstance(value, type) and issubclass(value, Game)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_firm_gains_by_a_deviation_from_the_known_equilibrium(case):
    assert largest_gain(case.problem, case.strategy) <= 1e-13


@pytest.mark.parametrize("case", [c for c in CASES if c.payoff is not None], ids=lambda case: case.name)
def test_payoffs_are_the_known_ones(case):
    strategy = {name: jnp.asarray(value) for name, value in case.strategy.items()}
    np.testing.assert_allclose(case.problem.payoff(strategy), case.payoff, rtol=1e-13, atol=1e-13)


def test_a_wrong_equilibrium_is_noticed():
    case = next(case for case in CASES if case.name == "cournot_duopoly")
    gain = largest_gain(case.problem, {"quantity": case.strategy["quantity"] + np.array([0.5, 0.0])})
    assert gain == pytest.approx(0.25, rel=1e-3)


def test_all_games_are_listed():
    assert len(GAMES) == 32


def _profile(game: Game, part: float) -> dict[str, jax.Array]:
    """Strategies a `part` of the way from the lower to the upper bounds."""
    owners, dtype = game.owners(), jax.tree.leaves(game)[0].dtype
    profile = {}
    for name, bounds in game.bounds().items():
        low, high = (jnp.asarray(bound, dtype) for bound in bounds)
        count = len(owners.get(name) or game.firms)
        profile[name] = jnp.broadcast_to(low + part * (high - low), (count,))
    return profile


@pytest.mark.parametrize("kind", GAMES, ids=lambda kind: kind.__name__)
def test_derivatives_are_finite_in_the_box_and_at_its_corners(kind):
    game = kind()

    @jax.jit
    def derivatives(part):
        s = _profile(game, part)
        first = jax.jacrev(game.payoff)(s)
        return game.payoff(s), first, jax.jacfwd(jax.jacrev(game.payoff))(s)

    # Nobody's chance to win is defined where nobody makes an effort.
    lowest = 0.01 if kind is games.ManyFirmContest else 0.0
    for part in (lowest, 0.37, 1.0):
        for leaf in jax.tree.leaves(derivatives(part)):
            assert np.all(np.isfinite(leaf)), part


@pytest.mark.parametrize("kind", GAMES, ids=lambda kind: kind.__name__)
def test_everything_is_computed_in_the_dtype_of_the_parameters(kind):
    def everything(game):
        s = _profile(game, 0.37)
        return s, game.payoff(s), game.outcomes(s)

    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), kind())
    for leaf in jax.tree.leaves(jax.eval_shape(everything, single)):
        assert leaf.dtype == jnp.float32


@pytest.mark.parametrize("kind", GAMES, ids=lambda kind: kind.__name__)
def test_definitions_agree_with_each_other(kind):
    game = kind()
    s = jax.eval_shape(lambda: _profile(game, 0.37))
    outcomes = jax.eval_shape(game.outcomes, s)
    assert jax.eval_shape(game.payoff, s).shape == (len(game.firms),)
    parameters = set(vars(game))
    assert not set(outcomes) & (parameters | set(s)), "results and parameters share a name"
    for name, dims in game.dims().items():
        assert (s | outcomes)[name].ndim == len(dims)


@pytest.mark.parametrize("kind", GAMES, ids=lambda kind: kind.__name__)
def test_games_can_be_batched_over_all_parameters(kind):
    game = kind()
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), game)
    s = jax.jit(lambda: _profile(game, 0.37))()
    payoffs = eqx.filter_jit(eqx.filter_vmap(lambda g: g.payoff(s)))(batch)
    np.testing.assert_allclose(payoffs[1], jax.jit(lambda: game.payoff(s))(), rtol=1e-14, atol=1e-15)
    assert batch.firms == game.firms
