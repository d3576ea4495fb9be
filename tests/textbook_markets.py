"""Games of industrial organization with equilibria in closed form: prices, quantities, quality, research, finance.

Each is simple enough for the first-order conditions to be solved by hand; the solution is in the docstring. The rows go
into the table of `closed_forms`.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, parameter

Bounds = dict[str, tuple[ArrayLike, ArrayLike]]


class QuadraticCity(Game):
    """Locations on a line from which prices follow, at quadratic transport cost (d'Aspremont, Gabszewicz and Thisse,
    1979, Econometrica 47): profit (1 - a - b) (3 + a - b)^2/18, a the distance from the own end of the town and b the
    other's. Firms go to the ends, a = 0; if they may leave the town, a = -1/4 (Tabuchi and Thisse, 1995, International
    J. of Industrial Organization 13)."""

    outside: Float[Array, ""] = parameter(0.0)
    firms = ("left", "right")

    def bounds(self) -> Bounds:
        middle = jnp.full_like(self.outside, 0.5)
        ends = jnp.stack([-self.outside, middle]), jnp.stack([middle, 1.0 + self.outside])
        return {"location": ends}

    def payoff(self, s):
        a = jnp.stack([s["location"][0], 1.0 - s["location"][1]])
        return (1.0 - jnp.sum(a)) * jnp.square(3.0 + a - a[::-1]) / 18.0


class PriceAndAdvertising(Game):
    """A monopolist whose demand A^(1/2) p^-e grows with advertising A (Dorfman and Steiner, 1954, American Economic
    Review 44): p = c e/(e - 1), and A is 1/(2 e) of the revenue."""

    elasticity: Float[Array, ""] = parameter(2.0)
    firms = ("monopolist",)

    def bounds(self) -> Bounds:
        return {"price": (1.0, 10.0), "advertising": (1e-3, 1.0)}

    def payoff(self, s):
        p, spent = s["price"], s["advertising"]
        return (p - 1.0) * jnp.sqrt(spent) * p**-self.elasticity - spent


class CommonOwnership(Game):
    """Cournot competitors that weigh each other's profits by l (O'Brien and Salop, 2000, Antitrust Law J. 67):
    q = (a - c)/(n + 1 + l (n - 1))."""

    weight: Float[Array, ""] = parameter(0.5)
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"q": (0.0, 10.0)}

    def payoff(self, s):
        profit = (10.0 - jnp.sum(s["q"]) - 1.0) * s["q"]
        return (1.0 - self.weight) * profit + self.weight * jnp.sum(profit)


class Banks(Game):
    """Banks compete in loans and in deposits (Klein, 1971, J. of Money, Credit and Banking 3; Monti, 1972): with loan
    rate a - b L, deposit rate a' + b' D, interbank rate r and management costs g, g' a bank lends
    (a - r - g)/(b (n + 1)) and takes (r - a' - g')/(b' (n + 1))."""

    interbank: Float[Array, ""] = parameter(0.04)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"loans": (0.0, 5.0), "deposits": (0.0, 5.0)}

    def payoff(self, s):
        loans, deposits = s["loans"], s["deposits"]
        lending = 0.1 - 0.01 * jnp.sum(loans) - self.interbank - 0.006
        funding = self.interbank - 0.01 - 0.005 * jnp.sum(deposits) - 0.003
        return lending * loans + funding * deposits


class SupplyFunctions(Game):
    """Electricity producers bid the slope b of a supply b p (Green, 1996, J. of Industrial Economics 44), with marginal
    cost q and demand D - p: b = (1 - b)(1 + b_other), the golden ratio less one."""

    demand: Float[Array, ""] = parameter(10.0)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"slope": (0.0, 3.0)}

    def payoff(self, s):
        b = s["slope"]
        price = self.demand / (1.0 + jnp.sum(b))
        return jnp.square(price) * (b - jnp.square(b) / 2.0)


class PatentRaceAtOnce(Game):
    """Research spending before a race with hazard sqrt(x) (Loury, 1979, Quarterly J. of Economics 93): with
    y = sqrt(x), V (r + y_other)/(r + y + y_other)^2 = 2 y; V = 9 and r = 1 give x = 1."""

    prize: Float[Array, ""] = parameter(9.0)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"spent": (1e-4, 9.0)}

    def payoff(self, s):
        hazard = jnp.sqrt(s["spent"])
        return self.prize * hazard / (1.0 + jnp.sum(hazard)) - s["spent"]


class PatentRaceInTime(Game):
    """The same with spending until someone wins (Lee and Wilde, 1980, Quarterly J. of Economics 94):
    (V - 2 y)(r + 2 y) = y V - y^2; V = 5/2 and r = 1 give x = 1."""

    prize: Float[Array, ""] = parameter(2.5)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"spent": (1e-4, 6.0)}

    def payoff(self, s):
        hazard = jnp.sqrt(s["spent"])
        return (self.prize * hazard - s["spent"]) / (1.0 + jnp.sum(hazard))


class OilInTwoPeriods(Game):
    """Oil from given stocks in two periods (Salant, 1976, J. of Political Economy 84): discounted marginal revenues are
    equal over time for the large owner, 10 - 2 q - s = 0.8 (10 - 2 (S - q)); the small one sells its s at once."""

    stock: Float[Array, " firm"] = parameter((4.0, 0.2))
    firms = ("large", "small")

    def bounds(self) -> Bounds:
        return {"now": (0.0, self.stock)}

    def payoff(self, s):
        now = s["now"]
        later = self.stock - now
        return (10.0 - jnp.sum(now)) * now + 0.8 * (10.0 - jnp.sum(later)) * later


class ForeignOwnership(Game):
    """A welfare-maximizing public firm, a private one and one owned abroad, whose profit is no welfare (Fjell and Pal,
    1996, Canadian J. of Economics 29), P = 10 - Q, cost q^2/2: q_public = P + q_foreign and q = P/2, with P = 20/7."""

    intercept: Float[Array, ""] = parameter(10.0)
    firms = ("public", "private", "foreign")

    def bounds(self) -> Bounds:
        return {"q": (0.0, 10.0)}

    def payoff(self, s):
        q = s["q"]
        total = jnp.sum(q)
        profit = (self.intercept - total) * q - jnp.square(q) / 2.0
        welfare = jnp.square(total) / 2.0 + profit[0] + profit[1]
        return jnp.stack([welfare, profit[1], profit[2]])


class TwoSidedMarket(Game):
    """Platforms between two groups of single-homing users (Armstrong, 2006, RAND J. of Economics 37): each group pays
    p_k = f_k + t_k - a_l, a_l what the other group gains per member of it. All shares are inside for these bounds."""

    benefit: Float[Array, " group"] = parameter((0.3, 0.6))
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"price": (np.full((2, 2), 0.6), np.full((2, 2), 1.5))}

    def dims(self):
        return {"price": ("firm", "group")}

    def payoff(self, s):
        p, a = s["price"], self.benefit
        dearer = p - p[::-1]
        share = 0.5 - 0.5 * (dearer + a[None, :] * dearer[:, ::-1]) / (1.0 - a[0] * a[1])
        return jnp.sum((p - 0.5) * share, axis=1)


class EndogenousSunkCost(Game):
    """Quality u before Cournot competition in a market of size S (Sutton, 1991, Sunk Costs and Market Structure):
    S (u_i/(u_1 + u_2))^2 - u^3/3 is what two firms earn, u = (S/4)^(1/3)."""

    size: Float[Array, ""] = parameter(32.0)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"quality": (0.5, 5.0)}

    def payoff(self, s):
        u = s["quality"]
        return self.size * jnp.square(u / jnp.sum(u)) - u**3 / 3.0


class QuantityAgainstPrice(Game):
    """One firm sets its quantity, the other its price (Singh and Vives, 1984, RAND J. of Economics 15): with
    p_i = 1 - q_i - g q_j, q_1 = (2 - g)/(4 - 3 g^2) and p_2 = (1 - g)(2 + g)/(4 - 3 g^2)."""

    substitution: Float[Array, ""] = parameter(0.5)
    firms = ("sets quantity", "sets price")

    def owners(self):
        return {"q": (0,), "price": (1,)}

    def bounds(self) -> Bounds:
        return {"q": (np.zeros(1), np.ones(1)), "price": (np.zeros(1), np.ones(1))}

    def payoff(self, s):
        q, p, g = s["q"][0], s["price"][0], self.substitution
        demand = 1.0 - p - g * q
        return jnp.stack([(1.0 - q - g * demand) * q, p * demand])


class PriceMerger(Game):
    """Two of three sellers have merged (Deneckere and Davidson, 1985, RAND J. of Economics 16): demand
    1 - p_i - g (p_i - mean p), g = 3; the insiders charge 7/22, the outsider 6/22."""

    substitution: Float[Array, ""] = parameter(3.0)
    firms = ("merged", "outsider")

    def owners(self):
        return {"price": (0, 0, 1)}

    def bounds(self) -> Bounds:
        return {"price": (0.0, 0.5)}

    def payoff(self, s):
        p = s["price"]
        sales = p * (1.0 - p - self.substitution * (p - jnp.mean(p)))
        return jnp.stack([sales[0] + sales[1], sales[2]])


class TaxCompetition(Game):
    """Commodity taxes of a small and a large country with cross-border shoppers (Kanbur and Keen, 1993, American
    Economic Review 83), population h of the small one: t = (1 + 2 h)/3 and T = (2 + h)/3. Revenues have a kink where
    taxes are equal."""

    population: Float[Array, ""] = parameter(0.5)
    firms = ("small", "large")

    def bounds(self) -> Bounds:
        return {"tax": (0.0, 1.5)}

    def payoff(self, s):
        t = s["tax"]
        home = jnp.stack([self.population, jnp.ones_like(self.population)])
        ahead = t[::-1] - t
        # Those who come from abroad, or those who leave.
        buyers = jnp.where(ahead > 0.0, home + home[::-1] * ahead, home * jnp.maximum(1.0 + ahead, 0.0))
        return t * buyers


class InformedTrading(Game):
    """Informed traders demand b (v - mean), and a market maker prices at l times what is traded (Kyle, 1985,
    Econometrica 53; n traders: Admati and Pfleiderer, 1988), unit variances: b = 1/sqrt(n), l = sqrt(n)/(n + 1). The
    linear price is the best forecast of v."""

    noise: Float[Array, ""] = parameter(1.0)
    firms = ("trader 1", "trader 2", "market maker")

    def owners(self):
        return {"intensity": (0, 1), "impact": (2,)}

    def bounds(self) -> Bounds:
        return {"intensity": (np.zeros(2), np.full(2, 3.0)), "impact": (np.zeros(1), np.full(1, 2.0))}

    def payoff(self, s):
        b, impact = s["intensity"], s["impact"][0]
        total = jnp.sum(b)
        profit = (1.0 - impact * total) * b
        forecast = -jnp.square(1.0 - impact * total) - jnp.square(impact * self.noise)
        return jnp.append(profit, forecast)


MARKETS: list[tuple[str, Any, dict[str, Any]]] = [
    ("maximal_differentiation", QuadraticCity(), {"location": [0.0, 1.0]}),
    ("locations_outside", QuadraticCity(outside=1.0), {"location": [-0.25, 1.25]}),
    ("price_and_advertising", PriceAndAdvertising(), {"price": [2.0], "advertising": [1 / 64]}),
    ("common_ownership", CommonOwnership(), {"q": np.full(3, 1.8)}),
    ("banks", Banks(), {"loans": np.full(2, 1.8), "deposits": np.full(2, 1.8)}),
    ("supply_functions", SupplyFunctions(), {"slope": np.full(2, (5**0.5 - 1) / 2)}),
    ("patent_race_at_once", PatentRaceAtOnce(), {"spent": np.ones(2)}),
    ("patent_race_in_time", PatentRaceInTime(), {"spent": np.ones(2)}),
    ("oil_in_two_periods", OilInTwoPeriods(), {"now": [8.2 / 3.6, 0.2]}),
    ("foreign_ownership", ForeignOwnership(), {"q": np.array([30.0, 10.0, 10.0]) / 7}),
    ("two_sided_market", TwoSidedMarket(), {"price": np.tile([0.9, 1.2], (2, 1))}),
    ("endogenous_sunk_cost", EndogenousSunkCost(), {"quality": np.full(2, 2.0)}),
    ("quantity_against_price", QuantityAgainstPrice(), {"q": [6 / 13], "price": [5 / 13]}),
    ("price_merger", PriceMerger(), {"price": np.array([7.0, 7.0, 6.0]) / 22}),
    ("tax_competition", TaxCompetition(), {"tax": [2 / 3, 5 / 6]}),
    ("informed_trading", InformedTrading(), {"intensity": np.full(2, 0.5**0.5), "impact": [2**0.5 / 3]}),
]
"""Name, game, strategies in equilibrium."""
