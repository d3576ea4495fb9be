"""Research over time between rivals, at a given openness: technology accumulates and is answered.

The research and competition of `open_sourcing_oligopoly`, period after period; a formalization of its own in which the
claims of the abstract of Habibi (2025, Open Sourcing GPTs, arXiv 2501.11581) can be examined. Openness theta and the
licences do not change over time and are left to the owner's commitment at the start (a `Leader`). In every period all
do research, technology that is there is kept less depreciation rho, and is then sold:

    T_{0,t+1} = (1 - rho) T_{0,t} + x_0 + beta theta sum_i x_i
    T_{i,t+1} = (1 - rho) T_{i,t} + x_i + beta_o theta x_0 + beta_s theta sum_{k != i} x_k

with quality A_0 = alpha + T_{0,t+1}, A_i = alpha + T_{i,t+1} - (1 - theta) lambda e and the profits pi_j of the
differentiated oligopoly there. Payoffs of a period are those of `OpenSourcing`, and one period from T = 0 is that game.
Ideas are perfect substitutes (there rho = 1).

Where nobody is shut out profits are quadratic in technology and the game is linear-quadratic: Markov-perfect play is
exact. It is solved as if quantities could be negative; `least_quantity` below zero says that somebody would be shut
out, and that the answer is none of this model.

What is derived and what is built in:

* On closed models firms that see each other's technology do more research than they would commit to, as it discourages
  that of rivals, and the more so the closer they compete: derived.
* On open models the owner does more or less: its technology spills over and is answered by outside research, which
  comes back to it (more, at d = 0.3 and default parameters) and competes with it (less, at d = 0.7). Derived.
* That openness, and with it the licences, does not change over time is assumed.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import DynamicGame, Profile, parameter

from ._largest import largest
from ._measures import firm_names


class ResearchOverTime(DynamicGame):
    """Research of an owner and n outsiders who meet as rivals in every period; see the module.

    Firms "owner", "outsider 1", ...; strategy "research", state "technology", both by firm.

    >>> from nashgrid.solver import MarkovPerfect, OpenLoop, solve
    >>> game = ResearchOverTime(competition=0.7)  # closed: technology discourages rivals who see it
    >>> [round(float(solve(play(game), tol=1e-4).strategy["research"][0, -1]), 3) for play in (OpenLoop, MarkovPerfect)]
    [0.37, 0.383]
    """

    owner_share: Float[Array, ""] = parameter(0.4, "s in (0, 1): share of applications that the owner holds")
    edge: Float[Array, ""] = parameter(0.03, "e >= 0: performance edge over the best alternative, quality units")
    openness: Float[Array, ""] = parameter(0.0, "theta in [0, 1]: 0 closed, 1 open, in all periods")
    licence_value: Float[Array, ""] = parameter(1.0, "V1 >= 0: value of a unit of quality, per application and period")
    spill_back: Float[Array, ""] = parameter(0.6, "beta >= 0: use the owner makes of outside research on an open model")
    spill_out: Float[Array, ""] = parameter(0.2, "beta_o >= 0: use an outsider makes of the owner's research")
    spill_side: Float[Array, ""] = parameter(0.2, "beta_s >= 0: use an outsider makes of another's research")
    closed_access: Float[Array, ""] = parameter(0.5, "psi0 in (0, 1]: cheapness of outside research on a closed model")
    research_cost: Float[Array, ""] = parameter(5.0, "gamma > 0: slope of the marginal cost of research")
    discount: Float[Array, ""] = parameter(0.9, "delta in [0, 1): discount factor per period")
    competition: Float[Array, ""] = parameter(0.3, "d in [0, 1): substitutability")
    edge_persistence: Float[Array, ""] = parameter(1.0, "lambda in [0, 1]: what of the edge counts in competition")
    base_quality: Float[Array, ""] = parameter(1.0, "alpha > 0: quality without research")
    opening_cost: Float[Array, ""] = parameter(0.02, "F >= 0: cost of opening, proportional to openness, per period")
    openness_curvature: Float[Array, ""] = parameter(0.0, "K >= 0: slope of the marginal cost of openness, per period")
    depreciation: Float[Array, ""] = parameter(0.3, "rho in [0, 1]: part of technology lost per period")
    outsiders: int = eqx.field(static=True, default=2)

    @property
    def firms(self) -> tuple[str, ...]:
        return ("owner", *firm_names(self.outsiders, "outsider"))

    def shares(self) -> Float[Array, " firm"]:
        """m: s for the owner, (1 - s)/n for each outsider."""
        outside = (1.0 - self.owner_share) / self.outsiders
        return jnp.concatenate([self.owner_share[None], jnp.broadcast_to(outside, (self.outsiders,))])

    def initial(self) -> dict[str, ArrayLike | tuple[float, ...]]:
        return {"technology": (0.0,) * (1 + self.outsiders)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Research is not negative; no upper bound is needed where payoffs are concave."""
        return {"research": (0.0, jnp.inf)}

    def transition(self, x: Profile, s: Profile) -> Profile:
        own, others, theta = s["research"][0], s["research"][1:], self.openness
        owner = own + self.spill_back * theta * jnp.sum(others)
        outside = others + self.spill_out * theta * own + self.spill_side * theta * (jnp.sum(others) - others)
        return {"technology": (1.0 - self.depreciation) * x["technology"] + jnp.concatenate([owner[None], outside])}

    def quantities(self, technology: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """q_j = (A_j - d Q)/D_j, Q = S1/(1 + d S0), as if all were active: negative where a firm would be shut out."""
        lost = (1.0 - self.openness) * self.edge_persistence * self.edge
        behind = jnp.concatenate([jnp.zeros_like(lost)[None], jnp.broadcast_to(lost, (self.outsiders,))])
        quality, m, d = self.base_quality + technology - behind, self.shares(), self.competition
        divisor = 2.0 * (1.0 - d) + d * m
        total = jnp.sum(m * quality / divisor) / (1.0 + d * jnp.sum(m / divisor))
        return (quality - d * total) / divisor

    def payoff(self, x: Profile, s: Profile) -> Float[Array, " firm"]:
        m, d, theta = self.shares(), self.competition, self.openness
        q = self.quantities(self.transition(x, s)["technology"])
        sold = self.discount * m * (1.0 - d + d * m) * jnp.square(q)
        psi = self.closed_access + (1.0 - self.closed_access) * theta
        access = jnp.concatenate([jnp.ones_like(psi)[None], jnp.broadcast_to(psi, (self.outsiders,))])
        research = self.research_cost * jnp.square(s["research"]) / (2.0 * access)
        revenue = (1.0 - theta) * self.licence_value * self.edge * (1.0 - self.owner_share)
        opening = self.opening_cost * theta + self.openness_curvature * jnp.square(theta) / 2.0
        first = m[1:] * self.licence_value * self.edge - revenue / self.outsiders
        return sold - research + jnp.concatenate([(revenue - opening)[None], first])

    def outcomes(self, x: Profile, s: Profile) -> dict[str, Array]:
        """By period: quantities per variety and the least of them, outside research, consumer surplus (undiscounted)
        and welfare, payoffs and discounted consumer surplus."""
        m, d = self.shares(), self.competition
        q = self.quantities(self.transition(x, s)["technology"])
        surplus = (1.0 - d) / 2.0 * jnp.sum(m * jnp.square(q)) + d * jnp.square(jnp.sum(m * q)) / 2.0
        return {
            "quantity": q,
            "least_quantity": -largest(-q),
            "outside_research": jnp.sum(s["research"][1:]),
            "consumer_surplus": surplus,
            "welfare": jnp.sum(self.payoff(x, s)) + self.discount * surplus,
        }
