"""Games of public economics with equilibria in closed form: conflict, common resources, teams, networks, politics.

As in `textbook_markets`, the solution is in the docstring, and the rows go into the table of `closed_forms`.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, parameter

Bounds = dict[str, tuple[ArrayLike, ArrayLike]]


class PoorContestant(Game):
    """A contest x_i/(x_1 + x_2) - x_i in which one has little to spend (Che and Gale, 1997, Public Choice 92): it
    spends all of its w, the other sqrt(w) - w."""

    budget: Float[Array, " firm"] = parameter((0.09, 1.0))
    firms = ("poor", "rich")

    def bounds(self) -> Bounds:
        return {"effort": (1e-6, self.budget)}

    def payoff(self, s):
        x = s["effort"]
        return x / jnp.sum(x) - x


class Conflict(Game):
    """Arms f_i divide what all have left to produce with, (R_1 + R_2 - F) f_i/F (Hirshleifer, 1991, Economics and
    Politics 3): both fight with (R_1 + R_2)/4, the poorer gaining on the richer; one with less fights with all of its
    R, the other with sqrt(R (R_1 + R_2)) - R."""

    resource: Float[Array, " firm"] = parameter((3.0, 5.0))
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"arms": (1e-6, self.resource)}

    def payoff(self, s):
        f = s["arms"]
        total = jnp.sum(f)
        return (jnp.sum(self.resource) - total) * f / total


class Commons(Game):
    """Animals on a common worth 16 - G^2 each, which cost 1 (Gibbons, 1992, Game Theory for Applied Economists, 1.2.D):
    G^2 (1 + 2/n) = 15, three for three herders."""

    value: Float[Array, ""] = parameter(16.0)
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"herd": (0.0, 4.0)}

    def payoff(self, s):
        return (self.value - jnp.square(jnp.sum(s["herd"])) - 1.0) * s["herd"]


class BeautyContest(Game):
    """Weights k on the own signal, of precision b, and 1 - k on the public one, of precision a, by who wants to be near
    the truth and, with weight r, near the other (Morris and Shin, 2002, American Economic Review 92), among linear
    strategies: k = b (1 - r)/(a + b (1 - r))."""

    conformity: Float[Array, ""] = parameter(0.5)
    firms = ("1", "2")

    def bounds(self) -> Bounds:
        return {"weight": (0.0, 1.0)}

    def payoff(self, s):
        k, other, r = s["weight"], s["weight"][::-1], self.conformity
        own = jnp.square(k)
        truth = own + jnp.square(1.0 - k) / 2.0
        distance = own + jnp.square(other) + jnp.square(other - k) / 2.0
        return -(1.0 - r) * truth - r * distance


class Team(Game):
    """Partners share what they produce together, sqrt(e_1 e_2), at cost e^2/8 (Holmstrom, 1982, Bell J. of Economics
    13): e_i^2 = 2 s_i y with y = 2 sqrt(s_1 s_2)."""

    share: Float[Array, " firm"] = parameter((0.8, 0.2))
    firms = ("senior", "junior")

    def bounds(self) -> Bounds:
        return {"effort": (1e-3, 4.0)}

    def payoff(self, s):
        e = s["effort"]
        return self.share * jnp.sqrt(e[0] * e[1]) - jnp.square(e) / 8.0


class Demands(Game):
    """Demands are met if their sum is at most a pie of uncertain size, with probability exp(-sum^2/2) (Nash, 1953,
    Econometrica 21): x = 1/sqrt(2)."""

    scale: Float[Array, ""] = parameter(1.0)
    firms = ("1", "2")

    def bounds(self) -> Bounds:
        return {"demand": (0.0, 3.0)}

    def payoff(self, s):
        x = s["demand"]
        return x * jnp.exp(-self.scale * jnp.square(jnp.sum(x)) / 2.0)


class SubstitutesOnALine(Game):
    """Efforts x_i - x_i^2/2 - d x_i (sum of the neighbours') on a line of three (Bramoulle, Kranton and D'Amours, 2014,
    American Economic Review 104): unique for d < 1/sqrt(2), and for d > 1/2 the one in the middle does nothing."""

    strength: Float[Array, ""] = parameter(0.7)
    firms = ("left", "middle", "right")

    def bounds(self) -> Bounds:
        return {"effort": (0.0, 2.0)}

    def payoff(self, s):
        x = s["effort"]
        neighbours = jnp.stack([x[1], x[0] + x[2], x[1]])
        return x - jnp.square(x) / 2.0 - self.strength * x * neighbours


class Routing(Game):
    """Traffic d_i of two carriers over a road with delay X and one with delay 1 + Y/2 (Orda, Rom and Shimkin, 1993,
    IEEE/ACM Trans. on Networking 1): 1.5 x_i = 1 + (D + d_i - X)/2 - X, where X = 13/9 for D = 3."""

    traffic: Float[Array, " firm"] = parameter((1.0, 2.0))
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"first": (0.0, self.traffic)}

    def payoff(self, s):
        first, second = s["first"], self.traffic - s["first"]
        return -first * jnp.sum(first) - second * (1.0 + jnp.sum(second) / 2.0)


class Tournament(Game):
    """The better of two workers wins a prize W; the difference of their luck is logistic with scale s (Lazear and
    Rosen, 1981, J. of Political Economy 89): e = W/(4 s), at cost e^2/2."""

    prize: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"effort": (0.0, 2.0)}

    def payoff(self, s):
        e = s["effort"]
        return self.prize / (1.0 + jnp.exp((e[::-1] - e) / 0.5)) - jnp.square(e) / 2.0


class Reliability(Game):
    """A system is safe with probability 1 - exp(-sum of efforts) (Varian, 2004, System Reliability and Free Riding):
    who values it most does ln v, the others nothing."""

    value: Float[Array, " firm"] = parameter((4.0, 3.0, 2.0))
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"effort": (0.0, 4.0)}

    def payoff(self, s):
        return self.value * (1.0 - jnp.exp(-jnp.sum(s["effort"]))) - s["effort"]


class Voting(Game):
    """Two parties that want to win, groups of voters of weight w with squared losses around b (Lindbeck and Weibull,
    1987, Public Choice 52): both promise the mean of b weighted by w. What one gains the other loses."""

    weight: Float[Array, " group"] = parameter((0.2, 0.3, 0.5))
    firms = ("left", "right")

    def bounds(self) -> Bounds:
        return {"platform": (0.0, 1.0)}

    def payoff(self, s):
        ideal = jnp.linspace(0.0, 1.0, 3, dtype=s["platform"].dtype)
        loss = jnp.sum(self.weight[None, :] * jnp.square(s["platform"][:, None] - ideal[None, :]), axis=1)
        return 1.0 / (1.0 + jnp.exp(loss - loss[::-1]))


class InflationBias(Game):
    """A central bank that wants output above its natural rate by k, against a public that forecasts inflation (Barro
    and Gordon, 1983, J. of Political Economy 91), loss (p^2 + l (p - expected - k)^2)/2: p = l k."""

    weight: Float[Array, ""] = parameter(0.5)
    firms = ("central bank", "public")

    def owners(self):
        return {"inflation": (0,), "expected": (1,)}

    def bounds(self) -> Bounds:
        return {"inflation": (np.full(1, -5.0), np.full(1, 10.0)), "expected": (np.full(1, -5.0), np.full(1, 10.0))}

    def payoff(self, s):
        inflation, surprise = s["inflation"][0], s["inflation"][0] - s["expected"][0]
        loss = (jnp.square(inflation) + self.weight * jnp.square(surprise - 2.0)) / 2.0
        return jnp.stack([-loss, -jnp.square(surprise)])


CONFLICT: list[tuple[str, Any, dict[str, Any]]] = [
    ("poor_contestant", PoorContestant(), {"effort": [0.09, 0.21]}),
    ("conflict", Conflict(), {"arms": [2.0, 2.0]}),
    ("conflict_with_all", Conflict(resource=(1.0, 8.0)), {"arms": [1.0, 2.0]}),
    ("commons", Commons(), {"herd": np.ones(3)}),
    ("beauty_contest", BeautyContest(), {"weight": np.full(2, 0.2)}),
    ("team", Team(), {"effort": np.sqrt([1.28, 0.32])}),
    ("demands", Demands(), {"demand": np.full(2, 0.5**0.5)}),
    ("substitutes_on_a_line", SubstitutesOnALine(), {"effort": [1.0, 0.0, 1.0]}),
    ("routing", Routing(), {"first": [5 / 9, 8 / 9]}),
    ("tournament", Tournament(), {"effort": np.full(2, 0.5)}),
    ("reliability", Reliability(), {"effort": [np.log(4.0), 0.0, 0.0]}),
    ("voting", Voting(), {"platform": np.full(2, 0.65)}),
    ("inflation_bias", InflationBias(), {"inflation": [1.0], "expected": [1.0]}),
]
"""Name, game, strategies in equilibrium."""
