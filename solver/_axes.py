"""Names of parameters -> where they are in a problem, and the values they take on a grid.

A parameter is an array field of the problem or of a problem inside it (the game of a `Leader`). It is named "field",
an element of it "field[0]" or "field[0,1]"; a field inside another part may be written with its path, "game.field",
and has to be only where the plain name is found twice.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from . import _numpy as jnp
from ._errors import GameError
from ._game import Problem

_NAME = re.compile(r"^\s*([A-Za-z_][\w.]*)\s*(?:\[([^\]]*)\])?\s*$")


@dataclasses.dataclass(frozen=True)
class Knob:
    """One number among the parameters of a problem."""

    name: str
    path: tuple[str, ...]
    index: tuple[int, ...]
    doc: str


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One array field of a problem, wherever it is nested."""

    path: tuple[str, ...]
    doc: str
    value: Any

    @property
    def name(self) -> str:
        return self.path[-1]


def leaves(problem: Any, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The array fields of `problem`, then those of the modules inside it."""
    inner = []
    for field in dataclasses.fields(problem):
        value = getattr(problem, field.name)
        if isinstance(value, eqx.Module):
            inner.append((value, (*path, field.name)))
        elif not field.metadata.get("static", False) and isinstance(value, jax.Array | np.ndarray | np.generic):
            yield Leaf((*path, field.name), field.metadata.get("doc", ""), value)
    for value, where in inner:
        yield from leaves(value, where)


def knob(problem: Problem, name: str) -> Knob:
    """The parameter called `name`; a `GameError` that says what to write if there is no such one number."""
    matched = _NAME.match(name) if isinstance(name, str) else None
    if matched is None:
        raise GameError(f"{name!r} does not name a parameter; write 'field', 'field[0]' or 'part.field'.")
    leaf = _find(problem, matched[1])
    shape = np.shape(leaf.value)
    if matched[2] is None:
        if shape:
            some = ", ".join(repr(f"{matched[1]}[{_subscript(i)}]") for i in _first(shape))
            raise GameError(f"'{matched[1]}' is an array of shape {shape}; name one element of it: {some}.")
        return Knob(matched[1], leaf.path, (), leaf.doc)
    index = _index(matched[1], matched[2], shape)
    return Knob(f"{matched[1]}[{_subscript(index)}]", leaf.path, index, leaf.doc)


def shape_of(problem: Problem, name: str) -> tuple[int, ...]:
    """The shape of the parameter called `name`; a `GameError` that says what to write if there is none."""
    return np.shape(_find(problem, name).value)


def knobs(problem: Problem, names: Sequence[str], what: str) -> tuple[Knob, ...]:
    """`knob` for each name, none twice."""
    found = tuple(knob(problem, name) for name in names)
    chosen = _chosen(problem)
    for i, one in enumerate(found):
        for other in found[:i]:
            if (one.path, one.index) == (other.path, other.index):
                raise GameError(f"{what}: '{one.name}' and '{other.name}' are the same parameter; keep one of them.")
        if (who := chosen.get((one.path, one.index))) is not None:
            raise GameError(
                f"{what}: '{one.name}' is what the {who} of this problem chooses, so it cannot be set as well; take "
                f"another parameter, or the game without its {who}."
            )
    return found


def grid(
    problem: Problem, axes: Mapping[str, ArrayLike | Sequence[float]]
) -> tuple[tuple[Knob, ...], tuple[np.ndarray, ...]]:
    """The parameters and the values of `axes`, checked: one-dimensional, finite and strictly increasing."""
    if not isinstance(axes, Mapping) or not axes:
        raise GameError("axes: give at least one parameter and its values, e.g. {'cost': np.linspace(0, 1, 11)}.")
    found = knobs(problem, tuple(axes), "axes")
    checked = []
    for where, given in zip(found, axes.values(), strict=True):
        dtype = _dtype(problem, where)
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise GameError(f"axis '{where.name}': the values must be real numbers, not {given!r}.") from None
        if values.ndim != 1 or not values.size:
            raise GameError(
                f"axis '{where.name}': give a one-dimensional array of at least one value, not shape {values.shape}."
            )
        if not np.isfinite(values).all():
            raise GameError(f"axis '{where.name}': {values[~np.isfinite(values)][0]} is not finite; remove it.")
        if (np.diff(values) <= 0).any():
            raise GameError(f"axis '{where.name}': the values must be strictly increasing; use np.unique on them.")
        if (np.diff(values.astype(dtype)) <= 0).any():
            raise GameError(f"axis '{where.name}': two values are the same number in {dtype}; space them further.")
        checked.append(values)
    return found, tuple(checked)


def put(problem: Problem, where: Sequence[Knob], values: Sequence[Float[Array, ""] | float]) -> Problem:
    """`problem` with each parameter of `where` set to its value; `values` may be traced."""
    changed: dict[tuple[str, ...], Array] = {}
    for one, value in zip(where, values, strict=True):
        leaf = changed.get(one.path)
        leaf = jnp.asarray(_get(problem, one.path)) if leaf is None else leaf
        changed[one.path] = leaf.at[one.index].set(jnp.asarray(value, leaf.dtype))
    if not changed:
        return problem
    return eqx.tree_at(lambda p: [_get(p, path) for path in changed], problem, list(changed.values()))


def take(problem: Problem, where: Sequence[Knob]) -> tuple[Float[Array, ""], ...]:
    """The values that the parameters of `where` have in `problem`."""
    return tuple(jnp.asarray(_get(problem, one.path))[one.index] for one in where)


def _dtype(problem: Problem, where: Knob) -> np.dtype:
    return np.dtype(_get(problem, where.path).dtype)


def _get(problem: Any, path: Sequence[str]) -> Any:
    for name in path:
        problem = getattr(problem, name)
    return problem


def _find(problem: Problem, name: str) -> Leaf:
    """The array field whose path is `name` or ends in it."""
    every = list(leaves(problem))
    wanted = tuple(name.split("."))
    exact = [leaf for leaf in every if leaf.path == wanted]
    found = exact or [leaf for leaf in every if leaf.path[-len(wanted) :] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(repr(".".join(leaf.path)) for leaf in found)
        raise GameError(f"'{name}' is found more than once; write one of {paths}.")
    known = [leaf.name for leaf in every]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {', '.join(known) or 'none'}."
    raise GameError(f"{type(problem).__name__} has no parameter '{name}'; {hint}")


def _index(name: str, text: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    try:
        index = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise GameError(f"'{name}[{text}]': an index is a whole number, or several separated by commas.") from None
    if len(index) != len(shape):
        raise GameError(f"'{name}[{text}]': '{name}' has shape {shape}, so an element has {len(shape)} indices.")
    for i, n in zip(index, shape, strict=True):
        if not -n <= i < n:
            raise GameError(f"'{name}[{text}]': the index {i} is out of range; '{name}' has shape {shape}.")
    return tuple(i % n for i, n in zip(index, shape, strict=True))


def _chosen(problem: Any) -> dict[tuple[tuple[str, ...], tuple[int, ...]], str]:
    """What the leaders and players of the stages inside `problem` choose: (path, index) -> kind of problem."""
    every, above = {}, ("game",)
    while isinstance(inner := getattr(problem, "game", None), Problem):
        for name in problem.chosen():
            lever = knob(inner, name)
            every[(*above, *lever.path), lever.index] = type(problem).__name__
        problem, above = inner, (*above, "game")
    return every


def _subscript(index: Sequence[int]) -> str:
    return ",".join(map(str, index))


def _first(shape: tuple[int, ...], n: int = 3) -> list[tuple[int, ...]]:
    """The first few indices of an array of this shape."""
    total = int(np.prod(shape))
    return [tuple(map(int, np.unravel_index(i, shape))) for i in range(min(n, total))]
