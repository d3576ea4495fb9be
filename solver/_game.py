"""What a user writes: the strategies a firm may choose and the payoff it gets.

A game in strategic form has firms i = 1..n, a box of strategies for each, and payoffs pi_i(s_1, ..., s_n; theta). Here
theta, the parameters, are the array fields of the game itself, so that a game is a PyTree: a derivative with respect to
the game is shaped like the game, and a batch of games is the same game with a leading axis on some fields.
"""

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float

from ._constraint import Constraint

Profile = dict[str, Array]
"""A strategy profile: name of the strategy -> its values, by firm (or by item, see `Game.owners`)."""


if TYPE_CHECKING:
    # A type checker would make `firms` an argument of every constructor, and refuse numbers for parameters.
    class _Module:
        firms: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
else:

    class _Module(eqx.Module):
        firms: eqx.AbstractVar[tuple[str, ...]]


class Problem(_Module):
    """Anything `solve` and `sweep` accept: a `Game` (simultaneous play), a `Leader` (sequential play) or a `Stage`
    (discrete choices first)."""

    @abc.abstractmethod
    def concept(self) -> str:
        """The equilibrium concept in words, e.g. "Nash (simultaneous)"."""

    def chosen(self) -> tuple[str, ...]:
        """The parameters of the problem inside that are chosen here, so that they cannot be varied from outside."""
        return ()

    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the axes of strategies and outcomes in labelled results, where they are not just ("firm",)."""
        return {}

    def coords(self) -> Mapping[str, tuple[Any, str]]:
        """Name of an axis of outcomes in labelled results -> (what its entries are called, what it is)."""
        return {}


class Game(Problem):
    """A game of simultaneous play; subclass it and write `firms`, `bounds` and `payoff`.

    Array fields are the parameters; declare them with `parameter`. `firms` holds the names of the firms: a static
    field, a plain class attribute, or a property if their number follows from a parameter's shape.

    >>> import jax.numpy as jnp
    >>> from nashgrid.solver import Game, parameter, solve
    >>> class Duopoly(Game):
    ...     cost: Float[Array, " firm"] = parameter((1.0, 2.0), "marginal cost, price units")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (10.0 - s["q"].sum() - self.cost) * s["q"]
    >>> [round(float(q), 6) for q in solve(Duopoly(), tol=1e-4).strategy["q"]]
    [3.333333, 2.333333]
    """

    @abc.abstractmethod
    def bounds(self) -> Mapping[str, tuple[ArrayLike, ArrayLike]]:
        """Name of each strategy -> (lower, upper): scalars or arrays over firms; may be infinite and may depend on
        the parameters. Equal bounds hold a strategy fixed."""

    @abc.abstractmethod
    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        """Every firm's payoff at the strategy profile `s` (name -> array over firms), in one common unit."""

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """What else to report at the equilibrium, by name: price, consumer surplus, welfare, HHI, ..."""
        del s
        return {}

    def constraints(self, s: Profile) -> Mapping[str, Constraint]:
        """Name -> a `Constraint` on the strategies of several firms, or on several strategies of one firm.

        With shared constraints the variational equilibrium is solved for: one multiplier for all firms.
        """
        del s
        return {}

    def start(self) -> Mapping[str, ArrayLike]:
        """Where to start, for the strategies named; the others start inside their bounds (see `solve`)."""
        return {}

    def owners(self) -> Mapping[str, tuple[int, ...]]:
        """For strategies that are not one per firm: name -> the index of the firm that chooses each leading item.

        A strategy that is not named here has the firms as its leading axis.
        """
        return {}

    def concept(self) -> str:
        """The equilibrium concept in words."""
        return "Nash equilibrium (simultaneous play)"
