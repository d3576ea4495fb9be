"""A merger costs consumers most where the partner is strong and the outsider weak.

Three firms A, B and C with one product each set prices (`LogitBertrand`, logit demand with an outside good,
price coefficient 1, no costs); A, of quality 2, buys B. Both axes are mean utilities at price 0: three
firms of quality 2 sell to 28 % of all consumers each. Each map is the difference of two sweeps, of the
market before and after the merger, both searched for profitable deviations at every point; where one of them
has no certified equilibrium, the map is black. Left: price of the products of A and B, weighted by their
sales before the merger. Right: consumer surplus, with no gain in efficiency assumed. Numbers on the contours
are percent.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nashgrid.games import LogitBertrand
from nashgrid.solver import Status, value_map

from ._style import FAILED, framed, patches, span, without_legend
from ._sweeps import Sweeps

POINTS = 65
_PARTNER, _OUTSIDER = "quality[1]", "quality[2]"


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The market before and after the merger, by the qualities of the partner and of the outsider."""
    quality = np.linspace(-2.0, 5.0, points)
    market = LogitBertrand(quality=(2.0, 2.0, 2.0), cost=(0.0, 0.0, 0.0), owner=("A", "B", "C"))
    axes = {_PARTNER: quality, _OUTSIDER: quality}
    return {
        "before": sweeps("merger_map-before", market, axes),
        "after": sweeps("merger_map-after", market.merge("A", "B"), axes),
    }


def effects(data: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Changes in percent, and `status`: that of the first of the two sweeps that has no equilibrium."""
    before, after = data["before"], data["after"]
    parties = {"product": [0, 1]}
    sales = before["share"].isel(parties)
    old, new = ((each["price"].isel(parties) * sales).sum("product") for each in (before, after))
    surplus = after["consumer_surplus"] / before["consumer_surplus"]
    return xr.Dataset(
        {
            "price": (100.0 * (new / old - 1.0)).assign_attrs(long_name="change of the price of A and B", units="%"),
            "surplus": (100.0 * (surplus - 1.0)).assign_attrs(long_name="change of consumer surplus", units="%"),
            "status": before["status"].where(before["status"] != Status.successful, after["status"]),
        }
    )


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    change = effects(data)
    figure = Figure(figsize=(9.6, 4.5))
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _panel(left, change, "price", "viridis", (10, 20, 30, 40, 60, 80, 100))
    _panel(right, change, "surplus", "magma", (-30, -20, -10, -5, -2, -1))
    left.set_title("Price of the merging firms' products")
    right.set_title("Consumer surplus")
    right.set_ylabel("")
    figure.suptitle("A merger costs consumers most where the partner is strong and the outsider weak")
    if (change["status"] != Status.successful).any():
        figure.legend(handles=patches({"no equilibrium found": FAILED}), loc="outside lower center")
    return figure


def _panel(ax: Axes, change: xr.Dataset, name: str, colours: str, levels: tuple[float, ...]) -> None:
    value_map(change[name], x=_PARTNER, y=_OUTSIDER, status=change["status"], ax=ax, cmap=colours)
    without_legend(framed(ax))
    solved = change[name].where(change["status"] == Status.successful).transpose(_OUTSIDER, _PARTNER)
    inside = [level for level in levels if solved.min() < level < solved.max()]
    if inside:
        # Both colour maps get lighter with the value.
        ink = ["black" if level > (solved.min() + solved.max()) / 2 else "white" for level in inside]
        options = {"levels": inside, "colors": ink, "linewidths": 0.9, "linestyles": "-"}
        lines = ax.contour(solved[_PARTNER], solved[_OUTSIDER], solved, **options)
        ax.clabel(lines, fmt=lambda level: f"{level:+g} %".replace("-", "−"), fontsize=8)
    ax.set_xlabel("quality of the partner B (utility at price 0)")
    ax.set_ylabel("quality of the outsider C (utility at price 0)")
    ax.set(xlim=span(solved[_PARTNER]), ylim=span(solved[_OUTSIDER]))
