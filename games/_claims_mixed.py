"""Claims about open and closed developers side by side, put to `MixedOpenness` with three developers."""

import numpy as np

from ._claim import OWN, Claim, ClaimSet, Draws, Values, certified
from ._claims_access import MIXED_ACCESS_RANGES, access_points
from .mixed_openness import MixedOpenness

LLANES_ELEJALDE = "Llanes and de Elejalde (2013), abstract"
_DEVELOPERS = 3


def mixed_values(draws: Draws) -> Values:
    """By the number of open models: what an open and a closed developer get, invest and sell, and welfare; and which
    numbers of open models are an equilibrium of the decisions to open."""
    points = access_points(draws)
    every = {name: np.repeat(value[:, None], _DEVELOPERS + 1, axis=1) for name, value in points.items()}
    # The last ones open first: the first developer is closed unless all are open, the last one open unless none is.
    for k in range(_DEVELOPERS):
        every[f"open[{k}]"] = (np.arange(_DEVELOPERS + 1) >= _DEVELOPERS - k).astype(float)
    found = certified(MixedOpenness(), every, ("payoff", "investment", "sales", "quality", "welfare"))
    closed, opened = found["payoff"][:, :-1, 0], found["payoff"][:, 1:, -1]
    # A closed one gains by opening if it would be the (k + 1)th, an open one by closing if k - 1 others stay open.
    opens = opened - closed
    stays = np.concatenate([np.zeros_like(opens[:, :1]), -opens], axis=1) <= 0.0
    goes = np.concatenate([opens, np.zeros_like(opens[:, :1])], axis=1) <= 0.0
    settled = np.where(np.isnan(opens).any(axis=1, keepdims=True), np.nan, stays & goes)
    return {
        "settled": settled,
        "welfare": found["welfare"],
        **{
            f"{name}_{side}": found[name][:, 1, place]
            for name in ("investment", "sales", "quality")
            for side, place in (("closed", 0), ("open", -1))
        },
    }


MIXED_OPENNESS = ClaimSet(
    "open beside closed",
    "MixedOpenness with three developers, none, one, two and all of them open",
    (
        Claim(
            "coexistence",
            "decisions to open have an equilibrium in which open and closed models coexist",
            LLANES_ELEJALDE,
            "derived",
            "the first open model competes with two closed ones; the last one would only share what all have",
            ("settled",),
            lambda v: np.any(v["settled"][:, 1:_DEVELOPERS] > 0.0, axis=1),
        ),
        Claim(
            "closed invests more",
            "beside one open developer a closed one invests more than the open one",
            OWN,
            "derived",
            "a closed developer earns on its margin, an open one from complements",
            ("investment_closed", "investment_open"),
            lambda v: v["investment_closed"] > v["investment_open"],
        ),
        Claim(
            "closed is larger",
            "beside one open developer a closed one sells more than the open one",
            LLANES_ELEJALDE,
            "derived",
            "its quality is higher, and so is its price",
            ("sales_closed", "sales_open"),
            lambda v: v["sales_closed"] > v["sales_open"],
        ),
        Claim(
            "closed is better",
            "beside one open developer a closed model is of higher quality than the open one",
            OWN,
            "built in",
            "it has all that is open, and what its developer adds",
            ("quality_closed", "quality_open"),
            lambda v: v["quality_closed"] > v["quality_open"],
        ),
        Claim(
            "open rival helps",
            "welfare is higher with one open developer of three than with none",
            OWN,
            "derived",
            "an open model lowers the prices of closed ones, and its developer's investment",
            ("welfare",),
            lambda v: v["welfare"][:, 1] > v["welfare"][:, 0],
        ),
        Claim(
            "opens too little",
            "some equilibrium has fewer open models than are best for welfare",
            OWN,
            "derived",
            "developers count neither users nor rivals",
            ("settled", "welfare"),
            lambda v: np.any(
                (v["settled"] > 0.0) & (np.arange(_DEVELOPERS + 1) < np.argmax(v["welfare"], axis=1)[:, None]), axis=1
            ),
        ),
    ),
    MIXED_ACCESS_RANGES,
    mixed_values,
)
"""Claims of the abstract of Llanes and de Elejalde (2013, Industry equilibrium with open-source and proprietary firms,
International Journal of Industrial Organization 31), as far as this model speaks to them, and questions of our own."""
