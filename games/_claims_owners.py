"""Claims about rival owners, who each decide whether to open, put to `ManyOwnersOpenSourcing`.

Two owners of different size, and four outsiders; openness is given in four ways, so that each owner's gain from opening
is known at both decisions of its rival. For one claim a third owner, of the size and the edge of the smaller, is added.
"""

import numpy as np

from ._claim import OWN, Claim, ClaimSet, Draws, Values, certified
from .open_sourcing_owners import ManyOwnersOpenSourcing

LLANES = "Llanes (2019), abstract"
MLADENOVIC = "Mladenovic, Courville and Gidel (2026), abstract"
_SPILL_STEP = 0.02
_LARGER = np.array([0.0, 1.0, 0.0, 1.0])
_SMALLER = np.array([0.0, 0.0, 1.0, 1.0])


def owners_values(draws: Draws) -> Values:
    """Each owner's gain from opening by what its rival does, at the draw; the larger one's with more spillovers to
    rivals and with a third owner; owners' research with closed models; which pure equilibria there are."""
    points = {name: value for name, value in draws.items() if name not in _OWN_NAMES}
    ratio, total = draws["size_ratio"], draws["owners_share"]
    points["share[0]"], points["share[1]"] = total / (1.0 + ratio), total * ratio / (1.0 + ratio)
    points["edge[0]"], points["edge[1]"] = draws["larger_edge"], draws["smaller_edge"]
    # Variants: neither open, the larger, the smaller, both; and the larger at more spillovers to rivals.
    first = {name: np.repeat(value[:, None], 5, axis=1) for name, value in points.items()}
    first["spill_rivals"][:, 4] += _SPILL_STEP
    first["openness[0]"], first["openness[1]"] = np.array([*_LARGER, 1.0]), np.array([*_SMALLER, 0.0])
    values = certified(ManyOwnersOpenSourcing(outsiders=4), first, ("payoff", "research"))
    pay = values["payoff"]
    third = {name: np.repeat(value[:, None], 2, axis=1) for name, value in points.items()}
    third |= {"share[2]": third["share[1]"], "edge[2]": third["edge[1]"], "openness[0]": np.array([0.0, 1.0])}
    three = ManyOwnersOpenSourcing(share=(0.2,) * 3, edge=(0.0,) * 3, openness=(0.0,) * 3, outsiders=4)
    alone = certified(three, third, ("payoff",))["payoff"][..., 0]
    gains = {
        "larger_gain_closed": pay[:, 1, 0] - pay[:, 0, 0],
        "larger_gain_open": pay[:, 3, 0] - pay[:, 2, 0],
        "smaller_gain_closed": pay[:, 2, 1] - pay[:, 0, 1],
        "smaller_gain_open": pay[:, 3, 1] - pay[:, 1, 1],
    }
    a, b, c, d = gains.values()
    return {
        **gains,
        "larger_gain_at_more_spill": pay[:, 4, 0] - pay[:, 0, 0],
        "larger_gain_of_three": alone[:, 1] - alone[:, 0],
        "larger_research": values["research"][:, 0, 0],
        "smaller_research": values["research"][:, 0, 1],
        "lead": draws["larger_edge"] - draws["smaller_edge"],
        "neither": np.where(np.isnan(a + c), np.nan, (a <= 0.0) & (c <= 0.0)),
        "somebody": np.where(
            np.isnan(a + b + c + d),
            np.nan,
            ((a >= 0.0) & (d <= 0.0)) | ((c >= 0.0) & (b <= 0.0)) | ((b >= 0.0) & (d >= 0.0)),
        ),
    }


_OWN_NAMES = ("owners_share", "size_ratio", "larger_edge", "smaller_edge")

OWNERS = ClaimSet(
    "rival owners",
    "ManyOwnersOpenSourcing with two owners and four outsiders, each model open and closed",
    (
        Claim(
            "larger less open",
            "the larger of two owners gains less by opening than the smaller (the rival closed)",
            LLANES,
            "derived",
            "more of what comes back is of use to a larger owner, which speaks against the claim; a larger owner has "
            "more to lose to those whom it helps",
            ("larger_gain_closed", "smaller_gain_closed"),
            lambda v: v["larger_gain_closed"] < v["smaller_gain_closed"],
        ),
        Claim(
            "larger invests more",
            "the larger of two owners does more research (both closed)",
            LLANES,
            "nearly built in",
            "a unit of quality is worth more on more applications",
            ("larger_research", "smaller_research"),
            lambda v: v["larger_research"] > v["smaller_research"],
        ),
        Claim(
            "opening invites",
            "the larger owner's gain from opening is higher if its rival is open",
            LLANES,
            "derived",
            "an open rival takes the licence rent away; it also takes outside research away (pooling < 1)",
            ("larger_gain_open", "larger_gain_closed"),
            lambda v: v["larger_gain_open"] > v["larger_gain_closed"],
        ),
        Claim(
            "spillovers close",
            "the larger owner's gain from opening falls in spillovers to its rival",
            LLANES,
            "nearly built in",
            "what a rival learns from an open model it uses in competition",
            ("larger_gain_at_more_spill", "larger_gain_closed"),
            lambda v: v["larger_gain_at_more_spill"] < v["larger_gain_closed"],
        ),
        Claim(
            "competitors open",
            "the larger owner's gain from opening is higher with a third owner (all rivals closed)",
            LLANES,
            "derived",
            "each owner sells fewer licences; the applications of the third are taken from outsiders",
            ("larger_gain_of_three", "larger_gain_closed"),
            lambda v: v["larger_gain_of_three"] > v["larger_gain_closed"],
        ),
        Claim(
            "decisions settle",
            "decisions to open or not have an equilibrium in pure strategies",
            MLADENOVIC,
            "derived",
            "it fails where one owner wants what the other does and the other wants the opposite",
            ("neither", "somebody"),
            lambda v: (v["neither"] + v["somebody"]) > 0.0,
        ),
        Claim(
            "somebody opens",
            "there is a pure equilibrium in which a model is open",
            MLADENOVIC,
            "derived",
            "our reading of a non-trivial equilibrium, which the abstract does not define",
            ("somebody",),
            lambda v: v["somebody"] > 0.0,
        ),
        Claim(
            "laggard opens",
            "of two owners the one with the smaller edge gains more by opening (the rival closed)",
            OWN,
            "nearly built in",
            "the licence rent is in proportion to the edge",
            ("lead", "larger_gain_closed", "smaller_gain_closed"),
            lambda v: (v["lead"] > 0.0) == (v["larger_gain_closed"] < v["smaller_gain_closed"]),
        ),
    ),
    {
        "owners_share": (0.1, 0.6),
        "size_ratio": (0.2, 0.95),
        "larger_edge": (0.0, 0.2),
        "smaller_edge": (0.0, 0.2),
        "licence_value": (0.2, 2.0),
        "clients_by_size": (0.0, 1.0),
        "spill_back": (0.0, 1.0),
        "pooling": (0.0, 1.0),
        "spill_rivals": (0.0, 0.6),
        "spill_out": (0.0, 0.6),
        "spill_side": (0.0, 0.6),
        "closed_access": (0.2, 1.0),
        "research_cost": (0.8, 3.0),
        "competition": (0.0, 0.8),
        "edge_persistence": (0.0, 1.0),
        "opening_cost": (0.0, 0.05),
    },
    owners_values,
)
"""Claims of the abstracts of Llanes (2019, Competitive strategy for open and user innovation, Journal of Economics and
Management Strategy 28), whose users innovate on what firms open, and of Mladenovic, Courville and Gidel (2026, Why Open
Source? A Game-Theoretic Analysis of the AI Race, arXiv 2604.16227), whose race the winner takes all of."""
