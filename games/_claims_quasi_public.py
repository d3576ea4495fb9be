"""Claims about open and closed access to language models, put to `QuasiPublicGood` with three developers and groups."""

import numpy as np

from ._claim import Claim, ClaimSet, Draws, Values, certified, higher
from ._claims_access import ACCESS_RANGES, access_points
from .quasi_public_good import QuasiPublicGood

ZHANG, XU = "Zhang and Zhang (2025), abstract", "Xu, Wang, Chen and Xie (2025), abstract"
SUBSIDY_STEP = 0.05
"""The subsidy per use whose effect is looked at."""
_KEEP = ("welfare", "static_loss", "quality", "gini", "poorest_usage", "publicness", "consumer_surplus", "investment",
         "developer_profit")  # fmt: skip


def quasi_public_values(draws: Draws) -> Values:
    """Outcomes with open models, with closed ones, and with closed ones and a subsidy of `SUBSIDY_STEP` per use."""
    points = access_points(draws)
    found = {}
    for name, openness, subsidy in (("open", 1.0, 0.0), ("closed", 0.0, 0.0), ("subsidized", 0.0, SUBSIDY_STEP)):
        regime = {"openness": np.array(openness), "subsidy": np.array(subsidy)}
        values = certified(QuasiPublicGood(), points | regime, _KEEP)
        values["investment"] = values["investment"].sum(axis=-1)
        found |= {f"{what}_{name}": value for what, value in values.items()}
    return found


QUASI_PUBLIC_GOOD = ClaimSet(
    "quasi-public good",
    "QuasiPublicGood with three developers and three groups of users, all models open and all closed",
    (
        Claim(
            "welfare",
            "welfare is higher when models are open",
            ZHANG,
            "derived",
            "access is wider, investment may be smaller",
            *higher("welfare", "open", "closed"),
        ),
        Claim(
            "static loss",
            "the static deadweight loss is smaller when models are open",
            ZHANG,
            "derived",
            "no markup on access; hosting by users may cost more than a use is worth",
            *higher("static_loss", "closed", "open"),
        ),
        Claim(
            "quality",
            "quality is higher when models are open",
            ZHANG,
            "derived",
            "ideas are pooled, and only complements pay for them",
            *higher("quality", "open", "closed"),
        ),
        Claim(
            "equity",
            "usage is more equal when models are open",
            ZHANG,
            "derived",
            "at equal quality iff hosting costs less than a closed model; hosting gets dearer as need falls",
            *higher("gini", "closed", "open"),
        ),
        Claim(
            "poorest",
            "the group of the lowest need uses more when models are open",
            ZHANG,
            "derived",
            "as for equity, and through quality",
            *higher("poorest_usage", "open", "closed"),
        ),
        Claim(
            "publicness",
            "the publicness index is higher when models are open",
            ZHANG,
            "nearly built in",
            "one of its three parts is the share of non-excluded usage that is realized",
            *higher("publicness", "open", "closed"),
        ),
        Claim(
            "openness trap",
            "a mandate to open lowers investment and welfare, both",
            XU,
            "derived",
            "developers of open models earn from complements only; there is no data flywheel and no entrant here",
            ("investment_open", "investment_closed", "welfare_open", "welfare_closed"),
            lambda v: (v["investment_open"] < v["investment_closed"]) & (v["welfare_open"] < v["welfare_closed"]),
        ),
        Claim(
            "subsidy captured",
            "users are no better off by a small subsidy per use of closed models",
            XU,
            "derived",
            "developers could raise prices by all of it; with linear demand and competition in quantities they do not",
            ("consumer_surplus_subsidized", "consumer_surplus_closed"),
            lambda v: v["consumer_surplus_subsidized"] <= v["consumer_surplus_closed"],
        ),
        Claim(
            "developers' subsidy",
            "of a small subsidy per use of closed models developers gain more than users",
            XU,
            "derived",
            "the weaker form of the one before: how much of it reaches users depends on how close substitutes are",
            ("consumer_surplus_subsidized", "consumer_surplus_closed", "developer_profit_subsidized",
             "developer_profit_closed"),
            lambda v: v["developer_profit_subsidized"] - v["developer_profit_closed"]
            > v["consumer_surplus_subsidized"] - v["consumer_surplus_closed"],
        ),
    ),
    ACCESS_RANGES,
    quasi_public_values,
)  # fmt: skip
"""Claims of the abstracts of Zhang and Zhang (2025, arXiv 2509.13265) and, as far as this model speaks to them, of Xu,
Wang, Chen and Xie (2025, The Economics of AI Foundation Models, arXiv 2510.15200)."""
