"""The blocks of a sweep, one after the other, and the places they go to.

While the devices compute one block, the one before it is written.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ._devices import How, Results
from ._game import Problem
from ._grid import Grid
from ._labels import Schema
from ._progress import Progress
from ._retry import TwoPasses


class Sink(Protocol):
    """Where blocks go."""

    def done(self) -> np.ndarray: ...
    def write(self, k: int, results: Mapping[str, np.ndarray]) -> None: ...
    def open(self) -> xr.Dataset: ...


class Memory:
    """Results in the memory of the host."""

    def __init__(self, labels: Schema, points: Grid):
        self.labels = labels
        self.points = points
        self.arrays = {v.name: np.full((*points.shape, *v.shape), v.fill, v.dtype) for v in labels.variables}

    def done(self) -> np.ndarray:
        return np.zeros(self.points.blocks, bool)

    def write(self, k: int, results: Mapping[str, np.ndarray]) -> None:
        region = self.points.region(k)
        sides = tuple(s.stop - s.start for s in region)
        for name, value in results.items():
            self.arrays[name][region] = value.reshape(*sides, *value.shape[1:])

    def open(self) -> xr.Dataset:
        labels = self.labels
        data = {v.name: ((*labels.axes, *v.dims), self.arrays[v.name], v.attrs) for v in labels.variables}
        coords = {name: ((name,), values, attrs) for name, (values, attrs) in labels.coords.items()}
        return xr.Dataset(data, coords, labels.attrs)


def run(
    problem: Problem,
    how: How,
    points: Grid,
    values: tuple[np.ndarray, ...],
    sink: Sink,
    mine: tuple[int, int],
    show: bool | None,
) -> None:
    """Compute the blocks that are missing: one on the devices, one being finished, one being written."""
    i, n = mine
    own = np.arange(points.blocks) % n == i
    done = sink.done()
    todo = np.flatnonzero(own & ~done)
    total, before = (sum(points.size(int(k)) for k in np.flatnonzero(b)) for b in (own, own & done))
    with Progress(total, before, show) as bar, _Writer(sink) as writer:
        if not len(todo):  # Nothing to be compiled for.
            return
        # All of a store comes from the same code, whoever goes on with it: the one for many points.
        passes = TwoPasses(problem, how, points.lanes, None if isinstance(sink, Memory) else math.inf)
        for k, block, started in _ahead(passes, points, values, todo):
            results, solved = passes.finish(started, block)
            writer.put(k, results)
            bar.add(len(block), solved)


def _ahead(passes: TwoPasses, points: Grid, values: tuple[np.ndarray, ...], todo: np.ndarray) -> Iterator[tuple]:
    """The blocks in order, each handed out when the one after it has been started."""
    started: deque = deque()
    for k in todo:
        block = points.values(int(k), values)
        started.append((int(k), block, passes.start(block)))
        if len(started) == 2:
            yield started.popleft()
    yield from started


class _Writer:
    """Writes one block in the background; an error comes up at the next block or at the end."""

    def __init__(self, sink: Sink):
        self.sink = sink
        self.thread = ThreadPoolExecutor(1)
        self.last: Future | None = None

    def __enter__(self) -> "_Writer":
        return self

    def put(self, k: int, results: Results) -> None:
        if self.last is not None:
            self.last.result()
        self.last = self.thread.submit(self.sink.write, k, results)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.thread.shutdown(wait=True)
        if self.last is not None and error is None:
            self.last.result()
