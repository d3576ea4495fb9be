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

from ._kernel import Addressed
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
"""Points of a call: a power of two from the first number on, a multiple of the second, so that few sizes occur."""
_LARGEST = 2**20
"""Points of a device for which starting a call is a small part of it."""


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
        closed, shapes = traced(function, shared, row, _ROLLED)
        shared = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), shared)
        self.row = row
        self.leaves, self.structure = jax.tree.flatten(shapes)
        self.devices = len(on)
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

    def start(self, shared: Addressed, rows: Shaped[np.ndarray, "lanes column"]) -> "GpuRunning":
        """Begin computing the results at many points, at least one; does not wait."""
        width = self._padded(len(rows))
        columns = rows.T
        if width != len(rows) or columns.dtype != self.row.dtype:
            columns = np.empty((rows.shape[1], width), self.row.dtype)
            columns[:, : len(rows)] = rows.T
            columns[:, len(rows) :] = rows[-1][:, None]
        outs = self.launch(shared, columns)
        for out in outs:
            out.copy_to_host_async()
        return GpuRunning(self, outs, len(rows))

    def points_first(self, outs: list[jax.Array], count: int) -> Any:
        """The results at the first points, in the memory of the host, from what `launch` returns."""
        every = [np.asarray(x)[..., :count].transpose(-1, *range(x.ndim - 1)) for x in outs]
        return jax.tree.unflatten(self.structure, every)

    def bytes_of_results(self) -> int:
        """Of one point."""
        return sum(int(np.prod(leaf.shape, dtype=int)) * np.dtype(leaf.dtype).itemsize for leaf in self.leaves)

    def _padded(self, count: int) -> int:
        """So many points on all devices together."""
        each = max(_LEAST, -(-count // self.devices))
        each = 2 ** (each - 1).bit_length() if each <= _WHOLE else -(-each // _WHOLE) * _WHOLE
        return each * self.devices


class GpuRunning:
    """A call that is being computed."""

    def __init__(self, kernel: GpuKernel, outs: list[jax.Array], count: int):
        self._kernel, self._outs, self._count = kernel, outs, count

    def results(self) -> Any:
        """Wait for all of it; points first."""
        return self._kernel.points_first(self._outs, self._count)


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
    function: Callable, shared: Any, row: Shaped[np.ndarray, " column"], on: tuple[Any, ...]
) -> GpuKernel | None:
    """The kernel of a function, or None where there can be none; it is called once, for `shared` and `row`."""
    if not all(_suits(device) for device in on):
        return None
    try:
        made = GpuKernel(function, shared, jax.ShapeDtypeStruct(row.shape, row.dtype), on)
        made.start(Addressed(jax.tree.leaves(shared)), row[None, :]).results()
    except UnsupportedError:
        return None
    except (RuntimeError, ValueError) as error:
        warnings.warn(f"No kernel for this GPU: {error}. Please report it; XLA is used instead.", stacklevel=2)
        return None
    return made


def _suits(device: Any) -> bool:
    """Whether it compiles what `assembled` makes; AMD's GPUs have no such number."""
    number = re.fullmatch(r"(\d+)\.\d+", str(getattr(device, "compute_capability", "")))
    return device.platform == "gpu" and number is not None and int(number[1]) >= 8
