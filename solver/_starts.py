"""Where to start when all equilibria are wanted: the usual start, near every corner that a firm can push to, and evenly
over the strategies."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._equilibrium import start_of
from ._game import Game
from ._layout import Layout, bounds_of
from ._low_discrepancy import low_discrepancy

# Not at the bounds themselves: payoffs may be singular there.
_NEAR = 1 / 64


def starting_points(
    game: Game, layout: Layout, dtype: jnp.dtype, start: Mapping[str, ArrayLike] | None, count: int
) -> Float[Array, "start strategy"]:
    """`count` points spread over the strategies, after the usual start and the corners (2 per firm and 2 more)."""
    lower, upper = bounds_of(game, layout, dtype)
    begin = start_of(game, layout, dtype, start)
    share = jnp.asarray(np.concatenate([_corners(layout), low_discrepancy(count, layout.size)]), dtype)
    even = lower[None, :] + share * (upper - lower)[None, :]
    # To infinity by odds, around the distance of the usual start.
    odds = share / (1.0 - share)
    reach = jnp.maximum(jnp.where(jnp.isfinite(lower), begin - lower, upper - begin), 1.0)[None, :]
    from_lower, from_upper = lower[None, :] + reach * odds, upper[None, :] - reach / odds
    size = jnp.maximum(jnp.abs(begin), 1.0)[None, :]
    free = begin[None, :] + size * jnp.log(odds)
    one_sided = jnp.where(
        jnp.isfinite(lower)[None, :], from_lower, jnp.where(jnp.isfinite(upper)[None, :], from_upper, free)
    )
    points = jnp.where(jnp.isfinite(upper - lower)[None, :], even, one_sided)
    return jnp.concatenate([begin[None, :], jnp.clip(points, lower[None, :], upper[None, :])])


def _corners(layout: Layout) -> np.ndarray:
    """As shares of the way from the lower to the upper bounds: all low, all high, one firm high, one firm low."""
    owner = np.asarray(layout.owner)
    one_high = (owner[None, :] == np.arange(layout.firms)[:, None]).astype(float)
    high = np.concatenate([np.zeros((1, layout.size)), np.ones((1, layout.size)), one_high, 1.0 - one_high])
    return _NEAR + (1.0 - 2.0 * _NEAR) * high
