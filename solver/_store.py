"""A sweep on disk: a zarr group that xarray reads as a Dataset, whole or not.

One block of the sweep is one chunk of every array, written whole, several arrays at once. The group "ledger" holds one
element per block, set after all of the block is on disk: what it does not name is computed again, so that a sweep may
be killed at any time.
Stores are made in a temporary folder and renamed into place, and blocks do not overlap, so that many processes may
share one.
"""

import json
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Bool

from ._chunks import COMPRESSOR, replace, write_chunk
from ._errors import StoreError
from ._fingerprint import Fingerprint, differences
from ._grid import Grid
from ._kernel import cores
from ._labels import Schema

FORMAT = 1
_AT_ONCE = 8
"""The most arrays of a block that are written at the same time."""


class Store:
    """An open store."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.threads = ThreadPoolExecutor(min(_AT_ONCE, cores()))
        try:
            self.group = zarr.open_group(str(self.path), mode="r+", zarr_format=3, use_consolidated=False)
            self.arrays = dict(self.group.arrays())
            ledger = self.group["ledger"]
            self.about: dict[str, Any] = json.loads(str(ledger.attrs["nashgrid"]))
            self.grid = Grid(tuple(self.about["shape"]), tuple(self.about["block"]))
        except Exception as error:
            raise StoreError(
                f"{self.path} is not a nashgrid store, or is damaged ({_short(error)}); give another path, or "
                "delete it to start anew."
            ) from error
        if self.about["format"] != FORMAT:
            raise StoreError(f"{self.path} has the format {self.about['format']}; this version reads {FORMAT}.")

    def check(self, here: Fingerprint) -> None:
        """Refuse to go on with another sweep."""
        if other := differences(here, self.about["fingerprint"]):
            raise StoreError(
                f"{self.path} holds another sweep; give another path, or delete it to start anew. What differs:\n  "
                + "\n  ".join(other)
            )

    def done(self) -> Bool[np.ndarray, " block"]:
        """Which blocks are complete."""
        try:
            ledger = np.asarray(self.group["ledger/done"][:])  # type: ignore[index]
            if ledger.shape != (self.grid.blocks,) or (ledger > 1).any():
                raise ValueError(f"shape {ledger.shape}, largest value {ledger.max(initial=0)}")
        except Exception as error:
            raise StoreError(
                f"{self.path}: the ledger of finished blocks cannot be read ({_short(error)}). Delete "
                f"{self.path / 'ledger' / 'done' / 'c'} to compute all blocks again into the same store."
            ) from error
        return ledger == 1

    def write(self, k: int, results: Mapping[str, np.ndarray]) -> None:
        """Write block `k`: its variables (points first), then its entry in the ledger."""
        region = self.grid.region(k)
        sides = tuple(s.stop - s.start for s in region)

        def put(name: str) -> None:
            values = results[name]
            write_chunk(self.path, self.arrays[name], region, values.reshape(*sides, *values.shape[1:]))

        try:
            begun = [self.threads.submit(put, name) for name in results]
            wait(begun)  # Nothing is still being written when an error comes up.
            for future in begun:
                future.result()
            _set(self.path / "ledger" / "done" / "c", k)
        except Exception as error:
            raise StoreError(
                f"{self.path} cannot be written ({_short(error)}). Nothing that was finished is lost: free some space "
                "or restore the disk, and call again with the same arguments to go on."
            ) from error

    def open(self) -> xr.Dataset:
        """The labelled results; values are read when they are used."""
        return xr.open_zarr(str(self.path), chunks=None)


def create(path: str | os.PathLike[str], schema: Schema, grid: Grid, here: Fingerprint) -> Store:
    """Make an empty store at `path`, or open the one that another process has made there in the meantime."""
    target = Path(path)
    made = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _layout(made, schema, grid, here)
        os.rename(made, target)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        if not target.exists():
            raise StoreError(f"{target} cannot be made ({_short(error)}).") from error
    return Store(target)


def _layout(path: Path, schema: Schema, grid: Grid, here: Fingerprint) -> None:
    """The arrays of an empty store, the coordinates filled in."""
    group = zarr.create_group(str(path), zarr_format=3, attributes=schema.attrs)
    for name, (values, attrs) in schema.coords.items():
        text = values.dtype.kind == "U"
        dims = (name,)
        made = group.create_array(
            name,
            shape=values.shape,
            chunks=values.shape,
            dtype=str if text else values.dtype,
            dimension_names=dims,
            attributes=attrs,
        )
        made[:] = values.astype(object) if text else values
    for v in schema.variables:
        group.create_array(
            v.name,
            shape=(*grid.shape, *v.shape),
            chunks=(*grid.block, *(max(1, n) for n in v.shape)),
            dtype=v.dtype,
            compressors=COMPRESSOR,
            fill_value=v.fill,
            dimension_names=(*schema.axes, *v.dims),
            attributes=v.attrs,
        )
    about = {"format": FORMAT, "shape": grid.shape, "block": grid.block, "fingerprint": here}
    ledger = group.create_group("ledger", attributes={"nashgrid": json.dumps(about)})
    # One element a chunk and no compressor: the file of a finished block is one byte, see `_set`.
    ledger.create_array("done", shape=(grid.blocks,), chunks=(1,), dtype=np.uint8, fill_value=0, compressors=None)
    with warnings.catch_warnings():
        # xarray warns about stores without consolidated metadata, zarr about stores with it.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(str(path))


def _set(folder: Path, k: int) -> None:
    """Set element `k` of the ledger in one step, so that a kill leaves it either set or not."""
    replace(folder.parent, f"{folder.name}/{k}", b"\x01")


def _short(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
