"""A function of one point compiled for the processor, and run over many points on all its cores.

Compiled by LLVM (`_kernel_code`) from the text that `_kernel_read` writes, in about the time in which XLA would compile
a part of it, and several times as fast: see `_kernel_ir`. Where it cannot be had (`kernel` returns None), XLA takes its
place.
"""

import ctypes
import functools
import importlib.util
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from ._kernel_code import Code, compiled, compiler, loaded
from ._kernel_ir import UnsupportedError
from ._kernel_key import key
from ._kernel_read import traced, written

_BLOCK, _LONG_BLOCK = 256, 4096
"""Points that a core computes before it takes the next ones: few, so that all end together and Ctrl-C is heard; more of
them where a point takes so little that cores would wait for what others have just written beside it."""
_NO_MORE = 2**62
_FEW, _SOME = 100_000, 500_000
"""Points of a core, for more of which a long kernel is compiled with care, and a longer one that is faster is compiled
instead: each saves about as much time as it takes."""
_SHORT = 6000
"""Lines of a text that is compiled with care in any case, in some tenths of a second, and soon done with a point."""


@functools.cache
def available() -> bool:
    """Whether there is a compiler for kernels: not for every processor and version of Python, perhaps."""
    return importlib.util.find_spec("llvmlite") is not None


class Kernel:
    """The compiled function.

    Args:
        function: (what all points share, the row of one point) -> results; pure.
        shared: any tree of arrays; only shapes and types matter here.
        row: shape and type of a row.
        most: instructions, more of which take too long to compile.
        points: about how many points are to be computed soon; for few of them it is compiled with less care.
        flagged: whether the last of the results is a truth value: is the point left, to be computed again?

    Raises:
        UnsupportedError: `function` does something that has no instructions, or too much.
    """

    kind = "kernel"

    def __init__(
        self,
        function: Callable,
        shared: Any,
        row: jax.ShapeDtypeStruct,
        most: int,
        points: float = math.inf,
        flagged: bool = False,
    ):
        self.row = row
        self._program = functools.cache(lambda short: _Program(function, shared, row, most, flagged, short))
        self._codes: list[Code] = []  # What has been replaced may still be running.
        self._expected, self._ready = 0.0, 0.0
        self.expect(points)

    def expect(self, points: float) -> None:
        """Be ready for about so many points, besides those that were expected before."""
        self._expected += points
        if self._codes and self._expected <= self._ready:
            return
        few, some = (self._expected <= most * cores() for most in (_FEW, _SOME))
        try:
            program = self._program(some)
            code = loaded(program.key, careful=True)
            if code is None and few:
                code = loaded(program.key, careful=False)
            if code is None:
                text = program.write()
                code = compiled(program.key, text, careful=not few or text.lines <= _SHORT)
        except Exception:
            if not self._codes:
                raise
            self._ready = math.inf  # What there is will do.
            return
        self._ready = math.inf if code.careful else _FEW * cores()
        if program.shortened:
            self._ready = min(self._ready, _SOME * cores())
        if code.careful:
            program.write.cache_clear()
        self._codes.append(code)
        self.leaves, self.structure = program.leaves, program.structure
        self._call, self.lanes, self.lines = code.call, code.lanes, code.lines

    def start(
        self, shared: "Addressed", rows: Shaped[np.ndarray, "lanes column"], later: "Addressed | None" = None
    ) -> "Running":
        """Begin computing the results at many points, at least one; does not wait, and `rows` must stay what it is.

        Points that are flagged are computed once more: `later` is what they share then.
        """
        return Running(self, shared, rows, later)

    def run(self, shared: Any, rows: Shaped[np.ndarray, "lanes column"]) -> Any:
        """The results at many points, at least one; points first."""
        return self.start(Addressed(jax.tree.leaves(shared)), rows).results()

    def bytes_of_results(self) -> int:
        """Of one point."""
        return sum(int(np.prod(leaf.shape, dtype=int)) * np.dtype(leaf.dtype).itemsize for leaf in self.leaves)


class _Program:
    """What is compiled, if it is `short` in less time and for fewer points."""

    def __init__(
        self, function: Callable, shared: Any, row: jax.ShapeDtypeStruct, most: int, flagged: bool, short: bool
    ):
        closed, shapes, self.shortened = traced(function, shared, row, most, short)
        shared = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), shared)
        self.leaves, self.structure = jax.tree.flatten(shapes)
        self.key = key(closed, [*jax.tree.leaves(shared), row], most, flagged, compiler())
        self.write = functools.cache(lambda: written(closed, shared, row, most, flagged))


class Addressed:
    """Arrays where machine code finds them; addresses keep nothing alive, so this has to be kept."""

    def __init__(self, arrays: Iterable[Any]):
        self.arrays = [np.ascontiguousarray(x) for x in arrays]
        self.addresses = (ctypes.c_void_p * len(self.arrays))(*map(_address, self.arrays))


class Running:
    """A call that is being computed."""

    def __init__(
        self, kernel: Kernel, shared: Addressed, rows: Shaped[np.ndarray, "lanes column"], later: Addressed | None
    ):
        self._parts: list[Future] = []
        self._kernel, self._count = kernel, len(rows)
        stride = max(self._count, kernel.lanes)
        # Lanes last, and at least one vector of them: the last point again where there are no more.
        columns = rows.T
        if stride != self._count or columns.dtype != kernel.row.dtype or not columns.flags.c_contiguous:
            columns = np.empty((rows.shape[1], stride), kernel.row.dtype)
            columns[:, : self._count] = rows.T
            columns[:, self._count :] = rows[-1][:, None]
        self._outs = outs = Addressed(np.empty((*leaf.shape, stride), leaf.dtype) for leaf in kernel.leaves)
        self._taken = taken = np.zeros(2, np.int64)
        at, counter = _address(columns), _address(taken)
        block = _BLOCK if kernel.lines > _SHORT else min(_LONG_BLOCK, max(_BLOCK, stride // (8 * cores())))
        block = -(-block // kernel.lanes) * kernel.lanes  # What is computed together has one writer.

        call = kernel._call  # Another one may take its place before a part begins.

        def part(used: tuple[Any, ...]) -> None:
            again = None if later is None else later.addresses
            call(shared.addresses, again, at, outs.addresses, stride, counter, block)

        # Whoever has started a call may drop it: each part holds what it uses.
        used = columns, taken
        self._parts += [_pool().submit(part, used) for _ in range(min(cores(), -(-stride // _BLOCK)))]

    def results(self) -> Any:
        """Wait for all of it; points first."""
        try:
            for each in self._parts:
                each.result()
        except BaseException:  # Ctrl-C: what has not begun would be waited for at exit.
            self._stop()
            raise
        every = [x[..., : self._count].transpose(-1, *range(x.ndim - 1)) for x in self._outs.arrays]
        return jax.tree.unflatten(self._kernel.structure, every)

    def again(self) -> int:
        """How many points were flagged and computed once more; not before there are results."""
        return int(self._taken[1])

    def __del__(self) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._parts:
            self._taken[0] = _NO_MORE
        for each in self._parts:
            each.cancel()


def _address(array: np.ndarray) -> int:
    # What `ctypes.data` is, in a third of the time.
    return array.__array_interface__["data"][0]


def kernel(
    function: Callable,
    shared: Any,
    row: jax.ShapeDtypeStruct,
    most: int,
    points: float = math.inf,
    flagged: bool = False,
) -> Kernel | None:
    """The kernel of a function (see `Kernel`), or None where there can be none."""
    try:
        return Kernel(function, shared, row, most, points, flagged)
    except UnsupportedError:
        return None
    except Exception as error:  # LLVM refuses it, or JAX writes programs in another way than is known here.
        what = f"{type(error).__name__}: {error}"
        warnings.warn(f"No kernel ({what}). Please report it; XLA is used instead.", stacklevel=2)
        return None


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not known on this system.
        return os.cpu_count() or 1


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="nashgrid")


if sys.platform != "win32":  # Threads are not there in a forked process, which would wait for them.
    os.register_at_fork(after_in_child=_pool.cache_clear)
