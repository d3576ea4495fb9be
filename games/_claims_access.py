"""Over which parameters claims about access to language models are asked: one table for all models of access.

Draws name two parameters that no game has, so that every combination is admissible: "hosting_premium" is h - m, and the
three needs are 1 and 1 -/+ "need_spread".
"""

import numpy as np
from jaxtyping import Float

from ._claim import Draws

ACCESS_RANGES = {
    "substitutability": (0.0, 0.9),
    "network_externality": (0.0, 0.3),
    "rivalry": (0.0, 0.3),
    "spillover": (0.0, 0.4),
    "resource_cost": (0.0, 0.3),
    "hosting_premium": (0.0, 0.3),
    "hosting_gradient": (0.0, 0.3),
    "need_spread": (0.0, 0.6),
    "investment_cost": (8.0, 24.0),
    "quality_spillover": (0.0, 1.0),
    "complementary_revenue": (0.0, 0.5),
}
"""Name -> (lower, upper): those of `QuasiPublicGood`."""
_ALIKE = {name: limits for name, limits in ACCESS_RANGES.items() if name != "hosting_gradient"}
MIXED_ACCESS_RANGES = _ALIKE | {"need_spread": (0.0, 0.4)}
"""Those of `MixedOpenness`: hosting costs all the same, and needs are closer to each other, as it has no value where a
group is excluded."""


def access_points(draws: Draws) -> dict[str, Float[np.ndarray, " draw"]]:
    """Draws as parameters of a model of access with three groups of users."""
    points = {name: value for name, value in draws.items() if name not in ("hosting_premium", "need_spread")}
    points["hosting_cost"] = draws["resource_cost"] + draws["hosting_premium"]
    points["need[0]"], points["need[2]"] = 1.0 - draws["need_spread"], 1.0 + draws["need_spread"]
    return points
