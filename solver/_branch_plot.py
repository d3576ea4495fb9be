"""Branch diagrams: equilibria along a parameter, with folds and all, in the style of `_plot`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:  # Slow to import, and not needed by those who only solve.
    from matplotlib.axes import Axes

from ._branch import Branch, Kind
from ._errors import GameError
from ._pieces import STABLE
from ._plot import COLORS, _axes, _label
from ._status import Status

_REJECTED = "0.6"
_LINES: dict[str, dict[str, Any]] = {
    "stable equilibrium": {"linestyle": "-"},
    "unstable equilibrium": {"linestyle": "--"},
    "first-order point, no equilibrium": {"linestyle": ":", "color": _REJECTED},
}
_MARKS = {
    "fold": ("o", "white", "fold"),
    "bifurcation": ("D", "white", "bifurcation"),
    "stability": ("s", "black", "stability changes"),
    "active_set": ("^", "black", "a bound is reached or left"),
    "certificate": ("X", "black", "a distant deviation starts to pay"),
}


def branch_diagram(
    branches: Branch | Iterable[Branch],
    *,
    y: str,
    firm: str | Iterable[str] | None = None,
    events: Iterable[Kind] = ("fold", "bifurcation", "stability", "active_set", "certificate"),
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """One variable along branches of equilibria: solid where stable, dashed where best responses diverge, dotted and
    grey where the first-order point is no certified equilibrium; events are marked.

    Args:
        branches: of one parameter, from `follow`.
        y: the variable: a strategy, an outcome, `payoff` or a number of the certificate.
        firm: the firm or firms to draw, if `y` is by firm; by default all, in different colours.
        events: the kinds of events to mark.
        ax: where to draw; a new figure by default.
        style: options of `Axes.plot` for the lines.

    Raises:
        GameError: the branches are of different parameters, or `y` is no variable by firm or by point.
    """
    every = [branches] if isinstance(branches, Branch) else list(branches)
    names = {branch.data.attrs["parameter"] for branch in every}
    if len(names) != 1:
        raise GameError(f"branch_diagram: give branches of one parameter, not of {sorted(names) or 'none'}.")
    (name,) = names
    ax = _axes(ax)
    events = tuple(events)
    drawn: set[str] = set()
    kinds: set[str] = set()
    for branch in every:
        lines = _lines(branch.data, y, firm)
        x = branch.data[name].values
        for i, (key, values) in enumerate(lines.items()):
            colour = {"color": COLORS[i % len(COLORS)]}
            for what, keep in _parts(branch.data).items():
                if keep.any():
                    ax.plot(*_joined(x, values, keep), **{**colour, **_LINES[what], **style})
                    drawn |= {what, *([key] if len(lines) > 1 else [])}
            for kind in events:
                marker, face, _ = _MARKS[kind]
                hit = np.array([kind in text.split(", ") for text in branch.data["event"].values], bool)
                if hit.any():
                    kinds.add(kind)
                    look = {"marker": marker, "markerfacecolor": face, "markeredgecolor": "black", "markersize": 5.0}
                    ax.plot(x[hit], values[hit], linestyle="none", zorder=3, **look)
    judged = not any((branch.data["status"] == Status.first_order).any() for branch in every)
    _legend(ax, list(_lines(every[0].data, y, firm)), drawn, kinds, judged)
    ax.set_xlabel(_label(every[0].data[name]))
    ax.set_ylabel(_label(every[0].data[y]))
    return ax


def _lines(data: xr.Dataset, y: str, firm: str | Iterable[str] | None) -> dict[str, np.ndarray]:
    """What to draw by firm, or under the variable's own name."""
    if y not in data:
        raise GameError(f"branch_diagram: there is no variable '{y}'; there is {', '.join(map(str, data.data_vars))}.")
    values = data[y]
    rest = [str(dim) for dim in values.dims if dim != "point"]
    if not rest:
        return {y: values.values}
    if rest != ["firm"]:
        raise GameError(f"branch_diagram: '{y}' has the dimensions {', '.join(rest)}; only 'firm' can be drawn.")
    known = [str(one) for one in data["firm"].values]
    chosen = known if firm is None else [firm] if isinstance(firm, str) else list(firm)
    if unknown := [one for one in chosen if one not in known]:
        raise GameError(f"branch_diagram: there is no firm {unknown[0]!r}; there is {', '.join(known)}.")
    return {one: values.sel(firm=one).values for one in chosen}


def _parts(data: xr.Dataset) -> dict[str, np.ndarray]:
    """By kind of line: which segments between neighbouring points are of it.

    At the point of an event the kind is not defined; every segment has an end without an event.
    """
    status = data["status"].values
    good = (status == Status.successful) | (status == Status.first_order)
    stable = data["stability"].values < STABLE
    at_event = data["event"].values != ""
    use = np.where(at_event[:-1], np.arange(1, len(at_event)), np.arange(len(at_event) - 1))
    kind = np.where(good, np.where(stable, 0, 1), 2)[use]
    return {what: kind == k for k, what in enumerate(_LINES)}


def _joined(x: np.ndarray, y: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The segments to keep as one line with gaps."""
    shown = np.zeros(len(x), bool)
    shown[:-1] |= keep
    shown[1:] |= keep
    gaps = np.flatnonzero(shown[:-1] & shown[1:] & ~keep) + 1
    return np.insert(np.where(shown, x, np.nan), gaps, np.nan), np.insert(np.where(shown, y, np.nan), gaps, np.nan)


def _legend(ax: Axes, keys: list[str], drawn: set[str], kinds: set[str], judged: bool) -> None:
    """Below the axes, so that it hides no point."""
    from matplotlib.lines import Line2D

    handles = []
    if len(keys) > 1:
        handles += [Line2D([], [], color=COLORS[i % len(COLORS)], label=key) for i, key in enumerate(keys)]
    look: dict[str, Any] = {"color": COLORS[0] if len(keys) == 1 else "black"}
    for what, line in _LINES.items():
        if what in drawn:
            # Points that were not searched for deviations are not known to be equilibria.
            label = what if judged else what.replace("equilibrium", "first-order point, not judged")
            handles.append(Line2D([], [], **{**look, **line, "label": label}))
    handles += [
        Line2D([], [], linestyle="none", marker=marker, mfc=face, mec="black", markersize=5.0, label=text)
        for kind, (marker, face, text) in _MARKS.items()
        if kind in kinds
    ]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False)
