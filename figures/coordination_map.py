"""Two owners of models both open or both stay closed where access is differentiated; one of them opens where it is not.

Each of two owners of language models is open or closed, both decide at once, and then prices of access are set
(`OwnersOpenSourcing`). At each point all four profiles of decisions are solved, with every price searched for
profitable deviations, and the set of pure equilibria is the colour. Lines: gain from opening zero, in closed form
(`two_owner_gains`), while the rival is closed, c = 0 (solid), and while it is open, o = 0 (dashed). Where access is
hardly differentiated, closed owners earn little from it, and what holds an owner back is that a second open model
halves its spill-back: at a middling cost one of the two opens, either one. Where it is well differentiated, an owner
opens only if the other does, which has spoilt the price of access already: both or none. Left: owners of equal size.
Right: together of the same size, but unequal; the smaller one gains less, and in between just the larger one opens.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import OwnersOpenSourcing, opening_decisions, two_owner_gains
from nashgrid.solver import Status, regime_map

from ._style import FAILED, framed, patches, percent, span, without_legend
from ._sweeps import Sweeps

POINTS = 161
PANELS = {"equal": (0.3, 0.3), "unequal": (0.35, 0.25)}
_X, _Y = "transport", "opening_cost"
_MOST = {_X: 0.6, _Y: 0.06}
REGIONS = {
    1.0: "both closed",
    2.0: "both open",
    3.0: "both closed or both open (coordination)",
    4.0: "one open, either one (anti-coordination)",
    5.0: "the larger one open",
}
_SETS = {
    frozenset({"0,0"}): 1.0,
    frozenset({"1,1"}): 2.0,
    frozenset({"0,0", "1,1"}): 3.0,
    frozenset({"0,1", "1,0"}): 4.0,
    frozenset({"1,0"}): 5.0,
}
"""Set of pure equilibria -> key of `REGIONS`; owner 1 is the larger one."""
_LINE = "no gain while the rival is {} (thin: smaller owner)"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """All pure equilibria by differentiation of access and cost of opening, for equal and unequal owners."""
    # Not from zero: access that is not differentiated at all has no price.
    axes = {_X: np.linspace(_MOST[_X] / points, _MOST[_X], points), _Y: np.linspace(0.0, _MOST[_Y], points)}
    games = {name: opening_decisions(OwnersOpenSourcing(share=share)) for name, share in PANELS.items()}
    return {name: sweeps(f"coordination_map-{name}", game, axes) for name, game in games.items()}


def regions(data: xr.Dataset) -> xr.DataArray:
    """A key of `REGIONS` by point; missing where a subgame failed or the set of equilibria is none of these."""
    mask = data["profile_equilibrium"].transpose(_X, _Y, "profile").values.astype(bool)
    code = np.full(mask.shape[:2], np.nan)
    for members, key in _SETS.items():
        wanted = np.array([name in members for name in data["profile"].values])
        code[(mask == wanted).all(axis=-1)] = key
    solved = (data["status"] == Status.successful).transpose(_X, _Y).values
    axes = {_X: data[_X], _Y: data[_Y]}
    return xr.DataArray(np.where(solved, code, np.nan), axes, (_X, _Y), "region")


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(8.6, 4.9))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    missing = False
    for ax, (name, share) in zip(panels, PANELS.items(), strict=True):
        kinds = regions(data[name])
        missing |= bool(kinds.isnull().any())
        regime_map(kinds, x=_X, y=_Y, labels=REGIONS, ax=ax)
        without_legend(framed(ax)).set(xlabel="differentiation of access t (price units per distance)", ylabel="")
        several = float(kinds.isin([3.0, 4.0]).mean())
        sizes = " and ".join(f"{size:g}" for size in share)
        ax.set_title(f"Owners of size {sizes}: {percent(several)} with two equilibria")
        _boundaries(ax, share)
    panels[0].set(xlim=span(data["equal"][_X]), ylim=span(data["equal"][_Y]))
    panels[0].set_ylabel("cost of opening F (payoff units)")
    figure.suptitle("Two owners: both or none opens where access is differentiated, one of them where it is not")
    handles = [
        *patches(dict(zip(REGIONS.values(), COLOURS, strict=True))),
        Line2D([], [], color="black", label=_LINE.format("closed")),
        Line2D([], [], color="black", linestyle="--", label=_LINE.format("open")),
    ]
    if missing:
        handles += patches({"no equilibrium found": FAILED})
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def boundaries(share: tuple[float, float], transport: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The costs of opening at which each owner gains nothing, closed form: (rival closed, rival open), by owner."""
    found = [two_owner_gains(OwnersOpenSourcing(share=share, transport=t)) for t in transport]
    closed, opened = (np.array([np.asarray(pair[i]) for pair in found]) for i in (0, 1))
    return closed, opened


def _boundaries(ax: Axes, share: tuple[float, float]) -> None:
    # They are straight lines.
    ends = np.array([0.0, 2.0 * _MOST[_X]])
    for costs, line in zip(boundaries(share, ends), ("-", "--"), strict=True):
        for owner in range(2):
            ax.plot(ends, costs[:, owner], color="black", linewidth=1.5 if owner == 0 else 1.0, linestyle=line)
