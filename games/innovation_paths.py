"""Quality over time when a language model stays closed, is open, or is opened some day.

Each period t = 1, ..., T is a `QuasiPublicGood` whose base quality is what is left and what has been learned:

    A_t = (1 - delta) A_{t-1} + delta A0 + lambda theta_t Z_{t-1} + own investment,
    Z_t = (1 - kappa) Z_{t-1} + kappa N_t,          Z_0 = 0.

Own investment is (1 + omega (n - 1)) a_t while closed and n a_t while open, a_t the equilibrium of the period. Z is
know-how of users, which follows their usage N with a lag, kappa, and flows back, lambda, only into open models.
Developers are myopic: that they could invest for later periods is assumed away.

A closed model's quality follows from each period's usage, N_t = (ybar A_t - m)/Delta, and has a closed form: with phi =
ybar f (1 + omega (n - 1))/(n c) and x = phi/Delta

    A_t = A_ss + g^t (A0 - A_ss),    g = (1 - delta)/(1 - x ybar),    A_ss = (delta A0 - x m)/(delta - x ybar).

Whether and when an open model overtakes a closed one hinges on lambda and on the lag kappa, which are assumed: at
lambda = 0 it never does if it starts behind. No such date should be shown without the map over both;
`overtaking_period` and `ReleaseDate` are made to be mapped. The horizon T is finite, and what is left at its end worth
nothing.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Profile, parameter

from ._investment import symmetric_investment
from ._quasi_public_forms import closed_regime, delayed_release_investment, open_regime
from ._release import Release


class InnovationPath(NamedTuple):
    """By period 1, ..., T: quality and its growth, know-how, each developer's investment, usage and welfare."""

    quality: Float[Array, " period"]
    growth: Float[Array, " period"]
    know_how: Float[Array, " period"]
    investment: Float[Array, " period"]
    total_usage: Float[Array, " period"]
    welfare: Float[Array, " period"]


class ReleaseDate(Release):
    """A regulator chooses when a closed model is opened, for the present value of welfare.

    One firm, "regulator"; strategy "switch", of shape (1,), in [0, T]: 0 opens at once, T never. In the period in which
    it falls the model is open for the rest of it. Payoff sum_t beta^(t - 1) W_t of `innovation_path`. At whole numbers
    the payoff may have a kink. `openness` is not used.
    """

    depreciation: Float[Array, ""] = parameter(0.1, "delta in [0, 1]: part of the quality above A0 lost per period")
    feedback: Float[Array, ""] = parameter(0.03, "lambda >= 0: quality that an open model gains per unit of know-how")
    diffusion: Float[Array, ""] = parameter(0.25, "kappa in (0, 1]: speed at which know-how follows usage; 1 at once")
    discount: Float[Array, ""] = parameter(0.95, "beta in (0, 1]: discount factor of welfare per period")
    periods: int = eqx.field(static=True, default=12)

    @property
    def firms(self) -> tuple[str, ...]:
        return ("regulator",)

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"switch": (0,)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"switch": ("model",), "quality": ("period",), "total_usage": ("period",)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"switch": (0.0, float(self.periods))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self.present_value(innovation_path(self, opened_from(self, s["switch"][0])))[None]

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Quality and usage by period, present value of welfare, and of never opening and of opening at once."""
        path = innovation_path(self, opened_from(self, s["switch"][0]))
        never, at_once = (
            innovation_path(self, opened_from(self, jnp.full_like(self.discount, switch)))
            for switch in (self.periods, 0)
        )
        return {
            "quality": path.quality,
            "total_usage": path.total_usage,
            "closed_value": self.present_value(never),
            "open_value": self.present_value(at_once),
        }

    def present_value(self, path: InnovationPath) -> Float[Array, ""]:
        """sum_t beta^(t - 1) W_t."""
        return jnp.sum(jnp.power(self.discount, _numbers(self) - 1.0) * path.welfare)


def innovation_path(game: ReleaseDate, openness: Float[Array, " period"]) -> InnovationPath:
    """The path of a model that is open for the part theta_t of each period, as many periods as there are entries.

    NaN from the period on in which a group is excluded or a condition of `QuasiPublicGood` fails.

    Args:
        game: the primitives.
        openness: theta in [0, 1], by period.

    >>> path = innovation_path(ReleaseDate(), jnp.zeros(40))
    >>> round(float(path.quality[-1]), 4)
    1.6269
    """
    n = game.developers
    pooled = 1.0 + game.quality_spillover * (n - 1)

    def period(state, theta):
        quality, know_how = state
        left = (1.0 - game.depreciation) * quality + game.depreciation * game.base_quality
        base = left + game.feedback * theta * know_how
        there = eqx.tree_at(lambda g: (g.base_quality, g.openness), game, (base, theta))
        a = delayed_release_investment(there)
        closed, opened = closed_regime(there, a), open_regime(there, a)
        now = base + ((1.0 - theta) * pooled + theta * n) * a
        total, welfare = (
            (1.0 - theta) * getattr(closed, name) + theta * getattr(opened, name) for name in ("total_usage", "welfare")
        )
        learned = (1.0 - game.diffusion) * know_how + game.diffusion * total
        return (now, learned), InnovationPath(now, now / quality - 1.0, learned, a, total, welfare)

    start = game.base_quality, jnp.zeros_like(game.base_quality)
    return jax.lax.scan(period, start, openness)[1]


def closed_path(game: ReleaseDate) -> Float[Array, " period"]:
    """Quality of a closed model by period, if all groups are served: A_ss + g^t (A0 - A_ss)."""
    there = eqx.tree_at(lambda g: g.openness, game, jnp.zeros_like(game.openness))
    base, cost, need = game.base_quality, game.closed_cost(), game.users().mean_need()
    pooled = 1.0 + game.quality_spillover * (game.developers - 1)
    # Closed investment raises quality by x (ybar A - m), A the quality that it ends with.
    rise = pooled * symmetric_investment(there, seen=True)
    x = rise / (need * (base + rise) - cost)
    rate = (1.0 - game.depreciation) / (1.0 - x * need)
    steady = (game.depreciation * base - x * cost) / (game.depreciation - x * need)
    return steady + jnp.power(rate, _numbers(game)) * (base - steady)


def opened_from(game: ReleaseDate, switch: Float[Array, ""]) -> Float[Array, " period"]:
    """Openness by period of a model that is opened at the time `switch`: theta_t = min(max(t - switch, 0), 1).

    >>> opened_from(ReleaseDate(periods=4), jnp.asarray(1.5)).tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    return jnp.clip(_numbers(game) - switch, 0.0, 1.0)


def overtaking_period(game: ReleaseDate) -> Float[Array, ""]:
    """The first period in which a model open from the start is of higher quality than one that stays closed.

    Infinite if there is none among the T; NaN where a path is not defined. It moves with the assumed `feedback` and
    `diffusion`: report it as a map over them.
    """
    number = _numbers(game)
    closed, opened = (innovation_path(game, jnp.full_like(number, theta)).quality for theta in (0.0, 1.0))
    first = jnp.min(jnp.where(opened > closed, number, jnp.inf))
    return jnp.where(jnp.all(jnp.isfinite(opened + closed)), first, jnp.nan)


def _numbers(game: ReleaseDate) -> Float[Array, " period"]:
    return jnp.asarray(np.arange(1, game.periods + 1), game.discount.dtype)
