"""Where each claim about open models holds, in the two parameters that decide it most.

Each panel: the share of draws, over all other parameters, at which a claim holds, by the two parameters with the
largest total-order Sobol indices (see `claim_atlas`, which is from the same draws). Blue: the claim fails; orange: it
holds; between: the other parameters decide. Claims that hold at all draws are left out.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from ._atlas import atlases, decisive, share_map, words
from ._style import BLUE, ORANGE, framed, percent
from ._sweeps import Sweeps

POINTS = 2048
_PANELS = {
    "open sourcing": ("inverted U", "size opens", "research rises", "welfare gains", "opens if it should"),
    "quasi-public good": ("welfare", "quality", "equity", "poorest"),
}
_DRAWS_IN_A_BIN = 120


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """Both atlases."""
    return atlases(points, sweeps.say)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(8.4, 8.2))
    axes = figure.subplots(3, 3)
    colours = LinearSegmentedColormap.from_list("holds", [BLUE, "white", ORANGE])
    scale = ScalarMappable(Normalize(0.0, 1.0), colours)
    panels = [(name, claim) for name, claims in _PANELS.items() for claim in claims]
    for ax, (name, claim) in zip(axes.flat, panels, strict=True):
        atlas = data[name]
        x, y = decisive(atlas, claim)
        bins = int(np.clip(np.sqrt(atlas.sizes["draw"] / _DRAWS_IN_A_BIN), 4, 16))
        share = share_map(atlas, claim, x, y, bins)
        ax.pcolormesh(share[x], share[y], share.T, cmap=colours, norm=scale.norm)
        framed(ax).set(xlabel=words(x), ylabel=words(y))
        ax.set_title(f"{name}\n{claim}: {percent(float(atlas['share'].sel(claim=claim)))}")
    figure.colorbar(scale, ax=axes, label="share of draws at which the claim holds", shrink=0.5, pad=0.02)
    figure.suptitle("Most claims have a region where they hold and one where they fail")
    return figure
