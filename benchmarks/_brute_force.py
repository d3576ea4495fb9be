"""Judges of equilibria that share nothing with the solver: payoffs on grids."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from nashgrid.solver import Game

from ._random_games import WIDTH, Waves

LINE = 2001
SQUARE = 97
COARSE = 401
_BESIDE = 1e-12


@functools.partial(jax.jit, static_argnames="own")
def gains_on_grid(games: Game, profiles: jax.Array, own: int) -> jax.Array:
    """What each firm gains at the best point of a grid of its own strategies against the profile, shape (game, firm).

    Beside the grid, both sides of the edges that a game says it has. The payoff of the profile itself is computed along
    with the others: computed elsewhere it is rounded differently, which looks like a gain where it is close to zero.
    """
    line = jnp.linspace(0.0, WIDTH, LINE if own == 1 else SQUARE, dtype=profiles.dtype)
    grid = jnp.stack(jnp.meshgrid(*[line] * own, indexing="ij"), axis=-1).reshape(-1, own)

    def one(game, profile):
        firms = len(game.firms)
        mine = np.repeat(np.arange(firms), own)

        def payoff(firm, point):
            moved = jnp.where(mine == firm, jnp.tile(point, firms), profile)
            return game.payoff({"x": moved})[firm]

        edges = jnp.zeros((firms, 0), profile.dtype)
        if isinstance(game, Waves):
            at = game.edges({"x": profile})
            edges = jnp.clip(jnp.concatenate([at, at - _BESIDE, at + _BESIDE], axis=1), 0.0, WIDTH)

        def gain(i):
            here = profile[i * own : (i + 1) * own][None, :]
            places = [here, grid, edges[i][:, None]] if own == 1 else [here, grid]
            values = jax.vmap(functools.partial(payoff, i))(jnp.concatenate(places))
            return jnp.max(values) - values[0]

        return jnp.stack([gain(i) for i in range(firms)])

    return jax.vmap(one)(games, profiles)


@jax.jit
def some_equilibrium(games: Game) -> jax.Array:
    """Whether two firms with one strategy each have a pure equilibrium, by their global best responses on a grid.

    The composed best response of A crosses the diagonal: from above without a jump, or from below, or A has a corner
    equilibrium. Best responses that cross only between the points of the grid at a jump do not count.
    """
    line = jnp.linspace(0.0, WIDTH, COARSE)

    def one(game):
        def respond(firm, other):
            own = jax.vmap(lambda x: game.payoff({"x": jnp.stack([x, other] if firm == 0 else [other, x])})[firm])(line)
            return jnp.argmax(own)

        a = jax.vmap(lambda y: respond(0, y))(line)
        b = jax.vmap(lambda x: respond(1, x))(line)
        twice = a[b]
        index = jnp.arange(COARSE)
        gap = twice - index
        steep = jnp.maximum(jnp.abs(jnp.diff(b)), jnp.abs(jnp.diff(twice)))
        crosses = (gap[:-1] * gap[1:] <= 0) & (steep < COARSE // 16)
        return jnp.any(gap == 0) | jnp.any(crosses)

    return jax.vmap(one)(games)
