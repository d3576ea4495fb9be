"""Machine code on the disk, beside the programs that JAX keeps there, for processes that come later.

It is where and when JAX keeps its own: in a folder of `jax_compilation_cache_dir`, if that is set, and if compiling has
taken as long as `jax_persistent_cache_min_compile_time_secs` says. A file appears whole or not at all, begins with a
hash of the rest, and is as good as absent if it cannot be read or has been damaged. A disk that is full or may not be
written to is no error. What has not been used for longest goes first when there is too much.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import jax

_CONFIG: Any = jax.config
_MOST = 2**28
"""Bytes of all files together."""
_HASH = hashlib.sha256().digest_size


def folder() -> Path | None:
    """Where machine code is kept; None if it is not to be."""
    place = _CONFIG.jax_compilation_cache_dir
    if not place or "://" in place or not _CONFIG.jax_enable_compilation_cache:
        return None
    return Path(place) / "kernels"


def _least() -> float:
    """How many seconds something must have taken to be kept."""
    return _CONFIG.jax_persistent_cache_min_compile_time_secs


def found(name: str) -> bytes | None:
    """What has been kept under a name."""
    place = folder()
    if place is None:
        return None
    try:
        content = (place / name).read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(place / name)
    data = content[_HASH:]
    return data if hashlib.sha256(data).digest() == content[:_HASH] else None


def keep(name: str, data: bytes, seconds: float) -> None:
    """Keep what has taken so many seconds to make, if it is to be and can be."""
    place = folder()
    if place is None or seconds < _least():
        return
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=place)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(part, place / name)
        except OSError:
            os.unlink(part)
            raise
        _forget(place)


def _forget(place: Path) -> None:
    """The files that have not been used for longest, as long as there is too much."""
    files = sorted(((file.stat(), file.path) for file in os.scandir(place)), key=lambda each: -each[0].st_mtime)
    total = 0
    for status, path in files:
        total += status.st_size
        if total > _MOST:
            os.unlink(path)
