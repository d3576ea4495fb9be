"""The gain from opening a model is an inverted U in the owner's size, unless its edge is too large.

The owner of a language model commits to open or closed before all do research (`LinearValueOpenSourcing`,
linear value of technology). Circles: what opening adds to the owner's equilibrium payoff, from one certified
solve of each of the two subgames. Lines: the closed form (1 - s)(B s - L) - F, where B is what outside
research that spills back is worth, and L = V1 e the licence rent of the edge e. The owner opens where the
gain is positive (shaded, between the squares s_L and s_H), and the gain peaks at s* = 1/2 + L/(2B), which is
beyond all sizes once L >= B: then there is no inverted U, and opening pays at no size.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import LinearValueOpenSourcing, commitment, gain_from_opening, opening_interval, peak_share
from nashgrid.solver import Status

from ._style import BLUE, GREEN, ORANGE, RED
from ._sweeps import Sweeps

POINTS = 25
EDGES = {0.05: BLUE, 0.1: GREEN, 0.2: ORANGE, 0.5: RED}
"""Edge -> its colour."""
_LOWEST, _HIGHEST = -0.27, 0.092


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The owner's payoff from each choice, by size and edge."""
    axes = {"owner_share": np.linspace(0.02, 0.98, points), "edge": np.array(list(EDGES))}
    return {"inverted_u": sweeps("inverted_u", commitment(LinearValueOpenSourcing()), axes)}


def gain(data: xr.Dataset) -> xr.DataArray:
    """What opening adds to the owner's payoff; missing where a subgame has no certified equilibrium."""
    payoff = data["choice_payoff"].where(data["status"] == Status.successful)
    return payoff.sel(choice=1.0) - payoff.sel(choice=0.0)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(7.2, 5.0))
    ax = figure.add_subplot()
    ax.axhline(0.0, color="black", linewidth=0.8)
    found = gain(data["inverted_u"])
    for edge, colour in EDGES.items():
        _draw(ax, found.sel(edge=edge), edge, colour)
    ax.set(xlim=(0.0, 1.0), ylim=(_LOWEST, _HIGHEST))
    ax.set_xlabel("owner's size s (share of the applications)")
    ax.set_ylabel("gain from opening (payoff units)")
    figure.suptitle("Opening pays most for owners of middling size, unless their edge is too large")
    solved = f"solver ({int(found.notnull().sum())} of {found.size} points certified)"
    handles = [Line2D([], [], color=colour, label=_name(edge)) for edge, colour in EDGES.items()]
    handles += [
        Line2D([], [], color="0.3", marker="o", mfc="none", linestyle="none", markersize=4.5, label=solved),
        Line2D([], [], color="0.3", label="closed form"),
        Line2D([], [], color="0.3", marker="v", linestyle="none", label="peak s*"),
        Line2D([], [], color="0.3", marker="s", linestyle="none", label="indifferent: $s_L$ and $s_H$; opens between"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _draw(ax: Axes, found: xr.DataArray, edge: float, colour: str) -> None:
    shares = np.linspace(0.0, 1.0, 401)
    curve = _gain_at(edge, shares)
    ax.plot(shares, curve, color=colour, linewidth=1.4)
    ax.plot(found["owner_share"], found, color=colour, marker="o", mfc="none", linestyle="none", markersize=4.5)
    peak, low, high = _landmarks(edge)
    if peak >= 1.0:
        text = f"e = {edge:g}: L > B, so that the gain\nrises in s throughout (s* = {peak:.2f}):\nno inverted U"
        line = {"arrowstyle": "-", "color": colour}
        ax.annotate(text, (0.62, float(_gain_at(edge, 0.62))), (0.66, -0.215), color=colour, arrowprops=line)
        return
    top = float(_gain_at(edge, peak))
    ax.plot([peak], [top], color=colour, marker="v", markersize=7)
    # The second curve has no room above it.
    shift, side = ((0, -14), "right") if edge == 0.1 else ((0, 6), "center")
    _note(ax, f"s* = {peak:.3f}", (peak, top), shift, colour, side)
    if np.isfinite(low):
        ax.fill_between(shares, curve, 0.0, where=(shares >= low) & (shares <= high), color=colour, alpha=0.12)
        ax.plot([low, high], [0.0, 0.0], color=colour, marker="s", linestyle="none", markersize=6, zorder=3)
        _note(ax, f"{low:.3f}", (low, 0.0), (4, -12), colour, "left")


def _note(ax: Axes, text: str, at: tuple[float, float], shift: tuple[int, int], colour: str, side: str) -> None:
    ax.annotate(text, at, shift, textcoords="offset points", ha=side, color=colour)  # type: ignore[arg-type]


def _gain_at(edge: float, share: ArrayLike) -> np.ndarray:
    return np.asarray(gain_from_opening(LinearValueOpenSourcing(owner_share=share, edge=edge)))


def _landmarks(edge: float) -> tuple[float, float, float]:
    """The peak s*, and s_L and s_H."""
    game = LinearValueOpenSourcing(edge=edge)
    low, high = opening_interval(game)
    return float(peak_share(game)), float(low), float(high)


def _name(edge: float) -> str:
    _, low, high = _landmarks(edge)
    opens = f"$s_L$ = {low:.3f}, $s_H$ = {high:.3f}" if np.isfinite(low) else "opens at no size"
    return f"edge e = {edge:g}: {opens}"
