"""All Nash equilibria, mixed ones included, of two players with two choices each.

With p and q the probabilities of the second choice, player 1 gains g1(q) = (1 - q) c1 + q o1 from it, where c1 is the
gain while the other makes the first choice and o1 while it makes the second; likewise g2(p). Both mix only where
g1(q) = 0 = g2(p): q = c1/(c1 - o1), p = c2/(c2 - o2) (Nash 1951). The set of all equilibria is the union of at most
nine boxes in (p, q): the four pure profiles, four sides on which one player chooses purely and the other is
indifferent, and the interior. In games in general position the sides are empty and the interior is one point or
nothing; where a gain is zero, a side or the interior can be a whole interval: a continuum of equilibria.
"""

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._errors import GameError
from ._payoff_table import PayoffTable, choice_payoffs
from ._status import Status


class MixedEquilibria(eqx.Module):
    """All equilibria of a 2x2 game in which a player may randomize; the pure ones are in `pure_equilibria` too."""

    probability: Float[Array, "player choice"]
    """The equilibrium in which both players randomize: the probability of each choice, by player; the middle of them if
    there are many, NaN if there is none. It has derivatives."""
    exists: Bool[Array, ""]
    """Whether there is one in which both randomize."""
    continuum: Bool[Array, ""]
    """Whether there are infinitely many equilibria: one of `boxes` has a length."""
    degenerate: Bool[Array, ""]
    """Whether a gain from the second choice is zero within the tolerance. The equilibria are then those of gains at
    exactly zero; those of a table that differs in rounding can be others."""
    boxes: Float[Array, "5 player 2"]
    """Where a player may randomize, [lower, upper] of each player's probability of its second choice: while player 1
    makes its first choice, its second; while player 2 makes its first, its second; in the interior. NaN where none."""
    residual: Float[Array, ""]
    """The largest difference between the payoffs of a player's two choices at `probability`, relative to the payoffs;
    recomputed from the table. 0 if nothing has to be indifferent."""
    gain: Float[Array, " player"]
    """What the better of its choices would add to each player's expected payoff at `probability`, payoff units."""
    payoff: Float[Array, " player"]
    """Expected payoffs at `probability`."""
    status: Int[Array, ""]
    """`successful`: all four subgames are certified, and the residual, if both randomize, is within the tolerance."""

    @property
    def propensity(self) -> Float[Array, " player"]:
        """Each player's probability of its second choice in the equilibrium in which both randomize."""
        return self.probability[..., 1]


@eqx.filter_jit
def mixed_equilibria(table: PayoffTable) -> MixedEquilibria:
    """All equilibria of two players with two choices, in closed form.

    Raises:
        GameError: there are more players or more choices; see `quantal_response` for these.

    >>> pennies = PayoffTable([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> mixed_equilibria(pennies).probability.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    if table.shape != (2, 2):
        raise GameError(
            f"mixed_equilibria is for two players with two choices, not {table.shape[1]} players with "
            f"{table.shape[0]}; quantal_response is for any number."
        )
    u = table.payoff
    # gains[i] = (c_i, o_i), by what the other player chooses.
    gains = jnp.stack([u[1, :, 0] - u[0, :, 0], u[:, 1, 1] - u[:, 0, 1]])
    size = jnp.stack([jnp.max(jnp.abs(u[..., 0]), axis=0), jnp.max(jnp.abs(u[..., 1]), axis=1)])
    tied = jnp.abs(gains) <= table.tol * size
    gains = jnp.where(tied, 0.0, gains)
    sign = jnp.sign(gains)
    # The other player's probability of its second choice at which player i is indifferent: [lower, upper].
    indifferent = jnp.stack([_zeros(gains[i], sign[i]) for i in range(2)])
    first = jnp.stack([_where_not_above(indifferent[i], sign[i]) for i in range(2)])
    second = jnp.stack([_where_not_above(indifferent[i], -sign[i]) for i in range(2)])
    zero, one = jnp.zeros((2,), u.dtype), jnp.ones((2,), u.dtype)
    nothing = jnp.full((2, 2), jnp.nan, u.dtype)

    def box(p, q, condition):
        here = jnp.stack([p, q])
        return jnp.where(condition & ~jnp.any(jnp.isnan(here)), here, nothing)

    inside = jnp.stack([indifferent[1], indifferent[0]])
    always = jnp.asarray(True)
    boxes = jnp.stack(
        [
            box(zero, first[0], tied[1, 0]),
            box(one, second[0], tied[1, 1]),
            box(first[1], zero, tied[0, 0]),
            box(second[1], one, tied[0, 1]),
            box(inside[0], inside[1], always),
        ]
    )
    mixing = jnp.all((inside[:, 1] > 0.0) & (inside[:, 0] < 1.0))
    middle = jnp.mean(inside, axis=1)
    propensity = jnp.where(mixing, middle, jnp.nan)
    probability = jnp.stack([1.0 - propensity, propensity], axis=1)
    values = choice_payoffs(table.rows, jnp.where(mixing, probability, 0.5))
    scale = jnp.maximum(jnp.max(size, axis=1), jnp.finfo(u.dtype).tiny)
    payoff = jnp.sum(probability * values, axis=1)
    residual = jnp.where(mixing, jnp.max(jnp.abs(values[:, 1] - values[:, 0]) / scale), 0.0)
    status = jnp.where(residual <= table.tol, Status.successful, Status.max_steps)
    return MixedEquilibria(
        probability=probability,
        exists=mixing,
        continuum=jnp.any(boxes[..., 1] > boxes[..., 0]),
        degenerate=jnp.any(tied),
        boxes=boxes,
        residual=residual,
        gain=jnp.maximum(jnp.max(values, axis=1) - payoff, 0.0),
        payoff=payoff,
        status=jnp.where(jnp.all(table.certified), status, Status.subgame_failed).astype(jnp.int32),
    )


def _zeros(gain: Float[Array, "2"], sign: Float[Array, "2"]) -> Float[Array, "2"]:
    """Where (1 - x) gain[0] + x gain[1] = 0 in [0, 1], as [lower, upper]; NaN if nowhere."""
    crosses = sign[0] * sign[1] < 0
    safe = jnp.where(crosses, gain[0] - gain[1], 1.0)
    at = jnp.where(crosses, gain[0] / safe, jnp.where(sign[0] == 0, 0.0, jnp.where(sign[1] == 0, 1.0, jnp.nan)))
    flat = (sign[0] == 0) & (sign[1] == 0)
    return jnp.stack([jnp.where(flat, 0.0, at), jnp.where(flat, 1.0, at)])


def _where_not_above(zeros: Float[Array, "2"], sign: Float[Array, "2"]) -> Float[Array, "2"]:
    """Where in [0, 1] a linear function with these zeros and signs at the ends is at most zero; NaN if nowhere."""
    low, high = sign[0] <= 0, sign[1] <= 0
    lower = jnp.where(low, 0.0, jnp.where(high, zeros[0], jnp.nan))
    upper = jnp.where(high, 1.0, jnp.where(low, zeros[1], jnp.nan))
    return jnp.stack([jnp.where(high | low, lower, jnp.nan), jnp.where(high | low, upper, jnp.nan)])
