"""A finite game as a table: every player's payoff in every profile of discrete choices.

Profiles are counted with the last player's choice running fastest (C order), as arrays are. A table has all that an
analysis of discrete choices needs; where it comes from (the equilibria of a continuous subgame, see `Stage`, or a
matrix) does not matter to it.
"""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from . import _numpy as jnp
from ._check import default_tol
from ._errors import GameError
from ._parameter import as_parameter
from ._solution import Equilibrium

MOST_PROFILES = 2**16


class PayoffTable(eqx.Module):
    """Payoffs u_i(d_1, ..., d_n) of n players who have the same k choices.

    Args:
        payoff: an axis of length k for each player, in the order of the players, then the players.
        players: their names; by default "player 1", ...
        choices: the values of the k choices; by default 0, 1, ...
        certified: for each profile, whether its payoffs may be used; by default all may.
        subgame: the equilibrium behind each profile, its arrays with the axes of the profiles first, if there is one.
        tol: relative accuracy of the payoffs: smaller differences count as indifference.

    Raises:
        GameError: the shapes do not fit together.

    >>> dilemma = PayoffTable([[[2.0, 2.0], [0.0, 3.0]], [[3.0, 0.0], [1.0, 1.0]]])
    >>> dilemma.players, dilemma.choices.tolist()
    (('player 1', 'player 2'), [0.0, 1.0])
    """

    payoff: Float[Array, "*profile player"]
    """Every player's payoff, in the unit of the payoffs of the game."""
    certified: Bool[Array, "*profile"]
    """Whether the subgame of each profile has a certified equilibrium."""
    choices: Float[Array, " choice"]
    """The values that each player chooses from."""
    subgame: Equilibrium | None
    """The equilibrium of each profile's subgame; every array has the axes of the profiles first."""
    players: tuple[str, ...] = eqx.field(static=True)
    tol: float = eqx.field(static=True)

    def __init__(
        self,
        payoff: ArrayLike | list[Any],
        players: tuple[str, ...] | None = None,
        *,
        choices: ArrayLike | tuple[float, ...] | None = None,
        certified: ArrayLike | None = None,
        subgame: Equilibrium | None = None,
        tol: float | None = None,
    ):
        payoff = as_parameter(payoff)  # type: ignore[arg-type]
        count, sizes = payoff.shape[-1] if payoff.ndim else 0, set(payoff.shape[:-1])
        if payoff.ndim < 2 or payoff.ndim != count + 1 or len(sizes) != 1 or min(sizes) < 2:
            raise GameError(
                f"payoff of a PayoffTable has shape {payoff.shape}; give an axis of the same length, at least 2, for "
                "each of the n players, then an axis of length n."
            )
        (k,) = sizes
        names = tuple(f"player {i + 1}" for i in range(count)) if players is None else tuple(players)
        if len(names) != count:
            raise GameError(f"players of a PayoffTable: give {count} names, one for each player, not {names}.")
        values = jnp.arange(k, dtype=payoff.dtype) if choices is None else jnp.asarray(choices, payoff.dtype)
        allowed = jnp.ones(payoff.shape[:-1], bool) if certified is None else jnp.asarray(certified, bool)
        if values.shape != (k,) or allowed.shape != payoff.shape[:-1]:
            raise GameError(
                f"A PayoffTable of {k} choices needs choices of shape ({k},) and certified of shape "
                f"{payoff.shape[:-1]}, not {values.shape} and {allowed.shape}."
            )
        self.payoff, self.players, self.choices, self.certified, self.subgame = payoff, names, values, allowed, subgame
        self.tol = default_tol(payoff.dtype) if tol is None else tol

    @property
    def shape(self) -> tuple[int, int]:
        """(choices, players)."""
        return self.choices.shape[-1], len(self.players)

    @property
    def rows(self) -> Float[Array, "profiles player"]:
        """The payoffs with the profiles in one axis."""
        return self.payoff.reshape(-1, len(self.players))


def digits(choices: int, players: int) -> np.ndarray:
    """The number of each player's choice in every profile, shape (profiles, players)."""
    return np.stack(np.unravel_index(np.arange(choices**players), (choices,) * players), axis=1).astype(np.int32)


def strides(choices: int, players: int) -> np.ndarray:
    """How far apart two profiles are that differ by one in the choice of one player, by player."""
    return np.array([choices ** (players - 1 - i) for i in range(players)], np.int32)


def chosen(choices: int, players: int) -> np.ndarray:
    """Whether each player makes each choice, in every profile; shape (profiles, players, choices)."""
    return digits(choices, players)[:, :, None] == np.arange(choices, dtype=np.int32)


def alternatives(rows: Array, choices: int) -> Array:
    """For each profile, player and choice: the entry of `rows` for that player if it, alone, made that choice.

    Args:
        rows: shape (profiles, players).
        choices: how many each player has.
    """
    count, players = rows.shape

    def own(i: int) -> Array:
        before, after = choices**i, choices ** (players - 1 - i)
        # (before, after, choice), the same for all of the player's own choices: no gather.
        every = jnp.swapaxes(rows[:, i].reshape(before, choices, after), 1, 2)
        return jnp.broadcast_to(every[:, None], (before, choices, after, choices)).reshape(count, choices)

    return jnp.stack([own(i) for i in range(players)], axis=1)


def probability_of_profiles(probability: Float[Array, "player choice"]) -> Float[Array, " profiles"]:
    """The probability of every profile when players choose independently."""
    players, choices = probability.shape
    return _product(_marginal(probability, chosen(choices, players)))


def choice_payoffs(
    rows: Float[Array, "profiles player"], probability: Float[Array, "player choice"]
) -> Float[Array, "player choice"]:
    """The expected payoff of every choice of every player while the others choose at random, independently."""
    players, choices = probability.shape
    made = chosen(choices, players)
    own = _marginal(probability, made)
    # Products over the others from both sides, as dividing by the own probability fails at zero.
    left, right = [jnp.ones_like(own[:, 0])], [jnp.ones_like(own[:, 0])]
    for i in range(players - 1):
        left.append(left[-1] * own[:, i])
        right.append(right[-1] * own[:, players - 1 - i])
    others = jnp.stack([a * b for a, b in zip(left, reversed(right), strict=True)], axis=1)
    return jnp.sum(jnp.where(made, (others * rows)[:, :, None], 0.0), axis=0)


def _marginal(probability, made):
    return jnp.sum(jnp.where(made, probability[None, :, :], 0.0), axis=2)


def _product(own):
    return jnp.prod(own, axis=1)
