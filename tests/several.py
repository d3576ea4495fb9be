"""Games of which all equilibria are known, where there are several: `SEVERAL`, and what a constraint does: `SHARED`.

Equilibria are in the order of their first strategy. That there are no others is shown in the docstrings.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Constraint, Game, parameter

Bounds = dict[str, tuple[ArrayLike, ArrayLike]]


class QualityBeforePrice(Game):
    """Qualities, after which prices are those of `VerticalDifferentiation`; cost u^2/2 (Motta, 1993, J. of Industrial
    Economics 41).

    The better firm earns 4 h^2 (h - l)/(4 h - l)^2, the other h l (h - l)/(4 h - l)^2. With m = h/l the conditions
    h = 4 m (4 m^2 - 3 m + 2)/(4 m - 1)^3 and l = m^2 (4 m - 7)/(4 m - 1)^3 leave the cubic
    4 m^3 - 23 m^2 + 12 m - 8 = 0 with one real root: either firm is the better one, and with equal qualities nothing is
    earned.
    """

    cost: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"quality": (0.01, 0.5)}

    def payoff(self, s):
        u = s["quality"]
        high, low = jnp.maximum(u, u[::-1]), jnp.minimum(u, u[::-1])
        revenue = jnp.where(u > u[::-1], 4.0 * high, low) * high * (high - low) / jnp.square(4.0 * high - low)
        return revenue - self.cost * jnp.square(u) / 2.0


def _qualities() -> np.ndarray:
    roots = np.roots([4.0, -23.0, 12.0, -8.0])
    m = roots[np.isreal(roots)].real.item()
    high, low = 4 * m * (4 * m**2 - 3 * m + 2) / (4 * m - 1) ** 3, m**2 * (4 * m - 7) / (4 * m - 1) ** 3
    return np.array([[low, high], [high, low]])


class LocalPublicGood(Game):
    """Contributions on a line of three, 2 ln(1 + own + the neighbours') - c x (Bramoulle and Kranton, 2007, J. of
    Economic Theory 135): who pays c wants 2/c - 1 around, 9/11 at the ends and 1 in the middle.

    Either the middle gives 1, or the ends give 9/11 each, or all give, where the two linear conditions of the ends
    leave x_left = x_right: (2, 7, 2)/11. One end alone cannot give with the middle: 9/11 and 1 of the same sum.
    """

    cost: Float[Array, " firm"] = parameter((1.1, 1.0, 1.1))
    firms = ("left", "middle", "right")

    def bounds(self) -> Bounds:
        return {"gift": (0.0, 3.0)}

    def payoff(self, s):
        x = s["gift"]
        around = jnp.stack([x[0] + x[1], jnp.sum(x), x[1] + x[2]])
        return 2.0 * jnp.log(1.0 + around) - self.cost * x


class Search(Game):
    """Search for a partner pays only if the other searches (Diamond, 1982, J. of Political Economy 90):
    e_i (k e_j^2/(1 + e_j^2) - c) - e_i^2/2.

    Best responses increase, so that all equilibria are symmetric: 0, and the roots of e = k e^2/(1 + e^2) - c; for
    c = 1.1/27 and k = 2.7 - 1/27 + c these are 1/2 and 11/5 (and -1/27).
    """

    gain: Float[Array, ""] = parameter(2.7 - 1 / 27 + 1.1 / 27)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"effort": (0.0, 4.0)}

    def payoff(self, s):
        e, other = s["effort"], jnp.square(s["effort"][::-1])
        return e * (self.gain * other / (1.0 + other) - 1.1 / 27) - jnp.square(e) / 2.0


class FallingCosts(Game):
    """Cournot duopoly with marginal cost that falls in output, (1 - Q) q + k q^2/2 (Amir and Lambson, 2000, Review of
    Economic Studies 67 study such cases): best responses (1 - q_other)/(2 - k) are steeper than -1 for k > 1.

    Besides 1/(3 - k) each, either firm alone sells 1/(2 - k), more than 1, and the other nothing.
    """

    fall: Float[Array, ""] = parameter(1.2)
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"q": (0.0, 2.0)}

    def payoff(self, s):
        q = s["q"]
        return (1.0 - jnp.sum(q)) * q + self.fall * jnp.square(q) / 2.0


SEVERAL: list[tuple[str, Game, str, Any]] = [
    ("quality_before_price", QualityBeforePrice(), "quality", _qualities()),
    ("local_public_good", LocalPublicGood(), "gift", np.array([[0, 11, 0], [2, 7, 2], [9, 0, 9]]) / 11),
    ("search", Search(), "effort", np.array([[0.0, 0.0], [0.5, 0.5], [2.2, 2.2]])),
    ("falling_costs", FallingCosts(), "q", np.array([[0.0, 1.25], [1 / 1.8, 1 / 1.8], [1.25, 0.0]])),
]
"""Name, game, its strategy, all its equilibria."""


class RateControl(Game):
    """Users w ln x share a link of capacity C, sum x <= C (Kelly, Maulloo and Tan, 1998, J. of the Operational Research
    Society 49): x = w C/sum w at the price sum w/C."""

    weight: Float[Array, " firm"] = parameter((1.0, 2.0, 3.0))
    firms = ("1", "2", "3")

    def bounds(self) -> Bounds:
        return {"rate": (1e-3, 10.0)}

    def payoff(self, s):
        return self.weight * jnp.log(s["rate"])

    def constraints(self, s):
        return {"link": Constraint(jnp.sum(s["rate"]), upper=2.0)}


class Battlefields(Game):
    """Budgets B_i over fields of value v_k that are shared as x_ik/(x_1k + x_2k) (Friedman, 1958, Operations Research
    6): x_ik = B_i v_k/V, and a unit of budget is worth V B_j/(B_1 + B_2)^2, V = sum v."""

    value: Float[Array, " field"] = parameter((1.0, 3.0))
    firms = ("A", "B")

    def bounds(self) -> Bounds:
        return {"force": (np.full((2, 2), 1e-3), np.full((2, 2), 5.0))}

    def payoff(self, s):
        force = s["force"]
        return jnp.sum(self.value[None, :] * force / jnp.sum(force, axis=0, keepdims=True), axis=1)

    def constraints(self, s):
        used = jnp.sum(s["force"], axis=1)
        return {
            "budget A": Constraint(used[0], upper=1.0, owner="A"),
            "budget B": Constraint(used[1], upper=2.0, owner="B"),
        }


class TwoAgainstOne(Game):
    """A quadratic problem with two shared constraints (Facchinei, Fischer and Piccialli, 2007, Operations Research
    Letters 35): (0, 11) and 8 at the prices 3 and 1, where the derivative of x_1 at its bound is zero too."""

    scale: Float[Array, ""] = parameter(1.0)
    firms = ("two", "one")

    def owners(self):
        return {"x": (0, 0, 1)}

    def bounds(self) -> Bounds:
        return {"x": (0.0, 50.0)}

    def payoff(self, s):
        a, b, c = s["x"]
        two = jnp.square(a) + a * b + jnp.square(b) + (a + b) * c - 25.0 * a - 38.0 * b
        return -self.scale * jnp.stack([two, jnp.square(c) + (a + b) * c - 25.0 * c])

    def constraints(self, s):
        a, b, c = s["x"]
        return {"less": Constraint(a + 2.0 * b - c, upper=14.0), "more": Constraint(3.0 * a + 2.0 * b + c, upper=30.0)}


SHARED: list[tuple[str, Game, str, Any, dict[str, float]]] = [
    ("rate_control", RateControl(), "rate", np.array([1.0, 2.0, 3.0]) / 3, {"link": 3.0}),
    (
        "battlefields",
        Battlefields(),
        "force",
        np.array([[1.0, 3.0], [2.0, 6.0]]) / 4,
        {"budget A": 8 / 9, "budget B": 4 / 9},
    ),
    ("two_against_one", TwoAgainstOne(), "x", np.array([0.0, 11.0, 8.0]), {"less": 3.0, "more": 1.0}),
]
"""Name, game, its strategy, the variational equilibrium, the multipliers."""
