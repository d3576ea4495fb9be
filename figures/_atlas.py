"""Where claims hold: a quasi-random design over all parameters at once, solved, judged, and decomposed.

The design is that of Saltelli et al. (2010, Computer Physics Communications 181): two samples A and B of n Sobol
points, and for each parameter A with the column of B. First- and total-order Sobol indices of a claim, as a variable
that is 1 where it holds and 0 where not, say how much of its variance a parameter explains alone, and with all its
interactions.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.stats import qmc, sobol_indices

from nashgrid.games import OpenSourcing, QuasiPublicGood
from nashgrid.games.claims import (
    OPEN_SOURCING_CLAIMS,
    OPEN_SOURCING_RANGES,
    QUASI_PUBLIC_CLAIMS,
    QUASI_PUBLIC_RANGES,
    SIZES,
    Claim,
    Values,
    quasi_public_points,
)
from nashgrid.solver import Game, Status, at_points

SEED = 20250101
_TOGETHER = 200_000
_EDGE_STEP, _SIZE_STEP = 0.01, 0.02
_OPEN_SOURCING = ("outside_research", "consumer_surplus", "welfare", "payoff")
_QUASI_PUBLIC = ("welfare", "static_loss", "quality", "gini", "poorest_usage", "publicness")

Draws = Mapping[str, Float[np.ndarray, " draw"]]


@functools.cache
def atlases(base: int, say: Callable[[str], None]) -> dict[str, xr.Dataset]:
    """Both atlases, computed once: several figures are drawn from them."""
    return {"open sourcing": open_sourcing_atlas(base, say), "quasi-public good": quasi_public_atlas(base, say)}


def open_sourcing_atlas(base: int, say: Callable[[str], None] = lambda line: None) -> xr.Dataset:
    """The atlas of `OPEN_SOURCING_CLAIMS`, from a design with samples of `base` points (a power of 2)."""
    return _atlas(OPEN_SOURCING_CLAIMS, OPEN_SOURCING_RANGES, open_sourcing_values, base, say)


def quasi_public_atlas(base: int, say: Callable[[str], None] = lambda line: None) -> xr.Dataset:
    """The atlas of `QUASI_PUBLIC_CLAIMS`."""
    return _atlas(QUASI_PUBLIC_CLAIMS, QUASI_PUBLIC_RANGES, quasi_public_values, base, say)


def open_sourcing_values(draws: Draws) -> Values:
    """What the claims about open sourcing look at, at each draw; NaN where there is no certified equilibrium."""
    count, sizes = len(draws["edge"]), len(SIZES)
    # At each draw: itself, a larger edge, a larger size, and all sizes.
    points = {name: np.repeat(value[:, None], 3 + sizes, axis=1) for name, value in draws.items()}
    points["edge"][:, 1] += _EDGE_STEP
    points["owner_share"][:, 2] += _SIZE_STEP
    points["owner_share"][:, 3:] = SIZES
    found = {}
    for name, openness in (("open", 1.0), ("closed", 0.0)):
        values = _solved(OpenSourcing(outsiders=4), points, openness, _OPEN_SOURCING)
        found |= {f"{what}_{name}": value.reshape(count, 3 + sizes, *value.shape[1:]) for what, value in values.items()}
    gain = found["payoff_open"][..., 0] - found["payoff_closed"][..., 0]
    at_draw = {name: value[:, 0] for name, value in found.items() if not name.startswith("payoff")}
    return {
        "gain": gain[:, 0],
        "gain_at_more_edge": gain[:, 1],
        "gain_at_more_size": gain[:, 2],
        "gain_by_size": gain[:, 3:],
        **at_draw,
    }


def quasi_public_values(draws: Draws) -> Values:
    """What the claims about the quasi-public good look at, at each draw."""
    found = {}
    for name, openness in (("open", 1.0), ("closed", 0.0)):
        values = _solved(QuasiPublicGood(), quasi_public_points(draws), openness, _QUASI_PUBLIC)
        found |= {f"{what}_{name}": value for what, value in values.items()}
    return found


def _solved(
    game: Game, points: Mapping[str, Float[np.ndarray, "draw *variant"]], openness: float, keep: Sequence[str]
) -> dict[str, np.ndarray]:
    columns = {name: value.reshape(-1) for name, value in points.items()}
    columns["openness"] = np.full_like(next(iter(columns.values())), openness)
    data = at_points(game, columns, keep=keep, progress=False)
    solved = data["status"] == Status.successful
    return {name: data[name].where(solved).values for name in keep}


def _atlas(
    claims: Sequence[Claim],
    ranges: Mapping[str, tuple[float, float]],
    values: Callable[[Draws], Values],
    base: int,
    say: Callable[[str], None],
) -> xr.Dataset:
    low, high = np.array(list(ranges.values())).T
    names, size = list(ranges), len(ranges)
    both = qmc.Sobol(2 * size, rng=np.random.default_rng(SEED)).random(base)
    a, b = both[:, :size], both[:, size:]
    mixed = [np.where(np.arange(size) == k, b, a) for k in range(size)]
    design = low + (high - low) * np.concatenate([a, b, *mixed])
    per_part = max(base, _TOGETHER // len(design) * base)
    parts = []
    for first in range(0, len(design), per_part):
        rows = design[first : first + per_part]
        parts.append(_judged(claims, values(dict(zip(names, rows.T, strict=True)))))
        say(f"  {min(first + per_part, len(design)):,} of {len(design):,} draws")
    held = np.concatenate(parts, axis=1)
    known = ~np.isnan(held)
    say(f"  {known.all(axis=0).mean():.2%} of them admissible")
    share = np.nanmean(held, axis=1)
    # A draw without an answer says nothing: as if it held to the extent that the claim does on average.
    filled = np.where(known, held, share[:, None])
    f_a, f_b, rest = filled[:, :base], filled[:, base : 2 * base], filled[:, 2 * base :]
    f_ab = np.moveaxis(rest.reshape(len(claims), size, base), 1, 0)
    first_order, total_order, spread = _indices(f_a, f_b, f_ab)
    return xr.Dataset(
        {
            "share": ("claim", share, {"long_name": "share of the admissible draws at which the claim holds"}),
            "admissible": ("claim", known.mean(axis=1), {"long_name": "share of draws with an answer"}),
            "first_order": (("claim", "parameter"), first_order),
            "total_order": (("claim", "parameter"), total_order),
            "total_order_error": (("claim", "parameter"), spread),
            "holds": (("claim", "draw"), held.astype(np.float32)),
            "draws": (("draw", "parameter"), design),
        },
        {"claim": [claim.name for claim in claims], "parameter": names},
        {"base": base},
    )


def _judged(claims: Sequence[Claim], values: Values) -> Float[np.ndarray, "claim draw"]:
    rows = []
    for claim in claims:
        needed = [values[name].reshape(len(values[name]), -1) for name in claim.needs]
        known = np.all([np.isfinite(each).all(axis=1) for each in needed], axis=0)
        rows.append(np.where(known, claim.holds(values), np.nan))
    return np.stack(rows)


def _indices(f_a: np.ndarray, f_b: np.ndarray, f_ab: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First- and total-order indices, and standard errors of the latter; NaN for a claim that always or never holds."""
    varies = np.flatnonzero(np.concatenate([f_a, f_b], axis=1).std(axis=1) > 0.0)
    found = np.full((3, len(f_a), len(f_ab)), np.nan)
    for k in varies:
        part = {"f_A": f_a[k : k + 1], "f_B": f_b[k : k + 1], "f_AB": f_ab[:, k : k + 1]}
        result = sobol_indices(func=part, n=f_a.shape[1])
        # The total-order index is the mean of half the squared change by a parameter, over the variance.
        halves = np.square(f_a[k] - f_ab[:, k]) / 2.0 / np.var([f_a[k], f_b[k]])
        error = halves.std(axis=1) / np.sqrt(f_a.shape[1])
        found[:, k] = [np.ravel(result.first_order), np.ravel(result.total_order), error]
    return found[0], found[1], found[2]


def decisive(data: xr.Dataset, claim: str, count: int = 2) -> list[str]:
    """The parameters that decide a claim, by their total-order indices."""
    order = np.argsort(-np.nan_to_num(data["total_order"].sel(claim=claim).values), kind="stable")
    return [str(data["parameter"].values[k]) for k in order[:count]]


def share_map(data: xr.Dataset, claim: str, x: str, y: str, bins: int) -> xr.DataArray:
    """The share of admissible draws at which a claim holds, by bins of two parameters."""
    held = data["holds"].sel(claim=claim).values
    known = np.isfinite(held)
    columns = [data["draws"].sel(parameter=name).values[known] for name in (x, y)]
    edges = [np.linspace(column.min(), column.max(), bins + 1) for column in columns]
    hits, *_ = np.histogram2d(columns[0], columns[1], edges, weights=held[known])
    every, *_ = np.histogram2d(columns[0], columns[1], edges)
    with np.errstate(invalid="ignore"):
        share = hits / every
    middles = {name: (edge[1:] + edge[:-1]) / 2.0 for name, edge in zip((x, y), edges, strict=True)}
    return xr.DataArray(share, middles, name="share")


def words(name: str) -> str:
    """A parameter in a label."""
    return name.replace("_", " ")
