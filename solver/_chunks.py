"""Chunks of zarr arrays, each a file that is written whole or not at all.

What zarr does for a chunk besides, its event loop above all, takes twice as long as compressing a megabyte and writing
it. So chunks that are compressed as `COMPRESSOR` says are written without it, as its format lays down.
"""

import os
import uuid
from pathlib import Path

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec, BytesCodec

COMPRESSOR = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
"""Takes a third to a fifth of the time of zarr's own choice; files are no larger unless values come again exactly."""
# zarr lets it have one thread only; of several, which one is faster would decide on the order in a file.
_BLOSC = Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)


def write_chunk(root: Path, array: zarr.Array, region: tuple[slice, ...], values: np.ndarray) -> None:
    """Write `values` to an array of the group at `root`, where they fill the one chunk that begins at `region`, as far
    as the array goes."""
    codecs = *array.filters, array.serializer, *array.compressors
    if [type(codec) for codec in codecs] != [BytesCodec, BloscCodec]:
        array[region] = values  # The store of an earlier version, gone on with as it was begun.
        return
    if not values.size:
        return
    inside = (*region, *(slice(0, n) for n in values.shape[len(region) :]))
    whole = np.ascontiguousarray(values, array.dtype.newbyteorder("<"))
    if whole.shape != array.chunks:
        whole = np.full(array.chunks, array.fill_value, whole.dtype)
        whole[tuple(slice(0, n) for n in values.shape)] = values
    where = tuple(s.start // n for s, n in zip(inside, array.chunks, strict=True))
    replace(root / array.path, array.metadata.encode_chunk_key(where), _BLOSC.encode(whole))


def replace(folder: Path, name: str, content: bytes) -> None:
    """Write a file in or below a folder in one step, so that a kill leaves the old one or the new one.

    Raises:
        FileNotFoundError: the folder is not there (any more).
    """
    file = folder / name
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        # Never the folder itself, which may go away at any time.
        for parent in reversed(file.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(exist_ok=True)
        part.write_bytes(content)
        os.replace(part, file)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and not folder.is_dir():
            raise FileNotFoundError(f"the folder {folder} is gone") from error
        raise
