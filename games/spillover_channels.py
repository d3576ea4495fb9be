"""What spills over from a language model, by channel: to other developers, into later quality, and to non-users.

The abstract of Zhang and Zhang (2025, arXiv 2509.13265) speaks of positive externalities of language models as
quasi-public goods. Along an `innovation_path` each of three channels has a measure, and a value:

* **knowledge diffusion**, in units of quality: the part of quality that came from other developers' investments,

      S_t = (1 - delta) S_{t-1} + [(1 - theta_t) omega + theta_t] (n - 1) a_t,

  so that A_t = A0 + own_t + S_t + F_t, own_t the stock of a developer's own investments and F_t that of users'
  know-how, F_t = (1 - delta) F_{t-1} + lambda theta_t Z_{t-1}. Investments are taken as they are: that others' ideas
  can replace own ones is in them. Its value is welfare less that of the same investments, as if S_t were nothing.
* **innovation acceleration**, by period: growth of quality less its growth where users' know-how does not flow back,
  lambda = 0, with investments as they then would be. Its value is welfare less that of this other path.
* **industry transformation**, in units of utility: eps N_t, what use is worth to those who do not use the model
  themselves, firms around it whose products change. Its value is what it adds to welfare; since nobody takes it into
  account, the path is the same without it.

Each is zero where its channel is off: the first where omega = 0 and models are closed, or with one developer; the
second where lambda = 0 or models never open; the third at eps = 0. Values are present values, and do not add up: a part
of what know-how is worth is worth it to non-users. That eps is a constant and know-how follows usage is assumed; these
are measures of what the model has, not estimates.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._quasi_public_forms import closed_regime, open_regime
from .innovation_paths import ReleaseDate, innovation_path


class SpilloverChannels(NamedTuple):
    """Measures by period 1, ..., T, and present values."""

    own_innovation: Float[Array, " period"]
    """Quality from a developer's own investments."""
    knowledge_diffusion: Float[Array, " period"]
    """Quality from other developers' investments."""
    user_know_how: Float[Array, " period"]
    """Quality from users' know-how."""
    innovation_acceleration: Float[Array, " period"]
    """Growth of quality beyond that without users' know-how."""
    industry_transformation: Float[Array, " period"]
    """Value of use to those who do not use the model."""
    diffusion_value: Float[Array, ""]
    acceleration_value: Float[Array, ""]
    transformation_value: Float[Array, ""]


def spillover_channels(game: ReleaseDate, openness: Float[Array, " period"]) -> SpilloverChannels:
    """The three channels along a path; see the module. NaN from the period on in which the path is.

    Args:
        game: the primitives.
        openness: theta in [0, 1], by period, as many as the game has.

    >>> game = ReleaseDate(periods=3)
    >>> [round(float(x), 4) for x in spillover_channels(game, jnp.ones(3)).knowledge_diffusion]
    [0.0175, 0.0333, 0.0475]
    """
    path = innovation_path(game, openness)
    without = innovation_path(_at(game, feedback=0.0), openness)
    pooled = (1.0 - openness) * game.quality_spillover + openness
    own = _stock(game, path.investment)
    others = _stock(game, pooled * (game.developers - 1) * path.investment)
    before = jnp.concatenate([jnp.zeros_like(path.know_how[:1]), path.know_how[:-1]])
    users = _stock(game, game.feedback * openness * before)
    outside = game.spillover * path.total_usage
    alone = jax.vmap(lambda *at: _welfare(game, *at))(openness, path.quality, others, path.investment)
    return SpilloverChannels(
        own_innovation=own,
        knowledge_diffusion=others,
        user_know_how=users,
        innovation_acceleration=path.growth - without.growth,
        industry_transformation=outside,
        diffusion_value=game.present_value(path._replace(welfare=path.welfare - alone)),
        acceleration_value=game.present_value(path) - game.present_value(without),
        transformation_value=game.present_value(path._replace(welfare=outside)),
    )


def _stock(game: ReleaseDate, added: Float[Array, " period"]) -> Float[Array, " period"]:
    """What is left of what was added: x_t = (1 - delta) x_{t-1} + added_t."""

    def period(stock: Array, new: Array) -> tuple[Array, Array]:
        stock = (1.0 - game.depreciation) * stock + new
        return stock, stock

    return jax.lax.scan(period, jnp.zeros_like(added[0]), added)[1]


def _welfare(
    game: ReleaseDate,
    theta: Float[Array, ""],
    quality: Float[Array, ""],
    lost: Float[Array, ""],
    investment: Float[Array, ""],
) -> Float[Array, ""]:
    """Welfare of a period in which a part of quality is missing, at the investment there was."""
    n = game.developers
    pooled = (1.0 - theta) * (1.0 + game.quality_spillover * (n - 1)) + theta * n
    # The regimes add pooled investment to the base quality; in a period with both, each its own.
    base = quality - lost - pooled * investment
    there = _at(game, base_quality=base, openness=theta)
    closed, opened = closed_regime(there, investment), open_regime(there, investment)
    return (1.0 - theta) * closed.welfare + theta * opened.welfare


def _at(game: ReleaseDate, **fields: float | Array) -> ReleaseDate:
    names = tuple(fields)
    new = tuple(jnp.asarray(fields[name], getattr(game, name).dtype) for name in names)
    return eqx.tree_at(lambda g: tuple(getattr(g, name) for name in names), game, new)
