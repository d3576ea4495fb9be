"""Comparative statics: the equilibrium at every point of a grid of parameters, labelled, certified, resumable.

Failure is data: a point without an equilibrium has a status that says why, and never stops the others.
"""

import importlib.metadata
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr
from jaxtyping import ArrayLike

from ._axes import grid, knobs, leaves, put
from ._best_response import BestResponse
from ._check import check_options, prepare
from ._devices import budget, default_width, devices, kernel_of
from ._dynamic_game import DynamicGame
from ._errors import GameError
from ._fingerprint import array_text, fingerprint, text
from ._game import Problem
from ._grid import Grid, cut
from ._how import How, shapes
from ._labels import Schema, schema
from ._layout import dtype_of
from ._method import Method
from ._retry import TwoPasses
from ._run import Memory, Sink, run
from ._search import GlobalSearch
from ._solution import Equilibrium

_LARGE = 2**16
_ON_THE_WAY = 64


def sweep(
    problem: Problem,
    axes: Mapping[str, ArrayLike | Sequence[float]],
    *,
    method: Method | None = None,
    sensitivity: Sequence[str] = (),
    keep: Sequence[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    chunk: int | Literal["auto"] = "auto",
    shard: tuple[int, int] | None = None,
    progress: bool | None = None,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> xr.Dataset:
    """The equilibria of `problem` over the grid of all combinations of the values of `axes`.

    Each point is what `solve` returns there, to a few units in the last place. Points that a few steps do not solve
    are gathered and solved again with `max_steps` and all the attempts of the method.

    Args:
        problem: a `Game` or a `Leader`; the parameters that are not varied are taken from it.
        axes: name of a parameter -> its values, one-dimensional, finite, strictly increasing. The name of a scalar
            field, of an element of an array ("cost[0]"), or of a field inside another part of the problem
            ("game.cost", or "cost" where there is only one). They are the dimensions of the result, in this order.
        method: as in `solve`.
        sensitivity: names of parameters (written as in `axes`, varied or not) in which strategies, payoffs and
            outcomes are differentiated: exact derivatives of the equilibrium, as `d_<variable>_d_<parameter>`.
        keep: names of the variables that the result is to have, with their derivatives, besides `status` and `steps`;
            by default all. What none of them needs is not computed, so a long sweep is faster and takes less memory.
        store: a folder. Results are written there block by block, as zarr that `xarray.open_zarr` reads; the same
            call again goes on where it stopped, and gives the same bytes as a call that was never stopped.
        chunk: points per block, or "auto": what suits the devices and their memory. A store keeps the one it has.
        shard: (i, n), this process computes every n-th block from block i on, into a store that n processes share;
            by default the processes of `jax.distributed` share the blocks.
        progress: whether to show a bar; by default if standard error is a terminal.
        tol: as in `solve`.
        max_steps: as in `solve`.
        certify: as in `solve`.

    Returns:
        a Dataset with, over the dimensions of `axes`: the strategies, `payoff`, the outcomes, the evidence
        (`residual`, `regret`, ...), `status` (flags as in `Status`), `steps`, and the derivatives, which are NaN
        where no equilibrium was found. For a `Leader` also the variables of its followers ("subgame_payoff",
        "subgame_status", ...). Of firms that have numbers instead of names (see `AggregativeGame`) neither strategies
        nor payoffs are kept. Values from a store are read when they are used.

    Raises:
        GameError: an argument cannot be used; the message says what to write.
        StoreError: the store belongs to another sweep, is damaged or cannot be written. A point never raises.

    >>> from jaxtyping import Array, Float
    >>> from nashgrid.solver import Game, parameter
    >>> class Duopoly(Game):
    ...     cost: Float[Array, " firm"] = parameter((1.0, 1.0), "marginal cost, price units")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (10.0 - s["q"].sum() - self.cost) * s["q"]
    >>> map = sweep(Duopoly(), {"cost[0]": [1.0, 4.0, 7.0]}, tol=1e-4)
    >>> map.q.sel(firm="A").round(3).values.tolist()
    [3.0, 1.0, 0.0]
    """
    problem = prepare(problem)
    where, values = grid(problem, axes)
    slopes = knobs(problem, names(sensitivity), "sensitivity")
    method = BestResponse() if method is None else method
    mine = _shard(shard, store)
    tol, search = check_options(method, tol, max_steps, dtype_of(problem), certify)
    wanted = None if keep is None else names(keep)
    how = How(where, slopes, method, tol, int(max_steps), search, wanted)
    one = shapes(problem, how)
    version = importlib.metadata.version("nashgrid")
    labels = schema(problem, one, where, values, slopes, provenance(problem, how, one, version), wanted)
    opened = None
    if store is not None:
        from ._store import Store, create  # Slow to import, and not needed for sweeps in memory.

        here = fingerprint(problem, how, values, one, version)
        opened = Store(store) if os.path.exists(store) else None
        size = opened.grid.block if opened and chunk == "auto" else None
        points = (
            Grid(labels.shape, size)
            if size and len(size) == len(labels.shape)
            else _cut(problem, how, labels, chunk, one, math.inf)
        )
        here["block"] = str(points.block)
        if opened is None:
            labels.attrs["program"] = TwoPasses(problem, how, points.lanes).first.kind
            opened = create(store, labels, points, here)
        opened.check(here)
        sink: Sink = opened
    else:
        points = _cut(problem, how, labels, chunk, one, math.prod(labels.shape))
        labels.attrs["program"] = TwoPasses(problem, how, points.lanes).first.kind
        sink = Memory(labels, points)
    run(problem, how, points, values, sink, mine, progress)
    return sink.open()


def _cut(problem: Problem, how: How, labels: Schema, chunk: int | str, one: Equilibrium, expected: float) -> Grid:
    """The blocks of the grid, when so many points are expected."""
    if chunk != "auto":
        if isinstance(chunk, bool) or not isinstance(chunk, int | np.integer) or chunk < 1:
            raise GameError(f"chunk must be 'auto' or a whole number of points, at least 1, not {chunk!r}.")
        return cut(labels.shape, int(chunk))
    lanes = default_width(kernel_of(problem, how, expected))
    one_result = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    if one_result > _LARGE:
        # Few at a time: what is computed on the way to a result is some tens of times as large.
        lanes = max(len(devices()), min(lanes, budget() // (_ON_THE_WAY * one_result)))
    points = cut(labels.shape, lanes)
    while points.lanes > len(devices()) and TwoPasses(problem, how, points.lanes).first.memory() > budget():
        points = cut(labels.shape, points.lanes // 2)
    return points


def _shard(shard: tuple[int, int] | None, store: Any) -> tuple[int, int]:
    if shard is None:
        shard = (jax.process_index(), jax.process_count())
    i, n = shard
    if not 0 <= i < n:
        raise GameError(f"shard=(i, n) needs 0 <= i < n, not {shard}.")
    if n > 1 and store is None:
        raise GameError("Several processes can share a sweep only through a store; give store='a folder'.")
    return i, n


def names(given: Sequence[str]) -> tuple[str, ...]:
    """Names, of which a single one may be written without brackets."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable) or not all(isinstance(name, str) for name in given):
        raise GameError(f"names are a list of strings, e.g. ['price'], not {given!r}.")
    return tuple(given)


def provenance(problem: Problem, how: How, one: Any, version: str) -> dict[str, Any]:
    """Attributes that say how the numbers were made."""
    varied = {knob.path for knob in how.axes if not knob.index}
    known = leaves(put(problem, how.axes, [np.nan] * len(how.axes)))  # The varied elements of an array show as nan.
    fixed = {".".join(leaf.path): array_text(leaf.value) for leaf in known if leaf.path not in varied}
    return {
        "nashgrid_version": version,
        "jax_version": jax.__version__,
        "game": " of ".join(_kinds(problem)),
        "concept": one.concept,
        "method": one.method,
        "tol": how.tol,
        "max_steps": how.max_steps,
        "certify": text(how.search),
        "dtype": str(one.payoff.dtype),
        "devices": f"{len(devices())} {devices()[0].device_kind}",
        "parameters": json.dumps(fixed),
    }


def _kinds(problem: Any) -> list[str]:
    """The classes of a problem and of the games inside it."""
    kind, inner = type(problem), getattr(problem, "game", None)
    here = f"{kind.__module__}.{kind.__qualname__}"
    return [here, *_kinds(inner)] if isinstance(inner, Problem | DynamicGame) else [here]
