"""Nash equilibria in pure strategies of a table of payoffs, all of them, by comparing every profile.

A profile is an equilibrium if no player gains by another choice alone. Where a subgame has no certified equilibrium its
payoffs prove nothing: a profile counts only if its own subgame and those of all unilateral deviations are certified; it
is refuted by one certified deviation that gains; what is neither is undecided, and is reported as such.
"""

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._payoff_table import PayoffTable, alternatives, chosen, digits


class PureEquilibria(eqx.Module):
    """All pure equilibria of a table, as a mask over its profiles, and by how much each choice is the best."""

    mask: Bool[Array, "*profile"]
    """Whether the profile is a certified equilibrium."""
    undecided: Bool[Array, "*profile"]
    """Whether the profile could be one: subgames that it needs are not certified, and no certified one refutes it."""
    weak: Bool[Array, "*profile"]
    """Whether a player of an equilibrium has another choice that is as good, within the tolerance."""
    margin: Float[Array, "*profile player"]
    """The own payoff less that of the best other choice, payoff units; negative where a player would deviate, NaN
    where a subgame that this needs is not certified."""
    scale: Float[Array, "*profile player"]
    """The largest of the payoffs that are compared, in absolute value: margins below `tol` times it are ties."""
    choices: Float[Array, " choice"]

    @property
    def count(self) -> Int[Array, "*lanes"]:
        """The number of equilibria."""
        return jnp.sum(self.mask, axis=self._profiles, dtype=jnp.int32)

    @property
    def complete(self) -> Bool[Array, "*lanes"]:
        """Whether these are all: no profile is undecided."""
        return ~jnp.any(self.undecided, axis=self._profiles)

    @property
    def _profiles(self) -> tuple[int, ...]:
        return tuple(range(-self.margin.shape[-1], 0))

    def listed(self, most: int) -> tuple[Float[Array, "most player"], Bool[Array, " most"]]:
        """The first `most` equilibria as choices by player, and which rows hold one; the others are NaN."""
        k, n = self.choices.shape[0], self.margin.shape[-1]
        (where,) = jnp.nonzero(self.mask.reshape(-1), size=most, fill_value=-1)
        found = where >= 0
        profile = self.choices[jnp.asarray(digits(k, n))][jnp.where(found, where, 0)]
        return jnp.where(found[:, None], profile, jnp.nan), found


@eqx.filter_jit
def pure_equilibria(table: PayoffTable) -> PureEquilibria:
    """All Nash equilibria in pure strategies, ties included.

    >>> dilemma = PayoffTable([[[2.0, 2.0], [0.0, 3.0]], [[3.0, 0.0], [1.0, 1.0]]])
    >>> pure_equilibria(dilemma).mask.tolist()
    [[False, False], [False, True]]
    """
    k, n = table.shape
    rows, sure = table.rows, table.certified.reshape(-1)
    mine = chosen(k, n)
    every = alternatives(rows, k)
    usable = alternatives(jnp.broadcast_to(sure[:, None], rows.shape), k)
    known = jnp.all(usable, axis=2)
    scale = jnp.max(jnp.where(usable, jnp.abs(every), 0.0), axis=2)
    best_known = jnp.max(jnp.where(usable & ~mine, every, -jnp.inf), axis=2)
    refuted = sure & jnp.any(best_known - rows > table.tol * scale, axis=1)
    confirmed = jnp.all(known, axis=1) & ~refuted
    margin = rows - jnp.max(jnp.where(mine, -jnp.inf, every), axis=2)
    weak = confirmed & jnp.any(jnp.abs(margin) <= table.tol * scale, axis=1)
    profiles = (k,) * n
    return PureEquilibria(
        mask=confirmed.reshape(profiles),
        undecided=(~confirmed & ~refuted).reshape(profiles),
        weak=weak.reshape(profiles),
        margin=jnp.where(known, margin, jnp.nan).reshape(*profiles, n),
        scale=scale.reshape(*profiles, n),
        choices=table.choices,
    )
