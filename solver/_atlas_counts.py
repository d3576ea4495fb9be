"""The counts that an atlas is made of: they add up, over blocks and over calls."""

import dataclasses
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ._errors import StoreError
from ._fingerprint import Fingerprint, differences

BATCHES = 16
"""Groups of blocks whose scatter says how exact the whole is."""
_FORMAT = "atlas 1"


@dataclasses.dataclass
class Counts:
    """What there is to know of all draws so far, by batch where errors are made of it."""

    claims: tuple[str, ...]
    blocks: int
    draws: Int[np.ndarray, "batch claim kind"]
    """Kinds: draws, those with an answer, those at which the claim holds."""
    rows: Int[np.ndarray, "batch claim parameter kind"]
    """Of the rows with answers in A, B and A with a column of B, f_A, f_B and f: their number, and the sums of f_A,
    f_B, f, f_A f_B, f_B f and (f_A - f)^2."""
    maps: Int[np.ndarray, "claim pair x y kind"]
    """By the bins of each pair of parameters: draws at which the claim holds, and draws with an answer."""

    @staticmethod
    def empty(claims: tuple[str, ...], size: int, bins: int) -> "Counts":
        many, pairs = len(claims), size * (size - 1) // 2
        return Counts(
            claims,
            0,
            np.zeros((BATCHES, many, 3), np.int64),
            np.zeros((BATCHES, many, size, 7), np.int64),
            np.zeros((many, pairs, bins, bins, 2), np.int64),
        )

    def add(self, block: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        """Count one more block."""
        batch = self.blocks % BATCHES
        draws, rows, maps = block
        self.draws[batch] += draws
        self.rows[batch] += rows
        self.maps += maps
        self.blocks += 1

    def jackknifed(self, estimate: Callable[["Counts"], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """An estimate from all batches, and its standard error."""
        whole = estimate(self._of(self.draws.sum(axis=0), self.rows.sum(axis=0)))
        without = np.stack(
            [
                estimate(self._of(self.draws.sum(axis=0) - self.draws[k], self.rows.sum(axis=0) - self.rows[k]))
                for k in range(BATCHES)
            ]
        )
        scatter = np.square(without - without.mean(axis=0)).sum(axis=0)
        return whole, np.sqrt((BATCHES - 1) / BATCHES * scatter)

    def share(self) -> Float[np.ndarray, " claim"]:
        """The share of the draws with an answer at which a claim holds."""
        _, known, held = np.moveaxis(self.draws, -1, 0)
        return _ratio(held, known)

    def admissible(self) -> Float[np.ndarray, " claim"]:
        """The share of draws with an answer."""
        every, known, _ = np.moveaxis(self.draws, -1, 0)
        return _ratio(known, every)

    def indices(self) -> tuple[Float[np.ndarray, "claim parameter"], Float[np.ndarray, "claim parameter"]]:
        """First- and total-order indices, as `scipy.stats.sobol_indices` has them if every draw has an answer."""
        n, a, b, f, ab, bf, changed = np.moveaxis(self.rows, -1, 0)
        mean = _ratio(a + b, 2 * n)
        variance = mean * (1.0 - mean)
        first = _ratio(bf - ab, n) - mean * _ratio(f - a, n)
        return _ratio(first, variance), _ratio(_ratio(changed, 2 * n), variance)

    def map_of(self, claim: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws at which a claim holds, and draws with an answer, by the bins of two parameters."""
        low, high = min(x, y), max(x, y)
        size = self.rows.shape[2]
        pair = low * size - low * (low + 1) // 2 + high - low - 1
        counts = self.maps[claim, pair]
        counts = counts if x == low else np.swapaxes(counts, 0, 1)
        return counts[..., 0], counts[..., 1]

    def _of(self, draws: np.ndarray, rows: np.ndarray) -> "Counts":
        return dataclasses.replace(self, draws=draws, rows=rows)


def counted(
    held: Int[np.ndarray, "claim draw"], unit: Float[np.ndarray, "draw parameter"], block: int, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a block adds to `Counts`: of answers 1, 0 and -1 (none) at the design `unit`, of `block` rows."""
    size = unit.shape[1]
    known = held >= 0
    draws = np.stack([np.full(len(held), held.shape[1]), known.sum(axis=1), (held > 0).sum(axis=1)], axis=-1)
    each = held.reshape(len(held), size + 2, block)
    a, b, f = each[:, :1], each[:, 1:2], each[:, 2:]
    fine = (a >= 0) & (b >= 0) & (f >= 0)
    kinds = (np.ones_like(f), a, b, f, a * b, b * f, (a != f).astype(np.int8))
    rows = np.stack([np.where(fine, kind, 0).sum(axis=-1, dtype=np.int64) for kind in kinds], axis=-1)
    place = np.minimum((unit * bins).astype(np.int64), bins - 1)
    maps = np.empty((len(held), size * (size - 1) // 2, bins * bins, 2), np.int64)
    pair = 0
    for x in range(size):
        for y in range(x + 1, size):
            cell = place[:, x] * bins + place[:, y]
            for k in range(len(held)):
                maps[k, pair, :, 0] = np.bincount(cell[held[k] > 0], minlength=bins * bins)
                maps[k, pair, :, 1] = np.bincount(cell[known[k]], minlength=bins * bins)
            pair += 1
    return draws, rows, maps.reshape(len(held), -1, bins, bins, 2)


def write(path: Path, counts: Counts, here: Fingerprint) -> None:
    """Write a store in one step, so that a kill leaves the old one or the new one."""
    about = json.dumps({"format": _FORMAT, "fingerprint": here, "claims": counts.claims, "blocks": counts.blocks})
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            np.savez_compressed(file, about=about, draws=counts.draws, rows=counts.rows, maps=counts.maps)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written ({type(error).__name__}: {error}).") from error


def read(path: Path) -> tuple[Counts, Fingerprint]:
    """The counts of a store, and what it is of."""
    try:
        with np.load(path) as file:
            about = json.loads(str(file["about"]))
            if about["format"] != _FORMAT:
                raise ValueError(f"its format is {about['format']!r}")
            counts = Counts(tuple(about["claims"]), int(about["blocks"]), file["draws"], file["rows"], file["maps"])
            return counts, about["fingerprint"]
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        raise StoreError(
            f"{path} is no store of an atlas, or is damaged ({reason}); give another path, or delete it to start anew."
        ) from error


def compare(path: Path, here: Fingerprint, there: Fingerprint) -> None:
    """Refuse to go on with another atlas."""
    if other := differences(here, there):
        raise StoreError(
            f"{path} holds another atlas; give another path, or delete it to start anew. What differs:\n  "
            + "\n  ".join(other)
        )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    fine = whole > 0
    return np.where(fine, part / np.where(fine, whole, 1), np.nan)
