"""Games that several files of tests use, small enough to be solved by hand."""

from jaxtyping import Array, Float

from nashgrid.solver import Game, parameter


class Duopoly(Game):
    """Linear Cournot duopoly; q_i = (a - 2 c_i + c_j) / 3 inside, the monopoly quantity at the corners."""

    cost: Float[Array, " firm"] = parameter((1.0, 2.0), "marginal cost, price units")
    intercept: Float[Array, ""] = parameter(10.0, "price at which demand is zero")
    firms = ("A", "B")

    def bounds(self):
        return {"q": (0.0, 20.0)}

    def payoff(self, s):
        return (self.intercept - s["q"].sum() - self.cost) * s["q"]

    def outcomes(self, s):
        return {"price": self.intercept - s["q"].sum(), "share": s["q"] / s["q"].sum()}


class Follower(Game):
    """One firm after a leader whose quantity x is given: it sells (a - x) / 2."""

    first: Float[Array, ""] = parameter(0.0, "quantity of the leader")
    intercept: Float[Array, ""] = parameter(12.0, "price at which demand is zero")
    firms = ("follower",)

    def bounds(self):
        return {"q": (0.0, 13.0)}

    def payoff(self, s):
        return (self.intercept - self.first - s["q"]) * s["q"]

    def outcomes(self, s):
        return {"leader_profit": (self.intercept - self.first - s["q"].sum()) * self.first, "q_twice": 2.0 * s["q"]}
