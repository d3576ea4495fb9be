"""Whether the owner of a language model opens it: linear value of technology, in closed form.

A model in which the claims of the abstract of Habibi (2025, Open Sourcing GPTs, arXiv 2501.11581) can be
examined; it is a formalization of its own, made from the abstract alone.

There is a unit mass of applications compatible with the model. The owner holds the share s, each of n
outsiders m = (1 - s)/n. The owner chooses the openness theta in [0, 1] (binary, 0 or 1, is the special case).
Rival models are competitive, so the licence fee is limited to the part of the performance edge e that is not
public: revenue R = (1 - theta) V1 e (1 - s). Then all do research at once: the owner at cost gamma x_0^2/2,
outsiders at cost gamma x_i^2/(2 psi), where psi(theta) = psi0 + (1 - psi0) theta says how cheap research is
on a model that is not fully open. Technology T_0 = x_0 + beta theta sum_i x_i, T_i = x_i earns V T_j per
application in the second period, discounted by delta. (With linear value, spillovers to outsiders and the
persistence of the edge would only add to payoffs what nobody can influence by the own choice; they are in
`OpenSourcing`, the model with competition.)

With B = beta delta^2 V^2/gamma and L = V1 e, research is x_0 = delta V s/gamma, x_i = delta V psi (1 - s)/(n
gamma), and the owner's payoff as a function of openness is

    W(theta) = const + (1 - theta) L (1 - s) + B psi(theta) theta s (1 - s) - F theta - K theta^2/2.

The gain from opening, W(1) - W(0) = (1 - s)(B s - L) - F - K/2, is a concave parabola in s.

Two concepts that differ: in the *commitment* game (`commitment`) the owner chooses theta first and foresees
that outside research follows it, the subgame-perfect equilibrium; in `SimultaneousOpenSourcing` it chooses
theta together with research, at given outside research.

What the model derives, and what is built into it:

* Propensity to open is an inverted U in the owner's size s: derived, as the value of what spills back is
  proportional to s (1 - s) and the licence base to 1 - s; but close to the surface, and false where the edge
  is worth more than the spill-back (L >= B), where the peak is at s >= 1.
* A larger edge makes opening less likely: nearly assumed, as the licence rent is proportional to the edge.
* Larger companies are more likely to open: derived, but only below the peak s* = 1/2 + L/(2 B).
* Opening raises research: assumed through psi0 < 1; outside research is 1/psi0 times that under a closed
  model.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Leader, Profile, parameter

from ._measures import firm_names


class LinearValue(Game):
    """What the games of this module share: primitives, research and payoffs at a given openness. Abstract."""

    owner_share: Float[Array, ""] = parameter(0.4, "s in (0, 1): share of applications that the owner holds")
    edge: Float[Array, ""] = parameter(0.1, "e >= 0: performance edge over the best alternative, quality units")
    licence_value: Float[Array, ""] = parameter(
        1.0, "V1 >= 0: first-period value of a unit of quality, per application"
    )
    spill_back: Float[Array, ""] = parameter(0.6, "beta >= 0: use the owner makes of outside research on an open model")
    closed_access: Float[Array, ""] = parameter(0.5, "psi0 in (0, 1]: cheapness of outside research on a closed model")
    research_cost: Float[Array, ""] = parameter(1.0, "gamma > 0: slope of the marginal cost of research")
    discount: Float[Array, ""] = parameter(0.9, "delta in [0, 1]: discount factor of the second period")
    value: Float[Array, ""] = parameter(1.0, "V >= 0: second-period value of a unit of quality, per application")
    opening_cost: Float[Array, ""] = parameter(0.03, "F >= 0: cost of opening, proportional to openness")
    openness_curvature: Float[Array, ""] = parameter(0.0, "K >= 0: slope of the marginal cost of openness")
    outsiders: int = eqx.field(static=True, default=4)

    @property
    def firms(self) -> tuple[str, ...]:
        return ("owner", *firm_names(self.outsiders, "outsider"))

    def most_research(self) -> Float[Array, ""]:
        """delta V/gamma, what a holder of all applications would do; twice this bounds research."""
        return self.discount * self.value / self.research_cost

    def access(self, openness: Float[Array, ""]) -> Float[Array, ""]:
        """psi(theta) = psi0 + (1 - psi0) theta, the cheapness of outside research."""
        return self.closed_access + (1.0 - self.closed_access) * openness

    def payoff_at(self, research: Float[Array, " firm"], openness: Float[Array, ""]) -> Float[Array, " firm"]:
        """Payoffs at given research and openness.

        U_0 = R + delta s V T_0 - gamma x_0^2/2 - F theta - K theta^2/2 and U_i = m V1 e - R/n + delta m V T_i
        - gamma x_i^2/(2 psi).
        """
        share = (1.0 - self.owner_share) / self.outsiders
        revenue = self.revenue_at(openness)
        second = self.discount * self.value
        cost = self.research_cost * jnp.square(research) / 2.0
        technology = research[0] + self.spill_back * openness * jnp.sum(research[1:])
        opening = self.opening_cost * openness + self.openness_curvature * jnp.square(openness) / 2.0
        owner = revenue + second * self.owner_share * technology - cost[0] - opening
        first = share * self.licence_value * self.edge - revenue / self.outsiders
        others = first + second * share * research[1:] - cost[1:] / self.access(openness)
        return jnp.concatenate([owner[None], others])

    def revenue_at(self, openness: Float[Array, ""]) -> Float[Array, ""]:
        """Licence revenue R = (1 - theta) V1 e (1 - s)."""
        return (1.0 - openness) * self.licence_value * self.edge * (1.0 - self.owner_share)


class LinearValueOpenSourcing(LinearValue):
    """The research stage at a given openness, with linear value of technology.

    Firms "owner", "outsider 1", ...; strategy "research". See the module for payoffs; the equilibrium is
    `linear_value_research`.

    >>> from nashgrid.solver import solve
    >>> game = LinearValueOpenSourcing(owner_share=0.5, openness=1.0)
    >>> [round(float(x), 4) for x in solve(game, tol=1e-4).strategy["research"]]
    [0.45, 0.1125, 0.1125, 0.1125, 0.1125]
    """

    openness: Float[Array, ""] = parameter(0.0, "theta in [0, 1]: 0 closed, 1 open")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"research": (0.0, 2.0 * self.most_research())}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self.payoff_at(s["research"], self.openness)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Outside research sum_i x_i and the owner's licensing revenue."""
        return {
            "outside_research": jnp.sum(s["research"][1:]),
            "licensing_revenue": self.revenue_at(self.openness),
        }


class SimultaneousOpenSourcing(LinearValue):
    """Openness chosen by the owner at the same time as all choose research, with linear value of technology.

    Strategies "research" and "openness", the latter of shape (1,), the owner's. The equilibrium openness is
    `simultaneous_openness`; with K <= B s (1 - s)(1 - psi0) an open and a closed equilibrium can exist side
    by side.
    """

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"openness": (0,)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"openness": ("model",)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"research": (0.0, 2.0 * self.most_research()), "openness": (0.0, 1.0)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self.payoff_at(s["research"], s["openness"][0])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Outside research sum_i x_i and the owner's licensing revenue."""
        return {
            "outside_research": jnp.sum(s["research"][1:]),
            "licensing_revenue": self.revenue_at(s["openness"][0]),
        }


def commitment(
    game: Game, *, choices: tuple[float, ...] = (0.0, 1.0), interval: tuple[float, float] | None = None
) -> Leader:
    """The sequential game in which the owner commits to openness before research.

    Args:
        game: a game with a firm "owner" and a scalar parameter `openness`: `LinearValueOpenSourcing` or
            `OpenSourcing`.
        choices: the values of openness to choose from.
        interval: choose from all values between these two instead.

    >>> from nashgrid.solver import solve
    >>> game = LinearValueOpenSourcing(owner_share=0.5)
    >>> float(solve(commitment(game), tol=1e-4).strategy["openness"])  # `gain_from_opening` is 0.0415
    1.0
    """
    if interval is not None:
        return Leader(game, choose="openness", maximize="owner", interval=interval)
    return Leader(game, choose="openness", maximize="owner", choices=choices)


def linear_value_research(game: LinearValueOpenSourcing) -> Float[Array, " firm"]:
    """Equilibrium research at the openness of the game.

    x_0 = delta V s/gamma and x_i = delta V psi (1 - s)/(n gamma). Each is a dominant strategy.
    """
    unit = game.most_research()
    outside = unit * game.access(game.openness) * (1.0 - game.owner_share) / game.outsiders
    return jnp.concatenate([(unit * game.owner_share)[None], jnp.broadcast_to(outside, (game.outsiders,))])


def gain_from_opening(game: LinearValue) -> Float[Array, ""]:
    """What full openness adds to the owner's payoff under commitment: (1 - s)(B s - L) - F - K/2."""
    s = game.owner_share
    return (1.0 - s) * (_spill_back_value(game) * s - _rent(game)) - _fixed(game)


def peak_share(game: LinearValue) -> Float[Array, ""]:
    """The owner's share at which `gain_from_opening` is largest.

    s* = 1/2 + L/(2 B), which is inside (0, 1) iff L < B.
    """
    return 0.5 + _rent(game) / (2.0 * _spill_back_value(game))


def opening_interval(game: LinearValue) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The shares between which the owner opens: [(B + L) -/+ sqrt((B - L)^2 - 4 B (F + K/2))]/(2 B).

    NaN where it opens at no share. Opens iff s is in the interval and in (0, 1).
    """
    b, rent = _spill_back_value(game), _rent(game)
    discriminant = jnp.square(b - rent) - 4.0 * b * _fixed(game)
    exists = (discriminant >= 0.0) & (rent < b)
    positive = discriminant > 0.0
    half = jnp.where(positive, jnp.sqrt(jnp.where(positive, discriminant, 1.0)), 0.0)
    low, high = (b + rent - half) / (2.0 * b), (b + rent + half) / (2.0 * b)
    return jnp.where(exists, low, jnp.nan), jnp.where(exists, high, jnp.nan)


def threshold_edge(game: LinearValue) -> Float[Array, ""]:
    """The edge above which the owner stays closed, quality units.

    [B s - (F + K/2)/(1 - s)]/V1, which is negative if the owner opens at no edge.
    """
    s = game.owner_share
    return (_spill_back_value(game) * s - _fixed(game) / (1.0 - s)) / game.licence_value


def propensity(game: LinearValue, scale: Float[Array, ""]) -> Float[Array, ""]:
    """Probability of opening if the gain has a logistic disturbance: logistic(Delta/scale).

    Args:
        game: the primitives.
        scale: sigma > 0, payoff units.
    """
    return jax.nn.sigmoid(gain_from_opening(game) / scale)


def optimal_openness(game: LinearValue) -> Float[Array, ""]:
    """Openness in [0, 1] under commitment (subgame-perfect equilibrium).

    With k = K - 2 B s (1 - s)(1 - psi0): if k > 0, [(1 - s)(B s psi0 - L) - F]/k, limited to [0, 1]. If k <=
    0 the owner's payoff is convex in theta: fully open if `gain_from_opening` >= 0, else closed.
    """
    marginal, feedback = _marginal_at_closed(game), _feedback(game)
    k = game.openness_curvature - 2.0 * feedback
    inner = _limited(marginal / jnp.where(k > 0.0, k, 1.0))
    corner = jnp.where(gain_from_opening(game) >= 0.0, 1.0, 0.0)
    return jnp.where(k > 0.0, inner, corner)


def simultaneous_openness(game: LinearValue) -> Float[Array, ""]:
    """Openness in [0, 1] chosen together with research (Nash equilibrium of `SimultaneousOpenSourcing`).

    With k = K - B s (1 - s)(1 - psi0): if k > 0, [(1 - s)(B s psi0 - L) - F]/k, limited to [0, 1]. If k <= 0,
    beliefs that feed on themselves can support both 0 and 1: NaN there, the only equilibrium elsewhere.
    """
    marginal, feedback = _marginal_at_closed(game), _feedback(game)
    k = game.openness_curvature - feedback
    inner = _limited(marginal / jnp.where(k > 0.0, k, 1.0))
    only = jnp.where(marginal > 0.0, 1.0, jnp.where(marginal - k < 0.0, 0.0, jnp.nan))
    return jnp.where(k > 0.0, inner, only)


def _spill_back_value(game: LinearValue) -> Float[Array, ""]:
    return game.spill_back * jnp.square(game.discount * game.value) / game.research_cost


def _rent(game: LinearValue) -> Float[Array, ""]:
    return game.licence_value * game.edge


def _fixed(game: LinearValue) -> Float[Array, ""]:
    return game.opening_cost + game.openness_curvature / 2.0


def _marginal_at_closed(game: LinearValue) -> Float[Array, ""]:
    s = game.owner_share
    return (1.0 - s) * (_spill_back_value(game) * s * game.closed_access - _rent(game)) - game.opening_cost


def _feedback(game: LinearValue) -> Float[Array, ""]:
    s = game.owner_share
    return _spill_back_value(game) * s * (1.0 - s) * (1.0 - game.closed_access)


def _limited(openness: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.clip(openness, 0.0, 1.0)
