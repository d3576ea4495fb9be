"""The games that are installed: public classes of games, static and dynamic, of every module in the entry-point group
"nashgrid.games"."""

import dataclasses
import difflib
import importlib
import inspect
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, cast

import numpy as np

from ._dynamic_game import DynamicGame
from ._errors import GameError
from ._game import Game

GROUP = "nashgrid.games"


Kind = type[Game] | type[DynamicGame]


def modules() -> list[ModuleType]:
    """The modules that offer games, the package's own first; one that cannot be imported is named and left out."""
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name != "nashgrid", point.name)):
        try:
            found.append(point.load())
        except Exception as error:
            print(f"nashgrid: no games from {point.name} = {point.value} ({error})", file=sys.stderr)
    return found


def games(where: Iterable[ModuleType]) -> dict[str, Kind]:
    """Name -> class of the public games in some modules."""
    return {
        name: value
        for module in where
        for name, value in sorted(vars(module).items())
        if inspect.isclass(value)
        and issubclass(value, Game | DynamicGame)
        and not inspect.isabstract(value)
        and not name.startswith("_")
    }


def find(name: str) -> Kind:
    """The game called `name`: one that is installed, or "module:Class"."""
    if ":" in name:
        module, _, kind = name.partition(":")
        try:
            known = games([importlib.import_module(module)])
        except ImportError as error:
            raise GameError(f"game: the module '{module}' cannot be imported ({error}).") from error
        name = kind
    else:
        known = games(modules())
    if name not in known:
        raise GameError(f"game: there is no game '{name}'; {suggest(name, known)}")
    return known[name]


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that was not found."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3)
    return (
        f"did you mean {' or '.join(map(repr, close))}?" if close else f"write one of {', '.join(known) or '(none)'}."
    )


def summary(kind: Kind) -> str:
    """The first line of the documentation of a game."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def fields(kind: Kind) -> list[tuple[str, str, str]]:
    """(name, default, description) of what can be set when a game is made."""
    rows = []
    for field in dataclasses.fields(cast(Any, kind)):
        if field.init:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            rows.append((field.name, "(required)" if required else _short(default), field.metadata.get("doc", "")))
    return rows


def nested(kind: Kind) -> dict[str, Kind]:
    """The games that a game is made of by default, by field: their parameters can be axes as well."""
    made = {f.name: f.default_factory for f in dataclasses.fields(cast(Any, kind)) if f.init}
    return {name: part for name, part in made.items() if inspect.isclass(part) and issubclass(part, Game | DynamicGame)}


def _short(value: object) -> str:
    if isinstance(value, Game | DynamicGame):
        return f"{type(value).__name__}()"
    text = str(np.asarray(value).tolist()) if isinstance(value, np.ndarray) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
