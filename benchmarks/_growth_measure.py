"""One measurement of `growth`, in a process of its own: `python -m benchmarks._growth_measure SERIES SIZE LIMIT_S`.

Prints a line of JSON: times, memory, and by its residual and status what the times were spent on.
"""

import json
import math
import shutil
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
    """What a call found: by point or, for one point, a number. What a sweep found may still be in its store."""

    residual: Any
    status: Any
    steps: Any


class Task(NamedTuple):
    """What is measured."""

    points: int
    call: Callable[[], Answer]
    ready: Callable[[], None] = lambda: None
    """Before each call; not timed."""


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


def swept(axes: Mapping[str, np.ndarray], folder: Path | None) -> Task:
    """A sweep of linear Cournot competition of two firms, in memory or into a store: certified, and of its results
    quantities and residuals are kept."""
    game = LinearCournot(cost=(1.5, 1.5))
    store = None if folder is None else folder / "map.zarr"

    def call() -> Answer:
        found = sweep(game, dict(axes), keep=("quantity", "residual"), store=store, progress=False)
        return Answer(found["residual"], found["status"], found["steps"])

    def ready() -> None:
        if store is not None and store.exists():
            shutil.rmtree(store)

    return Task(math.prod(map(len, axes.values())), call, ready)


def grid(points: int, across: int) -> dict[str, np.ndarray]:
    """Axes of the same length, the last one longer or shorter by what is left: about `points` points."""
    side = round(points ** (1.0 / across))
    lengths = [side] * (across - 1) + [points // side ** (across - 1)]
    return {name: np.linspace(*AXES[name], n) for (name, n) in zip(AXES, lengths, strict=False)}


def batch(game: Game, field: str, values: Float[np.ndarray, " point"]) -> Task:
    """One compiled program over points that differ in one parameter, on one device."""

    def one(value: Float[Array, ""]) -> Answer:
        found = solve(eqx.tree_at(lambda g: getattr(g, field), game, value), throw=False)
        assert found.certificate is not None
        return Answer(found.certificate.residual, found.status, found.steps)

    program, points = jax.jit(jax.vmap(one)), jnp.asarray(values)
    return Task(len(values), lambda: jax.block_until_ready(program(points)))


def alone(game: Game) -> Task:
    """One game, solved by `solve`."""

    def call() -> Answer:
        found = solve(game, throw=False)
        assert found.certificate is not None
        return jax.block_until_ready(Answer(found.certificate.residual, found.status, found.steps))

    return Task(1, call)


def points_in_memory(size: int, folder: Path) -> Task:
    del folder
    return swept(grid(size, 2), None)


def points_in_store(size: int, folder: Path) -> Task:
    return swept(grid(size, 2), folder)


def _together(firms: int) -> int:
    """Enough points that calling the program costs little beside them."""
    return int(np.clip(12800 // firms**2, 16, 1024))


def dense_cournot(size: int, folder: Path) -> Task:
    del folder
    # So close to each other that all of them produce.
    game, points = LinearCournot(cost=np.linspace(1.0, 1.0 + 2.0 / size, size)), _together(size)
    return batch(game, "intercept", np.linspace(8.0, 12.0, points))


def dense_logit(size: int, folder: Path) -> Task:
    del folder
    values = np.linspace(0.7, 1.5, _together(size))
    return batch(OrdinaryLogit(quality=np.linspace(0.0, 1.0, size)), "price_coefficient", values)


def aggregative_cournot(size: int, folder: Path) -> Task:
    del folder
    return alone(ManyFirmCournot(cost=np.random.default_rng(SEED).uniform(1.0, 5.0, size)))


def aggregative_logit(size: int, folder: Path) -> Task:
    del folder
    quality = np.random.default_rng(SEED).uniform(0.0, 2.0, size)
    return alone(ManyFirmLogit(quality=quality, cost=np.zeros(size)))


def own_strategies(size: int, folder: Path) -> Task:
    del folder
    game = LogitBertrand(
        quality=np.linspace(0.0, 1.0, 2 * size), cost=np.zeros(2 * size), owner=("A",) * size + ("B",) * size
    )
    return batch(game, "price_coefficient", np.linspace(0.7, 1.5, 128 // size))


def axes_of_grid(size: int, folder: Path) -> Task:
    del folder
    return swept(grid(AXES_POINTS, size), None)


SERIES: dict[str, Callable[[int, Path], Task]] = {
    "points_memory": points_in_memory,
    "points_store": points_in_store,
    "firms_cournot": dense_cournot,
    "firms_logit": dense_logit,
    "aggregative_cournot": aggregative_cournot,
    "aggregative_logit": aggregative_logit,
    "strategies": own_strategies,
    "axes": axes_of_grid,
}
"""Name -> from a size and an empty folder: points, and a function that solves them."""


def judged(answer: Answer) -> dict[str, float | None]:
    """The largest residual, the share of points that are solved, and the mean of their steps. Rows of a store are read
    one after the other, as the memory of the sweep is measured, not that of reading it."""
    worst, solved, steps, count = 0.0, 0, 0, 0
    for k in range(len(answer.status) if np.ndim(answer.status) > 1 else 1):
        residual, status, taken = (np.asarray(part[k] if np.ndim(part) > 1 else part) for part in answer)
        worst = max(worst, float(np.max(np.where(np.isfinite(residual), residual, np.inf))))
        solved, count = solved + int(np.sum(status == Status.successful)), count + status.size
        steps += int(np.sum(taken, dtype=np.int64))
    return {
        "steps": steps / count,
        "residual_max": worst if math.isfinite(worst) else None,
        "share_successful": solved / count,
    }


def measure(series: str, size: int, limit_s: float) -> dict[str, Any]:
    """Times of the first call, which compiles, and of some later ones: one only, if it takes longer than `limit_s`."""
    idle = peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        task = SERIES[series](size, Path(folder))
        seconds, cpu_s = [], []
        answer: Any = None
        # The first one compiles.
        while len(seconds) < 2 or (len(seconds) <= REPETITIONS and sum(seconds[1:]) < limit_s):
            del answer  # Not twice in memory.
            task.ready()
            begin = time.perf_counter(), time.process_time()
            answer = task.call()
            seconds.append(time.perf_counter() - begin[0])
            cpu_s.append(time.process_time() - begin[1])
        peak = peak_mib()
        found = judged(answer)
    return {
        "points": task.points,
        "first_s": seconds[0],
        "first_cpu_s": cpu_s[0],
        "seconds": seconds[1:],
        "cpu_s": cpu_s[1:],
        **found,
        "idle_mib": idle,
        "peak_mib": max(idle, peak) if idle is not None and peak is not None else None,  # Pages are counted late.
        "device_peak_mib": _device_peak_mib(),
    }


def _device_peak_mib() -> float | None:
    """The most memory that an accelerator has had in use; None on a processor, where it is that of the process."""
    used = jax.local_devices()[0].memory_stats() or {}
    return used["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in used else None


if __name__ == "__main__":
    configure()
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
