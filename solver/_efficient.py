"""Which points of a sweep are efficient: none is as good for every aim and better for one."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from ._errors import GameError
from ._status import Status


def efficient(data: xr.Dataset, aims: Mapping[str, Literal["high", "low"]]) -> xr.DataArray:
    """The Pareto front of a sweep, for any number of aims.

    A point is efficient if no other one is at least as good for every aim and better for one. Points are compared as
    they are in `data`: the front is that of the policies, or parameters, which were solved for. Points that are not
    solved, or have no value for an aim, are neither efficient nor better than others.

    Args:
        data: of `sweep` or `at_points`.
        aims: name of a scalar variable -> "high" or "low", what is wanted of it.

    Returns:
        true where a point is efficient, over the dimensions of the variables.

    Raises:
        GameError: an aim is no scalar variable of `data`, or is neither to be high nor low.

    >>> data = xr.Dataset({"welfare": ("point", [1.0, 2.0, 3.0, 2.0]), "cost": ("point", [0.0, 1.0, 2.0, 3.0])})
    >>> efficient(data, {"welfare": "high", "cost": "low"}).values.tolist()
    [True, True, True, False]
    """
    columns = []
    for name, wanted in aims.items():
        if name not in data.data_vars:
            raise GameError(
                f"aims: there is no '{name}' in these data; there is {', '.join(map(str, data.data_vars))}."
            )
        if wanted not in ("high", "low"):
            raise GameError(f'aims: \'{name}\' is to be "high" or "low", not {wanted!r}.')
        columns.append(data[name] if wanted == "high" else -data[name])
    if not columns:
        raise GameError("aims: give at least one, e.g. {'welfare': 'high', 'public_outlay': 'low'}.")
    first = columns[0]
    if other := [name for name, column in zip(aims, columns, strict=True) if column.dims != first.dims]:
        raise GameError(f"aims: '{other[0]}' has other dimensions than '{next(iter(aims))}'; give scalars only.")
    values = np.stack([column.values.reshape(-1) for column in columns], axis=1).astype(np.float64)
    known = np.isfinite(values).all(axis=1)
    if "status" in data:
        known &= (data["status"] == Status.successful).values.reshape(-1)
    found = np.zeros(len(values), bool)
    found[known] = _undominated(values[known])
    return first.copy(data=found.reshape(first.shape)).rename("efficient").drop_attrs()


def _undominated(values: Float[np.ndarray, "point aim"]) -> Bool[np.ndarray, " point"]:
    """Which rows no other row dominates, all columns to be high."""
    # In this order a row can be dominated by earlier ones only, and those that are not dominated are found first.
    order = np.lexsort(tuple(-values[:, k] for k in reversed(range(values.shape[1]))))
    left = np.arange(len(values))
    ranked = values[order]
    kept = []
    while len(left):
        best = ranked[left[0]]
        kept.append(left[0])
        equal = (ranked[left] == best).all(axis=1)
        kept.extend(left[equal][1:])
        left = left[(ranked[left] > best).any(axis=1) & ~equal]
    found = np.zeros(len(values), bool)
    found[order[np.array(kept, dtype=int)]] = True
    return found
