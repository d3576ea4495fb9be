"""Claims about an owner who may open its model, put to `OpenSourcing` with four outsiders."""

import numpy as np
from jaxtyping import Bool, Float

from ._claim import OWN, Claim, ClaimSet, Draws, Values, certified, higher
from .open_sourcing_oligopoly import OpenSourcing

HABIBI = "Habibi (2025), abstract"
SIZES: Float[np.ndarray, " size"] = np.linspace(0.04, 0.96, 24)
"""Owner's sizes at which its gain from opening is looked at."""
_EDGE_STEP, _SIZE_STEP = 0.01, 0.02
_KEEP = ("outside_research", "consumer_surplus", "welfare", "payoff")


def single_peak(gain: Float[np.ndarray, "draw size"]) -> Bool[np.ndarray, " draw"]:
    """Whether the gain rises in size and then falls, both at least once, and never turns again.

    >>> single_peak(np.array([[0.0, 1.0, 0.5], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]])).tolist()
    [True, False, False]
    """
    rises = np.diff(gain, axis=1) > 0.0
    turns = rises[:, 1:] != rises[:, :-1]
    return rises[:, 0] & ~rises[:, -1] & (turns.sum(axis=1) == 1)


def open_sourcing_values(draws: Draws) -> Values:
    """The owner's gain from opening, at each draw, at a larger edge, at a larger size and at all `SIZES`; and outside
    research, consumer surplus and welfare, open and closed."""
    points = {name: np.repeat(value[:, None], 3 + len(SIZES), axis=1) for name, value in draws.items()}
    points["edge"][:, 1] += _EDGE_STEP
    points["owner_share"][:, 2] += _SIZE_STEP
    points["owner_share"][:, 3:] = SIZES
    found = {}
    for name, openness in (("open", 1.0), ("closed", 0.0)):
        values = certified(OpenSourcing(outsiders=4), {**points, "openness": np.array(openness)}, _KEEP)
        found |= {f"{what}_{name}": value for what, value in values.items()}
    gain = found["payoff_open"][..., 0] - found["payoff_closed"][..., 0]
    at_draw = {name: value[:, 0] for name, value in found.items() if not name.startswith("payoff")}
    return {
        "gain": gain[:, 0],
        "gain_at_more_edge": gain[:, 1],
        "gain_at_more_size": gain[:, 2],
        "gain_by_size": gain[:, 3:],
        **at_draw,
    }


OPEN_SOURCING = ClaimSet(
    "open sourcing",
    "OpenSourcing with four outsiders, its model open and closed",
    (
        Claim(
            "inverted U",
            "the owner's gain from opening has a single peak, at a middling size",
            HABIBI,
            "derived",
            "what comes back is worth s(1 - s), licences are worth 1 - s",
            ("gain_by_size",),
            lambda v: single_peak(v["gain_by_size"]),
        ),
        Claim(
            "edge closes",
            "the gain from opening falls in the performance edge",
            HABIBI,
            "nearly built in",
            "a closed model earns a licence rent in proportion to the edge",
            ("gain", "gain_at_more_edge"),
            lambda v: v["gain_at_more_edge"] < v["gain"],
        ),
        Claim(
            "size opens",
            "the gain from opening rises in the owner's size",
            HABIBI,
            "derived",
            "a larger owner uses more of what comes back and forgoes fewer licences; only below the peak",
            ("gain", "gain_at_more_size"),
            lambda v: v["gain_at_more_size"] > v["gain"],
        ),
        Claim(
            "research rises",
            "outside research is higher when the model is open",
            HABIBI,
            "nearly built in",
            "research on a closed model is dearer (closed_access < 1); spillovers to rivals work against it",
            *higher("outside_research", "open", "closed"),
        ),
        Claim(
            "consumers gain",
            "consumer surplus is higher when the model is open",
            OWN,
            "derived",
            "opening raises outsiders' quality, and may lower the owner's research",
            *higher("consumer_surplus", "open", "closed"),
        ),
        Claim(
            "welfare gains",
            "welfare is higher when the model is open",
            OWN,
            "derived",
            "licences are a transfer; spillovers count for all who use them",
            *higher("welfare", "open", "closed"),
        ),
        Claim(
            "opens if it should",
            "whenever opening raises welfare, the owner opens",
            OWN,
            "derived",
            "the owner counts neither consumers nor outsiders: false where its gain is negative and welfare rises",
            ("gain", "welfare_open", "welfare_closed"),
            lambda v: (v["gain"] > 0.0) | (v["welfare_open"] <= v["welfare_closed"]),
        ),
    ),
    {
        "owner_share": (0.05, 0.95),
        "edge": (0.0, 0.2),
        "licence_value": (0.2, 2.0),
        "spill_back": (0.0, 1.0),
        "spill_out": (0.0, 0.6),
        "spill_side": (0.0, 0.6),
        "closed_access": (0.2, 1.0),
        "idea_substitution": (0.6, 1.0),
        "research_cost": (0.8, 3.0),
        "discount": (0.5, 1.0),
        "competition": (0.0, 0.8),
        "edge_persistence": (0.0, 1.0),
        "opening_cost": (0.0, 0.05),
    },
    open_sourcing_values,
)
"""Claims of the abstract of Habibi (2025), and questions of our own."""
