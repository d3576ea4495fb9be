"""The blocks of a sweep, one after the other, and the places they go to.

While the devices compute one block, those before it are written. Points count as done when they have been.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ._game import Problem
from ._grid import Grid
from ._how import How, Results
from ._labels import Schema
from ._progress import Progress
from ._retry import TwoPasses

_WRITING = 2
"""Blocks that are written at the same time: while the last array of one is, the first ones of the next."""


class Sink(Protocol):
    """Where blocks go; several threads may write different ones."""

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
    """Compute the blocks that are missing: one on the devices, one being finished, some being written."""
    i, n = mine
    own = np.arange(points.blocks) % n == i
    done = sink.done()
    todo = np.flatnonzero(own & ~done)
    total, before = (sum(points.size(int(k)) for k in np.flatnonzero(b)) for b in (own, own & done))
    with Progress(total, before, show) as bar, _Writer(sink, bar.add) as writer:
        if not len(todo):  # Nothing to be compiled for.
            return
        # All of a store comes from the same code, whoever goes on with it: the one for many points.
        passes = TwoPasses(problem, how, points.lanes, None if isinstance(sink, Memory) else math.inf)
        for k, block, started in _ahead(passes, points, values, todo):
            results, solved = passes.finish(started, block)
            writer.put(k, results, solved)


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
    """Writes a few blocks in the background, and counts those that are written; an error comes up at one of the next
    blocks or at the end."""

    def __init__(self, sink: Sink, count: Callable[[int, int], None]):
        self.sink, self.count = sink, count
        self.threads = ThreadPoolExecutor(_WRITING)
        self.begun: deque[tuple[Future, int, int]] = deque()

    def __enter__(self) -> "_Writer":
        return self

    def put(self, k: int, results: Results, solved: int) -> None:
        """Begin to write a block, once there are not too many."""
        while len(self.begun) >= _WRITING or (self.begun and self.begun[0][0].done()):
            self._wait()
        self.begun.append((self.threads.submit(self.sink.write, k, results), len(results["status"]), solved))

    def _wait(self) -> None:
        """Until the first block is written."""
        future, points, solved = self.begun.popleft()
        future.result()
        self.count(points, solved)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.threads.shutdown(wait=True)
        while self.begun and error is None:
            self._wait()
