"""What the command line says and draws about a sweep."""

import json
from typing import Any

import matplotlib
import numpy as np
import xarray as xr

from ._catalog import suggest
from ._errors import GameError
from ._plot import curve, regime_map, status_map, value_map
from ._status import Status
from ._store import Store

_REGIMES = 7


def report(data: xr.Dataset, store: Store | None) -> str:
    """Points, blocks, share by status, the worst evidence, and how the numbers were made."""
    status = data["status"].values
    codes, counts = np.unique(status, return_counts=True)
    sizes = " x ".join(f"{name} {data.sizes[name]}" for name in data["status"].dims)
    lines = [f"points    {status.size:,} ({sizes})"]
    if store is not None:
        done = store.done()
        lines.append(f"blocks    {int(done.sum()):,} of {done.size:,} done, {store.grid.lanes:,} points each")
    for code, count in zip(codes, counts, strict=True):
        lines.append(f"  {Status(int(code)).name:<16} {count:>12,}  {count / status.size:8.3%}")
    solved = status == Status.successful
    for stage, who in (("", "of the successful"), ("subgame_", "of their followers")):
        evidence = [f"{stage}{name}" for name in ("residual", "regret", "error")]
        if solved.any() and set(evidence) <= set(data):
            worst = [f"{name} {np.nanmax(data[name].values[solved]):.1e}" for name in evidence]
            lines.append(f"worst     {', '.join(worst)} ({who})")
    for name in ("game", "concept", "method", "certify", "tol", "max_steps", "dtype", "devices"):
        lines.append(f"{name:<9} {data.attrs.get(name, '?')}")
    fixed = json.loads(data.attrs.get("parameters", "{}"))
    lines += [f"  {name} = {value}" for name, value in fixed.items()]
    lines.append(f"made with nashgrid {data.attrs.get('nashgrid_version')}, jax {data.attrs.get('jax_version')}")
    return "\n".join(lines)


def draw(
    data: xr.Dataset,
    file: str,
    *,
    variable: str = "status",
    kind: str | None = None,
    x: str | None = None,
    y: str | None = None,
    select: dict[str, Any] | None = None,
    title: str | None = None,
    labels: dict[str, str] | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> None:
    """One variable into a file; the same data give the same bytes. `labels` names the values in a regime map."""
    if variable not in data:
        raise GameError(f"There is no variable '{variable}'; {suggest(variable, map(str, data.data_vars))}")
    chosen, status = _select(data, data[variable], data["status"], select or {})
    axes = [str(dim) for dim in status.dims]
    # A path is drawn along its periods.
    kind = kind or ("curve" if x in chosen.dims and x not in axes else _kind(variable, chosen, status))
    for name, known in ((x, list(map(str, chosen.dims)) if kind == "curve" else axes), (y, axes)):
        if name is not None and name not in known:
            raise GameError(f"There is no parameter '{name}' to draw along; {suggest(name, known)}")
    x = x or next((name for name in axes if name != y), None)
    y = y or next((name for name in axes if name != x), None)
    if x is None or (y is None and kind != "curve"):
        raise GameError(f"A {kind} map needs two parameters, and {len(axes)} vary; take --kind curve.")
    with matplotlib.rc_context({"svg.hashsalt": "nashgrid"}):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 5.4))
        ax = figure.add_subplot()
        if kind == "curve":
            curve(chosen, x=x, status=status, ax=ax)
        elif kind == "status":
            status_map(chosen, x=x, y=str(y), ax=ax)
        elif kind == "regime":
            named = {_number("labels", value, float): label for value, label in (labels or {}).items()}
            regime_map(chosen, x=x, y=str(y), status=status, labels=named or None, ax=ax)
        else:
            value_map(chosen, x=x, y=str(y), status=status, ax=ax)
        given = {"title": title, "xlabel": xlabel, "ylabel": ylabel}
        ax.set(**{name: text for name, text in given.items() if text})
        svg_or_pdf = str(file).lower().endswith((".svg", ".pdf"))
        metadata = {"Date" if str(file).lower().endswith(".svg") else "CreationDate": None} if svg_or_pdf else None
        try:
            figure.savefig(file, dpi=200, bbox_inches="tight", metadata=metadata)
        except (OSError, ValueError) as error:
            raise GameError(f"{file} cannot be written: {error}.") from error


def _select(
    data: xr.Dataset, chosen: xr.DataArray, status: xr.DataArray, select: dict[str, Any]
) -> tuple[xr.DataArray, xr.DataArray]:
    """A point of some dimensions: by name, or the nearest number."""
    for name, value in select.items():
        if name not in chosen.dims:
            raise GameError(f"There is no dimension '{name}' here; {suggest(name, map(str, chosen.dims))}")
        if name not in data.coords:
            where: dict[str, Any] = {name: _number(name, value, int)}
            if not 0 <= where[name] < data.sizes[name]:
                raise GameError(f"{name}={value}: write a number from 0 to {data.sizes[name] - 1}.")
        elif np.issubdtype(data[name].dtype, np.number):
            where = {name: int(np.argmin(np.abs(data[name].values - _number(name, value, float))))}
        else:
            labels = [str(label) for label in data[name].values]
            if str(value) not in labels:
                raise GameError(f"There is no {name} '{value}'; {suggest(str(value), labels)}")
            where = {name: labels.index(str(value))}
        chosen = chosen.isel(where)
        status = status.isel({k: v for k, v in where.items() if k in status.dims})
    return chosen, status


def _number(name: str, value: Any, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise GameError(f"{name}={value}: write a number.") from None


def _kind(variable: str, chosen: xr.DataArray, status: xr.DataArray) -> str:
    """The plot that suits a variable."""
    if status.ndim < 2:
        return "curve"
    if variable.endswith("status"):
        return "status"
    values = chosen.values[np.isfinite(chosen.values)]
    few = values.size and len(np.unique(values)) <= _REGIMES and (values == np.round(values)).all()
    return "regime" if few else "value"
