"""Owners of language models decide whether to open them while rivals do the same: an access market with spill-backs.

A model in which the claim of the abstract of Habibi (2025, Open Sourcing GPTs, arXiv 2501.11581) that a moderately
concentrated industry may be good for an open-source ecosystem can be examined when owners decide against each other;
it is a formalization of its own.

n >= 2 owners hold the shares s_1, ..., s_n of a unit mass of applications, S = sum_i s_i < 1. The outside applications,
1 - S, need access to one model each. Stage 1: all owners decide at once, open or closed. Stage 2: closed owners set
the price of access; an owner that has opened gives it away, price 0.

Access is horizontally differentiated. Every outside application is torn between two of the n models, each of the
n (n - 1)/2 pairs equally often, and lies uniformly on a line of length 1 between them, with transport cost t per unit
(Hotelling 1929; for n > 2 the spokes of Chen and Riordan, 2007, Economic Journal 117, with random pairs). All buy; cost
is zero. Owner i sells, at the mean price P_i of the others,

    q_i = (1 - S) (2/n) [1/2 + (P_i - p_i)/(2 t)],

as long as no price is more than t above another. If m owners are closed, all charge p = t/(2 - (m - 1)/(n - 1)) and
earn (1 - S) p^2/(n t) each: with two owners p = t and (1 - S) t/2 each while both are closed, p = t/2 and (1 - S) t/8
for one that is closed against an open one.

Spill-back. Outside research is done on open models. If k models are open, the research of the 1 - S outside
applications is shared equally between them, and the owner of each gains B s_i (1 - S)/k from its part. Opening costs F.
For two owners the gains from opening are then (`two_owner_gains`)

    c_i = (1 - S)(B s_i - t/2) - F        while the rival is closed,
    o_i = (1 - S)(B s_i/2 - t/8) - F      while the rival is open.

c < 0 < o is a coordination game: both closed, both open, and a mixed equilibrium in which each opens with probability
c_j/(c_j - o_j), c and o those of the other owner. o < 0 < c is anti-coordination: one opens, either one; and a mixed.

What is derived and what is built in:

* Prices and profits of access, and through them that opening invites opening: derived. A rival's opening lowers what
  closed access earns from (1 - S) t/2 to (1 - S) t/8.
* Opening discourages opening: built in, as two open models share the same outside research equally.
* A larger owner gains more from opening: built in (B s_i); that fewer outside applications, 1 - S, are worth less to
  the owners: built in.
* Open means free of charge, and an owner chooses nothing between open and closed: assumed.

The extension to n > 2 owners by random pairs is this library's own, with the same logic; it has prices, and so the
gains from opening at any number of open rivals, in closed form (`opening_gains`).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, Stage, StageRule, parameter

from ._measures import firm_names, herfindahl


class OwnersOpenSourcing(Game):
    """Prices of access to the models of n owners, given who has opened its model.

    Firms "owner 1", ...; strategy "price". Profit of owner i: p_i q_i + open_i [B s_i (1 - S)/k - F], with k the
    number of open models. The number of owners is the length of `share`; `open` has as many entries.

    >>> from nashgrid.solver import solve
    >>> game = OwnersOpenSourcing(open=(0.0, 1.0), transport=0.4)
    >>> [round(float(p), 4) for p in solve(game, tol=1e-4).strategy["price"]]
    [0.2, 0.0]
    """

    share: Float[Array, " firm"] = parameter((0.3, 0.3), "s_i > 0, sum below 1: share of applications by owner")
    open: Float[Array, " firm"] = parameter((0.0, 0.0), "0 closed, 1 open, by owner; nothing between")
    transport: Float[Array, ""] = parameter(0.45, "t > 0: differentiation of access, price units per unit of distance")
    spill_back_value: Float[Array, ""] = parameter(
        0.5, "B >= 0: value of all outside research to an owner, per own and outside application"
    )
    opening_cost: Float[Array, ""] = parameter(0.0, "F: cost of opening a model, payoff units")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.share.shape[-1], "owner")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Between 0 and 1.5 t, which no best response exceeds; 0 for an open model."""
        return {"price": (0.0, 1.5 * self.transport * (1.0 - self.open))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        count = jnp.maximum(jnp.sum(self.open), 1.0)
        gain = self.spill_back_value * self.share * self.outside() / count - self.opening_cost
        return s["price"] * self._sales(s["price"]) + self.open * gain

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Sales of access, the number of open models, outside research (1 if any model is open, in units of what
        1 - S outside applications do), the Herfindahl index of the owners' shares, what users pay for access and
        transport, and welfare: payoffs less these, up to the constant gross value of access."""
        price = s["price"]
        x, each = self._shares(price), self.outside() / self._pairs()
        # Both ends of each pair are counted: half of the sum over ordered pairs.
        walked = jnp.sum(jnp.where(self._others(), jnp.square(x), 0.0)) * each * self.transport / 2.0
        users = jnp.sum(price * self._sales(price)) + walked
        number = jnp.sum(self.open)
        return {
            "sales": self._sales(price),
            "open_models": number,
            "outside_research": jnp.minimum(number, 1.0) * self.outside(),
            "hhi": herfindahl(self.share),
            "users_cost": users,
            "welfare": jnp.sum(self.payoff(s)) - users,
        }

    def outside(self) -> Float[Array, ""]:
        """1 - S, the mass of outside applications."""
        return 1.0 - jnp.sum(self.share)

    def _pairs(self) -> float:
        n = self.share.shape[-1]
        return n * (n - 1) / 2.0

    def _others(self) -> np.ndarray:
        return ~np.eye(self.share.shape[-1], dtype=bool)

    def _shares(self, price: Float[Array, " firm"]) -> Float[Array, "firm firm"]:
        """By pair: the part of its line that the first owner serves."""
        return jnp.clip(0.5 + (price[None, :] - price[:, None]) / (2.0 * self.transport), 0.0, 1.0)

    def _sales(self, price: Float[Array, " firm"]) -> Float[Array, " firm"]:
        served = jnp.sum(jnp.where(self._others(), self._shares(price), 0.0), axis=1)
        return served * self.outside() / self._pairs()


def opening_decisions(game: OwnersOpenSourcing, *, rule: StageRule | None = None) -> Stage:
    """The whole game: all owners decide at once whether to open, then prices are set.

    `nashgrid.solver.in_turn` of it is the same with one owner after the other.

    >>> from nashgrid.solver import solve
    >>> eq = solve(opening_decisions(OwnersOpenSourcing(transport=0.45)), tol=1e-4)  # coordination: stay closed
    >>> eq.strategy["open"].tolist(), int(eq.outcomes["pure_equilibria"])
    ([0.0, 0.0], 2)
    """
    return Stage(game, "open", choices=(0.0, 1.0), rule=rule)


def access_price(game: OwnersOpenSourcing, closed: ArrayLike) -> Float[Array, ""]:
    """The price of every closed owner when `closed` of the n owners are closed: t/(2 - (m - 1)/(n - 1))."""
    others = game.share.shape[-1] - 1
    return game.transport / (2.0 - (jnp.asarray(closed, game.transport.dtype) - 1.0) / others)


def opening_gains(game: OwnersOpenSourcing) -> Float[Array, "firm rivals"]:
    """What each owner gains by opening, by the number k = 0, ..., n - 1 of rivals that are open.

    B s_i (1 - S)/(k + 1) - F - (1 - S) p^2/(n t), p the price with n - k closed owners.
    """
    n = game.share.shape[-1]
    rivals = jnp.asarray(np.arange(n), game.share.dtype)
    price = access_price(game, n - rivals)
    lost = game.outside() * jnp.square(price) / (n * game.transport)
    back = game.spill_back_value * game.share[:, None] * game.outside() / (rivals + 1.0)[None, :]
    return back - game.opening_cost - lost[None, :]


def two_owner_gains(game: OwnersOpenSourcing) -> tuple[Float[Array, " firm"], Float[Array, " firm"]]:
    """(c, o) for two owners: what each gains by opening while the rival is closed, and while it is open.

    c_i = (1 - S)(B s_i - t/2) - F and o_i = (1 - S)(B s_i/2 - t/8) - F.

    >>> c, o = two_owner_gains(OwnersOpenSourcing(transport=0.45))
    >>> round(float(c[0]), 4), round(float(o[0]), 4)
    (-0.03, 0.0075)
    """
    outside, back = game.outside(), game.spill_back_value * game.share
    closed = outside * (back - game.transport / 2.0) - game.opening_cost
    opened = outside * (back / 2.0 - game.transport / 8.0) - game.opening_cost
    return closed, opened


def two_owner_mixed(game: OwnersOpenSourcing) -> Float[Array, " firm"]:
    """The probability with which each of two owners opens when both randomize: c_j/(c_j - o_j), j the other.

    NaN unless c and o have opposite signs for both.
    """
    closed, opened = two_owner_gains(game)
    mixes = jnp.all(closed * opened < 0.0)
    return jnp.where(mixes, closed / jnp.where(mixes, closed - opened, 1.0), jnp.nan)[::-1]
