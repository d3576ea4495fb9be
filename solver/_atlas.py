"""Where statements about equilibria hold: over all parameters at once, and which parameters decide.

A statement is true or false at a draw of parameters. Its share is the part of the box of parameters in which it is
true; first- and total-order Sobol indices say how much of the variance of "true or not" a parameter explains alone, and
with all its interactions (Sobol, 1993; Saltelli et al., 2010, Computer Physics Communications 181: samples A and B, and
for each parameter A with the column of B). For statements all these are ratios of counts, so that nothing but counts
is kept, however many draws there are.

The draws come in blocks. Each is a design of its own, from its own scrambled Sobol points, so that blocks are
independent and their scatter says how far the whole can be trusted (randomized quasi-Monte Carlo: Owen, 1997, SIAM
Journal on Numerical Analysis 34): standard errors are those of a jackknife over 16 batches of blocks, intervals those
of Student's t.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import ArrayLike, Bool, Float, Int

from ._atlas_counts import BATCHES, Counts, compare, counted, read, write
from ._errors import GameError
from ._fingerprint import Fingerprint
from ._progress import Progress

_ROWS = 256

Draws = Mapping[str, Float[np.ndarray, " draw"]]
Judge = Callable[[Draws], Mapping[str, ArrayLike]]


def atlas(
    judge: Judge,
    ranges: Mapping[str, tuple[float, float]],
    *,
    draws: int = 1_000_000,
    bins: int = 12,
    block: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    key: str = "",
    progress: bool | None = None,
) -> xr.Dataset:
    """How much of a parameter space statements hold in, what decides them, and where.

    Memory does not grow with `draws`. Draws at which a statement has no answer are left out: the share is that of the
    admissible draws, and so are the indices. Where many are left out, the parameters are no longer independent on what
    remains, and the indices are no decomposition of the variance any more: look at "admissible".

    Args:
        judge: draws, name of a parameter -> its values, shape (draws,) -> statement -> 1 or true where it holds, 0 or
            false where not, NaN where there is no answer, shape (draws,). `at_points` solves and certifies there.
        ranges: name of a parameter -> (lower, upper), drawn uniformly and independently.
        draws: how many, at least: rounded up to whole blocks, 16 or more, and no fewer than there are in the store.
        bins: of each parameter in the maps.
        block: rows of a block, a power of 2: a block has (number of parameters + 2) times as many draws. By default as
            in the store; else 256, or less where `draws` are too few for 16 such blocks.
        confidence: of the intervals, between 0 and 1.
        seed: of the scrambling.
        store: a file, by convention ".npz", with the counts. It is written after every batch of blocks: call again
            after a crash, or with more `draws`, and it goes on where it stopped.
        key: what else a store must have in common with this call, as a version of `judge`, which cannot be compared.
        progress: a bar of progress; by default where somebody can see it.

    Returns:
        a Dataset. By "claim": "share", "admissible" and the two most decisive parameters, "decisive"; by "claim" and
        "parameter": "first_order", "total_order". Each of these numbers with its "..._error", a standard error, and
        "..._low", "..._high", its interval. Indices are NaN for statements that are always, or never, true. "map": the
        share by bins of the two decisive parameters, "map_draws" how many draws that is from; "edge": the edges of bins
        by parameter.

    Raises:
        GameError: an argument cannot be used, or what `judge` returns.
        StoreError: the store holds another atlas, or is damaged.

    >>> def judge(draws):
    ...     return {"y is large": draws["y"] > 0.75, "both": draws["x"] * draws["y"] > 0.25}
    >>> data = atlas(judge, {"x": (0.0, 1.0), "y": (0.0, 1.0)}, draws=100_000)
    >>> data["share"].round(2).values.tolist(), data["total_order"].round(2).values.tolist()
    ([0.25, 0.4], [[0.0, 1.0], [0.66, 0.66]])
    """
    names, low, high = _checked(ranges, draws, bins, block, confidence)
    path = None if store is None else Path(store)
    counts, there = (None, {}) if path is None or not path.exists() else read(path)
    if block is None:
        fitting = max(draws // (BATCHES * (len(names) + 2)), 2)
        block = int(there.get("block", min(_ROWS, 1 << (fitting.bit_length() - 1))))
    here = {
        "ranges": json.dumps({name: [a, b] for name, a, b in zip(names, low, high, strict=True)}),
        "bins": str(bins),
        "block": str(block),
        "seed": str(seed),
        "key": key,
    }
    if path is not None and counts is not None:
        compare(path, here, there)
    per_block = block * (len(names) + 2)
    blocks = max(-(-draws // per_block), BATCHES)
    done = 0 if counts is None else counts.blocks
    with Progress(blocks * per_block, min(done, blocks) * per_block, progress) as bar:
        for k in range(done, blocks):
            unit = _design(len(names), block, seed, k)
            answers = judge(dict(zip(names, (low + (high - low) * unit).T, strict=True)))
            statements, held = _answers(answers, len(unit))
            if counts is None:
                counts = Counts.empty(statements, len(names), bins)
            elif statements != counts.claims:
                raise GameError(f"judge: it answers {list(statements)}, and before {list(counts.claims)}.")
            counts.add(counted(held, unit, block, bins))
            bar.add(per_block, int((held >= 0).all(axis=0).sum()))
            if path is not None and (counts.blocks % BATCHES == 0 or counts.blocks == blocks):
                write(path, counts, here)
    assert counts is not None
    return _dataset(counts, names, low, high, bins, confidence, here, counts.blocks * per_block)


def _design(size: int, block: int, seed: int, number: int) -> Float[np.ndarray, "draw parameter"]:
    """Saltelli's: A, B, and A with each column of B, in the unit box."""
    from scipy.stats import qmc  # Slow to import, and needed only here.

    scramble = np.random.default_rng((seed, number))
    both = qmc.Sobol(2 * size, rng=scramble).random(block)
    a, b = both[:, :size], both[:, size:]
    return np.concatenate([a, b, *(np.where(np.arange(size) == k, b, a) for k in range(size))])


def _answers(answers: Mapping[str, ArrayLike], draws: int) -> tuple[tuple[str, ...], Int[np.ndarray, "claim draw"]]:
    """1 true, 0 false, -1 no answer."""
    rows = []
    for name, answer in answers.items():
        row = np.asarray(answer, dtype=np.float64)
        if row.shape != (draws,):
            raise GameError(f"judge: give '{name}' one answer for each draw, shape ({draws},), not {row.shape}.")
        known = np.isfinite(row)
        if not np.isin(row[known], (0.0, 1.0)).all():
            raise GameError(f"judge: '{name}' must be 1 (true), 0 (false) or NaN (no answer) at each draw.")
        rows.append(np.where(known, row, -1.0).astype(np.int8))
    if not rows:
        raise GameError("judge: it must answer at least one statement.")
    return tuple(answers), np.stack(rows)


def _dataset(
    counts: Counts,
    names: Sequence[str],
    low: np.ndarray,
    high: np.ndarray,
    bins: int,
    confidence: float,
    here: Fingerprint,
    draws: int,
) -> xr.Dataset:
    from scipy.special import stdtrit  # Slow to import, too.

    errors = float(stdtrit(BATCHES - 1, 0.5 + confidence / 2.0))

    def tabled(name: str, estimate: Callable[[Counts], np.ndarray], dims: tuple[str, ...]) -> dict:
        value, error = counts.jackknifed(estimate)
        reach = errors * error
        return {name: (dims, value), f"{name}_error": (dims, error), f"{name}_low": (dims, value - reach),
                f"{name}_high": (dims, value + reach)}  # fmt: skip

    by_parameter = ("claim", "parameter")
    found = tabled("share", Counts.share, ("claim",)) | tabled("admissible", Counts.admissible, ("claim",))
    found |= tabled("first_order", lambda c: c.indices()[0], by_parameter)
    found |= tabled("total_order", lambda c: c.indices()[1], by_parameter)
    total = np.nan_to_num(found["total_order"][1], nan=-1.0)
    most = np.sort(np.argsort(-total, axis=1, kind="stable")[:, :2], axis=1)
    first = np.take_along_axis(total, most, 1)
    most = np.where((first[:, :1] >= first[:, 1:]), most, most[:, ::-1])
    maps = [counts.map_of(k, *pair) for k, pair in enumerate(most)]
    known = np.stack([each[1] for each in maps])
    with np.errstate(invalid="ignore"):
        share = np.stack([each[0] for each in maps]) / known
    text = np.array(names)
    found |= {
        "decisive": (("claim", "rank"), text[most]),
        "map": (("claim", "x_bin", "y_bin"), share),
        "map_draws": (("claim", "x_bin", "y_bin"), known),
        "edge": (("parameter", "boundary"), low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, bins + 1)),
    }
    attrs = {"draws": draws, "confidence": confidence, **here}
    return xr.Dataset(found, {"claim": list(counts.claims), "parameter": text}, attrs)


def _checked(
    ranges: Mapping[str, tuple[float, float]], draws: int, bins: int, block: int | None, confidence: float
) -> tuple[list[str], Float[np.ndarray, " parameter"], Float[np.ndarray, " parameter"]]:
    names = list(ranges)
    if len(names) < 2:
        raise GameError("ranges: give at least two parameters, each with (lower, upper).")
    low, high = np.array([[float(x) for x in ranges[name]] for name in names]).T
    fine: Bool[np.ndarray, " parameter"] = (low < high) & np.isfinite(high - low)
    if not fine.all():
        name = names[int(np.argmin(fine))]
        raise GameError(f"ranges: the range of '{name}' must be finite and in order, not {ranges[name]!r}.")
    if draws < 1 or bins < 1 or not 0.0 < confidence < 1.0:
        raise GameError("draws and bins must be at least 1, and confidence between 0 and 1.")
    if block is not None and (block < 2 or block & (block - 1)):
        raise GameError(f"block is {block}; give a power of 2.")
    return names, low, high
