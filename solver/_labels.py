"""Equilibria with names: the variables, dimensions and attributes of labelled results.

This is the contract between what produces results (`sweep`) and what reads them (stores, plots). The dimensions are
the varied parameters, then "firm" for values by firm ("leader" for the payoff of a leader), or what `Game.dims` says.
The variables of a stage that follows keep their own names where these are strategies and outcomes, and are called
"subgame_payoff", "subgame_status", ... otherwise. The multiplier of the constraint "cap" is called "multiplier_cap" and
has the dimensions that `Game.dims` gives for "cap".
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from ._axes import Knob
from ._catalog import suggest
from ._errors import GameError
from ._game import Problem
from ._solution import Equilibrium
from ._status import Status

EVIDENCE = {
    "residual": "largest violation of the first-order conditions, relative to the strategies",
    "regret": "largest gain of a firm by a deviation, relative to its payoff",
    "concavity": "largest eigenvalue of the firms' own Hessians, scaled to unit diagonal",
    "stability": "spectral radius of the best-response map",
    "conditioning": "condition number of the Jacobian of the first-order conditions",
    "margin": "distance to the nearest change of the active bounds, relative to the strategies",
    "error": "estimated distance to the exact equilibrium, relative to the strategies",
}


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable of a result: what it is at one point, without the varied parameters."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: dict[str, Any]

    @property
    def fill(self) -> Any:
        """What a point reads as that has not been computed."""
        return self.dtype.type(np.nan) if np.issubdtype(self.dtype, np.inexact) else self.dtype.type(0)


@dataclasses.dataclass(frozen=True)
class Schema:
    """All of a result but its numbers."""

    variables: tuple[Variable, ...]
    coords: dict[str, tuple[np.ndarray, dict[str, Any]]]
    axes: tuple[str, ...]
    attrs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each varied parameter."""
        return tuple(len(self.coords[name][0]) for name in self.axes)


def reported(eq: Equilibrium, prefix: str = "") -> dict[str, Array]:
    """Strategies, payoffs, outcomes and multipliers by the names they have in results: what has derivatives."""
    # Firms without names may be a million, and what each of them does is not read point by point.
    named = not isinstance(eq.firms, range)
    every = _merge(eq.strategy, {f"{prefix}payoff": eq.payoff}) if named else {}
    every = _merge(every, eq.outcomes)
    every = _merge(every, {multiplier(name): value for name, value in eq.multipliers.items()})
    if eq.subgame is None:
        return every
    later = reported(eq.subgame, f"{prefix}subgame_")
    return _merge(every, {k: v for k, v in later.items() if k not in eq.outcomes})


def multiplier(constraint: str) -> str:
    """The name of the multiplier of a constraint."""
    return f"multiplier_{constraint}"


def evidence(eq: Equilibrium, prefix: str = "") -> dict[str, Array]:
    """Status, steps and the scalars of the certificate by the names they have in results."""
    every = {f"{prefix}status": eq.status, f"{prefix}steps": eq.steps}
    if eq.certificate is not None:
        every |= {f"{prefix}{name}": getattr(eq.certificate, name) for name in EVIDENCE}
    return every if eq.subgame is None else every | evidence(eq.subgame, f"{prefix}subgame_")


def kept(every: Mapping[str, Array], keep: Sequence[str] | None) -> dict[str, Array]:
    """The variables that are wanted, all if None; status and steps always."""
    return {k: v for k, v in every.items() if keep is None or k in keep or k in ("status", "steps")}


def schema(
    problem: Problem,
    one: Equilibrium,
    axes: Sequence[Knob],
    values: Sequence[np.ndarray],
    sensitivity: Sequence[Knob],
    attrs: dict[str, Any],
    keep: Sequence[str] | None = None,
) -> Schema:
    """The schema of a sweep from the shapes `one` of a single equilibrium (as `jax.eval_shape` gives it)."""
    if unknown := sorted(set(keep or ()) - set(every := [*reported(one), *evidence(one)])):
        raise GameError(f"keep: there is no variable '{unknown[0]}'; {suggest(unknown[0], every)}")
    named = {name: dims for _, each in reversed(_nested(problem)) for name, dims in each.dims().items()}
    named |= {multiplier(name): dims for name, dims in named.items()}
    levels = _levels(one)
    coords: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
    for knob, points in zip(axes, values, strict=True):
        coords[knob.name] = points, {"long_name": knob.name.replace("_", " "), "description": knob.doc}
    sizes = {dim: len(firms) for dim, firms in levels}
    variables = []
    for name, value in kept(reported(one), keep).items():
        dims = _dims(name, value.shape, named, levels, one.subgame is not None)
        for dim, size in zip(dims, value.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise GameError(f"dims: '{dim}' has size {sizes[dim]} elsewhere and {size} in '{name}'.")
        attrs_ = {"long_name": name.replace("_", " ")}
        variables.append(Variable(name, dims, tuple(value.shape), np.dtype(value.dtype), attrs_))
    real = [v for v in variables if np.issubdtype(v.dtype, np.floating)]
    for knob in sensitivity:
        for v in real:
            text = {"long_name": f"derivative of {v.attrs['long_name']} in {knob.name}"}
            variables.append(dataclasses.replace(v, name=derivative(v.name, knob.name), attrs=text))
    for name, value in kept(evidence(one), keep).items():
        variables.append(_evident(name, value))
    for dim, firms in levels:
        if any(dim in v.dims for v in variables):
            coords[dim] = np.asarray(firms), {"long_name": dim.partition("_")[0]}
    for path, each in _nested(problem):
        varied = any(knob.path == (*path, "choices") for knob in axes)
        for dim, (names, what) in each.coords().items():
            if dim not in coords and not varied and any(dim in v.dims for v in variables):
                coords[dim] = np.asarray(names), {"long_name": what}
    _distinct(variables, coords, [knob.name for knob in axes])
    return Schema(tuple(variables), coords, tuple(knob.name for knob in axes), attrs)


def derivative(variable: str, parameter: str) -> str:
    """The name of the derivative of a variable in a parameter."""
    return f"d_{variable}_d_{parameter}"


def _nested(problem: Any) -> list[tuple[tuple[str, ...], Any]]:
    """The problem and those inside it, first movers first, each with the path to it."""
    every: list[tuple[tuple[str, ...], Any]] = [((), problem)]
    while isinstance(inner := getattr(every[-1][1], "game", None), Problem):
        every.append(((*every[-1][0], "game"), inner))
    return every


def _evident(name: str, value: jax.ShapeDtypeStruct | Array) -> Variable:
    plain = name.removeprefix("subgame_")
    while plain.startswith("subgame_"):
        plain = plain.removeprefix("subgame_")
    attrs: dict[str, Any] = {"long_name": name.replace("_", " ")}
    dtype = np.dtype(value.dtype)
    if plain == "status":
        dtype = np.dtype(np.int8)
        attrs |= {"flag_values": [int(s) for s in Status], "flag_meanings": " ".join(s.name for s in Status)}
    elif plain == "steps":
        dtype = np.dtype(np.int32)
        attrs["description"] = "steps of the method, over all its attempts"
    else:
        attrs["description"] = EVIDENCE[plain]
    return Variable(name, (), (), dtype, attrs)


def _levels(one: Equilibrium) -> list[tuple[str, tuple[str, ...]]]:
    """The dimension of payoffs and its firms, from the first mover to the game of simultaneous play."""
    stages = [one]
    while (later := stages[-1].subgame) is not None:
        stages.append(later)
    firms = stages[-1].firms
    named, count = [("firm", firms)], {"leader": 0, "player": 0}
    for stage in reversed(stages[:-1]):
        if len(stage.firms) > 1 and stage.firms == firms:
            named.append(("firm", firms))
            continue
        kind = "player" if len(stage.firms) > 1 else "leader"
        count[kind] += 1
        named.append((kind if count[kind] == 1 else f"{kind}_{count[kind]}", stage.firms))
    return named[::-1]


def _dims(
    name: str,
    shape: tuple[int, ...],
    named: Mapping[str, tuple[str, ...]],
    levels: Sequence[tuple[str, tuple[str, ...]]],
    sequential: bool,
) -> tuple[str, ...]:
    if name in named:
        if len(named[name]) != len(shape):
            raise GameError(f"dims: '{name}' has shape {shape} and cannot have the dimensions {named[name]}.")
        return tuple(named[name])
    rest = tuple(f"{name}_axis{k}" for k in range(len(shape)))
    if not shape:
        return ()
    depth = name.count("subgame_") if name.endswith("payoff") else 0
    if name == "subgame_" * depth + "payoff":
        return (levels[depth][0], *rest[1:])
    if sequential and name.endswith("choice_payoff"):
        return ("choice", *rest[1:])
    return ("firm", *rest[1:]) if shape[0] == len(levels[-1][1]) else rest


def _merge(one: Mapping[str, Array], other: Mapping[str, Array]) -> dict[str, Array]:
    for name in other:
        if name in one:
            raise GameError(f"'{name}' is the name of two results (strategies, payoff, outcomes); rename one.")
    return {**one, **other}


def _distinct(variables: Sequence[Variable], coords: Mapping[str, Any], axes: Sequence[str]) -> None:
    """No two results, and no result and dimension, may have the same name."""
    seen = set(coords)
    for v in variables:
        if v.name in seen:
            raise GameError(f"'{v.name}' is the name of two results or of a result and a parameter; rename one.")
        if "/" in v.name:
            raise GameError(f"'{v.name}': the name of a result cannot contain '/'.")
        if clash := set(v.dims) & set(axes):
            raise GameError(f"'{clash.pop()}' is a dimension of '{v.name}' and a varied parameter; rename one.")
        seen.add(v.name)
