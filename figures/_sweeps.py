"""The sweeps behind the figures, kept in stores, so that a figure can be drawn again without computing."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from nashgrid.solver import Problem, Status, sweep


class Sweeps:
    """Sweeps by name.

    Args:
        folder: where the stores are; an interrupted sweep goes on where it stopped, a finished one is only read.
        say: prints a line about what is being done.
        again: delete the stores of these sweeps, and compute them anew.

    Raises:
        StoreError: a store is of another sweep, as the model or the figure has changed since, or is damaged.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda line: None, again: bool = False):
        self.folder = folder
        self.say = say
        self.again = again

    def __call__(self, name: str, problem: Problem, axes: Mapping[str, np.ndarray]) -> xr.Dataset:
        """The certified sweep `name`, in memory."""
        sizes = [len(values) for values in axes.values()]
        store = self.folder / f"{name}-{'x'.join(map(str, sizes))}.zarr"
        if self.again and store.exists():
            shutil.rmtree(store)
        known = store.exists()
        self.say(f"  {name}: {np.prod(sizes):,} points ({' x '.join(axes)}), {store.name}{' exists' if known else ''}")
        begin = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        data = sweep(problem, axes, store=store).load()
        solved = float((data["status"] == Status.successful).mean())
        self.say(f"  {name}: {time.monotonic() - begin:.1f} s, {solved:.2%} certified")
        return data
