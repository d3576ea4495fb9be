"""A function of one point compiled for the processor, and run over many points on all its cores.

Compiled by LLVM from the text that `_kernel_read` writes, in about the time in which XLA would compile a part of it,
and several times as fast: see `_kernel_ir`. Where it cannot be had (`kernel` returns None), XLA takes its place.
"""

import ctypes
import functools
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from ._kernel_ir import UnsupportedError
from ._kernel_read import written

_BLOCK = 256
"""Points that a core computes before it takes the next ones: few, so that all end together and Ctrl-C is heard."""
_NO_MORE = 2**62


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

    Raises:
        UnsupportedError: `function` does something that has no instructions, or too much.
    """

    def __init__(self, function: Callable, shared: Any, row: jax.ShapeDtypeStruct, most: int):
        text, shapes, self.lanes = written(function, shared, row, most)
        self.row, self.lines = row, text.count("\n")
        self.leaves, self.structure = jax.tree.flatten(shapes)
        self._engine = _compiled(text)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
        self._call = kind(self._engine.get_function_address("blocks"))

    def start(self, shared: "Addressed", rows: Shaped[np.ndarray, "lanes column"]) -> "Running":
        """Begin computing the results at many points, at least one; does not wait, and `rows` must stay what it is."""
        return Running(self, shared, rows)

    def run(self, shared: Any, rows: Shaped[np.ndarray, "lanes column"]) -> Any:
        """The results at many points, at least one; points first."""
        return self.start(Addressed(jax.tree.leaves(shared)), rows).results()

    def bytes_of_results(self) -> int:
        """Of one point."""
        return sum(int(np.prod(leaf.shape, dtype=int)) * np.dtype(leaf.dtype).itemsize for leaf in self.leaves)


class Addressed:
    """Arrays where machine code finds them; addresses keep nothing alive, so this has to be kept."""

    def __init__(self, arrays: Iterable[Any]):
        self.arrays = [np.ascontiguousarray(x) for x in arrays]
        self.addresses = (ctypes.c_void_p * len(self.arrays))(*map(_address, self.arrays))


class Running:
    """A call that is being computed."""

    def __init__(self, kernel: Kernel, shared: Addressed, rows: Shaped[np.ndarray, "lanes column"]):
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
        self._taken = taken = np.zeros(1, np.int64)
        at, counter = _address(columns), _address(taken)

        def part(used: tuple[Any, ...]) -> None:
            kernel._call(shared.addresses, at, outs.addresses, stride, counter, _BLOCK)

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


def kernel(function: Callable, shared: Any, row: jax.ShapeDtypeStruct, most: int) -> Kernel | None:
    """The kernel of a function (see `Kernel`), or None where there can be none."""
    try:
        return Kernel(function, shared, row, most)
    except UnsupportedError:
        return None
    except RuntimeError as error:
        warnings.warn(f"No kernel, as LLVM says: {error}. Please report it; XLA is used instead.", stacklevel=2)
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


def _compiled(text: str) -> Any:
    """Machine code from the text of a module."""
    import llvmlite.binding as llvm  # Slow to import, and not needed for single points.

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    # The text has no equal expressions and nothing to be folded: optimizing it takes longer than it saves.
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=1, jit=True)
    module = llvm.parse_assembly(text)
    module.verify()
    # Only now can LLVM look up the symbols of this process, and only when it finishes does it stop at unknown ones.
    engine = llvm.create_mcjit_compiler(module, machine)
    for function in module.functions:
        name = function.name
        if function.is_declaration and not name.startswith("llvm.") and not llvm.address_of_symbol(name):
            raise UnsupportedError(f"the function {name}, which the C library here does not have")
    engine.finalize_object()
    return engine
