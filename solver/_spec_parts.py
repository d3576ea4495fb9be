"""What a specification calls by name: methods, rules, and what happens before a game is played or decides how.

An object is written as its name, or as a table of its name and its options.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ._axes import knob
from ._best_response import BestResponse
from ._catalog import suggest
from ._dynamic_game import DynamicGame
from ._errors import GameError
from ._game import Game, Problem
from ._gradient_play import GradientPlay
from ._leader import Leader
from ._linear_play import MarkovPerfect, Myopic, OpenLoop
from ._method import Method
from ._newton import Newton
from ._path_game import PathGame
from ._selection import HighestOutcome, Nearest, ParetoDominant, ReachedFrom, RiskDominant, Selected
from ._stage import Stage
from ._stage_rule import StatusQuo


class _Kind(NamedTuple):
    """What makes an object, and the options that have to and that may be given."""

    make: Callable[..., Any]
    needed: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


def _highest(outcome: str) -> HighestOutcome:
    """The rule, whose `name` is the outcome's; in a table `name` is the rule's."""
    return HighestOutcome(outcome)


_METHODS = {
    "BestResponse": _Kind(BestResponse, allowed=tuple(field.name for field in dataclasses.fields(BestResponse))),
    "Newton": _Kind(Newton, allowed=tuple(field.name for field in dataclasses.fields(Newton))),
    "GradientPlay": _Kind(GradientPlay, allowed=tuple(field.name for field in dataclasses.fields(GradientPlay))),
}
_RULES = {
    "HighestOutcome": _Kind(_highest, ("outcome",)),
    "ParetoDominant": _Kind(ParetoDominant),
    "RiskDominant": _Kind(RiskDominant),
    "Nearest": _Kind(Nearest, ("profile",)),
    "ReachedFrom": _Kind(ReachedFrom, ("start",)),
}
_STAGE_RULES = {"StatusQuo": _Kind(StatusQuo, allowed=("start",)), "HighestOutcome": _RULES["HighestOutcome"]}
_PLAYS = {
    **{kind.__name__: _Kind(kind, allowed=("periods", "shown")) for kind in (MarkovPerfect, OpenLoop, Myopic)},
    "PathGame": _Kind(PathGame, ("periods",)),
}


def method(given: Any) -> Method:
    """The method of [solve]."""
    return _named(given, _METHODS, "[solve] method", "{name = 'BestResponse', damping = 0.3}")


def add_play(game: DynamicGame, table: Mapping[str, Any] | None) -> Problem:
    """The dynamic game, played as [play] says."""
    if table is None:
        raise GameError(
            f"{type(game).__name__} is one period of a dynamic game; add [play] with concept = "
            f"{' or '.join(map(repr, _PLAYS))}."
        )
    _needed(table, ("concept",), "[play]")
    name = one_of(table["concept"], tuple(_PLAYS), "[play] concept")
    kind, where = _PLAYS[name], f"[play] {name}"
    options = {key: value for key, value in table.items() if key != "concept"}
    known(options, (*kind.needed, *kind.allowed), where)
    _needed(options, kind.needed, where)
    return _made(kind.make, where, game, **options)


def add_selected(game: Problem, table: Mapping[str, Any]) -> Selected:
    """The game of [selected], played at the equilibrium that the rule chooses."""
    if not isinstance(game, Game):
        raise GameError("[selected]: affine rules are found one by one; it is for games and for concept = 'PathGame'.")
    _needed(table, ("rule",), "[selected]")
    rule = _named(table["rule"], _RULES, "[selected] rule", "{name = 'HighestOutcome', outcome = 'welfare'}")
    return _made(Selected, "[selected]", game, **{**table, "rule": rule})


def add_stage(game: Problem, table: Mapping[str, Any]) -> Stage:
    """The discrete choices of [stage], before `game` is played."""
    _needed(table, ("field",), "[stage]")
    options = {key: tuples(value) for key, value in table.items()}
    if "rule" in options:
        options["rule"] = _named(options["rule"], _STAGE_RULES, "[stage] rule", "{name = 'StatusQuo', start = [0, 1]}")
    return _made(Stage, "[stage]", game, **options)


def add_leader(game: Problem, table: Mapping[str, Any]) -> Leader:
    """The leader of [leader], who chooses before all else."""
    _needed(table, ("choose", "maximize"), "[leader]")
    if isinstance(game, Stage):
        lever = knob(game, table["choose"])
        if any((lever.path, lever.index) == (("game", *other.path), other.index) for other in game.levers):
            raise GameError(f"[leader]: '{lever.name}' is chosen in [stage], after the leader; take another parameter.")
    return _made(Leader, "[leader]", game, **{key: tuples(value) for key, value in table.items()})


def known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """Refuse a key that is none of `keys`."""
    for name in table:
        if name not in keys:
            raise GameError(f"{where}: unknown key '{name}'; {suggest(name, keys)}")


def one_of(value: Any, allowed: tuple[str, ...], where: str) -> str:
    """The value, if it is allowed."""
    if value not in allowed:
        raise GameError(f"{where} must be one of {', '.join(map(repr, allowed))}, not {value!r}.")
    return value


def tuples(value: Any) -> Any:
    """Lists as tuples, which static fields need."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def _named(given: Any, kinds: Mapping[str, _Kind], where: str, example: str) -> Any:
    """An object from its name, or from {name, option = value, ...}."""
    table = {"name": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping) or "name" not in table:
        raise GameError(f"{where}: write a name, or {example}.")
    name = one_of(table["name"], tuple(kinds), where)
    kind, where = kinds[name], f"{where} {name}"
    options = {key: tuples(value) for key, value in table.items() if key != "name"}
    known(options, (*kind.needed, *kind.allowed), where)
    _needed(options, kind.needed, where)
    return _made(kind.make, where, **options)


def _needed(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    if missing := [key for key in keys if key not in table]:
        raise GameError(f"{where}: {', '.join(missing)} missing.")


def _made(make: Callable[..., Any], where: str, *parts: Any, **options: Any) -> Any:
    try:
        return make(*parts, **options)
    except GameError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise GameError(f"{where}: an option has a value of the wrong type ({error}).") from error
