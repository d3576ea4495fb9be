"""Several owners of language models, each open or closed, with research and competition behind their decisions.

A model in which the claim of the abstract of Habibi (2025, Open Sourcing GPTs, arXiv 2501.11581) that moderate
concentration may be good for an open-source ecosystem can be examined; a formalization of its own. It puts n owners in
the place of the one of `OpenSourcing`, which is its case n = 1.

Owner j holds the share s_j of a unit mass of applications, S = sum_j s_j < 1, and each of N outsiders m = (1 - S)/N.
The model of owner j is better by e_j than what anybody else offers who does not own one. Stage 1: openness theta_j of
all owners at once (`owners_decide`). Then licensing, research, and a second period as in `OpenSourcing`.

Public frontier. P = max_j theta_j e_j is free for all, the best model is e* = max_j e_j, and an owner falls back on the
public model where that is better than its own.

Licences. The part w_j = (1 - z)/n + z s_j/S of the outside applications is made for the model of owner j: it takes
either that or the public one, but no other closed one (assumed). The fee is limited to what is not public:
R_j = V1 w_j (1 - S) max(0, e_j - P).

Research. Outside research costs gamma x_i^2/(2 psi), psi = psi0 + (1 - psi0) max_j theta_j, that of owners gamma
x_j^2/2. Outsiders divide it between models by their openness. With X = (sum_i x_i^rho)^(1/rho), v_j =
theta_j/sum_k theta_k and Z = sum_k theta_k x_k, what owners of open models have found out,

    T_j = x_j - lambda (e* - max(e_j, P)) + beta theta_j [v_j + omega (1 - v_j)] X + beta_r (Z - theta_j x_j)
    T_i = x_i - lambda (e* - P) + beta_o Z + beta_s max_k theta_k sum_{l != i} x_l.

Spillovers come from open models only. omega = 0: outside research on a model is of use to its owner only, so that
open models share it; omega = 1: of use to every owner in so far as its own model is open.

Second period: quantities, profits and consumer surplus of the oligopoly of owners and outsiders, see `OpenSourcing`.
Payoffs: owner j has R_j + V1 s_j max(0, P - e_j) + delta pi_j - gamma x_j^2/2 - F theta_j - K theta_j^2/2, and each
outsider m V1 sum_j w_j max(e_j, P) - sum_j R_j/N + delta pi_i - gamma x_i^2/(2 psi).

What is derived and what is built in:

* Opening invites opening: derived; an owner's opening moves the public frontier, and the licences of its rivals lose
  value. That fees are limited by open models only, and not by closed ones, is assumed.
* Opening discourages opening: built in through omega < 1.
* A larger owner gains more from opening: derived where z = 0, as it uses on more applications what comes back, and has
  no more licences to lose; under competition not for all sizes.
* What concentration does to the ecosystem follows from which owners open, and hinges on which of several equilibria is
  played: say which.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, Stage, StageRule, parameter

from ._largest import largest
from ._measures import firm_names, herfindahl, ratio
from .open_sourcing_oligopoly import combined_ideas, second_period

# Where no finite bound on research follows from the parameters, in multiples of the base quality.
_MOST_RESEARCH = 10.0


class ManyOwnersOpenSourcing(Game):
    """Research of n owners and N outsiders at a given openness of every owner, before they compete.

    Firms "owner 1", ..., "outsider 1", ...; strategy "research". The number of owners is the length of `share`; `edge`
    and `openness` have as many entries. See the module for payoffs.

    Research lies between 0 and twice the u that solves u_j = h_j (alpha + T_j(u)) with h_j = delta psi_j m_j/(gamma
    D_j), D_j = 2 (1 - d) + d m_j and no lags behind the frontier, which is the most that could be a best response to
    no more than that; where there is no such u, or it is above 5 alpha, the bound is 10 alpha.

    >>> game = ManyOwnersOpenSourcing(share=(0.2, 0.3), edge=(0.1, 0.4), openness=(1.0, 0.0))
    >>> [round(float(each), 3) for each in game.licences()]  # 0.5/2 applications, and 0.3 of the lead is not public
    [0.0, 0.075]
    """

    share: Float[Array, " owner"] = parameter((0.3, 0.2), "s_j > 0, sum below 1: share of applications by owner")
    edge: Float[Array, " owner"] = parameter((0.03, 0.03), "e_j >= 0: lead over what others offer, quality units")
    openness: Float[Array, " owner"] = parameter((0.0, 0.0), "theta_j in [0, 1]: 0 closed, 1 open, by owner")
    licence_value: Float[Array, ""] = parameter(
        1.0, "V1 >= 0: first-period value of a unit of quality, per application"
    )
    clients_by_size: Float[Array, ""] = parameter(
        0.0, "z in [0, 1]: outside applications made for a model, 0 equally many, 1 in proportion to the owner's size"
    )
    spill_back: Float[Array, ""] = parameter(0.6, "beta >= 0: use an owner makes of outside research on its open model")
    pooling: Float[Array, ""] = parameter(0.0, "omega in [0, 1]: use of outside research on another's open model")
    spill_rivals: Float[Array, ""] = parameter(0.2, "beta_r >= 0: use an owner makes of the research of open rivals")
    spill_out: Float[Array, ""] = parameter(0.2, "beta_o >= 0: use an outsider makes of the research of open owners")
    spill_side: Float[Array, ""] = parameter(0.2, "beta_s >= 0: use an outsider makes of another's research")
    closed_access: Float[Array, ""] = parameter(0.5, "psi0 in (0, 1]: cheapness of outside research on closed models")
    idea_substitution: Float[Array, ""] = parameter(1.0, "rho <= 1, not 0: 1 perfect substitutes, less complements")
    research_cost: Float[Array, ""] = parameter(1.0, "gamma > 0: slope of the marginal cost of research")
    discount: Float[Array, ""] = parameter(0.9, "delta in [0, 1]: discount factor of the second period")
    competition: Float[Array, ""] = parameter(0.3, "d in [0, 1): substitutability in the second period")
    edge_persistence: Float[Array, ""] = parameter(1.0, "lambda in [0, 1]: what is left of a lead in the second period")
    base_quality: Float[Array, ""] = parameter(1.0, "alpha > 0: quality without research")
    opening_cost: Float[Array, ""] = parameter(0.02, "F >= 0: cost of opening a model, proportional to openness")
    openness_curvature: Float[Array, ""] = parameter(0.0, "K >= 0: slope of the marginal cost of openness")
    outsiders: int = eqx.field(static=True, default=4)

    @property
    def firms(self) -> tuple[str, ...]:
        return (*firm_names(self.share.shape[-1], "owner"), *firm_names(self.outsiders, "outsider"))

    def shares(self) -> Float[Array, " firm"]:
        """m: s_j for owners, (1 - S)/N for each outsider."""
        each = self.outside() / self.outsiders
        return jnp.concatenate([self.share, jnp.broadcast_to(each, (self.outsiders,))])

    def outside(self) -> Float[Array, ""]:
        """1 - S, the mass of outside applications."""
        return 1.0 - jnp.sum(self.share)

    def public_frontier(self) -> Float[Array, ""]:
        """P = max_j theta_j e_j."""
        return largest(self.openness * self.edge)

    def licences(self) -> Float[Array, " owner"]:
        """R_j = V1 w_j (1 - S) max(0, e_j - P)."""
        lead = jnp.maximum(self.edge - self.public_frontier(), 0.0)
        return self.licence_value * self._clients() * self.outside() * lead

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        n, d, theta, base = self.share.shape[-1], self.competition, self.openness, self.base_quality
        m = self.shares()
        slope = self.discount * self._access() * m / (self.research_cost * (2.0 * (1.0 - d) + d * m))
        owners, outsider = slope[:n], slope[n]
        # u = g (alpha + what comes from others); owners of open models together show Z.
        kept = owners * (1.0 - self.spill_rivals * theta)
        sideways = outsider * (1.0 + self.spill_side * largest(theta) * (self.outsiders - 1))
        own, out = ratio(owners, 1.0 - kept), ratio(outsider, 1.0 - sideways)
        back = self.spill_back * self._used() * jnp.power(self.outsiders, 1.0 / self.idea_substitution)
        fed = jnp.sum(theta * own * (back * out * self.spill_out + self.spill_rivals))
        shown = ratio(jnp.sum(theta * own * (1.0 + back * out)) * base, 1.0 - fed)
        each = out * (base + self.spill_out * shown)
        most = jnp.concatenate([own * (base + back * each + self.spill_rivals * shown), each[None]])
        finite = jnp.all(kept < 1.0) & (sideways < 1.0) & (fed < 1.0)
        most = jnp.minimum(jnp.where(finite, 2.0 * most, jnp.inf), _MOST_RESEARCH * base)
        return {"research": (0.0, jnp.concatenate([most[:n], jnp.broadcast_to(most[n], (self.outsiders,))]))}

    def quality(self, research: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """A_j = alpha + T_j, quality units."""
        n = self.share.shape[-1]
        own, others, public, best = research[:n], research[n:], self.public_frontier(), largest(self.edge)
        shown = self.openness * own
        ideas = combined_ideas(others, self.idea_substitution)
        owners = own + self.spill_back * self._used() * ideas + self.spill_rivals * (jnp.sum(shown) - shown)
        owners = owners - self.edge_persistence * (best - jnp.maximum(self.edge, public))
        sideways = self.spill_side * largest(self.openness) * (jnp.sum(others) - others)
        lost = self.edge_persistence * (best - public)
        outside = others - lost + self.spill_out * jnp.sum(shown) + sideways
        return self.base_quality + jnp.concatenate([owners, outside])

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        x, m, d, theta = s["research"], self.shares(), self.competition, self.openness
        q = second_period(m, self.quality(x), d)
        second = self.discount * m * (1.0 - d + d * m) * jnp.square(q)
        research = self.research_cost * jnp.square(x) / (2.0 * self._access())
        opening = self.opening_cost * theta + self.openness_curvature * jnp.square(theta) / 2.0
        revenue, public, value = self.licences(), self.public_frontier(), self.licence_value
        owners = revenue + value * self.share * jnp.maximum(public - self.edge, 0.0) - opening
        served = value * self.outside() * jnp.sum(self._clients() * jnp.maximum(self.edge, public))
        each = (served - jnp.sum(revenue)) / self.outsiders
        return second - research + jnp.concatenate([owners, jnp.broadcast_to(each, (self.outsiders,))])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """The ecosystem: the number of open models, total outside research, consumer surplus (undiscounted), welfare
        (payoffs and discounted consumer surplus; licences are a transfer) and the Herfindahl index of the owners'
        shares, s_j/S. Second-period technology and quantities, the Herfindahl index of m_j q_j, all licence revenue,
        and how many outsiders are shut out."""
        x, m, d, n = s["research"], self.shares(), self.competition, self.share.shape[-1]
        quality = self.quality(x)
        q = second_period(m, quality, d)
        total = jnp.sum(m * q)
        surplus = (1.0 - d) / 2.0 * jnp.sum(m * jnp.square(q)) + d * jnp.square(total) / 2.0
        return {
            "open_models": jnp.sum(self.openness),
            "outside_research": jnp.sum(x[n:]),
            "consumer_surplus": surplus,
            "welfare": jnp.sum(self.payoff(s)) + self.discount * surplus,
            "owners_hhi": herfindahl(self.share),
            "technology": quality - self.base_quality,
            "quantity": q,
            "hhi": herfindahl(m * q),
            "licensing_revenue": jnp.sum(self.licences()),
            "shut_out": jnp.sum(q[n:] <= 0.0).astype(q.dtype),
        }

    def _clients(self) -> Float[Array, " owner"]:
        """w_j, in [0, 1], sum 1."""
        equal = 1.0 / self.share.shape[-1]
        return equal + self.clients_by_size * (self.share / jnp.sum(self.share) - equal)

    def _used(self) -> Float[Array, " owner"]:
        """theta_j [v_j + omega (1 - v_j)]: the part of outside research that is of use to each owner."""
        theta = self.openness
        part = ratio(theta, jnp.broadcast_to(jnp.sum(theta), theta.shape))
        return theta * (part + self.pooling * (1.0 - part))

    def _access(self) -> Float[Array, " firm"]:
        """psi by firm: 1 for owners."""
        outside = self.closed_access + (1.0 - self.closed_access) * largest(self.openness)
        return jnp.concatenate([jnp.ones_like(self.share), jnp.broadcast_to(outside, (self.outsiders,))])


def owners_decide(game: ManyOwnersOpenSourcing, *, rule: StageRule | None = None) -> Stage:
    """The whole game: all owners decide at once whether to open, then all do research.

    Args:
        game: two owners or more; for one see `commitment`.
        rule: which equilibrium is played if there are several; by default `StatusQuo`, reached from all closed.

    >>> owners_decide(ManyOwnersOpenSourcing(outsiders=3)).firms
    ('owner 1', 'owner 2')
    """
    owners = game.firms[: game.share.shape[-1]]
    return Stage(game, "openness", choices=(0.0, 1.0), maximize=owners, rule=rule)


def linear_owner_gains(game: ManyOwnersOpenSourcing) -> Float[Array, " owner"]:
    """What each owner gains by opening where research is dear, d = 0, rho = 1, at the rivals' openness (0 or 1).

    (1 - S) [B s_j (1 + omega k)/(k + 1) - V1 w_j max(0, e_j - P_j)] - F - K/2 with k open rivals, P_j the best open
    model of a rival and B = beta delta^2 V^2/gamma, V = alpha/2: a unit of technology raises delta pi_j by delta V s_j
    where technology is small against alpha. Payoffs differ from this by terms in 1/gamma^2. It is the linear value of
    `OwnersOpenSourcing`, with licences in the place of the price of access: for n = 2, z = omega = 0 the gains there
    (`two_owner_gains`) while the rival is closed are these with V1 e_j = t, and while it is open with e_k = 3 e_j/4.
    """
    n, theta = game.share.shape[-1], game.openness
    rivals = jnp.sum(theta) - theta
    shown = jnp.where(np.eye(n, dtype=bool), 0.0, (theta * game.edge)[None, :])
    lead = jnp.maximum(game.edge - jnp.max(shown, axis=1), 0.0)
    value = game.spill_back * jnp.square(game.discount * game.base_quality / 2.0) / game.research_cost
    back = value * game.share * (1.0 + game.pooling * rivals) / (rivals + 1.0)
    per_application = back - game.licence_value * game._clients() * lead
    return game.outside() * per_application - game.opening_cost - game.openness_curvature / 2.0
