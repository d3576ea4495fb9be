"""A sweep written as a TOML file: what the command line runs.

Every key is known here, so that a misspelt one is an error and not a default.
"""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._catalog import fields, find, suggest
from ._dynamic_game import DynamicGame
from ._errors import GameError
from ._game import Problem
from ._spec_parts import add_leader, add_play, add_selected, add_stage, known, method, one_of, tuples

_KINDS = ("value", "regime", "status", "curve")
_KEYS: dict[str, tuple[str, ...]] = {
    "": ("game", "fields", "axes", "play", "selected", "stage", "leader", "solve", "store", "plot"),
    "play": ("concept", "periods", "shown"),
    "selected": ("rule", "starts", "capacity"),
    "stage": ("field", "choices", "maximize", "rule"),
    "leader": ("choose", "maximize", "choices", "interval"),
    "solve": ("method", "tol", "max_steps", "certify", "dtype", "sensitivity", "keep"),
    "store": ("path", "chunk"),
    "plot": ("kind", "variable", "x", "y", "select", "labels", "xlabel", "ylabel", "file", "title"),
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """The contents of a file, checked as far as that needs no game."""

    game: str
    fields: dict[str, Any]
    axes: dict[str, np.ndarray]
    play: dict[str, Any] | None
    selected: dict[str, Any] | None
    stage: dict[str, Any] | None
    leader: dict[str, Any] | None
    solve: dict[str, Any]
    store: dict[str, Any]
    plot: dict[str, Any]

    @property
    def float32(self) -> bool:
        """Whether to compute in single precision."""
        return self.solve.get("dtype", "float64") == "float32"

    def problem(self) -> Problem:
        """The game, if dynamic as [play] says, played at the equilibrium of [selected], after the choices of [stage],
        after that of [leader]."""
        kind = find(self.game)
        names = [name for name, _, _ in fields(kind)]
        for name in self.fields:
            if name not in names:
                raise GameError(f"[fields]: {kind.__name__} has no field '{name}'; {suggest(name, names)}")
        missing = [name for name, default, _ in fields(kind) if default == "(required)" and name not in self.fields]
        if missing:
            raise GameError(f"[fields]: {kind.__name__} needs {', '.join(map(repr, missing))}.")
        made = kind(**{name: tuples(value) for name, value in self.fields.items()})
        if isinstance(made, DynamicGame):
            game = add_play(made, self.play)
        elif self.play is not None:
            raise GameError(f"[play] says how a dynamic game is played, and {kind.__name__} is none; leave it out.")
        else:
            game = made
        problem = game if self.selected is None else add_selected(game, self.selected)
        problem = problem if self.stage is None else add_stage(problem, self.stage)
        return problem if self.leader is None else add_leader(problem, self.leader)

    def options(self) -> dict[str, Any]:
        """Arguments of `sweep` besides the problem, the axes and the store."""
        given = {name: value for name, value in self.solve.items() if name not in ("dtype", "method")}
        given |= {"chunk": self.store["chunk"]} if "chunk" in self.store else {}
        return given | {"method": method(self.solve.get("method", "BestResponse"))}


def read(path: str | Path) -> Spec:
    """The specification in a file; `GameError` with one sentence for what is wrong in it."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise GameError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GameError(f"{path} is not TOML: {error}.") from error
    known(content, _KEYS[""], "the file")
    tables = {name: content.get(name, {}) for name in _KEYS[""] if name != "game"}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise GameError(f"[{name}] must be a table, not {table!r}.")
        if name in _KEYS:
            known(table, _KEYS[name], f"[{name}]")
    if not isinstance(content.get("game"), str):
        raise GameError("Write which game: game = 'Name' or game = 'module:Class' (`nashgrid games` lists names).")
    one_of(tables["solve"].get("dtype", "float64"), ("float32", "float64"), "[solve] dtype")
    one_of(tables["plot"].get("kind", "value"), _KINDS, "[plot] kind")
    if not tables["axes"]:
        raise GameError("[axes]: give at least one parameter, e.g. cost = {start = 0, stop = 1, num = 11}.")
    axes = {name: axis(name, value) for name, value in tables.pop("axes").items()}
    # One that is there but empty lacks what it needs; one that is not there needs nothing.
    tables |= {name: content.get(name) for name in ("play", "selected", "stage", "leader")}
    return Spec(content["game"], axes=axes, **tables)


def axis(name: str, value: Any) -> np.ndarray:
    """The values of an axis: a list, or {start, stop, num, spacing}."""
    if not isinstance(value, Mapping):
        return np.asarray(value)
    known(value, ("start", "stop", "num", "spacing"), f"[axes] {name}")
    missing = [key for key in ("start", "stop", "num") if key not in value]
    if missing:
        raise GameError(f"[axes] {name}: {', '.join(missing)} missing; write {{start=, stop=, num=}} or a list.")
    start, stop, num = value["start"], value["stop"], value["num"]
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise GameError(f"[axes] {name}: num must be a whole number, at least 1, not {num!r}.")
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in (start, stop)):
        raise GameError(f"[axes] {name}: start and stop must be finite numbers, not {start!r} and {stop!r}.")
    if one_of(value.get("spacing", "linear"), ("linear", "log"), f"[axes] {name}: spacing") == "linear":
        return np.linspace(start, stop, num)
    if start <= 0 or stop <= 0:
        raise GameError(f"[axes] {name}: logarithmic spacing needs start and stop above 0.")
    return np.geomspace(start, stop, num)
