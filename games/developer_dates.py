"""When do developers open their models? Dates as an equilibrium, not as a regulator's choice.

Each of n developers chooses at the start the period s_i in {0, ..., T} after which its model is open: 0 from the start,
T never. Or, with `closing`, after which a model that has been open is closed. In each period investment is the
equilibrium of `MixedOpenness` among open and closed developers, in closed form, on what is left of earlier investments:

    A_j = A0 + sum_i pub_i + priv_j + omega sum_{i != j} priv_i + F_j.

Investment of open developers is public, that of closed ones private; all depreciates by delta. priv_i becomes public
when i opens, and stays so: what was once open is not taken back. F_j is what users' know-how has added to model j while
it was open, F_j,t = (1 - delta) F_j,t-1 + lambda Z_t-1, and Z follows the usage of open models with a lag, Z_t = (1 -
kappa) Z_t-1 + kappa sum_O q_i. With all closed, or all open, these are the paths of `innovation_paths`.

Payoff of i: sum_t beta^(t - 1) [profit or revenue from complements - c a_i^2/2]. Developers are myopic in investment,
as in `innovation_paths`, and only dates look ahead: assumed. They are chosen once and for all (open-loop): that nobody
wants another date holds for the dates of the others as they are, not for what they would do after a deviation.

All (T + 1)^n profiles of dates are worked out, and are a `PayoffTable`: `pure_equilibria`, `mixed_equilibria` and
`quantal_response` of `nashgrid.solver` say how it is played. Investment in every period of every profile is certified
(`dates_table`): a search over all investments of each developer finds none that pays, by the payoffs of
`MixedOpenness`, which have no corners. A profile counts as certified, and can be an equilibrium in dates, only if all
of its periods are. Profiles in which a group would use, or a model be used, a negative amount have no payoff.

Derived: whether and when developers open, and whether they open at once or one after the other. Mostly all open at the
start or nobody ever does; at the default parameters at the start, although welfare would be higher after two closed
periods. Assumed: that know-how flows into open models only (lambda), and what complements are worth (b); without them
nobody ever opens.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from nashgrid.solver import GameError, PayoffTable, Status, as_parameter

from ._date_cells import cell_status
from .mixed_openness import MixedOpenness, mixed_openness_investment

_CHUNK = 512
_MOST = 2**16


class DeveloperDates(eqx.Module):
    """A market of open and closed developers over time.

    Args:
        market: the developers; the entries of its `open` play no part.
        depreciation: delta in [0, 1], part of past investment that is lost per period.
        feedback: lambda >= 0, quality that an open model gains per unit of know-how.
        diffusion: kappa in (0, 1], speed at which know-how follows usage; 1 at once.
        discount: beta in (0, 1], discount factor of payoffs per period.
        periods: T.
    """

    market: MixedOpenness
    depreciation: Float[Array, ""]
    feedback: Float[Array, ""]
    diffusion: Float[Array, ""]
    discount: Float[Array, ""]
    periods: int = eqx.field(static=True)

    def __init__(
        self,
        market: MixedOpenness | None = None,
        *,
        depreciation: ArrayLike = 0.1,
        feedback: ArrayLike = 0.03,
        diffusion: ArrayLike = 0.25,
        discount: ArrayLike = 0.95,
        periods: int = 6,
    ):
        self.market = MixedOpenness() if market is None else market
        self.depreciation, self.feedback = as_parameter(depreciation), as_parameter(feedback)
        self.diffusion, self.discount = as_parameter(diffusion), as_parameter(discount)
        self.periods = periods


class DatesPath(NamedTuple):
    """By period 1, ..., T: quality, investment, sales and payoff of each developer, welfare, and the quality that each
    developer starts the period with."""

    quality: Float[Array, "period firm"]
    investment: Float[Array, "period firm"]
    sales: Float[Array, "period firm"]
    payoff: Float[Array, "period firm"]
    welfare: Float[Array, " period"]
    base: Float[Array, "period firm"]


class DatesTable(NamedTuple):
    """The game in dates."""

    table: PayoffTable
    """Present values of payoffs in every profile of dates; choices are the dates 0, ..., T."""
    welfare: Float[Array, "*profile"]
    """Present value of welfare in every profile, also where it is not certified; NaN where there is none."""
    status: Int[np.ndarray, "*profile period"]
    """`Status` of investment by period: `successful` where it is a certified equilibrium."""


def dates_path(game: DeveloperDates, opened: Float[Array, "period firm"]) -> DatesPath:
    """The path at a given openness, 0 or 1, of every developer in every period.

    NaN in periods in which a model or a group is not used, or a condition of `MixedOpenness` fails, and afterwards.

    >>> path = dates_path(DeveloperDates(periods=3), jnp.zeros((3, 3)))
    >>> [round(float(x), 4) for x in path.quality[:, 0]]
    [1.0407, 1.079, 1.115]
    """
    market = game.market
    spill, n = market.quality_spillover, market.developers

    def period(state: tuple[Array, ...], now: Array) -> tuple[tuple[Array, ...], DatesPath]:
        public, private, users = ((1.0 - game.depreciation) * stock for stock in state[:3])
        know_how = state[3]
        # Who is open shows all that it has.
        public, private = public + now * private, (1.0 - now) * private
        ideas = jnp.sum(public) + private + spill * (jnp.sum(private) - private)
        users = users + game.feedback * now * know_how
        base = market.base_quality + ideas + users
        there = eqx.tree_at(lambda g: (g.base_quality, g.open), market, (base, now))
        a = mixed_openness_investment(there)
        found = there.outcomes({"investment": a})
        used = jnp.sum(now * found["sales"])
        learned = (1.0 - game.diffusion) * know_how + game.diffusion * used
        payoff = there.payoff({"investment": a})
        path = DatesPath(found["quality"], a, found["sales"], payoff, found["welfare"], base)
        return (public + now * a, private + (1.0 - now) * a, users, learned), path

    nothing = jnp.zeros((n,), market.base_quality.dtype)
    return jax.lax.scan(period, (nothing, nothing, nothing, jnp.zeros_like(market.base_quality)), opened)[1]


def dates_table(game: DeveloperDates, *, closing: bool = False) -> DatesTable:
    """Payoffs and welfare in all profiles of dates, each period's investment certified.

    The certificate is a sweep over all periods of all profiles, so that this cannot be traced by JAX; the derivatives
    of a path are those of `dates_path`.

    Args:
        game: the market; (T + 1)^n profiles, at most 65,536.
        closing: models are open at first, and dates are those from which they are closed.

    Raises:
        GameError: the game is traced, or has too many profiles.

    >>> from nashgrid.solver import pure_equilibria
    >>> dates = dates_table(DeveloperDates(market=MixedOpenness(complementary_revenue=0.0), periods=2))
    >>> pure_equilibria(dates.table).listed(1)[0].tolist()  # without complements nobody opens
    [[2.0, 2.0, 2.0]]
    """
    n, last = game.market.developers, game.periods
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(game)):
        raise GameError("dates_table certifies by a sweep, which JAX cannot trace; differentiate or map dates_path.")
    if (last + 1) ** n > _MOST:
        raise GameError(
            f"{n} developers and {last} periods have {(last + 1) ** n} profiles of dates, more than {_MOST}."
        )
    profiles = np.stack(np.meshgrid(*[np.arange(last + 1)] * n, indexing="ij"), axis=-1).reshape(-1, n)
    payoff, welfare, *cells = _values(game, jnp.asarray(profiles), closing)
    shape = (last + 1,) * n
    base, opened, investment = (np.asarray(each).reshape(-1, n) for each in cells[:3])
    status = cell_status(game.market, base, opened, investment, np.asarray(cells[3]).reshape(-1)).reshape(*shape, last)
    fine: Bool[Array, " profile"] = jnp.all(jnp.isfinite(payoff), axis=1) & jnp.isfinite(welfare)
    dtype = game.market.base_quality.dtype
    table = PayoffTable(
        jnp.where(fine[:, None], payoff, 0.0).reshape(*shape, n),
        game.market.firms,
        choices=np.arange(last + 1, dtype=dtype),
        certified=(status == Status.successful).all(axis=-1),
    )
    return DatesTable(table, jnp.where(fine, welfare, jnp.nan).reshape(shape), status)


@eqx.filter_jit
def _values(game: DeveloperDates, profiles: Array, closing: bool) -> tuple[Array, ...]:
    """By profile: present values of payoffs and welfare, and of each period the base quality, openness and investment
    of developers, and whether it has a value."""
    numbers = np.arange(1, game.periods + 1)
    dtype = game.market.base_quality.dtype
    weights = jnp.power(game.discount, jnp.asarray(numbers - 1, dtype))

    def value(dates: Array) -> tuple[Array, ...]:
        after = jnp.asarray(numbers)[:, None] > dates[None, :]
        opened = jnp.where(after, 0.0 if closing else 1.0, 1.0 if closing else 0.0).astype(dtype)
        path = dates_path(game, opened)
        present = jnp.sum(weights[:, None] * path.payoff, axis=0), jnp.sum(weights * path.welfare)
        return *present, path.base, opened, path.investment, jnp.isfinite(path.welfare)

    return jax.lax.map(value, profiles, batch_size=_CHUNK)
