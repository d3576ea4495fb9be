"""Open sourcing over time: openness and research chosen every period, and technology that accumulates.

The linear-value model of `open_sourcing`, period after period; a formalization of its own in which the claims of the
abstract of Habibi (2025, Open Sourcing GPTs, arXiv 2501.11581) can be examined. In period t the owner chooses openness
theta_t and research, the outsiders research, all at once. What others can build on an open model is learned with a lag:

    a_t = (1 - kappa) P_t + kappa theta_t,      P_{t+1} = a_t,      psi_t = psi0 + (1 - psi0) a_t,

P the access that has been built up, kappa the speed at which access follows openness. Technology is kept, less
depreciation, and grows by research and, for the owner, by what comes back from outside research on the open model:

    T_{0,t+1} = (1 - rho) T_{0,t} + x_0 + beta theta_t sum_i x_i,      T_{i,t+1} = (1 - rho) T_{i,t} + x_i.

Payoffs of a period: R_t + delta s V T_{0,t+1} - gamma x_0^2/2 - F theta_t - K theta_t^2/2 for the owner, with R_t =
(1 - theta_t) L (1 - s) and L = V1 e, and m V1 e - R_t/n + delta m V T_{i,t+1} - gamma x_i^2/(2 psi_t) for each of n
outsiders, m = (1 - s)/n. One period with kappa = 1 is `SimultaneousOpenSourcing`.

A unit of technology is worth V_A = V/(1 - delta (1 - rho)) per application if firms go on for ever, so that the state
that matters is P alone. With b = beta (delta V_A)^2 s (1 - s)/gamma and b' = b (1 - psi0), outside research is (1 - s)
delta V_A psi_t/gamma in all concepts, and in a steady state with theta inside (0, 1)

    theta (K - b' c) = b psi0 - L (1 - s) - F

where c, the answer of outside research that the owner counts on, is

    open-loop       1: that of `SimultaneousOpenSourcing`; outside research is a given path
    Markov-perfect  1 + delta kappa g/(1 - delta (1 - kappa)), g = dP_{t+1}/dP_t; what is learned now is answered later
    commitment      1 + kappa/(1 - delta (1 - kappa)); the owner moves first in every period: it is answered now too

so that theta is larger from line to line wherever it is positive. At kappa = 1 nothing is left of past openness: g = 0,
the first two agree, and the third is `optimal_openness` under `commitment`. (Derived in this project, and checked
against `MarkovPerfect` and `OpenLoop`.)

What is derived and what is built in:

* Markov-perfect play opens more than open-loop play, and commitment most: derived, from outside research that answers
  to access. That it answers with a lag, through access that is built up and lost, is assumed.
* Openness falls towards the end of a finite horizon after which technology is worth nothing: derived, an end effect.
* Outside research depends on access only, not on technology or on rivals: assumed, with linear value. Research itself
  is therefore no strategic weapon here.
* Nothing but openness is traded off: the edge e does not erode by opening. Assumed.
* All value of technology is earned by the holders of applications: welfare is the sum of payoffs.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import DynamicGame, Profile, parameter

from ._measures import firm_names


class OverTime(DynamicGame):
    """What the games of this module share: primitives and what they imply. Abstract."""

    owner_share: Float[Array, ""] = parameter(0.5, "s in (0, 1): share of applications that the owner holds")
    edge: Float[Array, ""] = parameter(0.05, "e >= 0: performance edge over the best alternative, quality units")
    licence_value: Float[Array, ""] = parameter(1.0, "V1 >= 0: value of a unit of quality, per application and period")
    spill_back: Float[Array, ""] = parameter(0.6, "beta >= 0: use the owner makes of outside research on an open model")
    closed_access: Float[Array, ""] = parameter(0.5, "psi0 in (0, 1]: cheapness of outside research without access")
    research_cost: Float[Array, ""] = parameter(5.0, "gamma > 0: slope of the marginal cost of research")
    discount: Float[Array, ""] = parameter(0.9, "delta in [0, 1): discount factor per period")
    value: Float[Array, ""] = parameter(1.0, "V >= 0: value of a unit of technology, per application and period")
    opening_cost: Float[Array, ""] = parameter(0.0, "F >= 0: cost of opening, proportional to openness, per period")
    openness_curvature: Float[Array, ""] = parameter(0.3, "K >= 0: slope of the marginal cost of openness, per period")
    depreciation: Float[Array, ""] = parameter(0.3, "rho in [0, 1]: part of technology lost per period")
    diffusion: Float[Array, ""] = parameter(0.3, "kappa in (0, 1]: speed at which access follows openness; 1 at once")
    access_at_start: Float[Array, ""] = parameter(0.0, "P_0 in [0, 1]: access that has been built up before")
    outsiders: int = eqx.field(static=True, default=4)

    @property
    def firms(self) -> tuple[str, ...]:
        return ("owner", *firm_names(self.outsiders, "outsider"))

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"openness": (0,)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"openness": ("model",)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"research": (0.0, 2.0 * self.most_research()), "openness": (0.0, 1.0)}

    def most_research(self) -> Float[Array, ""]:
        """delta V_A/gamma, what a holder of all applications would do each period; twice this bounds research."""
        return self.discount * self.lasting_value() / self.research_cost

    def lasting_value(self) -> Float[Array, ""]:
        """V_A = V/(1 - delta (1 - rho)): what a unit of technology is worth per application, all periods together."""
        return self.value / (1.0 - self.discount * (1.0 - self.depreciation))

    def next_access(self, access: Float[Array, ""], openness: Float[Array, ""]) -> Float[Array, ""]:
        """a_t = (1 - kappa) P_t + kappa theta_t."""
        return (1.0 - self.diffusion) * access + self.diffusion * openness

    def cheapness(self, access: Float[Array, ""]) -> Float[Array, ""]:
        """psi = psi0 + (1 - psi0) a, of outside research."""
        return self.closed_access + (1.0 - self.closed_access) * access

    def revenue(self, openness: Float[Array, ""]) -> Float[Array, ""]:
        """Licence revenue (1 - theta) V1 e (1 - s)."""
        return (1.0 - openness) * self.licence_value * self.edge * (1.0 - self.owner_share)

    def opening_expense(self, openness: Float[Array, ""]) -> Float[Array, ""]:
        """F theta + K theta^2/2."""
        return self.opening_cost * openness + self.openness_curvature * jnp.square(openness) / 2.0

    def outside_research_at(self, access: Float[Array, ""]) -> Float[Array, ""]:
        """All outside research, (1 - s) delta V_A psi/gamma, a dominant strategy of every outsider."""
        return (1.0 - self.owner_share) * self.most_research() * self.cheapness(access)


class OpenSourcingOverTime(OverTime):
    """Openness and research by period, with technology as a state; for `PathGame`.

    Strategies "research" by firm and "openness" of the owner; states "technology" by firm and "access". See the module.
    Not linear-quadratic, but in equilibrium the same as `CapitalizedOpenSourcing`, which is, if `remaining` is 1.

    >>> from nashgrid.solver import PathGame, solve
    >>> game = OpenSourcingOverTime(diffusion=1.0, research_cost=1.0, openness_curvature=0.2, outsiders=1)
    >>> once = solve(PathGame(game, 1), tol=1e-4)  # one period is `SimultaneousOpenSourcing`
    >>> round(float(once.strategy["openness"][0, 0]), 4)
    0.2567
    """

    remaining: Float[Array, ""] = parameter(
        0.0, "in [0, 1]: technology after the last period, 0 worth nothing, 1 as much as if firms went on"
    )

    def initial(self) -> dict[str, ArrayLike | tuple[float, ...]]:
        return {"technology": (0.0,) * (1 + self.outsiders), "access": self.access_at_start}

    def transition(self, x: Profile, s: Profile) -> Profile:
        research, openness = s["research"], s["openness"][0]
        back = self.spill_back * openness * jnp.sum(research[1:])
        gained = jnp.concatenate([(research[0] + back)[None], research[1:]])
        kept = (1.0 - self.depreciation) * x["technology"]
        return {"technology": kept + gained, "access": self.next_access(x["access"], openness)}

    def payoff(self, x: Profile, s: Profile) -> Float[Array, " firm"]:
        later, openness = self.transition(x, s), s["openness"][0]
        shares = self.shares()
        revenue = self.revenue(openness)
        cost = self.research_cost * jnp.square(s["research"]) / 2.0
        earned = self.discount * self.value * shares * later["technology"]
        owner = revenue + earned[0] - cost[0] - self.opening_expense(openness)
        first = shares[1:] * self.licence_value * self.edge - revenue / self.outsiders
        others = first + earned[1:] - cost[1:] / self.cheapness(later["access"])
        return jnp.concatenate([owner[None], others])

    def terminal(self, x: Profile) -> Float[Array, " firm"]:
        """remaining (V_A - V) m_j T_j: what technology would still earn."""
        return self.remaining * (self.lasting_value() - self.value) * self.shares() * x["technology"]

    def outcomes(self, x: Profile, s: Profile) -> dict[str, Array]:
        """Outside research, licence revenue and welfare, the sum of payoffs, by period."""
        return {
            "outside_research": jnp.sum(s["research"][1:]),
            "licensing_revenue": self.revenue(s["openness"][0]),
            "welfare": jnp.sum(self.payoff(x, s)),
        }

    def shares(self) -> Float[Array, " firm"]:
        """m: s for the owner, (1 - s)/n for each outsider."""
        outside = (1.0 - self.owner_share) / self.outsiders
        return jnp.concatenate([self.owner_share[None], jnp.broadcast_to(outside, (self.outsiders,))])


class CapitalizedOpenSourcing(OverTime):
    """The same game as linear-quadratic one: technology is paid for at once, at what it will earn in all periods.

    Strategies as in `OpenSourcingOverTime`, the state is "access". Payoffs of a period: R + delta s V_A (x_0 + beta
    theta sum_i x_i) - gamma x_0^2/2 - F theta - K theta^2/2 for the owner, which has the same present value. For
    outsiders psi delta m V_A x_i - gamma x_i^2/2, which is psi times what they earn by x_i: the best research is the
    same, and nothing else that they do matters to them, or to anybody later. So equilibria, open-loop and
    Markov-perfect, are those of the game with technology as a state, and so is the owner's payoff; outsiders' is not.

    >>> from nashgrid.solver import MarkovPerfect, OpenLoop, solve
    >>> game = CapitalizedOpenSourcing(outsiders=1)
    >>> [round(float(solve(play(game), tol=1e-4).strategy["openness"][0, -1]), 3) for play in (OpenLoop, MarkovPerfect)]
    [0.302, 0.396]
    """

    def initial(self) -> dict[str, ArrayLike]:
        return {"access": self.access_at_start}

    def transition(self, x: Profile, s: Profile) -> Profile:
        return {"access": self.next_access(x["access"], s["openness"][0])}

    def payoff(self, x: Profile, s: Profile) -> Float[Array, " firm"]:
        research, openness = s["research"], s["openness"][0]
        cheap = self.cheapness(self.next_access(x["access"], openness))
        worth = self.discount * self.lasting_value()
        cost = self.research_cost * jnp.square(research) / 2.0
        gained = research[0] + self.spill_back * openness * jnp.sum(research[1:])
        owner = self.revenue(openness) + worth * self.owner_share * gained - cost[0] - self.opening_expense(openness)
        each = (1.0 - self.owner_share) / self.outsiders
        return jnp.concatenate([owner[None], cheap * worth * each * research[1:] - cost[1:]])

    def outcomes(self, x: Profile, s: Profile) -> dict[str, Array]:
        """Outside research and licence revenue by period."""
        return {
            "outside_research": jnp.sum(s["research"][1:]),
            "licensing_revenue": self.revenue(s["openness"][0]),
        }


class LeadingOwner(OverTime):
    """The owner alone, who moves first in every period and foresees what outsiders answer: commitment.

    A linear-quadratic problem of one firm with strategies "research" and "openness"; outside research is
    `outside_research_at` the access of the period.
    """

    @property
    def firms(self) -> tuple[str, ...]:
        return ("owner",)

    def initial(self) -> dict[str, ArrayLike]:
        return {"access": self.access_at_start}

    def transition(self, x: Profile, s: Profile) -> Profile:
        return {"access": self.next_access(x["access"], s["openness"][0])}

    def payoff(self, x: Profile, s: Profile) -> Float[Array, " firm"]:
        research, openness = s["research"][0], s["openness"][0]
        outside = self.outside_research_at(self.next_access(x["access"], openness))
        gained = research + self.spill_back * openness * outside
        worth = self.discount * self.lasting_value() * self.owner_share
        cost = self.research_cost * jnp.square(research) / 2.0
        return (self.revenue(openness) + worth * gained - cost - self.opening_expense(openness))[None]

    def outcomes(self, x: Profile, s: Profile) -> dict[str, Array]:
        """Outside research and licence revenue by period."""
        openness = s["openness"][0]
        return {
            "outside_research": self.outside_research_at(self.next_access(x["access"], openness)),
            "licensing_revenue": self.revenue(openness),
        }


def steady_openness(game: OverTime, *, persistence: ArrayLike | None = None) -> Float[Array, ""]:
    """Openness at which open-loop play or, given `persistence`, Markov-perfect play comes to rest; no bounds imposed.

    [b psi0 - L (1 - s) - F]/(K - b' c), see the module; needs K > b' c.

    Args:
        game: the primitives.
        persistence: g = dP_{t+1}/dP_t of Markov-perfect play, as `MarkovPerfect` reports it.

    >>> round(float(steady_openness(CapitalizedOpenSourcing())), 3)
    0.302
    """
    counted = jnp.ones_like(game.discount)
    if persistence is not None:
        g = jnp.asarray(persistence, game.discount.dtype)
        counted = 1.0 + game.discount * game.diffusion * g / (1.0 - game.discount * (1.0 - game.diffusion))
    return _rest(game, counted)


def committed_openness(game: OverTime) -> Float[Array, ""]:
    """Openness at which an owner that moves first comes to rest; no bounds imposed. See `LeadingOwner`.

    [b psi0 - L (1 - s) - F]/[K - b' (1 + kappa/(1 - delta (1 - kappa)))].
    """
    return _rest(game, 1.0 + game.diffusion / (1.0 - game.discount * (1.0 - game.diffusion)))


def _rest(game: OverTime, counted: Float[Array, ""]) -> Float[Array, ""]:
    s = game.owner_share
    worth = jnp.square(game.discount * game.lasting_value()) / game.research_cost
    b = game.spill_back * worth * s * (1.0 - s)
    rent = game.licence_value * game.edge * (1.0 - s)
    gain = b * game.closed_access - rent - game.opening_cost
    return gain / (game.openness_curvature - b * (1.0 - game.closed_access) * counted)
