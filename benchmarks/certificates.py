"""How many of a million random games are solved, how many rightly refused, and how many certificates are false.

A certificate is false if, at the profile that is called an equilibrium, a firm does better at some point of a fine grid
of its own strategies than the tolerance allows, or if it is not the equilibrium that the game was made to have. A
refusal is right if global best responses on a grid have no fixed point; a sample of the refused games is judged so.
"""

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nashgrid.solver import BestResponse, Game, Status, solve
from nashgrid.solver._devices import MOST
from nashgrid.solver._kernel import Kernel, kernel

from ._brute_force import COARSE, LINE, SQUARE, gains_on_grid, some_equilibrium
from ._clock import on_host
from ._deadline import NONE, Deadline
from ._environment import commit, environment, load, now
from ._random_games import FAMILIES, Constructed, Family

SEED = 0
TOLERANCE = {np.float64: 1e-10, np.float32: 3e-5}
BLOCK = 2048
TOGETHER = 64
REFUSED = 1000
"""How many refused games of a family are looked at again, at the most."""
QUICK = 100


def run(
    out: Path, *, quick: bool = False, say: Callable[[str], None] = print, deadline: Deadline = NONE
) -> dict[str, Any]:
    """The record: one row for each family of games. A run that was stopped, or whose time was up, goes on behind its
    last whole family."""
    part = out / "certificates.part.json"
    record = _record(quick)
    if part.exists() and _same(before := json.loads(part.read_text()), record):
        record = before
    done = {row["family"]: row for row in record["rows"]}
    for family in FAMILIES:
        row = done.get(family.name)
        if row is None and deadline.over():
            raise TimeoutError(f"the time was up before {family.name}; the same command goes on there.")
        if row is None:
            row = _family(family, max(family.games // QUICK, 1) if quick else family.games)
            record["rows"].append(row)
            # In two steps, so that a process killed in between leaves the whole one.
            part.with_suffix(".new").write_text(json.dumps(record, allow_nan=False))
            part.with_suffix(".new").replace(part)
        say(summary(row))
    part.unlink()
    here = record["environment"]
    here["load_average"] = [here["load_average"], load()]
    return record


def _same(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether two records are of the same clean commit and parameters."""
    known = now["commit"] is not None and not now["commit"].endswith("-dirty")
    return known and all(before[part] == now[part] for part in ("commit", "parameters"))


def _record(quick: bool) -> dict[str, Any]:
    return {
        "benchmark": "certificates",
        "date": now(),
        "commit": commit(),
        "environment": environment(),
        "parameters": {
            "seed": SEED,
            "method": BestResponse().describe(),
            "tolerance": {np.dtype(kind).name: tol for kind, tol in TOLERANCE.items()},
            "false": "gain on the grid above twice the tolerance times the payoff scale, or another profile than made",
            "grid": {"one strategy": LINE, "two strategies": [SQUARE, SQUARE], "refusals": COARSE},
            "quick": quick,
        },
        "rows": [],
    }


def _family(family: Family, games: int) -> dict[str, Any]:
    began = time.monotonic()
    tol = TOLERANCE[family.dtype]
    counts: Counter[str] = Counter()
    worst, false, refused = 0.0, [], []
    for first, batch in _blocks(family, games):
        z, status, payoff, scale = _solved(batch, tol)
        counts.update(Status(int(code)).name for code in status)
        good = status == Status.successful
        gain = _gains(batch, z, payoff.shape[1]) / scale
        off = gain.max(axis=1)
        if isinstance(batch, Constructed):
            off = np.maximum(off, np.abs(z - np.asarray(batch.profile)).max(axis=1) / 10.0)
        worst = max(worst, float(off[good].max(initial=0.0)))
        false += [first + int(k) for k in np.flatnonzero(good & (off > 2 * tol))]
        for k in np.flatnonzero(~good)[: REFUSED - len(refused)]:
            refused.append(jax.tree.map(lambda leaf, k=k: leaf[k], batch))
    right = _rightly_refused(refused)
    return {
        "family": family.name,
        "what": family.what,
        "games": games,
        "dtype": np.dtype(family.dtype).name,
        "solved": counts[Status.successful.name],
        "statuses": dict(counts),
        "false_certificates": len(false),
        "false": false[:20],
        "worst_gain": worst,
        "refused_looked_at": len(refused) if right is not None else 0,
        "refused_rightly": right,
        "seconds": time.monotonic() - began,
    }


def _blocks(family: Family, games: int) -> Iterator[tuple[int, Game]]:
    """Blocks of games, each from a seed of its own."""
    for first in range(0, games, BLOCK):
        rng = np.random.default_rng((SEED, first))
        count = min(BLOCK, games - first)
        block = family.draw(rng, BLOCK)
        yield first, jax.tree.map(lambda leaf, n=count: jnp.asarray(leaf, family.dtype)[:n], block)


def _solved(games: Game, tol: float) -> tuple[np.ndarray, ...]:
    """Solved as sweeps do on this machine."""
    leaves, structure = jax.tree.flatten(games)
    built = _kernel(structure, tuple(leaf.shape[1:] for leaf in leaves), leaves[0].dtype, tol)
    if built is not None:
        return built.run((), np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in leaves], axis=1))
    padded = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.repeat(leaf[:1], BLOCK - len(leaf), axis=0)]), games)
    count = len(jax.tree.leaves(games)[0])
    return tuple(np.asarray(part)[:count] for part in _program(padded, tol))


@functools.cache
def _kernel(structure: Any, shapes: tuple[tuple[int, ...], ...], dtype: Any, tol: float) -> Kernel | None:
    if not on_host():
        return None
    sizes = [int(np.prod(shape)) for shape in shapes]

    def one(_: tuple[()], row: jax.Array) -> tuple[jax.Array, ...]:
        parts = jnp.split(row, np.cumsum(sizes)[:-1])
        leaves = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        return _one(jax.tree.unflatten(structure, leaves), tol)

    return kernel(one, (), jax.ShapeDtypeStruct((sum(sizes),), dtype), MOST)


@functools.partial(jax.jit, static_argnames="tol")
def _program(games: Game, tol: float) -> tuple[jax.Array, ...]:
    return jax.lax.map(functools.partial(_one, tol=tol), games, batch_size=TOGETHER if on_host() else BLOCK)


def _one(game: Game, tol: float) -> tuple[jax.Array, ...]:
    result = solve(game, tol=tol, throw=False)
    assert result.certificate is not None
    return result.strategy["x"], result.status, result.payoff, result.certificate.payoff_scale


def _gains(games: Game, z: np.ndarray, firms: int) -> np.ndarray:
    own = z.shape[1] // firms
    # Few at a time: a grid for each.
    parts = []
    for k in range(0, len(z), 128):
        some = jax.tree.map(lambda leaf, k=k: leaf[k : k + 128], games)
        parts.append(np.asarray(gains_on_grid(some, jnp.asarray(z[k : k + 128]), own)))
    return np.concatenate(parts)


def _rightly_refused(games: list[Game]) -> int | None:
    """Of games that were refused, how many have no equilibrium; None where this is not judged."""
    if not games or isinstance(games[0], Constructed) or jax.tree.leaves(games[0])[1].shape[-1] > 1:
        return None
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *games)
    parts = [
        np.asarray(some_equilibrium(jax.tree.map(lambda leaf, k=k: leaf[k : k + 64], stacked)))
        for k in range(0, len(games), 64)
    ]
    return int((~np.concatenate(parts)).sum())


def summary(row: dict[str, Any]) -> str:
    """A row in a line."""
    right = (
        "" if row["refused_rightly"] is None else f", {row['refused_rightly'] / row['refused_looked_at']:.1%} rightly"
    )
    return (
        f"{row['family']:<14}{row['games']:>9,} games  solved {row['solved'] / row['games']:8.3%}  false certificates "
        f"{row['false_certificates']}  refused {1 - row['solved'] / row['games']:8.3%}{right}  ({row['seconds']:.0f} s)"
    )


def table(record: dict[str, Any]) -> str:
    """All rows and their sum."""
    rows = record["rows"]
    games, false = sum(row["games"] for row in rows), sum(row["false_certificates"] for row in rows)
    return "\n".join([*map(summary, rows), f"{games:,} games, {false} false certificates"])
