"""What a sweep is, item by item, so that two can be compared and a difference named.

Two sweeps with the same fingerprint have the same numbers. The program of the payoff is part of it (its jaxpr, with
constants), so that an edited payoff is noticed; the values of the parameters are shown in short and hashed in full.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import equinox as eqx
import jax
import numpy as np

from ._axes import put
from ._dynamic_game import DynamicGame, programs_of
from ._game import Game, Problem
from ._how import How
from ._solution import Equilibrium

Fingerprint = dict[str, str]
"""Name of an item -> its value, readable."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def fingerprint(
    problem: Problem, how: How, values: Sequence[np.ndarray], one: Equilibrium, version: str
) -> Fingerprint:
    """The fingerprint of a sweep of `problem` over `values`; `one` has the shapes of a single equilibrium."""
    items = {"nashgrid version": version, "concept": problem.concept()}
    # What a varied parameter was before does not matter.
    items |= dict(_structure(put(problem, how.axes, [v[0] for v in values]), ""))
    items |= {f"axis '{knob.name}'": array_text(v) for knob, v in zip(how.axes, values, strict=True)}
    items["order of axes"] = ", ".join(knob.name for knob in how.axes)
    items["sensitivity"] = ", ".join(knob.name for knob in how.sensitivity) or "none"
    items["keep"] = "all" if how.keep is None else ", ".join(sorted(how.keep))
    items["method"] = how.method.describe()
    items |= {"tol": repr(how.tol), "max_steps": str(how.max_steps), "certify": text(how.search)}
    items["dtype"] = str(one.payoff.dtype)
    return items | dict(_programs(problem, one))


def differences(here: Fingerprint, there: Fingerprint) -> list[str]:
    """A line for each item in which they differ, with both values."""
    return [
        f"{name}: {here.get(name, 'absent')} here, {there.get(name, 'absent')} in the store"
        for name in dict.fromkeys([*here, *there])
        if here.get(name) != there.get(name)
    ]


def array_text(values: Any) -> str:
    """An array in a few words that no other array has.

    >>> array_text(np.array([1.0, 2.5]))
    'float64 [1.0, 2.5]'
    """
    array = np.asarray(values)
    if array.size <= 8:
        return f"{array.dtype} {array.tolist()}"
    ends = f"{array.ravel()[0]!s} .. {array.ravel()[-1]!s}"
    return f"{array.dtype} {array.shape}, {ends}, #{_hash(str(array.shape).encode(), array.tobytes())}"


def text(value: Any) -> str:
    """`repr` without addresses in memory, which change from run to run."""
    return _ADDRESS.sub("0x", repr(value))


def _structure(module: Any, path: str) -> Iterator[tuple[str, str]]:
    """The class and the fields of a module and of the modules in it."""
    kind = type(module)
    yield f"class of {path[:-1]}" if path else "game", f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(module, Problem):
        yield f"{path}firms", text(module.firms)
    for field in dataclasses.fields(cast(Any, module)):
        value = getattr(module, field.name)
        name = f"{path}{field.name}"
        if isinstance(value, eqx.Module):
            yield from _structure(value, f"{name}.")
        elif isinstance(value, jax.Array | np.ndarray):
            yield f"parameter '{name}'", array_text(value)
        else:
            yield (
                f"setting '{name}'",
                text(jax.tree.map(lambda x: array_text(x) if eqx.is_array(x) else x, value)),
            )


def _programs(problem: Any, one: Equilibrium | None, path: str = "") -> Iterator[tuple[str, str]]:
    """Hashes of what the bounds, the start, the payoff and the outcomes of each game compute."""
    if isinstance(problem, Game) and one is not None:
        arrays, static = eqx.partition(problem, eqx.is_array)
        constrained = ("constraints",) if one.multipliers else ()
        for name in ("bounds", "start", "payoff", "outcomes", *constrained):

            def call(arrays: Any, s: Any, name: str = name) -> Any:
                method = getattr(eqx.combine(arrays, static), name)
                return method() if name in ("bounds", "start") else method(s)

            program = jax.make_jaxpr(call)(arrays, one.strategy)
            constants = [np.asarray(c).tobytes() for c in program.consts]
            yield f"what {path}{name} computes", f"#{_hash(text(program.jaxpr).encode(), *constants)}"
    elif isinstance(problem, DynamicGame):
        for name, program in programs_of(problem).items():
            constants = [np.asarray(c).tobytes() for c in program.consts]
            yield f"what {path}{name} computes", f"#{_hash(text(program.jaxpr).encode(), *constants)}"
    elif isinstance(problem, eqx.Module):
        yield from _programs(getattr(problem, "game", None), one and one.subgame, f"{path}game.")


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
