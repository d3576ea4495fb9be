"""Many points at once: one compiled program over all local devices.

A program maps points to equilibria. On processor cores it is a kernel (`_kernel`) where there can be one. Else it is
`jit(shard_map(vmap(one)))`, so that each device runs its own loop and stops with its own slowest point; on processor
cores `OverLanes` takes the place of `vmap` where the compiler has been told to fuse loops (`fuses_loops`). The width
of such a program is fixed: the last points of a sweep are padded, and nothing is compiled twice.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.sharding import AxisType, Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float

from . import _numpy as jnp
from ._aggregative import AggregativeGame
from ._axes import take
from ._configure import fuses_loops
from ._each import together
from ._game import Game, Problem
from ._how import How, Limit, Results, hashable, restored
from ._kernel import Addressed, Kernel, Running, available, cores, kernel
from ._kernel_gpu import GpuKernel, GpuRunning, gpu_kernel
from ._layout import Layout, layout_of
from ._lowering import OverLanes
from ._search_many import MANY_OWN

_TOGETHER = 64
"""The most points that a processor core solves together: few enough to stay in its cache, and to stop early."""
_APART = 1024
"""The same where arrays are taken apart: enough that calling an operation costs little beside it."""
_LINES = 4000
"""Length of a kernel's text from which on that many points take a core long enough."""
MOST = 300_000
"""Instructions of a kernel: what compiles within a minute, as it would by XLA."""

_TRIED = 100
"""Steps with which the kernel of a GPU is compared with the processor's."""


class Found(NamedTuple):
    """What a kernel has found."""

    results: Results
    left: Bool[np.ndarray, " points"]
    """Points without what was asked for."""
    again: int
    """How many points have been solved twice."""


def devices() -> tuple[Any, ...]:
    """The devices of this process that a sweep runs on."""
    return tuple(jax.local_devices())


def on_host() -> bool:
    """Whether they are the processor's own cores."""
    return devices()[0].platform == "cpu"


def program(problem: Problem, how: How) -> Any:
    """The compiled function (arrays of the problem, points) -> results; the same object for the same arguments."""
    return _program(hashable(problem), how, devices())[0]


def kernel_of(problem: Problem, how: How, points: float | None = None) -> Kernel | GpuKernel | None:
    """The kernel of a problem; the same object for the same arguments. None where there can be none.

    What all points share are the arrays of the problem and a `Limit`, which `how` does not decide. It is made ready for
    so many `points` more if that is given, for many if it has not been used before.
    """
    if not available() or alone(problem):
        return None
    arrays = eqx.partition(problem, eqx.is_array)[0]
    leaves, structure = jax.tree.flatten(arrays)
    how, dtype = dataclasses.replace(how, max_steps=0), jnp.result_type(float)
    kinds = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    ready = _kernel(hashable(problem), how, structure, kinds, dtype, None if on_host() else devices())
    return ready(points, problem)


@functools.lru_cache(maxsize=16)
def _kernel(
    parts: tuple[Any, ...],
    how: How,
    structure: Any,
    leaves: tuple[Any, ...],
    dtype: jnp.dtype,
    on: tuple[Any, ...] | None,
) -> Callable[[float | None, Problem], Kernel | GpuKernel | None]:
    """The kernel, made ready for so many points when it is asked for: for these devices, or for the processor."""
    static = restored(parts)

    def one(shared: tuple[Any, Limit], values: Float[Array, " axis"]) -> tuple[Results, Bool[Array, ""]]:
        arrays, limit = shared
        problem = eqx.combine(arrays, static)
        found = how.point(problem, values, limit)
        left = how.unsolved(found["status"])
        if isinstance(problem, Game):  # What ends just at the limit may not have ended there.
            left = left | ((found["steps"] >= limit.steps) & ~limit.final)
        return found, left

    arrays = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    shared = arrays, Limit(jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((), jnp.bool_))
    row = jax.ShapeDtypeStruct((len(how.axes),), dtype)
    made: list[Kernel | GpuKernel | None] = []

    def ready(points: float | None, problem: Problem) -> Kernel | GpuKernel | None:
        if not made and on is not None:
            # It is tried with the problem as it is, which somebody wants to be solved.
            given = eqx.partition(problem, eqx.is_array)[0], Limit(np.int32(_TRIED), np.bool_(True))
            made.append(gpu_kernel(one, given, np.array(take(problem, how.axes), dtype), on, MOST))
        elif not made:
            made.append(kernel(one, shared, row, MOST, math.inf if points is None else points, flagged=True))
        elif made[0] is not None and points is not None:
            made[0].expect(points)
        return made[0]

    return ready


def alone(problem: Any) -> bool:
    """Whether a processor core had better compute one point at a time."""
    inner = getattr(problem, "game", None)
    if isinstance(inner, Problem):
        return alone(inner)
    return isinstance(problem, Game) and _layout(problem).own.shape[1] > MANY_OWN


def _layout(game: Game) -> Layout:
    """The layout, by shapes alone: computed with numbers, each operation of the bounds would be compiled for itself."""
    return eqx.filter_eval_shape(layout_of, game)


@functools.lru_cache(maxsize=16)
def _program(parts: tuple[Any, ...], how: How, on: tuple[Any, ...]) -> tuple[Any, OverLanes]:
    """The program, and what it does with `_APART` points at a time."""
    static = restored(parts)

    def one(arrays: Any, values: Float[Array, " axis"]) -> Results:
        return how.point(eqx.combine(arrays, static), values)

    host = on_host()
    apart = OverLanes(one, accelerated=not host)
    mesh = Mesh(np.array(on), ("lanes",), axis_types=(AxisType.Auto,))

    def lanes(arrays: Any, values: Float[Array, "lanes axis"]) -> Results:
        if not host:
            # One point is no lane: it would be taken for what is the same for all points.
            return apart(arrays, values) if len(values) > 1 else jax.vmap(one, in_axes=(None, 0))(arrays, values)
        some = _at_once(eqx.combine(arrays, static))
        if some == 1:
            return jax.lax.map(functools.partial(one, arrays), values)
        if some < _TOGETHER or len(values) < _APART or not _fused():
            return jax.lax.map(functools.partial(one, arrays), values, batch_size=some)
        blocks = values.reshape(-1, _APART, values.shape[1])
        results = jax.lax.map(functools.partial(apart, arrays), blocks)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), results)

    mapped = jax.shard_map(lanes, mesh=mesh, in_specs=(P(), P("lanes")), out_specs=P("lanes"), check_vma=False)
    return jax.jit(mapped), apart


class KernelLanes:
    """A kernel of `kernel_of`: any number of points, with at most `max_steps` steps each. What takes `first` steps, if
    that is given, is left to be solved from its beginning, beside other such points."""

    def __init__(
        self, problem: Problem, kernel: Kernel | GpuKernel, max_steps: int, width: int, first: int | None = None
    ):
        self.kernel, self.width = kernel, width
        self.first = max_steps if first is None else first
        arrays = eqx.partition(problem, eqx.is_array)[0]

        def shared(limit: Limit) -> Addressed:
            return Addressed(jax.tree.leaves((arrays, limit)))

        last = shared(Limit(np.int32(max_steps), np.bool_(True)))
        self.shared = last if first is None else shared(Limit(np.int32(first), np.bool_(False)))
        self.later = None if first is None else last

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return self.kernel.kind

    def start(self, points: Float[np.ndarray, "points axis"]) -> Running | GpuRunning:
        """Begin computing; does not wait."""
        return self.kernel.start(self.shared, points, self.later)

    def found(self, started: Running | GpuRunning) -> Found:
        """What `start(points)` has found, and where it has not."""
        results, left = started.results()
        return Found(results, left, started.again())

    def finish(self, started: Running | GpuRunning, points: Float[np.ndarray, "points axis"]) -> Results:
        """The results of `start(points)`."""
        del points
        return self.found(started).results

    def memory(self) -> int:
        """Bytes that a block needs."""
        return self.width * self.kernel.bytes_of_results()


@dataclasses.dataclass(frozen=True)
class Started:
    """Results under way on the devices, `width` points at a time."""

    width: int
    parts: list[Results]


class Lanes:
    """A program of a fixed width: any number of points, that many at a time."""

    def __init__(self, problem: Problem, how: How, width: int):
        self.program, self._apart = _program(hashable(problem), how, devices())
        self.arrays = eqx.partition(problem, eqx.is_array)[0]
        self.axes, self.max_steps = len(how.axes), how.max_steps
        self.width = whole(width)
        self._at_once = _at_once(problem)

    @property
    def kind(self) -> str:
        """What it is, in words: too long a program is not taken apart."""
        row = jax.ShapeDtypeStruct((self.axes,), jnp.result_type(float))
        if self._at_once == 1 and on_host():
            return "one after the other"
        if on_host():
            many = self._at_once == _TOGETHER and _fused() and self.width >= len(devices()) * _APART
        else:
            many = self.width > len(devices())
        return "arrays taken apart" if many and self._apart.taken_apart(self.arrays, row) else "vmap"

    def start(self, points: Float[np.ndarray, "points axis"]) -> Started:
        """Begin computing; does not wait."""
        while True:
            width = self.width
            try:
                return Started(width, [self._call(points[i : i + width]) for i in range(0, len(points), width)])
            except jax.errors.JaxRuntimeError as error:
                self._narrow(error, width)

    def finish(self, started: Started, points: Float[np.ndarray, "points axis"]) -> Results:
        """The results of `start(points)` in the memory of the host; when a device has too little memory, half as
        many points at a time from then on."""
        while True:
            try:
                names = started.parts[0]
                every = {name: np.concatenate([np.asarray(p[name]) for p in started.parts]) for name in names}
                return {name: value[: len(points)] for name, value in every.items()}
            except jax.errors.JaxRuntimeError as error:
                self._narrow(error, started.width)
                started = self.start(points)

    def memory(self) -> int:
        """Bytes that one device needs for a call, as the compiler says; 0 where it does not."""
        used = self.program.lower(self.arrays, np.zeros((self.width, self.axes))).compile().memory_analysis()
        return 0 if used is None else used.temp_size_in_bytes + used.output_size_in_bytes

    def _call(self, points: Float[np.ndarray, "points axis"]) -> Results:
        padding = np.broadcast_to(points[-1], (self.width - len(points), points.shape[1]))
        return self.program(self.arrays, np.concatenate([points, padding]))

    def _narrow(self, error: Exception, width: int) -> None:
        """Halve the width that failed if memory ran out; raise `error` if it did not, or if nothing is left."""
        if "RESOURCE_EXHAUSTED" not in str(error) or width <= len(devices()):
            raise error
        self.width = min(self.width, whole(width // 2))


def whole(width: int) -> int:
    """`width` as a multiple of what the devices compute together, at least once that."""
    n, together = len(devices()), _together()
    if width > n * together:
        n *= together
    return -(-max(1, width) // n) * n


def _at_once(problem: Problem) -> int:
    """How many points a processor core solves together: fewer, if how all strategies act on all others is much."""
    if alone(problem):
        return 1
    if not isinstance(problem, Game) or isinstance(problem, AggregativeGame):
        return _TOGETHER
    # A power of two, so that no smaller batch is left over, which would be compiled for itself.
    return 2 ** int(math.log2(min(together(_layout(problem).size ** 2), _TOGETHER)))


def _together() -> int:
    if not on_host():
        return 1
    return _APART if _fused() else _TOGETHER


def _fused() -> bool:
    return on_host() and fuses_loops()


def default_width(kernel: Kernel | GpuKernel | None) -> int:
    """How many points at a time suit the devices, or a kernel on all cores of the processor: some thousands for a core,
    more for an accelerator."""
    on = devices()
    if isinstance(kernel, GpuKernel):
        return kernel.width
    if kernel is not None:
        # Python's work for a block, which all cores wait for, is a small part of theirs.
        return 16 * _APART * cores() * min(max(_LINES // kernel.lines, 1), 4)
    return len(on) * ((16 * _APART if _fused() else 2**11) if on_host() else 2**18)


def budget() -> int:
    """How many bytes of a device one call may use."""
    stats = devices()[0].memory_stats() or {}
    return stats.get("bytes_limit", 2**32) // 4
