"""The most that a machine computes and moves, measured again and again while games are: the best counts.

On a processor all cores work at once, and a rate is that of a core: operations by the processor time of all of them,
which other processes do not take part in. For arithmetic a kernel like those of games only multiplies and adds. A sum
has to wait for the one before it, four cycles or so, and two can begin in each cycle, so it takes chains that do not
wait for each other, but no more than there are registers for: with 32 of them, two registers each, half of the rate is
lost to loads and stores. Quotients are measured in the same way. Bytes are those of a copy of an array that no cache
holds, read and written. On an accelerator they are those of XLA's programs, of all devices at once as games use them,
many calls in a row with one wait at the end, as a call takes as long to begin as a short program to run; and of copies
from and to the host.
"""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nashgrid.solver._kernel import Kernel, cores

from ._clock import clock, on_host, unit

UNITS = {
    "flop_per_s": "products that are added, each of them two operations",
    "quotients_per_s": "quotients",
    "bytes_per_s": "bytes read and written by a copy",
    "bytes_in_per_s": "bytes copied from the host",
    "bytes_out_per_s": "bytes copied to the host",
}
ROUND = 5
_CHAINS, _DEEP, _TURNS = 12, 16, 512
"""Twelve chains of two registers each; those of a turn are that long."""
_DIVISIONS = 8
_POINTS = 4096
"""Of a core; a few milliseconds."""
_COPIED = 2**26
"""Numbers; more than caches hold."""
_ACCELERATED = 2**24, 512
"""Numbers, and products that are added to each, in a program of an accelerator."""
_CALLS = 32
"""Of it in a row, each less than a millisecond."""


class Peaks:
    """Rates that are measured in rounds, between other measurements."""

    def __init__(self) -> None:
        self._work = _on_cores() if on_host() else _on_accelerator()
        self.rates: dict[str, list[float]] = {name: [] for name in self._work}
        for _, work in self._work.values():
            work()

    def measure(self) -> None:
        """One more round."""
        for name, (amount, work) in self._work.items():
            for _ in range(ROUND):
                begin = clock()
                work()
                self.rates[name].append(amount / (clock() - begin))

    def best(self) -> dict[str, float]:
        """The largest of each."""
        return {name: max(rates) for name, rates in self.rates.items()}

    def record(self) -> dict[str, Any]:
        """The best rates, and how those of all rounds spread: the median, the tenth that was slowest, and the best of
        each round in turn, by which it shows if clocks have changed meanwhile."""
        return self.best() | {
            "of": f"{unit()}, all of them at work" if on_host() else unit(),
            "measurements": max(map(len, self.rates.values())),
            "median": {name: statistics.median(rates) for name, rates in self.rates.items()},
            "rounds": {
                name: [max(rates[k : k + ROUND]) for k in range(0, len(rates), ROUND)]
                for name, rates in self.rates.items()
            },
            "slowest_tenth": {name: float(np.quantile(rates, 0.1)) for name, rates in self.rates.items()},
        }


Work = dict[str, tuple[float, Callable[[], Any]]]
"""Name of a rate -> how much is done, and what does it."""


def _on_cores() -> Work:
    rows = np.tile([1.0, 0.5, 0.25], (_POINTS * cores(), 1))

    def kernel(turn: Callable[[Any, list[jax.Array]], list[jax.Array]], chains: int) -> Kernel:
        def all_turns(_: Any, row: jax.Array) -> list[jax.Array]:
            begin = [row[0] + float(k) for k in range(chains)]
            return jax.lax.fori_loop(0, _TURNS, lambda _, xs: turn(row, xs), begin)

        return Kernel(all_turns, (), jax.ShapeDtypeStruct((3,), jnp.result_type(float)), 100_000)

    def multiplied(row: jax.Array, xs: list[jax.Array]) -> list[jax.Array]:
        for _ in range(_DEEP):
            xs = [x * row[1] + row[2] for x in xs]
        return xs

    arithmetic = kernel(multiplied, _CHAINS)
    division = kernel(lambda row, xs: [row[1] / x for x in xs], _DIVISIONS)
    source = np.ones(_COPIED)
    target = np.zeros_like(source)
    pool = ThreadPoolExecutor(cores())
    halves = list(zip(np.array_split(target, cores()), np.array_split(source, cores()), strict=True))
    return {
        "flop_per_s": (2.0 * _CHAINS * _DEEP * _TURNS * len(rows), lambda: arithmetic.run((), rows)),
        "quotients_per_s": (_DIVISIONS * _TURNS * len(rows), lambda: division.run((), rows)),
        "bytes_per_s": (2.0 * source.nbytes, lambda: list(pool.map(lambda pair: np.copyto(*pair), halves))),
    }


def _on_accelerator() -> Work:
    count, deep = _ACCELERATED
    host, on = np.ones(_COPIED), jax.local_devices()
    few, many = ([jax.device_put(np.ones(n), device) for device in on] for n in (count, _COPIED))
    half = [jax.device_put(np.asarray(0.5), device) for device in on]

    @jax.jit
    def arithmetic(x: jax.Array, by: jax.Array) -> jax.Array:
        for _ in range(deep):
            x = x * by + 0.25
        return x

    @jax.jit
    def division(x: jax.Array, by: jax.Array) -> jax.Array:
        for _ in range(deep // 8):
            x = by / (x + 0.25)  # Not a quotient of a quotient, which XLA would rewrite.
        return x

    copied = jax.jit(lambda x, by: x * by)
    calls = _CALLS * len(on)

    def waiting(program: Callable[..., jax.Array], xs: list[jax.Array]) -> Callable[[], Any]:
        def work() -> None:
            last: list[jax.Array] = []
            for _ in range(_CALLS):
                last = [program(x, by) for x, by in zip(xs, half, strict=True)]
            jax.block_until_ready(last)  # A device takes one after the other.

        return work

    return {
        "flop_per_s": (2.0 * deep * count * calls, waiting(arithmetic, few)),
        "quotients_per_s": (deep // 8 * count * calls, waiting(division, few)),
        "bytes_per_s": (2.0 * many[0].nbytes * calls, waiting(copied, many)),
        "bytes_in_per_s": (host.nbytes, lambda: jax.device_put(host).block_until_ready()),
        # Of a new array each time, as JAX keeps what it has copied.
        "bytes_out_per_s": (host.nbytes, lambda: np.asarray(copied(many[0], half[0]))),
    }
