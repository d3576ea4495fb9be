"""Claims about a public firm among one or five private ones, put to `MixedCournot` and `MixedBertrand`."""

import numpy as np

from nashgrid.solver import Game

from ._claim import OWN, Claim, ClaimSet, Draws, Values, certified, higher
from .mixed_oligopoly import MixedBertrand, MixedCournot

HARAGUCHI = "Haraguchi and Matsumura (2016), abstract"
PRIVATE_FIRMS = {"one": 1, "five": 5}


def public_firm_values(draws: Draws) -> Values:
    """Welfare and a private firm's profit, in prices and in quantities, by the number of private firms; and welfare in
    quantities where the public firm maximizes profit as all others do."""
    found = {}
    for word, n in PRIVATE_FIRMS.items():
        values, costs = (1.0,) * (n + 1), (0.0,) * (n + 1)
        points = {
            "substitutability": draws["substitutability"],
            "welfare_weight": draws["welfare_weight"],
            "cost[0]": draws["public_cost"],
        }
        quantities = MixedCournot(value=values, cost=costs)
        private = points | {"welfare_weight": np.zeros_like(points["welfare_weight"])}
        games: tuple[tuple[str, Game, dict], ...] = (
            ("quantities", quantities, points),
            ("prices", MixedBertrand(value=values, cost=costs), points),
            ("privatized", quantities, private),
        )
        for name, game, where in games:
            solved = certified(game, where, ("welfare", "profit"))
            found[f"welfare_{word}_{name}"] = solved["welfare"]
            found[f"profit_{word}_{name}"] = solved["profit"][..., -1]
    return found


PUBLIC_FIRM = ClaimSet(
    "public firm",
    "MixedCournot and MixedBertrand with a public firm and one or five private ones, whose costs are 0",
    (
        Claim(
            "prices: welfare, one",
            "with one private firm welfare is higher in price competition",
            HARAGUCHI,
            "derived",
            "always if the public firm maximizes welfare, or profit; not for partly private ones of distant goods",
            *higher("welfare_one", "prices", "quantities"),
        ),
        Claim(
            "prices: welfare, five",
            "with five private firms welfare is higher in price competition",
            HARAGUCHI,
            "derived",
            "as with one",
            *higher("welfare_five", "prices", "quantities"),
        ),
        Claim(
            "prices: profit, one",
            "with one private firm its profit is higher in price competition",
            HARAGUCHI,
            "derived",
            "a public firm that sets its price produces less; not so one that is nearly private",
            *higher("profit_one", "prices", "quantities"),
        ),
        Claim(
            "quantities: profit, five",
            "with five private firms the profit of each is higher in competition in quantities",
            HARAGUCHI,
            "derived",
            "competition among private firms is weaker in quantities; at equal costs possible from five on",
            *higher("profit_five", "quantities", "prices"),
        ),
        Claim(
            "privatize, one",
            "with one private firm welfare in quantities is higher if the public firm is privatized",
            OWN,
            "derived",
            "a public firm of high costs produces too much",
            *higher("welfare_one", "privatized", "quantities"),
        ),
        Claim(
            "privatize, five",
            "with five private firms welfare in quantities is higher if the public firm is privatized",
            OWN,
            "derived",
            "the more private firms, the less is left for a public one to mend",
            *higher("welfare_five", "privatized", "quantities"),
        ),
    ),
    {"substitutability": (0.05, 0.8), "welfare_weight": (0.0, 1.0), "public_cost": (0.0, 0.2)},
    public_firm_values,
)
"""Claims of the abstract of Haraguchi and Matsumura (2016), where the public firm's cost is above that of the others by
"public_cost" and it may be partly private."""
