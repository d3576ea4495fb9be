"""Open sourcing when owner and outsiders compete in the second period.

The full model behind `open_sourcing`: a formalization of its own in which the claims of the abstract of
Habibi (2025, Open Sourcing GPTs, arXiv 2501.11581) can be examined. Timing: openness theta (see
`commitment`), licensing, research, and a second period discounted by delta.

Research. The owner (j = 0) holds the share m_0 = s of a unit mass of applications, each of n outsiders m_i =
(1 - s)/n. Research x_j >= 0 costs gamma x_0^2/2 and gamma x_i^2/(2 psi), psi = psi0 + (1 - psi0) theta, and
gives technology

    T_0 = x_0 + beta theta (sum_i x_i^rho)^(1/rho)
    T_i = x_i - (1 - theta) lambda e + beta_o theta x_0 + beta_s theta sum_{k != i} x_k.

rho < 1 makes outsiders' ideas complements (technologically differentiated firms): n equal ideas are worth
n^(1/rho) x.

Second period. Differentiated oligopoly over a continuum of varieties (applications). Quality A_j = alpha +
T_j, price of a variety of firm j p_j = A_j - (1 - d) q_j - d Q with Q = sum_k m_k q_k. A firm sets q_j for
all its varieties and counts what they take from each other:

    D_j = 2 (1 - d) + d m_j,   q_j = max(0, (A_j - d Q)/D_j),   pi_j = m_j [(1 - d) + d m_j] q_j^2,

consumer surplus (1 - d)/2 sum_j m_j q_j^2 + d Q^2/2. Firms with A_j <= d Q are shut out; `second_period`
finds them without iteration.

Payoffs: U_0 = R + delta pi_0 - gamma x_0^2/2 - F theta - K theta^2/2 and U_i = m_i V1 e - R/n + delta pi_i
- gamma x_i^2/(2 psi), with the licence revenue R = (1 - theta) V1 e (1 - s). At d = 0 payoffs are concave iff
2 gamma > delta m_j psi_j. For a firm at the edge of being shut out, doing no research and doing enough to
enter can both satisfy the first-order conditions: only a global deviation tells which is an equilibrium.

Under strong competition the owner may do just the research that shuts outsiders out, like a limit price: its
payoff has a kink there, so that this equilibrium satisfies no first-order condition.

What is derived and what is built in is as in `open_sourcing`. In addition: that opening raises research no
longer follows from psi0 < 1 alone, as spillovers strengthen rivals; with psi0 = 1 the ratio of outside
research can be below 1.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter

from ._aggregate import aggregate_quantity
from ._measures import firm_names, herfindahl

# A stock of ideas that every outsider has, in quality units; see `combined_ideas`.
_COMMON_IDEAS = 1e-6
# Where no finite bound on research follows from the parameters, in multiples of the base quality.
_MOST_RESEARCH = 10.0


class OneOwner(Game):
    """What the research stages with one owner share: all but who learns how much from whom. Abstract.

    Firms "owner", "outsider 1", ...; strategy "research".

    Research lies between 0 and twice the largest amount that could be a best response: the solution of
    u_j = h_j (alpha + T_j(u)) with h_j = delta psi_j m_j/(gamma D_j), by which a firm's marginal benefit is
    at most gamma/psi_j h_j (alpha + T_j). Where this has no positive solution, or more than 5 alpha, the
    bound is 10 alpha.
    """

    owner_share: Float[Array, ""] = parameter(0.4, "s in (0, 1): share of applications that the owner holds")
    edge: Float[Array, ""] = parameter(0.03, "e >= 0: performance edge over the best alternative, quality units")
    openness: Float[Array, ""] = parameter(0.0, "theta in [0, 1]: 0 closed, 1 open")
    licence_value: Float[Array, ""] = parameter(
        1.0, "V1 >= 0: first-period value of a unit of quality, per application"
    )
    spill_back: Float[Array, ""] = parameter(0.6, "beta >= 0: use the owner makes of outside research on an open model")
    spill_out: Float[Array, ""] = parameter(0.2, "beta_o >= 0: use an outsider makes of the owner's research")
    spill_side: Float[Array, ""] = parameter(0.2, "beta_s >= 0: use an outsider makes of another's research")
    closed_access: Float[Array, ""] = parameter(0.5, "psi0 in (0, 1]: cheapness of outside research on a closed model")
    idea_substitution: Float[Array, ""] = parameter(1.0, "rho <= 1, not 0: 1 perfect substitutes, less complements")
    research_cost: Float[Array, ""] = parameter(1.0, "gamma > 0: slope of the marginal cost of research")
    discount: Float[Array, ""] = parameter(0.9, "delta in [0, 1]: discount factor of the second period")
    competition: Float[Array, ""] = parameter(0.3, "d in [0, 1): substitutability in the second period")
    edge_persistence: Float[Array, ""] = parameter(
        1.0, "lambda in [0, 1]: what is left of the edge in the second period"
    )
    base_quality: Float[Array, ""] = parameter(1.0, "alpha > 0: quality without research")
    opening_cost: Float[Array, ""] = parameter(0.02, "F >= 0: cost of opening, proportional to openness")
    openness_curvature: Float[Array, ""] = parameter(0.0, "K >= 0: slope of the marginal cost of openness")
    outsiders: eqx.AbstractVar[int]

    @property
    def firms(self) -> tuple[str, ...]:
        return ("owner", *firm_names(self.outsiders, "outsider"))

    def shares(self) -> Float[Array, " firm"]:
        """m: s for the owner, (1 - s)/n for each outsider."""
        outside = (1.0 - self.owner_share) / self.outsiders
        return jnp.concatenate([self.owner_share[None], jnp.broadcast_to(outside, (self.outsiders,))])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        shares, outside = self.shares()[:2], self.open_access()
        access = jnp.stack([jnp.ones_like(outside), outside])
        slope = self.discount * access * shares / (self.research_cost * divisor(shares, self.competition))
        own = slope / jnp.where(slope < 1.0, 1.0 - slope, 1.0)
        most = _mutual_research(self, own)
        most = jnp.where(jnp.all(slope < 1.0) & jnp.all(most >= 0.0), 2.0 * most, jnp.inf)
        most = jnp.minimum(most, _MOST_RESEARCH * self.base_quality)
        return {"research": (0.0, jnp.concatenate([most[:1], jnp.broadcast_to(most[1], (self.outsiders,))]))}

    def open_access(self) -> Float[Array, ""]:
        """psi0 + (1 - psi0) theta."""
        return self.closed_access + (1.0 - self.closed_access) * self.openness

    @abc.abstractmethod
    def access(self) -> Float[Array, " firm"]:
        """psi by firm, the cheapness of research: 1 for the owner, at most `open_access` for outsiders."""

    @abc.abstractmethod
    def spillovers(self, research: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """What each firm learns from the others, quality units."""

    @abc.abstractmethod
    def most_spillovers(self) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """The most by which spillovers rise: the owner's if all outsiders do one unit more, an outsider's if the owner
        does, and if all other outsiders do."""

    def quality(self, research: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """A_j = alpha + T_j, quality units."""
        lost = jnp.broadcast_to(self.lost(), (self.outsiders,))
        lost = jnp.concatenate([jnp.zeros_like(lost[:1]), lost])
        return self.base_quality + research - lost + self.spillovers(research)

    def lost(self) -> Float[Array, ""]:
        """(1 - theta) lambda e, by which outsiders' technology is behind."""
        return (1.0 - self.openness) * self.edge_persistence * self.edge

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        x, m, d, theta = s["research"], self.shares(), self.competition, self.openness
        q = second_period(m, self.quality(x), d)
        second = self.discount * m * (1.0 - d + d * m) * jnp.square(q)
        research = self.research_cost * jnp.square(x) / (2.0 * self.access())
        opening = self.opening_cost * theta + self.openness_curvature * jnp.square(theta) / 2.0
        revenue = self._revenue()
        first = m[1:] * self.licence_value * self.edge - revenue / self.outsiders
        return second - research + jnp.concatenate([(revenue - opening)[None], first])

    def common_outcomes(self, s: Profile) -> dict[str, Array]:
        """Second-period qualities, quantities and prices per variety, consumer surplus (undiscounted) and the
        Herfindahl index of m_j q_j (0 to 1); total outside research; licence revenue; how many outsiders are
        shut out; and welfare, the sum of payoffs and of discounted consumer surplus (licences are a
        transfer)."""
        x, m, d = s["research"], self.shares(), self.competition
        quality = self.quality(x)
        q = second_period(m, quality, d)
        total = jnp.sum(m * q)
        surplus = (1.0 - d) / 2.0 * jnp.sum(m * jnp.square(q)) + d * jnp.square(total) / 2.0
        return {
            "technology": quality - self.base_quality,
            "quantity": q,
            "price": quality - (1.0 - d) * q - d * total,
            "consumer_surplus": surplus,
            "welfare": jnp.sum(self.payoff(s)) + self.discount * surplus,
            "outside_research": jnp.sum(x[1:]),
            "licensing_revenue": self._revenue(),
            "shut_out": jnp.sum(q[1:] <= 0.0).astype(q.dtype),
            "hhi": herfindahl(m * q),
        }

    def _revenue(self) -> Float[Array, ""]:
        return (1.0 - self.openness) * self.licence_value * self.edge * (1.0 - self.owner_share)


class OpenSourcing(OneOwner):
    """The research stage at a given openness, with a differentiated oligopoly in the second period.

    Firms "owner", "outsider 1", ...; strategy "research". See the module for payoffs, and `OneOwner` for the bounds.

    >>> from nashgrid.solver import solve
    >>> game = OpenSourcing(owner_share=0.4, competition=0.0, openness=0.5)
    >>> [round(float(x), 5) for x in solve(game, tol=1e-4).strategy["research"][:2]]
    [0.23356, 0.02667]
    """

    outsiders: int = eqx.field(static=True, default=8)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """See `common_outcomes`."""
        return self.common_outcomes(s)

    def access(self) -> Float[Array, " firm"]:
        """psi by firm: 1 for the owner."""
        outside = jnp.broadcast_to(self.open_access(), (self.outsiders,))
        return jnp.concatenate([jnp.ones_like(outside[:1]), outside])

    def spillovers(self, research: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """T_j less own research and what outsiders lag behind."""
        others, theta = research[1:], self.openness
        back = self.spill_back * theta * combined_ideas(others, self.idea_substitution)
        sideways = self.spill_side * theta * (jnp.sum(others) - others)
        return jnp.concatenate([back[None], self.spill_out * theta * research[0] + sideways])

    def most_spillovers(self) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """beta theta n^(1/rho), beta_o theta and beta_s theta (n - 1)."""
        theta, n = self.openness, self.outsiders
        back = self.spill_back * theta * jnp.power(n, 1.0 / self.idea_substitution)
        return back, self.spill_out * theta, self.spill_side * theta * (n - 1)


def second_period(
    shares: Float[Array, " firm"], quality: Float[Array, " firm"], competition: Float[Array, ""]
) -> Float[Array, " firm"]:
    """Equilibrium quantities per variety of the second-period oligopoly, corners included.

    q_j = max(0, (A_j - d Q)/D_j); with the active firms Q = S1/(1 + d S0), S0 = sum m_k/D_k, S1 = sum m_k
    A_k/D_k. Firms are shut out in the order of their quality.

    Args:
        shares: m > 0, share of applications by firm.
        quality: A by firm, quality units.
        competition: d in [0, 1].

    >>> q = second_period(jnp.asarray([0.5, 0.3, 0.2]), jnp.asarray([1.6, 1.0, 0.3]), jnp.asarray(0.9))
    >>> [round(float(each), 4) for each in q]
    [1.3199, 0.5487, 0.0]
    """
    own = divisor(shares, competition)
    total = aggregate_quantity(quality, shares, own, competition)
    return jnp.maximum(quality - competition * total, 0.0) / own


def combined_ideas(research: Float[Array, " firm"], substitution: Float[Array, ""]) -> Float[Array, ""]:
    """The CES aggregate (sum_i x_i^rho)^(1/rho) of outside research, with finite derivatives at 0.

    Evaluated as C(x + c) - C(c), with the same tiny c = 1e-6 added to all: without it the first unit of an
    idea is infinitely valuable. As C is homogeneous this is exact at rho = 1, and for every rho where all x_i
    are equal, thus at symmetric equilibria.

    Args:
        research: x >= 0 by outsider, quality units.
        substitution: rho <= 1 and not 0. As n^(1/rho) multiplies equal ideas, values below 1/2 are extreme.

    >>> round(float(combined_ideas(jnp.asarray([0.1, 0.1]), jnp.asarray(0.5))), 6)
    0.4
    """
    rho, n = substitution, research.shape[0]
    total = jnp.power(jnp.sum(jnp.power(research + _COMMON_IDEAS, rho)), 1.0 / rho)
    return total - jnp.power(n, 1.0 / rho) * _COMMON_IDEAS


def research_without_competition(game: OpenSourcing) -> Float[Array, " firm"]:
    """Equilibrium research at d = 0, whatever `competition` is, where outsiders' quality is positive.

    Solves x_0 (2 gamma - delta s) - delta s beta theta n^(1/rho) x = delta s alpha and
    x [2 gamma/psi - delta m (1 + beta_s theta (n - 1))] - delta m beta_o theta x_0
    = delta m (alpha - (1 - theta) lambda e). Needs 2 gamma > delta m_j psi_j.
    """
    shares = game.shares()[:2]
    benefit = game.discount * game.access()[:2] * shares / (2.0 * game.research_cost)
    x = _mutual_research(game, benefit / (1.0 - benefit), game.lost())
    return jnp.concatenate([x[:1], jnp.broadcast_to(x[1], (game.outsiders,))])


def _mutual_research(game: OneOwner, own: Float[Array, "2"], lost: Float[Array, ""] | float = 0.0) -> Float[Array, "2"]:
    # x_0 and the common x of outsiders solve x_j = own_j (A_j - x_j); `lost` reduces outsiders' A_j.
    back, out, side = game.most_spillovers()
    back, out, side = own[0] * back, own[1] * out, 1.0 - own[1] * side
    from_base = own * jnp.stack([game.base_quality, game.base_quality - lost])
    determinant = side - back * out
    owner = (side * from_base[0] + back * from_base[1]) / determinant
    outside = (out * from_base[0] + from_base[1]) / determinant
    return jnp.stack([owner, outside])


def divisor(shares: Float[Array, " firm"], competition: Float[Array, ""]) -> Float[Array, " firm"]:
    """D_j = 2 (1 - d) + d m_j."""
    return 2.0 * (1.0 - competition) + competition * shares
