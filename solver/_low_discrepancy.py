"""Points that fill a box evenly, however many are taken."""

import numpy as np


def low_discrepancy(count: int, dimension: int) -> np.ndarray:
    """Points in the unit box, shape (count, dimension): the multiples of the powers of the root of x^(d+1) = x + 1
    (Roberts' additive recurrence)."""
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (dimension + 1))
    steps = np.arange(1, count + 1)[:, None] * root ** -np.arange(1.0, dimension + 1)[None, :]
    return (0.5 + steps) % 1.0
