"""Claims about open models, each as a question to equilibria, and the parameters over which it is asked.

Claims of the abstracts of Habibi (2025, arXiv 2501.11581) and of Zhang and Zhang (2025, arXiv 2509.13265), put into the
terms of `OpenSourcing` and `QuasiPublicGood`, which are formalizations of our own, and a few questions besides. A claim
is true or false at a draw of parameters; what share of the admissible draws it holds for says how robust it is in the
model, not how likely it is in the world, and depends on the ranges. What is built into a model holds nearly everywhere
because it was put there.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

Values = Mapping[str, Float[np.ndarray, "draw *more"]]
Standing = Literal["derived", "nearly built in", "built in"]


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement about equilibria that is true or false at each draw of parameters."""

    name: str
    statement: str
    source: str
    standing: Standing
    """Whether the model derives it, or was made so that it holds."""
    because: str
    """What in the model makes it true where it is."""
    needs: tuple[str, ...]
    """The names of the values that it looks at."""
    holds: Callable[[Values], Bool[np.ndarray, " draw"]]


_HABIBI, _ZHANG, _OWN = "Habibi (2025), abstract", "Zhang and Zhang (2025), abstract", "a question of our own"

OPEN_SOURCING_RANGES: dict[str, tuple[float, float]] = {
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
}
"""Parameter of `OpenSourcing` -> its range."""

SIZES: Float[np.ndarray, " size"] = np.linspace(0.04, 0.96, 24)
"""Owner's sizes at which its gain from opening is looked at."""


def single_peak(gain: Float[np.ndarray, "draw size"]) -> Bool[np.ndarray, " draw"]:
    """Whether the gain rises in size and then falls, both at least once, and never turns again.

    >>> single_peak(np.array([[0.0, 1.0, 0.5], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]])).tolist()
    [True, False, False]
    """
    rises = np.diff(gain, axis=1) > 0.0
    turns = rises[:, 1:] != rises[:, :-1]
    return rises[:, 0] & ~rises[:, -1] & (turns.sum(axis=1) == 1)


OPEN_SOURCING_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "inverted U",
        "the owner's gain from opening has a single peak, at a middling size",
        _HABIBI,
        "derived",
        "what comes back is worth s(1 - s), licences are worth 1 - s",
        ("gain_by_size",),
        lambda v: single_peak(v["gain_by_size"]),
    ),
    Claim(
        "edge closes",
        "the gain from opening falls in the performance edge",
        _HABIBI,
        "nearly built in",
        "a closed model earns a licence rent in proportion to the edge",
        ("gain", "gain_at_more_edge"),
        lambda v: v["gain_at_more_edge"] < v["gain"],
    ),
    Claim(
        "size opens",
        "the gain from opening rises in the owner's size",
        _HABIBI,
        "derived",
        "a larger owner uses more of what comes back and forgoes fewer licences; only below the peak",
        ("gain", "gain_at_more_size"),
        lambda v: v["gain_at_more_size"] > v["gain"],
    ),
    Claim(
        "research rises",
        "outside research is higher when the model is open",
        _HABIBI,
        "nearly built in",
        "research on a closed model is dearer (closed_access < 1); spillovers to rivals work against it",
        ("outside_research_open", "outside_research_closed"),
        lambda v: v["outside_research_open"] > v["outside_research_closed"],
    ),
    Claim(
        "consumers gain",
        "consumer surplus is higher when the model is open",
        _OWN,
        "derived",
        "opening raises outsiders' quality, and may lower the owner's research",
        ("consumer_surplus_open", "consumer_surplus_closed"),
        lambda v: v["consumer_surplus_open"] > v["consumer_surplus_closed"],
    ),
    Claim(
        "welfare gains",
        "welfare is higher when the model is open",
        _OWN,
        "derived",
        "licences are a transfer; spillovers count for all who use them",
        ("welfare_open", "welfare_closed"),
        lambda v: v["welfare_open"] > v["welfare_closed"],
    ),
    Claim(
        "opens if it should",
        "whenever opening raises welfare, the owner opens",
        _OWN,
        "derived",
        "the owner counts neither consumers nor outsiders: false where its gain is negative and welfare rises",
        ("gain", "welfare_open", "welfare_closed"),
        lambda v: (v["gain"] > 0.0) | (v["welfare_open"] <= v["welfare_closed"]),
    ),
)

QUASI_PUBLIC_RANGES: dict[str, tuple[float, float]] = {
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
"""Parameter of `QuasiPublicGood` -> its range; "hosting_premium" is h - m, and the three needs are 1 and 1 -/+
"need_spread"."""


def quasi_public_points(draws: Mapping[str, Float[np.ndarray, " draw"]]) -> dict[str, Float[np.ndarray, " draw"]]:
    """Draws from `QUASI_PUBLIC_RANGES` as parameters of `QuasiPublicGood`."""
    points = {name: value for name, value in draws.items() if name not in ("hosting_premium", "need_spread")}
    points["hosting_cost"] = draws["resource_cost"] + draws["hosting_premium"]
    points["need[0]"], points["need[2]"] = 1.0 - draws["need_spread"], 1.0 + draws["need_spread"]
    return points


def _open_above(what: str) -> tuple[tuple[str, str], Callable[[Values], Bool[np.ndarray, " draw"]]]:
    names = f"{what}_open", f"{what}_closed"
    return names, lambda v: v[names[0]] > v[names[1]]


def _open_below(what: str) -> tuple[tuple[str, str], Callable[[Values], Bool[np.ndarray, " draw"]]]:
    names = f"{what}_open", f"{what}_closed"
    return names, lambda v: v[names[0]] < v[names[1]]


QUASI_PUBLIC_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "welfare",
        "welfare is higher when models are open",
        _ZHANG,
        "derived",
        "access is wider, investment may be smaller",
        *_open_above("welfare"),
    ),
    Claim(
        "static loss",
        "the static deadweight loss is smaller when models are open",
        _ZHANG,
        "derived",
        "no markup on access; hosting by users may cost more than a use is worth",
        *_open_below("static_loss"),
    ),
    Claim(
        "quality",
        "quality is higher when models are open",
        _ZHANG,
        "derived",
        "ideas are pooled, and only complements pay for them",
        *_open_above("quality"),
    ),
    Claim(
        "equity",
        "usage is more equal when models are open",
        _ZHANG,
        "derived",
        "at equal quality iff hosting costs less than a closed model; hosting gets dearer as need falls",
        *_open_below("gini"),
    ),
    Claim(
        "poorest",
        "the group of the lowest need uses more when models are open",
        _ZHANG,
        "derived",
        "as for equity, and through quality",
        *_open_above("poorest_usage"),
    ),
    Claim(
        "publicness",
        "the publicness index is higher when models are open",
        _ZHANG,
        "nearly built in",
        "one of its three parts is the share of non-excluded usage that is realized",
        *_open_above("publicness"),
    ),
)
