"""What is measured point by point: the games of throughput by two methods, and a map in which an owner moves first."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nashgrid.games import OpenSourcing
from nashgrid.solver import BestResponse, GlobalSearch, Leader, Newton, Status
from nashgrid.solver._axes import knobs
from nashgrid.solver._game import Problem
from nashgrid.solver._how import How
from nashgrid.solver._labels import EVIDENCE

from ._cases import SEED, Case, cases
from ._competitor import MAX_STEPS, TOLERANCE
from ._residual import residuals

METHODS = {"newton": (Newton(), None), "best_response_certified": (BestResponse(), GlobalSearch())}
"""Name -> a method, and its search for deviations."""
FIRST = ("linear_cournot_2", "isoelastic_cournot_5", "logit_bertrand_3", "open_sourcing_map")
"""What is measured first where there may not be time for all."""
MAP = "open_sourcing_map"
MAP_AXES = {"owner_share": (0.02, 0.98), "edge": (0.0, 0.1)}
MAP_KEEP = ("openness", "subgame_residual", "subgame_regret")


class Task(NamedTuple):
    """A problem, how it is solved, and at which points."""

    name: str
    title: str
    method: str
    problem: Problem
    how: How
    points: Callable[[int], np.ndarray]
    accepted: Status
    """What a solved point has: a method that does not certify is held to the first-order conditions."""
    residuals: Callable[[np.ndarray, dict[str, Any]], np.ndarray]
    """(points, what was found there) -> how far that is from the first-order conditions."""


def leader() -> Leader:
    """The owner of a model opens it or not, foreseeing the research of four outsiders and competition with them."""
    game = OpenSourcing(outsiders=4, competition=0.3)
    return Leader(game, choose="openness", maximize="owner", choices=(0.0, 1.0))


def names(first: bool = False) -> Iterator[tuple[str, str]]:
    """All tasks by game and method; those of `FIRST` before the others, if so."""
    games = [*cases(), MAP]
    for game in sorted(games, key=lambda name: name not in FIRST) if first else games:
        yield from ((game, method) for method in METHODS if game != MAP or METHODS[method][1] is not None)


def task(game: str, method: str) -> Task:
    """A task by its names; what is kept of the results is what throughput and the map keep."""
    way, search = METHODS[method]
    if game == MAP:
        problem = leader()
        how = How(knobs(problem, tuple(MAP_AXES), "axes"), (), way, TOLERANCE, MAX_STEPS, search, MAP_KEEP)
        title = "open sourcing, the owner's choice"
        return Task(game, title, method, problem, how, _map_points, Status.successful, _of_subgame)
    case: Case = cases()[game]
    keep = (case.strategy, *(EVIDENCE if search else ()))
    how = How(knobs(case.game, tuple(case.columns), "axes"), (), way, TOLERANCE, MAX_STEPS, search, keep)
    accepted = Status.successful if search else Status.first_order

    def judge(points: np.ndarray, found: dict[str, Any]) -> np.ndarray:
        return residuals(case, points, np.asarray(found[case.strategy]))

    return Task(game, case.title, method, case.game, how, case.points, accepted, judge)


def _of_subgame(points: np.ndarray, found: dict[str, Any]) -> np.ndarray:
    """Of the game that follows the choice; a choice among a few has no first-order conditions."""
    del points
    return np.asarray(found["subgame_residual"])


def _map_points(count: int) -> np.ndarray:
    low, high = np.array(list(MAP_AXES.values())).T
    return low + (high - low) * np.random.default_rng(SEED).random((count, len(low)))
