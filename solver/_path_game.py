"""Open-loop play as an ordinary game: the strategies are whole paths, and payoffs go through all periods.

All firms choose at the start what they will do in every period, whatever happens, and keep to it. Nothing has to be
linear or quadratic, and bounds hold in every period. What is found is certified against all other paths as any
equilibrium is; derivatives go through the whole path. It is an equilibrium in commitments: when a rival has departed
from its path, a firm may regret its own.
"""

from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._check import check, check_functions
from ._dynamic_game import (
    DynamicGame,
    beginning,
    check_dynamic,
    check_is_dynamic,
    check_periods,
    dims_of,
    limits_of,
    powers,
    report_of,
    strategies_of,
)
from ._game import Game, Profile
from ._layout import dtype_of

# A loop over so few periods takes longer than the same written out, which compiles as fast.
_WRITTEN_OUT = 12


class PathGame(Game):
    """The game in which firms choose whole paths at the start, and keep to them (open-loop play).

    Strategies have the names and the items of those of a period, with the periods as last axis; outcomes too, and the
    states, with a date more. Scalar outcomes have a present value beside them, `present_NAME`.

    Compiling takes as long for 40 periods as for 10, some fifteen seconds of a processor core; deviations are searched
    for in single strategies, in all that follow from a period on, and in whole paths (`GlobalSearch`). `OpenLoop` is
    exact, and faster, for a linear-quadratic game in which no bound binds.

    Args:
        game: what happens in a period.
        periods: T >= 1.

    Raises:
        GameError: the periods are no whole number of at least 1.

    >>> from nashgrid.solver import DynamicGame, PathGame, parameter, solve
    >>> class FishWar(DynamicGame):
    ...     '''Two countries catch parts of what a stock x has grown to, x^alpha (Levhari and Mirman, 1980).'''
    ...     growth: Float[Array, ""] = parameter(0.5, "alpha")
    ...     discount: Float[Array, ""] = parameter(0.9, "beta")
    ...     firms = ("A", "B")
    ...     def initial(self):
    ...         return {"stock": 1.0}
    ...     def bounds(self):
    ...         return {"part": (0.01, 0.49)}
    ...     def transition(self, x, s):
    ...         return {"stock": (x["stock"] * (1.0 - s["part"].sum())) ** self.growth}
    ...     def payoff(self, x, s):
    ...         return jnp.log(x["stock"] * s["part"])
    >>> solve(PathGame(FishWar(), 1), tol=1e-4).strategy["part"].tolist()  # the last period: all that is allowed
    [[0.49...], [0.49...]]
    """

    game: DynamicGame
    periods: int = eqx.field(static=True)

    def __init__(self, game: DynamicGame, periods: int):
        check_is_dynamic(game, "PathGame")
        check_periods(periods, "periods of a PathGame", optional=False)
        self.game, self.periods = game, periods

    @property
    def firms(self) -> tuple[str, ...]:
        return self.game.firms

    def owners(self) -> Mapping[str, tuple[int, ...]]:
        return self.game.owners()

    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the axes; the last one is "period", of states "date"."""
        return dims_of(self.game)

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return f"open-loop Nash equilibrium over {self.periods} periods (all commit to whole paths at the start)"

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        layout = strategies_of(self.game)
        lower, upper = (layout.unflatten(limit) for limit in limits_of(self.game, dtype_of(self)))
        return {name: (self._repeated(lower[name]), self._repeated(upper[name])) for name in layout.names}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        """sum_t delta^t pi(x_t, s_t) + delta^T w(x_T)."""
        states = self.states(s)
        x = jax.tree.map(lambda leaf: leaf[:-1], states)
        end = jax.tree.map(lambda leaf: leaf[-1], states)
        each = jax.vmap(self.game.payoff)(x, self._by_period(s))
        discount = jnp.asarray(self.game.discount)
        weight = powers(discount, self.periods)
        final = discount * weight[-1] * self.game.terminal(end)
        return jnp.sum(weight[:, None] * each, axis=0) + final

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Outcomes by period, present values of those that are scalar, and states by date."""
        return report_of(self.game, self.states(s), self._by_period(s), on=False)

    def states(self, s: Profile) -> Profile:
        """The states at all dates 0, ..., T, with the date as leading axis."""

        def period(x: Profile, s: Profile) -> tuple[Profile, Profile]:
            later = self.game.transition(x, s)
            return later, later

        first, every = beginning(self.game, dtype_of(self)), self._by_period(s)
        if self.periods > _WRITTEN_OUT:
            later = jax.lax.scan(period, first, every)[1]
            return {name: jnp.concatenate([first[name][None], later[name]]) for name in first}
        dates = [first]
        for t in range(self.periods):
            dates.append(period(dates[-1], {name: value[t] for name, value in every.items()})[0])
        return {name: jnp.stack([date[name] for date in dates]) for name in first}

    def _by_period(self, s: Profile) -> Profile:
        return {name: jnp.moveaxis(value, -1, 0) for name, value in s.items()}

    def _repeated(self, limit: Array) -> Array:
        return jnp.broadcast_to(limit[..., None], (*np.shape(limit), self.periods))


@check.register
def _(game: PathGame) -> None:
    check_dynamic(game.game)
    check_functions(game)
