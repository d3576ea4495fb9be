"""The atlases of claims that several figures are drawn from: computed once, kept as small summaries.

A summary is a JSON file in figures/atlases with all that the figures show. It is read if the draws, the ranges, the
claims and what the models compute are the same, and computed anew, from the counts in figures/.stores, if not.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from nashgrid.games.claims import ClaimSet, claim_atlas
from nashgrid.solver import StoreError

from ._sweeps import Sweeps

DRAWS = 250_000
"""Of each set of claims, by default."""
SUMMARIES = Path(__file__).parent / "atlases"


def atlases(sets: Sequence[ClaimSet], draws: int, sweeps: Sweeps) -> dict[str, xr.Dataset]:
    """The atlases of sets of claims, by their names."""
    return {claims.name: _atlas(claims, draws, sweeps) for claims in sets}


@functools.cache
def _atlas(claims: ClaimSet, draws: int, sweeps: Sweeps) -> xr.Dataset:
    name = claims.name.replace(" ", "_")
    kept = SUMMARIES / f"{name}.json"
    if not sweeps.again and (found := _read(kept, claims, draws)) is not None:
        sweeps.say(f"  {claims.name}: {found.attrs['draws']:,} draws, {kept.name}")
        return found
    store = sweeps.folder / f"atlas-{name}.npz"
    if sweeps.again:
        store.unlink(missing_ok=True)
    sweeps.say(f"  {claims.name}: {draws:,} draws of {len(claims.ranges)} parameters, {store.name}")
    try:
        data = claim_atlas(claims, draws=draws, store=store)
    except StoreError as error:
        sweeps.say(f"  {str(error).splitlines()[0]} It is computed anew.")
        store.unlink()
        data = claim_atlas(claims, draws=draws, store=store)
    if draws == DRAWS:
        _write(kept, data, draws)
    return data


def named(data: Mapping[str, xr.Dataset], panels: Mapping[str, Sequence[str]]) -> list[xr.Dataset]:
    """Single claims: name of a set -> names of claims in it."""
    return [data[name].sel(claim=claim) for name, claims in panels.items() for claim in claims]


def words(name: str) -> str:
    """A parameter in a label."""
    return name.replace("_", " ")


def _write(file: Path, data: xr.Dataset, asked: int) -> None:
    text = json.dumps({"asked": asked, **data.to_dict()}, default=_number)
    file.parent.mkdir(exist_ok=True)
    file.write_text(text + "\n")


def _read(file: Path, claims: ClaimSet, draws: int) -> xr.Dataset | None:
    """The summary, if it is of the same claims, ranges, models and number of draws."""
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    ranges = {name: list(ends) for name, ends in claims.ranges.items()}
    same = (found["asked"], found["attrs"]["key"], json.loads(found["attrs"]["ranges"])) == (
        draws,
        claims.key(),
        ranges,
    )
    return xr.Dataset.from_dict(found) if same else None


def _number(value: Any) -> Any:
    return value.item()
