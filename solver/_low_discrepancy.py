"""Points that fill a box evenly, however many are taken."""

import numpy as np


def low_discrepancy(count: int, dimension: int) -> np.ndarray:
    """Points in the unit box, shape (count, dimension): the multiples of the powers of the root of x^(d+1) = x + 1
    (Roberts' additive recurrence)."""
    return (0.5 + np.arange(1, count + 1)[:, None] * low_discrepancy_steps(dimension)[None, :]) % 1.0


def low_discrepancy_steps(dimension: int) -> np.ndarray:
    """From each of these points to the next, in each dimension."""
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (dimension + 1))
    return root ** -np.arange(1.0, dimension + 1)
