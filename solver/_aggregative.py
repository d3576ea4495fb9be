"""Games of very many firms that meet only in a few totals.

In an aggregative game a firm's payoff depends on its own action x_i and on totals A = sum_j g(x_j) over all firms
(Selten 1970; Corchon 1994; Cornes & Hartley 2005; Acemoglu & Jensen 2013): the quantity sold in Cournot competition,
the effort spent in a contest, the sum of attractions under logit demand, emissions, a public good. The Jacobian of the
stacked first-order conditions is then a diagonal plus a matrix whose rank is the number of totals, so that a Newton
step, a best response of everybody, a derivative and the search for deviations all cost as much as there are firms, and
no more.
"""

import abc
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._conditions import Conditions, conditions_of
from ._errors import GameError
from ._game import Game, Profile
from ._layout import Layout, bounds_of, layout_of

_DENSE = 2048
"""The most firms for what needs the Jacobian of all firms as a matrix."""
_BLOCK = 32


class AggregativeGame(Game):
    """A game in which firms meet only in totals; write `firms`, `bounds`, `contribution` and `own_payoff`.

    Every firm has one strategy. `firms` is a tuple of names or, for firms without names, `range(n)`. `solve` and
    `sweep` take time and memory in proportion to the number of firms: a million in one game is possible. What comes
    out is the same as for the same game written as a `Game`: certificate, status, exact derivatives. All else that
    takes a `Game`, such as `equilibria`, `follow` and `prove`, takes this one too, at the cost of any other game.

    With the default method the totals are found first, by Newton's method on sum_j g(r_j(A)) = A, where r_j(A) is what
    firm j does if the total is A, its own part included (a replacement function: Cornes & Hartley 2005); a single
    total is bracketed. Newton's method on all conditions finishes. Other methods work as in any game.

    A total is rounded, and a firm n times smaller than the total cannot be known better than to n times that: in games
    of n firms the tolerance is at least 16 n eps (3.6e-9 for a million in float64), or 1e-3 if that is less.

    In sweeps the strategies and payoffs of firms without names are left out: they would fill memories with what nobody
    reads. `outcomes`, by default the totals, say what to keep. Constraints are refused.

    >>> import jax.numpy as jnp
    >>> from nashgrid.solver import AggregativeGame, parameter, solve
    >>> class Market(AggregativeGame):
    ...     cost: Float[Array, " firm"] = parameter((1.0, 2.0), "marginal cost, price units")
    ...     @property
    ...     def firms(self):
    ...         return range(self.cost.shape[-1])
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def contribution(self, x):
    ...         return {"total": x}
    ...     def own_payoff(self, x, total):
    ...         return (10.0 - total["total"] - self.cost) * x
    >>> answer = solve(Market(cost=jnp.linspace(1.0, 5.0, 2000)), tol=1e-2)
    >>> round(float(answer.outcomes["total"]), 2)
    8.81
    """

    @abc.abstractmethod
    def contribution(self, x: Float[Array, " firm"]) -> Mapping[str, Float[Array, " firm"]]:
        """Name of each total -> what every firm adds to it by its action; elementwise: entry i may depend on x[i] and
        on the parameters, not on other entries of x."""

    @abc.abstractmethod
    def own_payoff(self, x: Float[Array, " firm"], total: Mapping[str, Float[Array, " firm"]]) -> Float[Array, " firm"]:
        """Every firm's payoff from its own action and the totals, its own contributions included; elementwise.

        `total[name][i]` is the total as firm i meets it: the same number for all in a profile, but not where every firm
        tries a deviation of its own.
        """

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        """Every firm's payoff at the profile `s`, from `contribution` and `own_payoff`."""
        (x,) = s.values()
        return self.own_payoff(x, {name: jnp.broadcast_to(a, x.shape) for name, a in self.aggregates(s).items()})

    def aggregates(self, s: Profile) -> dict[str, Array]:
        """The totals at the profile `s`."""
        (x,) = s.values()
        return {name: blocked_sum(part) for name, part in self.contribution(x).items()}

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """What else to report; the totals, unless you write something else."""
        return self.aggregates(s)


def blocked_sum(values: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """The sum along the last axis in blocks of blocks, whose rounding grows with log(n) instead of n."""
    while (n := values.shape[-1]) > _BLOCK:
        values = jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -n % _BLOCK)])
        values = jnp.sum(values.reshape(*values.shape[:-1], -1, _BLOCK), axis=-1)
    return jnp.sum(values, axis=-1)


@layout_of.register
def _(game: AggregativeGame) -> Layout:
    firms, what = len(game.firms), type(game).__name__
    bounds = game.bounds()
    if len(bounds) != 1 or game.owners():
        raise GameError(
            f"{what}.bounds() names the strategies {list(bounds)}; an AggregativeGame has one strategy, and one of it "
            "per firm. Write it as a Game."
        )
    ((name, pair),) = bounds.items()
    for bound in pair:
        if np.shape(bound) not in ((), (firms,)):
            raise GameError(
                f"Strategy {name!r} has a bound of shape {np.shape(bound)}, but there are {firms} firms: give scalars, "
                f"or arrays of shape ({firms},)."
            )
    return one_each(name, firms)


def one_each(name: str, firms: int) -> Layout:
    """The layout of one strategy per firm."""
    # A range is a sequence of owners that takes no memory and is compared at once.
    return Layout((name,), ((firms,),), cast(Any, range(firms)), firms)


@conditions_of.register
def _(game: AggregativeGame, layout: Layout, dtype: jnp.dtype) -> Conditions:
    if layout.firms > _DENSE:
        raise GameError(
            f"{type(game).__name__} has {layout.firms} firms. Only solve and sweep, with or without a Leader or a "
            f"Stage, work for more than {_DENSE}: everything else needs a matrix of all firms by all firms."
        )
    lower, upper = bounds_of(game, layout, dtype)
    return Conditions(game, lower, upper, layout)
