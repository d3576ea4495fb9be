"""A grid of points cut into blocks: the unit of computing, of writing and of resuming.

The points of a grid are counted with the last parameter running fastest (C order). A block is a hyper-rectangle of
the grid whose sides depend on the grid and the size of a block only, so that it is one chunk of a chunked array.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Grid:
    """A grid of `shape`, in blocks of sides `block`."""

    shape: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def points(self) -> int:
        return math.prod(self.shape)

    @property
    def lanes(self) -> int:
        """The most points that a block has."""
        return math.prod(self.block)

    @property
    def blocks(self) -> int:
        return math.prod(self._counts)

    @property
    def _counts(self) -> tuple[int, ...]:
        return tuple(-(-n // b) for n, b in zip(self.shape, self.block, strict=True))

    def region(self, k: int) -> tuple[slice, ...]:
        """Block `k` as slices of the grid."""
        where = np.unravel_index(k, self._counts)
        return tuple(
            slice(int(i) * b, min(int(i) * b + b, n)) for i, b, n in zip(where, self.block, self.shape, strict=True)
        )

    def size(self, k: int) -> int:
        """The number of points of block `k`."""
        return math.prod(s.stop - s.start for s in self.region(k))

    def values(self, k: int, axes: tuple[np.ndarray, ...]) -> Float[np.ndarray, "points axis"]:
        """The points of block `k`: a row of parameter values for each, next to each other in memory along columns."""
        sides = [values[s] for values, s in zip(axes, self.region(k), strict=True)]
        columns = np.empty((len(sides), *map(len, sides)), np.result_type(*sides))
        for column, along in zip(columns, np.meshgrid(*sides, indexing="ij", sparse=True), strict=True):
            column[...] = along  # At once to where it is to be: of a million points in a tenth of the time.
        return columns.reshape(len(sides), -1).T


def cut(shape: tuple[int, ...], points: int) -> Grid:
    """`shape` in blocks of at most `points` points, as even as possible, whole along the last axes.

    >>> cut((1000, 1000), 10_000)
    Grid(shape=(1000, 1000), block=(10, 1000))
    >>> cut((5, 1000), 300)
    Grid(shape=(5, 1000), block=(1, 250))
    """
    left, sides = max(1, points), []
    for n in reversed(shape):
        side = -(-n // -(-n // min(n, left)))
        sides.append(side)
        left = left // side if side == n else 1
    return Grid(shape, tuple(reversed(sides)))
