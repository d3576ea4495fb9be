"""The function for LLVM around what a kernel computes, on NVIDIA's GPUs: each thread computes one point.

A thread has one lane of what `_kernel_read` writes out, in registers of its own; threads of a warp go on together while
any of them does, as lanes of a processor's vectors do. LLVM makes PTX of it, which every later GPU's driver compiles.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._kernel_ir import Region, UnsupportedError, alive

THREADS = 128
"""Threads of a block: each has as many registers as there can be, and few are left over at the end."""
WARP = 32
"""Threads that go on together."""
_SLOT = 8
"""Bytes in front of the arrays that all points share: how many points there are."""
_ROOM = 2**14
"""Bytes of memory that a thread takes; there are hundreds of thousands of threads at the same time."""
_TRIPLE, _TARGET, _VERSION = "nvptx64-nvidia-cuda", "sm_80", "+ptx71"
"""The first GPU that is enough, and the first version of PTX: those that come later compile it as well."""
_REFUSED = re.compile(r"declare \w+ @(?!llvm\.)(\w+)|= (frem) ")


def packed(arrays: Sequence[np.ndarray], points: int) -> np.ndarray:
    """The number of points and the arrays that all of them share, one after the other, as the function finds them."""
    begins, total = _begins([(x.size, x.dtype) for x in arrays])
    data = np.zeros(total, np.uint8)
    for x, begin in zip((np.int64(points), *arrays), (0, *begins), strict=True):
        data[begin : begin + x.nbytes] = np.frombuffer(x.tobytes(), np.uint8)
    return data


def _begins(sizes: Sequence[tuple[int, Any]]) -> tuple[list[int], int]:
    """Where arrays of such sizes and types begin, and where the last one ends."""
    begins, at = [], _SLOT
    for count, dtype in sizes:
        begins.append(at)
        at += -(-count * np.dtype(dtype).itemsize // _SLOT) * _SLOT
    return begins, at


def threaded(region: Region, sizes: Sequence[tuple[int, Any]], results: int) -> str:
    """The whole text: `region` for the point of a thread, given arrays of such sizes and types that all points share.

    Raises:
        UnsupportedError: it calls what no GPU has, or takes too much memory.
    """
    function = region.function
    needs, room = "\n".join(function.needs.values()), "\n  ".join(function.room)
    body = "\n  ".join(alive(region.lines))
    refused = _REFUSED.search(needs + body)
    if refused:
        raise UnsupportedError(f"{refused[1] or refused[2]} on a GPU")
    if function.bytes > _ROOM:
        raise UnsupportedError(f"more than {_ROOM} bytes of memory in a thread")
    outs = "".join(f", ptr %out{k}" for k in range(results))
    begins = _begins(sizes)[0]
    places = [f"%given{k} = getelementptr i8, ptr %data, i64 {begin}" for k, begin in enumerate(begins)]
    tables = "\n  ".join([*places, *_table("shared", "given", len(begins)), *_table("outs", "out", results)])
    return f"""{needs}
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
define ptx_kernel void @points(ptr %data, ptr %rows{outs}) "nvvm.maxntid"="{THREADS}" {{
begin:
  {room}
  {tables}
  %stride = load i64, ptr %data, align 8
  %thread = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %group = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %place = zext i32 %thread to i64
  %groups = zext i32 %group to i64
  %before = mul i64 %groups, {THREADS}
  %lane = add i64 %before, %place
  %inside = icmp slt i64 %lane, %stride
  br i1 %inside, label %entry, label %end
entry:
  {body}
  br label %end
end:
  ret void
}}
"""


def _table(name: str, of: str, count: int) -> list[str]:
    """Addresses in memory, where a processor's kernel is given them; LLVM leaves the table out."""
    lines = [f"%{name} = alloca [{count} x ptr]"]
    for k in range(count):
        lines += [f"%{name}.{k} = getelementptr ptr, ptr %{name}, i64 {k}", f"store ptr %{of}{k}, ptr %{name}.{k}"]
    return lines


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm


def compiler() -> tuple[str, ...]:
    """What makes PTX, and for what."""
    import llvmlite

    return llvmlite.__version__, str(_llvm().llvm_version_info), _TRIPLE, _TARGET, _VERSION


def assembled(text: str) -> str:
    """The PTX of a text.

    Raises:
        RuntimeError: this LLVM does not make it.
    """
    llvm = _llvm()
    machine = llvm.Target.from_triple(_TRIPLE).create_target_machine(cpu=_TARGET, features=_VERSION, opt=3)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = _TRIPLE, str(machine.target_data)
    module.verify()
    # Loops stay as they are: longer texts have nothing that fewer instructions would be left of.
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)
