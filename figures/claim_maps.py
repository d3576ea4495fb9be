"""Where each claim about open models holds, in the two parameters that decide it most.

Each panel: the share of draws, over all other parameters, at which a claim holds, by the two parameters with the
largest total-order Sobol indices (see `claim_atlas` and `literature_atlas`, which are from the same draws). Blue: the
claim fails; orange: it holds; between: the other parameters decide. Claims that hold at all draws are left out, and so
are some others.
"""

from collections.abc import Mapping

import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from nashgrid.games.claims import CLAIM_SETS

from ._atlas import DRAWS, atlases, named, words
from ._style import BLUE, ORANGE, framed, percent
from ._sweeps import Sweeps

POINTS = DRAWS
PANELS = {
    "open sourcing": ("inverted U", "size opens", "research rises", "welfare gains", "opens if it should"),
    "quasi-public good": ("welfare", "quality", "equity", "openness trap", "developers' subsidy"),
    "rival owners": ("larger less open", "somebody opens"),
    "open beside closed": ("closed invests more", "open rival helps"),
    "public firm": ("prices: welfare, one", "quantities: profit, five"),
}
"""Name of a set -> the claims shown."""


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The atlases."""
    return atlases([claims for claims in CLAIM_SETS if claims.name in PANELS], points, sweeps)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    claims = named(data, PANELS)
    rows = -(-len(claims) // 4)
    figure = Figure(figsize=(10.0, 2.6 * rows + 0.6))
    axes = figure.subplots(rows, 4, squeeze=False)
    colours = LinearSegmentedColormap.from_list("holds", [BLUE, "white", ORANGE])
    scale = ScalarMappable(Normalize(0.0, 1.0), colours)
    titles = [name for name, each in PANELS.items() for _ in each]
    for ax, claim, title in zip(axes.flat, claims, titles, strict=True):
        x, y = (str(name) for name in claim["decisive"].values)
        edges = (claim["edge"].sel(parameter=name) for name in (x, y))
        ax.pcolormesh(*edges, claim["map"].T, cmap=colours, norm=scale.norm)
        framed(ax).set(xlabel=words(x), ylabel=words(y))
        ax.set_title(f"{title}\n{claim['claim'].item()}: {percent(float(claim['share']))}")
    figure.colorbar(scale, ax=axes, label="share of draws at which the claim holds", shrink=0.5, pad=0.02)
    figure.suptitle("Most claims have a region where they hold and one where they fail")
    return figure
