"""Games of textbooks and papers that are small enough for their equilibria to be written down; see `closed_forms`."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.games import LinearCournot
from nashgrid.solver import Game, parameter

Bounds = dict[str, tuple[ArrayLike, ArrayLike]]


class LinearCity(Game):
    """Firms at the ends of a line with transport cost 1 (Hotelling, 1929): p_i = 1 + (2 c_i + c_j)/3."""

    cost: Float[Array, " firm"] = parameter((0.0, 0.3))
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"price": (0.0, 5.0)}

    def payoff(self, s):
        p = s["price"]
        return (p - self.cost) * jnp.clip(0.5 + (p[::-1] - p) / 2.0, 0.0, 1.0)


class Circle(Game):
    """Four firms on a circle with linear transport cost (Salop, 1979): p = c + t/n."""

    transport: Float[Array, ""] = parameter(2.0)
    firms = ("N", "E", "S", "W")

    def bounds(self) -> Bounds:
        return {"price": (0.0, 3.0)}

    def payoff(self, s):
        p = s["price"]
        neighbours = jnp.roll(p, 1) + jnp.roll(p, -1)
        return (p - 0.5) * jnp.maximum(0.25 + (neighbours - 2.0 * p) / (2.0 * self.transport), 0.0)


class VerticalDifferentiation(Game):
    """Two qualities, an uncovered market (Choi and Shin, 1992): p_H = 2 h (h - l)/(4 h - l) and p_L half of it times
    l/h."""

    quality: Float[Array, " firm"] = parameter((2.0, 1.0))
    firms = ("high", "low")

    def bounds(self) -> Bounds:
        return {"price": (0.0, self.quality)}

    def payoff(self, s):
        p, (high, low) = s["price"], self.quality
        upper = jnp.clip((p[0] - p[1]) / (high - low), 0.0, 1.0)
        alone = jnp.clip(p[0] / high, 0.0, 1.0)
        lower = jnp.clip(p[1] / low, 0.0, 1.0)
        # Where the low quality is the worse deal for everyone, the high one serves all who buy.
        served = jnp.stack([1.0 - jnp.maximum(upper, alone), jnp.maximum(upper - lower, 0.0)])
        return p * served


class Contest(Game):
    """Three contestants and an exponent r = 1.2 (Tullock, 1980): x = r (n - 1) V/n^2."""

    exponent: Float[Array, ""] = parameter(1.2)
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"effort": (1e-9, 1.0)}

    def payoff(self, s):
        impact = s["effort"] ** self.exponent
        return impact / jnp.sum(impact) - s["effort"]


class ConvexCosts(Game):
    """Cournot with cost k q^2/2: q = a/(n + 1 + k)."""

    slope: Float[Array, ""] = parameter(0.5)
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"q": (0.0, 10.0)}

    def payoff(self, s):
        q = s["q"]
        return (10.0 - jnp.sum(q) - self.slope * q / 2.0) * q


class Bundle(Game):
    """A monopolist with two substitutes, p = a - B q: q = (B + B')^-1 a."""

    intercept: Float[Array, " good"] = parameter((10.0, 8.0))
    firms = ("monopolist",)

    def owners(self):
        return {"q": (0, 0)}

    def bounds(self) -> Bounds:
        return {"q": (0.0, 20.0)}

    def payoff(self, s):
        q = s["q"]
        return jnp.sum((self.intercept - q - 0.4 * q[::-1]) * q)[None]


class SeveralMarkets(Game):
    """Two firms in three markets with one convex cost (Bulow, Geanakoplos and Klemperer, 1985): q_k = (a_k - c S)/3,
    where S is what a firm sells in all markets; nobody serves the poorest one."""

    demand: Float[Array, " market"] = parameter((10.0, 8.0, 1.0))
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"q": (np.zeros((2, 3)), np.full((2, 3), 10.0))}

    def dims(self):
        return {"q": ("firm", "market")}

    def payoff(self, s):
        q = s["q"]
        price = self.demand[None, :] - jnp.sum(q, axis=0, keepdims=True)
        return jnp.sum(price * q, axis=1) - 0.25 * jnp.square(jnp.sum(q, axis=1))


class NetworkGood(Game):
    """Fulfilled expectations about the size of a network (Katz and Shapiro, 1985): q = A/(n + 1 - n nu)."""

    externality: Float[Array, ""] = parameter(0.3)
    firms = ("1", "2", "3", "consumers")

    def owners(self):
        return {"q": (0, 1, 2), "expected": (3,)}

    def bounds(self) -> Bounds:
        return {"q": (np.zeros(3), np.ones(3)), "expected": (np.zeros(1), np.full(1, 5.0))}

    def payoff(self, s):
        total, expected = jnp.sum(s["q"]), s["expected"][0]
        profit = (1.0 + self.externality * expected - total) * s["q"]
        return jnp.concatenate([profit, -jnp.square(expected - total)[None]])


class FineTuning(Game):
    """A generalist invests in a model that a specialist improves (Laufer, Kleinberg and Heidari, 2024):
    a_0 = (1 - delta)/(2 c_0), a_1 - a_0 = delta/(2 c_1)."""

    share: Float[Array, ""] = parameter(1.0 / 3.0)
    firms = ("generalist", "specialist")

    def owners(self):
        return {"invest": (0,), "improve": (1,)}

    def bounds(self) -> Bounds:
        return {"invest": (np.zeros(1), np.ones(1)), "improve": (np.zeros(1), np.ones(1))}

    def payoff(self, s):
        quality = s["invest"][0] + s["improve"][0]
        mine = (1.0 - self.share) * quality - 2.0 * jnp.square(s["invest"][0])
        theirs = self.share * quality - jnp.square(s["improve"][0])
        return jnp.stack([mine, theirs])


class FishWar(Game):
    """Constant shares of a stock that regrows as (x - c)^alpha (Levhari and Mirman, 1980):
    c_i = x (1 - alpha beta)/(2 - alpha beta)."""

    discount: Float[Array, ""] = parameter(0.9)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"share": (0.01, 0.49)}

    def payoff(self, s):
        left = 1.0 - jnp.sum(s["share"])
        weight = 0.5 * self.discount / (1.0 - 0.5 * self.discount)
        return jnp.log(s["share"]) + weight * jnp.log(left)


class PriceTriopoly(Game):
    """Linear demand 1 - p_i + g mean of the rivals' prices, no cost: p = 1/(2 - g)."""

    substitution: Float[Array, ""] = parameter(0.5)
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"price": (0.0, 3.0)}

    def payoff(self, s):
        p = s["price"]
        rivals = (jnp.sum(p) - p) / 2.0
        return p * (1.0 - p + self.substitution * rivals)


class FirstPriceAuction(Game):
    """Two bidders, uniform values, bids k_i v_i (Vickrey, 1961): k = 1/2."""

    scale: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"shading": (0.05, 1.0)}

    def payoff(self, s):
        k, rival = s["shading"], s["shading"][::-1]
        ratio = rival / k
        lower = k / (3.0 * rival)
        higher = 0.5 - jnp.square(ratio) / 6.0
        return self.scale * (1.0 - k) * jnp.where(k <= rival, lower, higher)


class Pollution(Game):
    """Countries emit at a benefit a e - e^2/2 and suffer d E^2/2 from all: e_i = a_i - d E, E = sum a/(1 + n d)."""

    benefit: Float[Array, " country"] = parameter((3.0, 2.0, 1.0))
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"emission": (0.0, 10.0)}

    def payoff(self, s):
        e = s["emission"]
        return self.benefit * e - jnp.square(e) / 2.0 - 0.1 * jnp.square(jnp.sum(e))


class ExportSubsidies(Game):
    """Governments subsidize exporters that then compete in quantities (Brander and Spencer, 1985): s = (a - c)/5."""

    margin: Float[Array, ""] = parameter(10.0)
    firms = ("1", "2")

    def bounds(self) -> Bounds:
        return {"subsidy": (-5.0, 10.0)}

    def payoff(self, s):
        subsidy = s["subsidy"]
        quantity = jnp.maximum((self.margin + 2.0 * subsidy - subsidy[::-1]) / 3.0, 0.0)
        return jnp.square(quantity) - subsidy * quantity


class Capacities(LinearCournot):
    """Linear Cournot in which the better firm is at its capacity of 2."""

    def bounds(self) -> Bounds:
        return {"quantity": (0.0, jnp.asarray([2.0, 8.0]))}


_MATRIX = np.array([[1.0, 0.4], [0.4, 1.0]])
TEXTBOOK: list[tuple[str, Any, dict[str, Any]]] = [
    ("linear_city", LinearCity(), {"price": [1.1, 1.2]}),
    ("circle", Circle(), {"price": np.full(4, 1.0)}),
    ("vertical_differentiation", VerticalDifferentiation(), {"price": np.array([4.0, 1.0]) / 7.0}),
    ("contest", Contest(), {"effort": np.full(3, 1.2 * 2 / 9)}),
    ("convex_costs", ConvexCosts(), {"q": np.full(3, 10 / 4.5)}),
    ("two_goods", Bundle(), {"q": np.linalg.solve(2 * _MATRIX, [10.0, 8.0])}),
    ("several_markets", SeveralMarkets(), {"q": np.tile([7.75 / 3, 5.75 / 3, 0.0], (2, 1))}),
    ("network_good", NetworkGood(), {"q": np.full(3, 1 / 3.1), "expected": [3 / 3.1]}),
    ("fine_tuning", FineTuning(), {"invest": [1 / 6], "improve": [1 / 6]}),
    ("fish_war", FishWar(), {"share": np.full(2, 0.55 / 1.55)}),
    ("price_triopoly", PriceTriopoly(), {"price": np.full(3, 1 / 1.5)}),
    ("first_price_auction", FirstPriceAuction(), {"shading": np.full(2, 0.5)}),
    ("pollution", Pollution(), {"emission": [2.25, 1.25, 0.25]}),
    ("export_subsidies", ExportSubsidies(), {"subsidy": np.full(2, 2.0)}),
    ("capacities", Capacities(cost=(1.0, 2.0)), {"quantity": [2.0, 3.0]}),
]
"""Name, game, strategies in equilibrium."""
