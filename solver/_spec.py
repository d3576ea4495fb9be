"""A sweep written as a TOML file: what the command line runs.

Every key is known here, so that a misspelt one is an error and not a default.
"""

import dataclasses
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from ._best_response import BestResponse
from ._catalog import fields, find, suggest
from ._errors import GameError
from ._game import Problem
from ._gradient_play import GradientPlay
from ._leader import Leader
from ._method import Method
from ._newton import Newton

_METHODS: dict[str, type[Method]] = {m.__name__: m for m in (BestResponse, Newton, GradientPlay)}
_KINDS = ("value", "regime", "status", "curve")
_KEYS: dict[str, tuple[str, ...]] = {
    "": ("game", "fields", "axes", "leader", "solve", "store", "plot"),
    "leader": ("choose", "maximize", "choices", "interval"),
    "solve": ("method", "tol", "max_steps", "certify", "dtype", "sensitivity"),
    "store": ("path", "chunk"),
    "plot": ("kind", "variable", "x", "y", "select", "labels", "xlabel", "ylabel", "file", "title"),
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """The contents of a file, checked as far as that needs no game."""

    game: str
    fields: dict[str, Any]
    axes: dict[str, np.ndarray]
    leader: dict[str, Any]
    solve: dict[str, Any]
    store: dict[str, Any]
    plot: dict[str, Any]

    @property
    def float32(self) -> bool:
        """Whether to compute in single precision."""
        return self.solve.get("dtype", "float64") == "float32"

    def problem(self) -> Problem:
        """The game, under its leader if there is one."""
        kind = find(self.game)
        known = [name for name, _, _ in fields(kind)]
        for name in self.fields:
            if name not in known:
                raise GameError(f"[fields]: {kind.__name__} has no field '{name}'; {suggest(name, known)}")
        missing = [name for name, default, _ in fields(kind) if default == "(required)" and name not in self.fields]
        if missing:
            raise GameError(f"[fields]: {kind.__name__} needs {', '.join(map(repr, missing))}.")
        game = kind(**{name: _tuples(value) for name, value in self.fields.items()})
        return Leader(game, **{k: _tuples(v) for k, v in self.leader.items()}) if self.leader else game

    def options(self) -> dict[str, Any]:
        """Arguments of `sweep` besides the problem, the axes and the store."""
        given = {name: value for name, value in self.solve.items() if name not in ("dtype", "method")}
        given |= {"chunk": self.store["chunk"]} if "chunk" in self.store else {}
        return given | {"method": _method(self.solve.get("method", "BestResponse"))}


def read(path: str | Path) -> Spec:
    """The specification in a file; `GameError` with one sentence for what is wrong in it."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise GameError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GameError(f"{path} is not TOML: {error}.") from error
    _known(content, _KEYS[""], "the file")
    tables = {name: content.get(name, {}) for name in _KEYS[""] if name != "game"}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise GameError(f"[{name}] must be a table, not {table!r}.")
        if name in _KEYS:
            _known(table, _KEYS[name], f"[{name}]")
    if not isinstance(content.get("game"), str):
        raise GameError("Write which game: game = 'Name' or game = 'module:Class' (`nashgrid games` lists names).")
    _one_of(tables["solve"].get("dtype", "float64"), ("float32", "float64"), "[solve] dtype")
    _one_of(tables["plot"].get("kind", "value"), _KINDS, "[plot] kind")
    if not tables["axes"]:
        raise GameError("[axes]: give at least one parameter, e.g. cost = {start = 0, stop = 1, num = 11}.")
    axes = {name: axis(name, value) for name, value in tables.pop("axes").items()}
    return Spec(content["game"], axes=axes, **tables)


def axis(name: str, value: Any) -> np.ndarray:
    """The values of an axis: a list, or {start, stop, num, spacing}."""
    if not isinstance(value, Mapping):
        return np.asarray(value)
    _known(value, ("start", "stop", "num", "spacing"), f"[axes] {name}")
    missing = [key for key in ("start", "stop", "num") if key not in value]
    if missing:
        raise GameError(f"[axes] {name}: {', '.join(missing)} missing; write {{start=, stop=, num=}} or a list.")
    start, stop, num = value["start"], value["stop"], value["num"]
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        raise GameError(f"[axes] {name}: num must be a whole number, at least 1, not {num!r}.")
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in (start, stop)):
        raise GameError(f"[axes] {name}: start and stop must be finite numbers, not {start!r} and {stop!r}.")
    if _one_of(value.get("spacing", "linear"), ("linear", "log"), f"[axes] {name}: spacing") == "linear":
        return np.linspace(start, stop, num)
    if start <= 0 or stop <= 0:
        raise GameError(f"[axes] {name}: logarithmic spacing needs start and stop above 0.")
    return np.geomspace(start, stop, num)


def _method(given: Any) -> Method:
    """A method from its name, or from {name, option = value, ...}."""
    table = {"name": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping) or "name" not in table:
        raise GameError("[solve] method: write a name, or {name = 'BestResponse', damping = 0.3}.")
    kind = _METHODS[_one_of(table["name"], tuple(_METHODS), "[solve] method")]
    options = {name: value for name, value in table.items() if name != "name"}
    _known(options, [field.name for field in dataclasses.fields(kind)], f"[solve] method {kind.__name__}")
    try:
        return cast(Any, kind)(**options)
    except TypeError as error:
        raise GameError(f"[solve] method: an option has a value of the wrong type ({error}).") from None


def _known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for name in table:
        if name not in keys:
            raise GameError(f"{where}: unknown key '{name}'; {suggest(name, keys)}")


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> str:
    if value not in allowed:
        raise GameError(f"{where} must be one of {', '.join(map(repr, allowed))}, not {value!r}.")
    return value


def _tuples(value: Any) -> Any:
    """Lists as tuples, which static fields need."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
