"""Maps and curves of labelled results.

Each function draws one variable into one `Axes` and returns it; figures, sizes and files are the caller's. Only points
that are `successful` are drawn as solved, whatever the variable holds elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:  # Slow to import, and not needed by those who only solve.
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

from ._errors import GameError
from ._status import Status

# Okabe & Ito (2008), "Color universal design"; black is left for text and lines.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
FAILED = "#000000"
MISSING = "#DDDDDD"
_STATUS = {
    Status.not_computed: MISSING,
    Status.successful: "#009E73",
    Status.first_order: "#56B4E9",
    Status.max_steps: "#E69F00",
    Status.nonfinite: "#000000",
    Status.deviation_found: "#D55E00",
    Status.unbounded: "#F0E442",
    Status.invalid_bounds: "#CC79A7",
    Status.subgame_failed: "#0072B2",
    Status.undecided: "#999933",
    Status.cycling: "#882255",
    Status.unattained: "#AA4499",
    Status.infeasible: "#999999",
}


def value_map(
    data: xr.DataArray,
    *,
    x: str,
    y: str,
    status: xr.DataArray | None = None,
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """The values of one variable over two parameters, with a colour bar.

    Args:
        data: the variable, of the dimensions `x` and `y` only; choose points of the others with `.sel`.
        x: the parameter along the horizontal axis.
        y: the parameter along the vertical axis.
        status: `status` of the same sweep. Points that are not `successful` are left out and named in the legend.
        ax: where to draw; a new figure by default.
        style: options of `Axes.pcolormesh`.

    Raises:
        GameError: `data` has other dimensions than `x` and `y`.
    """
    values = _oriented(data, x, y)
    ax = _axes(ax)
    bad = ~np.isfinite(values) if status is None else _oriented(status, x, y) != Status.successful
    style = {"shading": "nearest", "cmap": "viridis", "rasterized": True, **style}
    mesh = ax.pcolormesh(data[x].values, data[y].values, np.ma.masked_where(bad, values), **style)
    ax.figure.colorbar(mesh, ax=ax, label=_label(data))
    if bad.any():
        _paint(ax, data, x, y, bad, FAILED)
        _legend(ax, {"no equilibrium found": FAILED})
    return _labelled(ax, data, x, y)


def regime_map(
    data: xr.DataArray,
    *,
    x: str,
    y: str,
    status: xr.DataArray | None = None,
    labels: Mapping[Any, str] | None = None,
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """The regions of two parameters in which a discrete variable takes each of its values.

    Args:
        data: a variable with few values (a choice, a number of active firms), of the dimensions `x` and `y` only.
        x: the parameter along the horizontal axis.
        y: the parameter along the vertical axis.
        status: `status` of the same sweep. Points that are not `successful` have a colour of their own.
        labels: value -> what the legend calls it, in the order of the legend; by default `flag_meanings` of the data,
            else the values.
        ax: where to draw; a new figure by default.
        style: options of `Axes.pcolormesh`.

    Raises:
        GameError: `data` has other dimensions than `x` and `y`, or more values than there are colours.
    """
    values = _oriented(data, x, y)
    bad = ~np.isfinite(values) if status is None else _oriented(status, x, y) != Status.successful
    names = _flags(data) if labels is None else dict(labels)
    found = np.unique(values[~bad]).tolist()
    order = [*names, *(v for v in found if v not in names)]
    order = order if len(order) <= len(COLORS) else [v for v in order if v in found]
    if len(order) > len(COLORS):
        raise GameError(
            f"regime_map: '{data.name}' has {len(order)} values and there are {len(COLORS)} colours that can be told "
            "apart; use value_map, or group the values."
        )
    colours = {v: COLORS[i] for i, v in enumerate(order) if v in found}
    ax = _axes(ax)
    _categories(ax, data, x, y, np.where(bad, np.nan, values), colours, style)
    legend = {names.get(v, f"{v:g}"): colour for v, colour in colours.items()}
    if bad.any():
        _paint(ax, data, x, y, bad, FAILED)
        legend["no equilibrium found"] = FAILED
    _legend(ax, legend, title=_label(data))
    return _labelled(ax, data, x, y)


def status_map(data: xr.DataArray, *, x: str, y: str, ax: Axes | None = None, **style: Any) -> Axes:
    """How the solve of each point ended, over two parameters.

    Args:
        data: `status` of a sweep, of the dimensions `x` and `y` only.
        x: the parameter along the horizontal axis.
        y: the parameter along the vertical axis.
        ax: where to draw; a new figure by default.
        style: options of `Axes.pcolormesh`.

    Raises:
        GameError: `data` has other dimensions than `x` and `y`.
    """
    values = _oriented(data, x, y)
    ax = _axes(ax)
    found = [status for status in Status if (values == status).any()]
    _categories(ax, data, x, y, values, {int(status): _STATUS[status] for status in found}, style)
    share = {status: float((values == status).mean()) for status in found}
    legend = {f"{status.name.replace('_', ' ')} ({share[status]:.3g})": _STATUS[status] for status in found}
    _legend(ax, legend, title="status (share)")
    return _labelled(ax, data, x, y)


def curve(
    data: xr.DataArray,
    *,
    x: str,
    by: str | None = None,
    status: xr.DataArray | None = None,
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """One variable along one parameter, a line for each element of another dimension; gaps where nothing was solved.

    Args:
        data: the variable, of the dimension `x` and possibly one other, say "firm".
        x: the parameter along the horizontal axis.
        by: the other dimension; by default the one that is left.
        status: `status` of the same sweep. The lines are interrupted at points that are not `successful`.
        ax: where to draw; a new figure by default.
        style: options of `Axes.plot`.

    Raises:
        GameError: `data` has other dimensions than `x` and `by`.
    """
    rest = [dim for dim in data.dims if dim != x]
    by = str(rest[0]) if by is None and len(rest) == 1 else by
    if x not in data.dims or rest != ([] if by is None else [by]):
        raise GameError(_dimensions(data, [x, *([by] if by else [])]))
    if status is not None:
        data = data.where(status == Status.successful)
    ax = _axes(ax)
    if by is None:
        ax.plot(data[x].values, data.values, **{"color": COLORS[0], **style})
    else:
        for i, key in enumerate(data[by].values):
            line = data.isel({by: i})
            ax.plot(line[x].values, line.values, **{"color": COLORS[i % len(COLORS)], "label": str(key), **style})
        ax.legend(title=by)
    ax.set_xlabel(_label(data[x]))
    ax.set_ylabel(_label(data))
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        from matplotlib import pyplot  # Slow to import, and it picks a screen.

        ax = pyplot.subplots()[1]
    return ax


def _oriented(data: xr.DataArray, x: str, y: str) -> np.ndarray:
    """The values with `y` along rows and `x` along columns."""
    if set(data.dims) != {x, y} or x == y:
        raise GameError(_dimensions(data, [x, y]))
    return np.asarray(data.transpose(y, x).values)


def _dimensions(data: xr.DataArray, wanted: list[str]) -> str:
    has = ", ".join(map(str, data.dims)) or "none"
    return (
        f"'{data.name}' has the dimensions {has}, but {' and '.join(wanted)} are to be drawn; choose a point of each "
        "other dimension first, e.g. data.sel(firm='A')."
    )


def _categories(
    ax: Axes,
    data: xr.DataArray,
    x: str,
    y: str,
    values: np.ndarray,
    colours: Mapping[Any, str],
    style: dict[str, Any],
) -> None:
    """One colour for each value."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    codes = np.full(values.shape, np.nan)
    for i, value in enumerate(colours):
        codes[values == value] = i
    cmap: Colormap = ListedColormap(list(colours.values()) or [MISSING])
    norm = BoundaryNorm(np.arange(-0.5, max(1, len(colours))), cmap.N)
    style = {"shading": "nearest", "rasterized": True, "cmap": cmap, "norm": norm, **style}
    ax.pcolormesh(data[x].values, data[y].values, np.ma.masked_invalid(codes), **style)


def _paint(ax: Axes, data: xr.DataArray, x: str, y: str, where: np.ndarray, colour: str) -> None:
    """Some points in one colour, over what is there."""
    _categories(ax, data, x, y, np.where(where, 1.0, np.nan), {1.0: colour}, {})


def _legend(ax: Axes, entries: Mapping[str, str], title: str | None = None) -> None:
    """Below the axes, so that it hides no point."""
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colour, label=label) for label, colour in entries.items()]
    ax.legend(handles=patches, title=title, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)


def _labelled(ax: Axes, data: xr.DataArray, x: str, y: str) -> Axes:
    ax.set_xlabel(_label(data[x]))
    ax.set_ylabel(_label(data[y]))
    return ax


def _label(data: xr.DataArray) -> str:
    """What the attributes call a variable."""
    name = str(data.attrs.get("long_name", data.name or ""))
    units = data.attrs.get("units")
    return f"{name} [{units}]" if units else name


def _flags(data: xr.DataArray) -> dict[Any, str]:
    """`flag_meanings` by value, if there are any."""
    meanings = str(data.attrs.get("flag_meanings", "")).split()
    values = np.atleast_1d(data.attrs.get("flag_values", [])).tolist()
    return {v: m.replace("_", " ") for v, m in zip(values, meanings, strict=False)}
