"""Cost-reducing research with spillovers before quantity competition.

Stage 1: firms choose research; stage 2: Cournot competition at the costs that result, in closed form with
corners (a firm whose cost gets too high leaves, see `linear_cournot_equilibrium`), so that one game of
research remains. Two ways in which knowledge spills over:

* of results (d'Aspremont and Jacquemin, 1988, American Economic Review 78; erratum 1990, vol. 80): x_i lowers
  the own cost by x_i and each rival's by beta x_i, at the expense gamma x_i^2/2;
* of inputs (Kamien, Muller and Zang, 1992, American Economic Review 82): expense X_i works like expense beta
  X_i at each rival, and the effective expense E lowers cost by sqrt(2 E/gamma).

`joint` is the weight on the rivals' profits when research is chosen: 0 is competition in research, 1 the
research cartel, and a research joint venture is full spillover (beta = 1). Below D = a - A is the margin
before research, b' = beta (n - 1), k = n - b' and s = 2 beta - 1; the papers have n = 2. With equal costs and
everyone active, q_i = [D + k x_i + s sum_{j != i} x_j] / (b (n + 1)), so that a rival's research raises the
own output, and research is a strategic complement, if and only if beta > 1/2.

A symmetric interior point is an equilibrium only if payoffs are concave (`research_curvature` < 0), and it is
stable under simultaneous best responses only if (n - 1) |`research_response_slope`| < 1 (Henriques, 1990,
American Economic Review 80): with small spillovers and cheap research it is not, and below the concavity
bound there is no interior equilibrium. Where cheap research lets a firm drive a rival out, the own payoff has
a kink.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter

from ._measures import firm_names, herfindahl
from .cournot import linear_cournot_equilibrium


class ResearchSpillovers(Game):
    """Cost-reducing research whose results spill over (d'Aspremont and Jacquemin, 1988).

    Payoff of firm i: pi_i - gamma x_i^2/2 + joint sum_{j != i} (pi_j - gamma x_j^2/2) with pi_i = b q_i^2 and
    q the Cournot quantities at costs A_i - x_i - beta sum_{j != i} x_j.

    Each x_i lies between 0 and min(A)/(1 + beta (n - 1)), so that no cost becomes negative.

    >>> from nashgrid.solver import solve
    >>> [round(float(x), 4) for x in solve(ResearchSpillovers(spillover=0.5), tol=1e-4).strategy["research"]]
    [0.7619, 0.7619]
    """

    intercept: Float[Array, ""] = parameter(10.0, "a > 0: price at which demand is zero, price units")
    slope: Float[Array, ""] = parameter(1.0, "b > 0: fall of the price per unit of quantity")
    cost: Float[Array, " firm"] = parameter((2.0, 2.0), "A >= 0: marginal cost before research by firm, price units")
    spillover: Float[Array, ""] = parameter(0.5, "beta in [0, 1]: share of a cost reduction that rivals get too")
    research_cost: Float[Array, ""] = parameter(4.0, "gamma > 0: slope of the marginal expense on research")
    joint: Float[Array, ""] = parameter(0.0, "weight on rivals' profits in [0, 1]: 0 competition, 1 research cartel")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        rivals = self.cost.shape[-1] - 1
        return {"research": (0.0, jnp.min(self.cost) / (1.0 + self.spillover * rivals))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return _weighted(self._profit(s), self.joint)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Quantities, marginal costs after research, price, each firm's profit net of research, consumer
        surplus, welfare and the Herfindahl index (0 to 1)."""
        return _market(self.intercept, self.slope, self._cost_after(s), self._profit(s))

    def _cost_after(self, s: Profile) -> Float[Array, " firm"]:
        x, beta = s["research"], self.spillover
        return self.cost - (1.0 - beta) * x - beta * jnp.sum(x)

    def _profit(self, s: Profile) -> Float[Array, " firm"]:
        q = linear_cournot_equilibrium(self.intercept, self.slope, self._cost_after(s))
        return self.slope * jnp.square(q) - self.research_cost * jnp.square(s["research"]) / 2.0


class ResearchInputSpillovers(Game):
    """Cost-reducing research whose inputs spill over (Kamien, Muller and Zang, 1992).

    Payoff of firm i: pi_i - X_i + joint sum_{j != i} (pi_j - X_j) with pi_i = b q_i^2 and q the Cournot
    quantities at costs A_i - sqrt(2 (X_i + beta sum_{j != i} X_j)/gamma).

    Each expense X_i lies between 0 and gamma min(A)^2/(2 (1 + beta (n - 1))), so that no cost becomes
    negative. The root, which has no derivative at 0, is replaced below 1e-6 times this bound by a cubic that
    continues it smoothly.
    """

    intercept: Float[Array, ""] = parameter(10.0, "a > 0: price at which demand is zero, price units")
    slope: Float[Array, ""] = parameter(1.0, "b > 0: fall of the price per unit of quantity")
    cost: Float[Array, " firm"] = parameter((2.0, 2.0), "A > 0: marginal cost before research by firm, price units")
    spillover: Float[Array, ""] = parameter(0.4, "beta in [0, 1]: share of research expense that works at rivals too")
    research_cost: Float[Array, ""] = parameter(
        4.0, "gamma > 0: twice the expense for the first unit of cost reduction"
    )
    joint: Float[Array, ""] = parameter(0.0, "weight on rivals' profits in [0, 1]: 0 competition, 1 research cartel")

    @property
    def firms(self) -> tuple[str, ...]:
        return firm_names(self.cost.shape[-1])

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"expense": (0.0, self._most())}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return _weighted(self._profit(s), self.joint)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """As in `ResearchSpillovers`."""
        return _market(self.intercept, self.slope, self._cost_after(s), self._profit(s))

    def _most(self) -> Float[Array, ""]:
        rivals = self.cost.shape[-1] - 1
        return self.research_cost * jnp.square(jnp.min(self.cost)) / (2.0 * (1.0 + self.spillover * rivals))

    def _cost_after(self, s: Profile) -> Float[Array, " firm"]:
        expense, beta = s["expense"], self.spillover
        effective = 2.0 * ((1.0 - beta) * expense + beta * jnp.sum(expense)) / self.research_cost
        small = 2e-6 * self._most() / self.research_cost
        u = effective / small
        near = u * (1.875 + u * (-1.25 + 0.375 * u))  # value, slope and curvature of sqrt(u) at u = 1; 0 at 0
        return self.cost - jnp.sqrt(small) * jnp.where(u < 1.0, near, jnp.sqrt(jnp.maximum(u, 1.0)))

    def _profit(self, s: Profile) -> Float[Array, " firm"]:
        q = linear_cournot_equilibrium(self.intercept, self.slope, self._cost_after(s))
        return self.slope * jnp.square(q) - s["expense"]


def research_noncooperative(game: ResearchSpillovers) -> Float[Array, ""]:
    """Symmetric interior equilibrium research of each firm, at the weight `joint` of the game.

    x = D w / (b gamma (n + 1)^2/2 - w (1 + b')) with w = k + joint (n - 1) s; for n = 2 and joint = 0
    x = D (2 - beta) / (4.5 b gamma - (2 - beta)(1 + beta)). Costs must be equal; the first is taken.
    """
    n = game.cost.shape[-1]
    return _symmetric(game, _own(game) + game.joint * (n - 1) * (2.0 * game.spillover - 1.0))


def research_cartel(game: ResearchSpillovers) -> Float[Array, ""]:
    """Symmetric interior research of each firm in a cartel that maximizes joint profits, whatever `joint` is.

    x = D (1 + b') / (b gamma (n + 1)^2/2 - (1 + b')^2); for n = 2 x = D (1 + beta) / (4.5 b gamma - (1 +
    beta)^2). Costs must be equal; the first is taken.
    """
    return _symmetric(game, _reach(game))


def research_planner(game: ResearchSpillovers) -> Float[Array, ""]:
    """Research of each firm that maximizes welfare when output is efficient too (price = marginal cost).

    x = D (1 + b') / (n b gamma - (1 + b')^2), where this is positive and lowers cost by no more than A: (1 +
    b') x <= A is not imposed. Costs must be equal; the first is taken.
    """
    n, reach = game.cost.shape[-1], _reach(game)
    margin = game.intercept - game.cost[0]
    return margin * reach / (n * game.slope * game.research_cost - jnp.square(reach))


def research_curvature(game: ResearchSpillovers) -> Float[Array, ""]:
    """Own second derivative of the payoff in research, all firms active: the second-order condition is < 0.

    2 (k^2 + joint (n - 1) s^2) / (b (n + 1)^2) - gamma.
    """
    n = game.cost.shape[-1]
    squares = jnp.square(_own(game)) + game.joint * (n - 1) * jnp.square(2.0 * game.spillover - 1.0)
    return 2.0 * squares / (game.slope * (n + 1) ** 2) - game.research_cost


def research_response_slope(game: ResearchSpillovers) -> Float[Array, ""]:
    """Slope of a firm's best research in one rival's, all firms active and `research_curvature` < 0.

    2 [(1 + joint) k s + joint (n - 2) s^2] / (b (n + 1)^2) / (-curvature); for n = 2 and joint = 0
    2 (2 - beta)(2 beta - 1) / (9 b gamma - 2 (2 - beta)^2). Simultaneous best responses converge if and only
    if (n - 1) times its absolute value is below 1.
    """
    n, k, s = game.cost.shape[-1], _own(game), 2.0 * game.spillover - 1.0
    cross = (1.0 + game.joint) * k * s + game.joint * (n - 2) * jnp.square(s)
    return -2.0 * cross / (game.slope * (n + 1) ** 2) / research_curvature(game)


def research_input_noncooperative(game: ResearchInputSpillovers) -> Float[Array, ""]:
    """Symmetric interior cost reduction y of each firm in `ResearchInputSpillovers` at joint = 0.

    y = D k / (b gamma (n + 1)^2/2 - k), at the expense X = gamma y^2 / (2 (1 + b')) of each firm. Costs must
    be equal; the first is taken.
    """
    n, k = game.cost.shape[-1], _own(game)
    margin = game.intercept - game.cost[0]
    return margin * k / (game.slope * game.research_cost * (n + 1) ** 2 / 2.0 - k)


def _own(game: ResearchSpillovers | ResearchInputSpillovers) -> Float[Array, ""]:
    n = game.cost.shape[-1]
    return n - game.spillover * (n - 1)


def _reach(game: ResearchSpillovers) -> Float[Array, ""]:
    return 1.0 + game.spillover * (game.cost.shape[-1] - 1)


def _symmetric(game: ResearchSpillovers, weight: Float[Array, ""]) -> Float[Array, ""]:
    n = game.cost.shape[-1]
    margin = game.intercept - game.cost[0]
    return margin * weight / (game.slope * game.research_cost * (n + 1) ** 2 / 2.0 - weight * _reach(game))


def _weighted(profit: Float[Array, " firm"], joint: Float[Array, ""]) -> Float[Array, " firm"]:
    return (1.0 - joint) * profit + joint * jnp.sum(profit)


def _market(
    intercept: Float[Array, ""],
    slope: Float[Array, ""],
    cost: Float[Array, " firm"],
    profit: Float[Array, " firm"],
) -> dict[str, Array]:
    q = linear_cournot_equilibrium(intercept, slope, cost)
    surplus = slope * jnp.square(jnp.sum(q)) / 2.0
    return {
        "quantity": q,
        "cost_after": cost,
        "price": intercept - slope * jnp.sum(q),
        "profit": profit,
        "consumer_surplus": surplus,
        "welfare": surplus + jnp.sum(profit),
        "hhi": herfindahl(q),
    }
