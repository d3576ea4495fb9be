"""How robust claims of other papers are in games of ours, and which parameters decide them.

As `claim_atlas`, for claims about rival owners (Llanes, 2019; Mladenovic, Courville and Gidel, 2026) put to
`ManyOwnersOpenSourcing`, about open models beside closed ones (Llanes and de Elejalde, 2013) put to `MixedOpenness`,
and about a public firm among private ones in prices and in quantities (Haraguchi and Matsumura, 2016) put to
`MixedCournot` and `MixedBertrand`. The papers are known to us by their abstracts, their models are other ones, and
nothing is replicated. With a public firm that maximizes welfare prices are always better for welfare than quantities,
as the last paper says; the share is over public firms that are partly private as well.
"""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from nashgrid.games.claims import MIXED_OPENNESS, OWNERS, PUBLIC_FIRM, ClaimSet

from ._atlas import DRAWS, atlases
from ._sweeps import Sweeps
from .claim_atlas import drawn

POINTS = DRAWS
"""Draws of all parameters."""
SETS: tuple[ClaimSet, ...] = (OWNERS, MIXED_OPENNESS, PUBLIC_FIRM)


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The atlases."""
    return atlases(SETS, points, sweeps)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = drawn(data)
    solved = sum(each.attrs["draws"] for each in data.values())
    figure.suptitle(f"Claims of other papers, put to games of ours ({solved:,} draws)")
    return figure
