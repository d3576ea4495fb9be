"""One measurement of `growth`, in a process of its own: `python -m benchmarks._growth_measure SERIES SIZE LIMIT_S`.

Prints a line of JSON: times, memory, and by its residual and status what the times were spent on.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.games import LinearCournot, LogitBertrand, ManyFirmCournot, ManyFirmLogit
from nashgrid.solver import Game, Profile, Status, parameter, solve, sweep

from ._child import peak_mib
from ._environment import configure

REPETITIONS = 3
SEED = 20250101
AXES = {"intercept": (8.0, 12.0), "slope": (0.5, 2.0), "cost[0]": (1.0, 2.0), "cost[1]": (1.0, 2.0)}
AXES_POINTS = 4096
"""A square, a cube and a fourth power."""


class Answer(NamedTuple):
    """What a call found: by point or, for one point, a number."""

    residual: Array | np.ndarray
    status: Array | np.ndarray
    steps: Array | np.ndarray


class OrdinaryLogit(Game):
    """`ManyFirmLogit` as a `Game`: all that is known of the payoffs is that they are a function of all prices."""

    quality: Float[Array, " firm"] = parameter((1.0, 1.0), "d: mean utility at price 0, by firm")
    price_coefficient: Float[Array, ""] = parameter(1.0, "alpha > 0: fall of utility per price unit")

    @property
    def firms(self) -> tuple[str, ...]:
        return tuple(str(i) for i in range(self.quality.shape[-1]))

    def bounds(self) -> Mapping[str, tuple[ArrayLike, ArrayLike]]:
        return {"price": (0.0, 2.0 * (1.0 + jax.nn.softplus(self.quality - 1.0)) / self.price_coefficient)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        attraction = jnp.exp(self.quality - self.price_coefficient * s["price"])
        return s["price"] * attraction / (1.0 + jnp.sum(attraction))


def swept(axes: Mapping[str, np.ndarray], folder: Path | None) -> Callable[[], Answer]:
    """A sweep of linear Cournot competition of two firms, in memory or into a store."""
    game, calls = LinearCournot(cost=(1.5, 1.5)), iter(range(10**6))

    def call() -> Answer:
        store = None if folder is None else folder / f"{next(calls)}.zarr"
        found = sweep(game, dict(axes), store=store, progress=False)
        return Answer(found["residual"].values, found["status"].values, found["steps"].values)

    return call


def grid(points: int, across: int) -> dict[str, np.ndarray]:
    """Axes of the same length, the last one longer or shorter by what is left: about `points` points."""
    side = round(points ** (1.0 / across))
    lengths = [side] * (across - 1) + [points // side ** (across - 1)]
    return {name: np.linspace(*AXES[name], n) for (name, n) in zip(AXES, lengths, strict=False)}


def batch(game: Game, field: str, values: Float[np.ndarray, " point"]) -> Callable[[], Answer]:
    """One compiled program over points that differ in one parameter, on one device."""

    def one(value: Float[Array, ""]) -> Answer:
        found = solve(eqx.tree_at(lambda g: getattr(g, field), game, value), throw=False)
        assert found.certificate is not None
        return Answer(found.certificate.residual, found.status, found.steps)

    program, points = jax.jit(jax.vmap(one)), jnp.asarray(values)
    return lambda: jax.block_until_ready(program(points))


def alone(game: Game) -> Callable[[], Answer]:
    """One game, solved by `solve`."""

    def call() -> Answer:
        found = solve(game, throw=False)
        assert found.certificate is not None
        return jax.block_until_ready(Answer(found.certificate.residual, found.status, found.steps))

    return call


def points_in_memory(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    axes = grid(size, 2)
    return math.prod(map(len, axes.values())), swept(axes, None)


def points_in_store(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    axes = grid(size, 2)
    return math.prod(map(len, axes.values())), swept(axes, folder)


def _together(firms: int) -> int:
    """Enough points that calling the program costs little beside them."""
    return int(np.clip(12800 // firms**2, 16, 1024))


def dense_cournot(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    # So close to each other that all of them produce.
    game, points = LinearCournot(cost=np.linspace(1.0, 1.0 + 2.0 / size, size)), _together(size)
    return points, batch(game, "intercept", np.linspace(8.0, 12.0, points))


def dense_logit(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    points = _together(size)
    return points, batch(
        OrdinaryLogit(quality=np.linspace(0.0, 1.0, size)), "price_coefficient", np.linspace(0.7, 1.5, points)
    )


def aggregative_cournot(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    return 1, alone(ManyFirmCournot(cost=np.random.default_rng(SEED).uniform(1.0, 5.0, size)))


def aggregative_logit(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    quality = np.random.default_rng(SEED).uniform(0.0, 2.0, size)
    return 1, alone(ManyFirmLogit(quality=quality, cost=np.zeros(size)))


def own_strategies(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    game = LogitBertrand(
        quality=np.linspace(0.0, 1.0, 2 * size), cost=np.zeros(2 * size), owner=("A",) * size + ("B",) * size
    )
    return 64, batch(game, "price_coefficient", np.linspace(0.7, 1.5, 64))


def axes_of_grid(size: int, folder: Path) -> tuple[int, Callable[[], Answer]]:
    del folder
    return AXES_POINTS, swept(grid(AXES_POINTS, size), None)


SERIES: dict[str, Callable[[int, Path], tuple[int, Callable[[], Answer]]]] = {
    "points_memory": points_in_memory,
    "points_store": points_in_store,
    "firms_cournot": dense_cournot,
    "firms_logit": dense_logit,
    "aggregative_cournot": aggregative_cournot,
    "aggregative_logit": aggregative_logit,
    "strategies": own_strategies,
    "axes": axes_of_grid,
}
"""Name -> from a size and an empty folder: the number of points, and a function that solves them."""


def measure(series: str, size: int, limit_s: float) -> dict[str, Any]:
    """Times of the first call, which compiles, and of some later ones: one only, if it takes longer than `limit_s`."""
    idle = peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        points, call = SERIES[series](size, Path(folder))
        begin = time.perf_counter(), time.process_time()
        answer = call()
        first, first_cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
        seconds, cpu_s = [], []
        while not seconds or (len(seconds) < REPETITIONS and sum(seconds) < limit_s):
            begin = time.perf_counter(), time.process_time()
            answer = call()
            seconds.append(time.perf_counter() - begin[0])
            cpu_s.append(time.process_time() - begin[1])
    residual, steps = np.asarray(answer.residual), np.asarray(answer.steps)
    peak = peak_mib()
    return {
        "points": points,
        "first_s": first,
        "first_cpu_s": first_cpu,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "steps": float(np.mean(steps)),
        "residual_max": float(np.max(residual)) if np.isfinite(residual).all() else None,
        "share_successful": float(np.mean(np.asarray(answer.status) == Status.successful)),
        "idle_mib": idle,
        "peak_mib": max(idle, peak) if idle is not None and peak is not None else None,  # Pages are counted late.
    }


if __name__ == "__main__":
    configure()
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
