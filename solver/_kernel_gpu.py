"""A function of one point compiled for NVIDIA's GPUs, and run over many points on all of them.

What XLA makes of a solver is dozens of kernels for each step, which read and write all that is carried; here a sweep's
block is one kernel that reads the points and writes the results (`_kernel_threads`). It is called from a program of
JAX's, which puts points on the devices and takes results from there.
"""

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Shaped

from . import _numpy as jnp
from ._kernel import Addressed, Kernel
from ._kernel_ir import UnsupportedError
from ._kernel_key import key
from ._kernel_read import traced, written_for_threads
from ._kernel_store import found, keep
from ._kernel_threads import THREADS, WARP, assembled, compiler, packed

_TARGET = "__gpu$xla.gpu.ptx"
"""What XLA calls a kernel that is given as PTX."""
_MOST = 50_000
"""Instructions of a kernel: drivers compile more of them for many minutes, and leave most registers unused."""
_ROLLED = 12_500
"""Twice as many numbers are what a program may compute that is not made as short as can be: certificates of the
open-sourcing game then have less than half of the instructions, of which a few per cent more are executed."""
_LEAST, _WHOLE = 2**12, 2**16
"""Points of a device in a call: a power of two from the first number on, a multiple of the second, so that few sizes
occur, each of which JAX compiles a program for, though not the kernel."""
_EXACT = 4
"""Sizes beyond the second number that are taken as they are, as those of blocks: copying them would take too long."""
_LARGEST = 2**20
"""Points of a device for which starting a call is a small part of it."""
_TRIALS, _ABOUT, _SAME = 64, (0.9, 1.1), 0.9
"""Points at which a kernel is tried, the range of factors of their parameters, and the share that must be right."""


class GpuKernel:
    """The compiled function, as `Kernel` is on a processor.

    Args:
        function: (what all points share, the row of one point) -> results; pure.
        shared: any tree of arrays; only shapes and types matter here.
        row: shape and type of a row.
        on: the devices.

    Raises:
        UnsupportedError: `function` does something that has no instructions, or too much.
    """

    kind = "GPU kernel"
    lanes = WARP

    def __init__(self, function: Callable, shared: Any, row: jax.ShapeDtypeStruct, on: tuple[Any, ...]):
        closed, shapes, _ = traced(function, shared, row, _ROLLED)
        shared = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), shared)
        self.row = row
        self.leaves, self.structure = jax.tree.flatten(shapes)
        self.devices = len(on)
        self._exact: set[int] = set()
        name = key(closed, [*jax.tree.leaves(shared), row], _MOST, compiler())
        kept = None if name is None else found(f"{name}-ptx")
        ptx = kept.decode() if kept else assembled(written_for_threads(closed, shared, row, _MOST))
        if name is not None and not kept:
            keep(f"{name}-ptx", ptx.encode(), float("inf"))
        mesh = Mesh(np.array(on), ("lanes",), axis_types=(AxisType.Auto,))
        points_last = [P(*[None] * len(leaf.shape), "lanes") for leaf in self.leaves]
        self._call = jax.jit(
            jax.shard_map(
                functools.partial(_launched, ptx, self.leaves),
                mesh=mesh,
                in_specs=(P(), P(None, "lanes")),
                out_specs=points_last,
                check_vma=False,
            )
        )

    @property
    def width(self) -> int:
        """How many points suit the devices."""
        return _LARGEST * self.devices

    def expect(self, points: float) -> None:
        """Nothing: the driver compiles in one way only."""

    def launch(self, shared: Addressed, columns: Any) -> list[jax.Array]:
        """The leaves of the results on the devices, points last, as in `columns`; the devices have equal shares."""
        return self._call(packed(shared.arrays, columns.shape[1] // self.devices), columns)

    def start(
        self, shared: Addressed, rows: Shaped[np.ndarray, "lanes column"], later: Addressed | None = None
    ) -> "GpuRunning":
        """Begin computing the results at many points, at least one; does not wait.

        Points that the last result flags are computed once more: `later` is what they share then.
        """
        width = self._padded(len(rows))
        columns = rows.T
        if width != len(rows) or columns.dtype != self.row.dtype:
            columns = np.empty((rows.shape[1], width), self.row.dtype)
            columns[:, : len(rows)] = rows.T
            columns[:, len(rows) :] = rows[-1][:, None]
        outs = self.launch(shared, columns)
        for out in outs:
            out.copy_to_host_async()
        return GpuRunning(self, outs, rows, later)

    def points_first(self, outs: list[jax.Array], count: int) -> Any:
        """The results at the first points, in the memory of the host, from what `launch` returns."""
        every = [np.asarray(x)[..., :count].transpose(-1, *range(x.ndim - 1)) for x in outs]
        return jax.tree.unflatten(self.structure, every)

    def bytes_of_results(self) -> int:
        """Of one point."""
        return sum(int(np.prod(leaf.shape, dtype=int)) * np.dtype(leaf.dtype).itemsize for leaf in self.leaves)

    def _padded(self, count: int) -> int:
        """So many points on all devices together."""
        if count % self.devices == 0 and count >= _WHOLE * self.devices:
            if len(self._exact) < _EXACT:
                self._exact.add(count)
            if count in self._exact:
                return count
        each = max(_LEAST, -(-count // self.devices))
        each = 2 ** (each - 1).bit_length() if each <= _WHOLE else -(-each // _WHOLE) * _WHOLE
        return each * self.devices


class GpuRunning:
    """A call that is being computed."""

    def __init__(
        self,
        kernel: GpuKernel,
        outs: list[jax.Array],
        rows: Shaped[np.ndarray, "lanes column"],
        later: Addressed | None,
    ):
        self._kernel, self._outs, self._rows, self._later = kernel, outs, rows, later
        self._again = 0

    def results(self) -> Any:
        """Wait for all of it; points first."""
        every = self._kernel.points_first(self._outs, len(self._rows))
        if self._later is None:
            return every
        leaves, structure = jax.tree.flatten(every)
        left = np.flatnonzero(leaves[-1])
        self._again = len(left)
        if self._again:
            found = self._kernel.start(self._later, self._rows[left]).results()
            leaves = [np.array(leaf) for leaf in leaves]
            for leaf, value in zip(leaves, jax.tree.leaves(found), strict=True):
                leaf[left] = value
        return jax.tree.unflatten(structure, leaves)

    def again(self) -> int:
        """How many points were flagged and computed once more; not before there are results."""
        return self._again


def _launched(ptx: str, leaves: list[Any], data: jax.Array, columns: jax.Array) -> list[jax.Array]:
    """The results at the points of one device, points last."""
    points = columns.shape[1]
    sizes = {"grid_x": -(-points // THREADS), "block_x": THREADS, "shared_mem_bytes": 0}
    sizes |= dict.fromkeys(("grid_y", "grid_z", "block_y", "block_z"), 1)
    outs = [jax.ShapeDtypeStruct((*leaf.shape, points), leaf.dtype) for leaf in leaves]
    how = {name: np.int32(size) for name, size in sizes.items()}
    call = jax.ffi.ffi_call(_TARGET, outs)
    return list(call(data, columns, name="points", kernel_type="ptx", kernel_data=ptx, **how))


def gpu_kernel(
    function: Callable, shared: Any, row: Shaped[np.ndarray, " column"], on: tuple[Any, ...], most: int
) -> GpuKernel | None:
    """The kernel of a function, or None where there can be none.

    It is called once, for `shared` and rows about `row`, and has to return there what the processor's kernel does, for
    which `most` instructions are enough: a driver that nobody here has seen compiles it.
    """
    if not all(_suits(device) for device in on):
        return None
    shape = jax.ShapeDtypeStruct(row.shape, row.dtype)
    rows = row * np.linspace(*_ABOUT, _TRIALS, dtype=row.dtype)[:, None]
    try:
        made = GpuKernel(function, shared, shape, on)
        found = made.start(Addressed(jax.tree.leaves(shared)), rows).results()
        wanted = Kernel(function, shared, shape, most, _TRIALS).run(shared, rows)
    except UnsupportedError:
        return None
    except Exception as error:  # Whatever it is, XLA may be able to.
        what = f"{type(error).__name__}: {error}"
        warnings.warn(f"No kernel for this GPU ({what}). Please report it; XLA is used instead.", stacklevel=2)
        return None
    if not _agree(found, wanted):
        what = f"what a kernel finds there is not what it finds on the processor, at {_TRIALS} points"
        warnings.warn(f"No kernel for this GPU ({what}). Please report it; XLA is used instead.", stacklevel=2)
        return None
    return made


def _agree(found: Any, wanted: Any) -> bool:
    """Whether results are the same at most points, but for rounding; by which a few may end in another way."""
    same = np.ones(_TRIALS, bool)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        a, b = (np.reshape(x, (_TRIALS, -1)) for x in (a, b))
        close = a == b
        if jnp.issubdtype(b.dtype, jnp.floating):
            with np.errstate(invalid="ignore", over="ignore"):
                close = close | (np.isnan(a) & np.isnan(b))
                close = close | (np.abs(a - b) <= np.finfo(b.dtype).eps ** 0.5 * np.maximum(1.0, np.abs(b)))
        same &= close.all(axis=1)
    return bool(same.mean() >= _SAME)


def _suits(device: Any) -> bool:
    """Whether it compiles what `assembled` makes; AMD's GPUs have no such number."""
    number = re.fullmatch(r"(\d+)\.\d+", str(getattr(device, "compute_capability", "")))
    return device.platform == "gpu" and number is not None and int(number[1]) >= 8
