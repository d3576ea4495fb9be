"""The equilibria at listed points: designs, draws and data, where `sweep` has a grid."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import ArrayLike, Float

from ._axes import knobs
from ._best_response import BestResponse
from ._check import check_options, prepare
from ._devices import default_width, kernel_of
from ._errors import GameError
from ._game import Problem
from ._grid import Grid
from ._how import How, shapes
from ._labels import schema
from ._layout import dtype_of
from ._method import Method
from ._retry import TwoPasses
from ._run import Memory, run
from ._search import GlobalSearch
from ._sweep import names, provenance

_DIM = "point"


def at_points(
    problem: Problem,
    points: Mapping[str, ArrayLike | Sequence[float]],
    *,
    method: Method | None = None,
    sensitivity: Sequence[str] = (),
    keep: Sequence[str] | None = None,
    progress: bool | None = None,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> xr.Dataset:
    """The equilibrium of `problem` at each of many points, by the same programs as `sweep`.

    A second call with as many parameters compiles nothing, so that a long design can be worked through in parts.

    Args:
        problem: a `Game` or a `Leader`; the parameters that do not vary are taken from it.
        points: name of a parameter, as in the axes of `sweep` -> its value at each point, shape (points,), finite.
        method, sensitivity, keep, progress, tol, max_steps, certify: as in `sweep`.

    Returns:
        a Dataset as of `sweep`, over the dimension "point", with the parameters as its coordinates.

    Raises:
        GameError: an argument cannot be used; the message says what to write. A point never raises.

    >>> from jaxtyping import Array, Float
    >>> from nashgrid.solver import Game, parameter
    >>> class Duopoly(Game):
    ...     cost: Float[Array, " firm"] = parameter((1.0, 1.0), "marginal cost, price units")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (10.0 - s["q"].sum() - self.cost) * s["q"]
    >>> draws = at_points(Duopoly(), {"cost[0]": [1.0, 4.0, 7.0], "cost[1]": [1.0, 1.0, 4.0]}, tol=1e-4)
    >>> draws.q.sel(firm="A").round(3).values.tolist()
    [3.0, 1.0, 0.0]
    """
    problem = prepare(problem)
    if not isinstance(points, Mapping) or not points:
        raise GameError("points: give at least one parameter and its values, e.g. {'cost': [1.0, 2.0, 1.5]}.")
    where = knobs(problem, tuple(points), "points")
    rows = _rows([knob.name for knob in where], list(points.values()))
    slopes = knobs(problem, names(sensitivity), "sensitivity")
    method = BestResponse() if method is None else method
    tol, search = check_options(method, tol, max_steps, dtype_of(problem), certify)
    how = How(where, slopes, method, tol, int(max_steps), search, None if keep is None else names(keep))
    one = shapes(problem, how)
    attrs = provenance(problem, how, one, importlib.metadata.version("nashgrid"))
    labels = schema(problem, one, (), (), slopes, attrs, how.keep)
    taken = {_DIM, *(v.name for v in labels.variables), *(dim for v in labels.variables for dim in v.dims)}
    if clash := [knob.name for knob in where if knob.name in taken]:
        raise GameError(f"'{clash[0]}' is the name of a parameter and of a result or dimension; rename one.")
    labels = dataclasses.replace(labels, axes=(_DIM,), coords={_DIM: (np.arange(len(rows)), {}), **labels.coords})
    width = min(len(rows), default_width(kernel_of(problem, how, len(rows))))
    design = _Design((len(rows),), (width,))
    labels.attrs["program"] = TwoPasses(problem, how, width).first.kind
    sink = Memory(labels, design)
    run(problem, how, design, (rows,), sink, (0, 1), progress)
    columns = {
        knob.name: (_DIM, rows[:, k], {"long_name": knob.name.replace("_", " "), "description": knob.doc})
        for k, knob in enumerate(where)
    }
    return sink.open().assign_coords(columns)


class _Design(Grid):
    """Rows of a table, as if they were the points of a grid with one axis."""

    def values(self, k: int, axes: tuple[np.ndarray, ...]) -> Float[np.ndarray, "points axis"]:
        (rows,) = axes
        return np.asfortranarray(rows[self.region(k)])


def _rows(parameters: Sequence[str], given: Sequence[Any]) -> Float[np.ndarray, "point parameter"]:
    columns = []
    for name, value in zip(parameters, given, strict=True):
        try:
            column = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise GameError(f"points: the values of '{name}' must be real numbers, not {value!r}.") from None
        if column.ndim != 1 or not column.size:
            raise GameError(f"points: give '{name}' one value for each point, not an array of shape {column.shape}.")
        if not np.isfinite(column).all():
            raise GameError(f"points: '{name}' is {column[~np.isfinite(column)][0]} at a point; leave that one out.")
        columns.append(column)
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{len(column)} of '{name}'" for name, column in zip(parameters, columns, strict=True))
        raise GameError(f"points: there must be as many values of each parameter, not {counts}.")
    return np.stack(columns, axis=1)
