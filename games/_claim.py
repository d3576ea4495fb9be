"""What a claim is, and a set of claims about the same equilibria."""

import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from nashgrid.solver import Game, Status, at_points

from ._meaning import meaning

Draws = Mapping[str, Float[np.ndarray, " draw"]]
Values = Mapping[str, Float[np.ndarray, "draw *more"]]
Standing = Literal["derived", "nearly built in", "built in"]
OWN = "a question of our own"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement about equilibria that is true or false at each draw of parameters."""

    name: str
    statement: str
    source: str
    """Whose abstract makes it, in its own model and words; the statement is in the terms of ours."""
    standing: Standing
    """Whether the model derives it, or was made so that it holds."""
    because: str
    """What in the model makes it true where it is."""
    needs: tuple[str, ...]
    """The names of the values that it looks at."""
    holds: Callable[[Values], Bool[np.ndarray, " draw"]]


@dataclasses.dataclass(frozen=True, eq=False)
class ClaimSet:
    """Claims about the same equilibria, the ranges of all parameters, and how to solve for what the claims look at.

    For ranges, claims or values of your own: `dataclasses.replace(OPEN_SOURCING, ranges=OPEN_SOURCING.ranges |
    {"edge": (0.0, 0.1)})`.
    """

    name: str
    model: str
    """What is solved, in words."""
    claims: tuple[Claim, ...]
    ranges: Mapping[str, tuple[float, float]]
    """Name of a parameter -> (lower, upper)."""
    values: Callable[[Draws], Values]
    """Draws, by parameter -> what the claims look at, NaN where there is no certified equilibrium (`certified`)."""

    def judge(self, draws: Draws) -> dict[str, Float[np.ndarray, " draw"]]:
        """For each claim: 1 where it holds, 0 where not, NaN where something it looks at has no equilibrium."""
        values = self.values(draws)
        found = {}
        for claim in self.claims:
            needed = [values[name].reshape(len(values[name]), -1) for name in claim.needs]
            known = np.all([np.isfinite(each).all(axis=1) for each in needed], axis=0)
            found[claim.name] = np.where(known, claim.holds(values), np.nan)
        return found

    def key(self) -> str:
        """A hash of the claims and of what the modules of this package compute that they are made of; see `meaning`."""
        digest = hashlib.sha256()
        for claim in self.claims:
            digest.update(repr((claim.name, claim.statement, claim.needs)).encode())
        for module in sorted(_modules(self.values), key=lambda module: module.__name__):
            digest.update(meaning(inspect.getsource(module)).encode())
        return digest.hexdigest()[:16]


def certified(
    game: Game, points: Mapping[str, Float[np.ndarray, "draw *variant"]], keep: Sequence[str]
) -> dict[str, np.ndarray]:
    """Strategies, payoffs and outcomes at many points, by name; NaN where there is no certified equilibrium.

    Args:
        game: the parameters that `points` do not name are taken from it.
        points: name of a parameter -> its values, all of the same shape.
        keep: the names of what to compute.

    Returns:
        name -> values, of the shape of a parameter's, then of its own (by firm, for instance).
    """
    shape = next(iter(points.values())).shape
    columns = {name: np.broadcast_to(value, shape).reshape(-1) for name, value in points.items()}
    data = at_points(game, columns, keep=tuple(keep), progress=False)
    solved = data["status"] == Status.successful
    found = {name: data[name].where(solved).values for name in keep}
    return {name: value.reshape(*shape, *value.shape[1:]) for name, value in found.items()}


def higher(what: str, here: str, there: str) -> tuple[tuple[str, str], Callable[[Values], Bool[np.ndarray, " draw"]]]:
    """The needs and the test of a claim that a value is higher `here` than `there`."""
    names = f"{what}_{here}", f"{what}_{there}"
    return names, lambda v: v[names[0]] > v[names[1]]


def _modules(start: Callable[..., Any]) -> set[ModuleType]:
    """The module of a function, and what it imports of this package, directly or not."""
    package = __name__.rpartition(".")[0]
    found, todo = set(), [sys.modules[start.__module__]]
    while todo:
        module = todo.pop()
        if module in found:
            continue
        found.add(module)
        homes = {getattr(value, "__module__", None) for value in vars(module).values()}
        todo += [sys.modules[home] for home in homes if isinstance(home, str) and home.startswith(f"{package}.")]
    return found
