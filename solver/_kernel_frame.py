"""The function for LLVM around what a kernel computes: points in blocks, arguments loaded, results stored.

Arrays have the points last: what is loaded or stored for the current lanes lies next to each other.
"""

from typing import Any

import numpy as np

from ._apart import Value, filled
from ._kernel_ir import Instructions, Region, alive, lanes, scalar_type, vector_type


def framed(region: Region, again: str = "") -> str:
    """The whole text: `region` for some lanes after the others, all that it needs, and the function `again` for the
    points that it leaves, if it may leave any (see `_kernel_again`)."""
    function = region.function
    needs, room = "\n".join(function.needs.values()), "\n  ".join(function.room)
    body = "\n  ".join(alive(region.lines))
    return f"""{needs}
define void @kernel(ptr %shared, ptr %rows, ptr %outs, i64 %stride, i64 %first, i64 %last) {{
begin:
  {room}
  %final = sub i64 %stride, {lanes()}
  %any = icmp slt i64 %first, %last
  br i1 %any, label %entry, label %end
entry:
  %place = phi i64 [%first, %begin], [%next, %{region.block}]
  %lane = call i64 @llvm.smin.i64(i64 %place, i64 %final)
  {body}
  %next = add i64 %place, {lanes()}
  %more = icmp slt i64 %next, %last
  br i1 %more, label %entry, label %end
end:
  ret void
}}
{again}{_BLOCKS.format(lanes=lanes(), left=_LEFT if again else _WHOLE)}"""


# Each core takes the next block that none has taken, without a word to Python, whose lock would make it wait. The last
# lanes begin where they end with the last point: some points are computed twice, and are the same. They are of the same
# block, so that a point has one writer.
_BLOCKS = """
define void @blocks(ptr %shared, ptr %later, ptr %rows, ptr %outs, i64 %stride, ptr %taken, i64 %block) {{
begin:
  br label %take
take:
  %first = atomicrmw add ptr %taken, i64 %block monotonic
  %rest = sub i64 %stride, %first
  %some = icmp sge i64 %rest, {lanes}
  br i1 %some, label %compute, label %end
compute:
  %after = sub i64 %rest, %block
  %others = icmp sge i64 %after, {lanes}
  %beyond = add i64 %first, %block
  %last = select i1 %others, i64 %beyond, i64 %stride
  call void @kernel(ptr %shared, ptr %rows, ptr %outs, i64 %stride, i64 %first, i64 %last)
  {left}
end:
  ret void
}}
declare i64 @llvm.smin.i64(i64, i64)
"""
_WHOLE = "br label %take"
_LEFT = """%twice = icmp ne ptr %later, null
  br i1 %twice, label %look, label %take
look:
  call void @again(ptr %later, ptr %rows, ptr %outs, i64 %stride, i64 %first, i64 %last, ptr %taken)
  br label %take"""


def loaded(text: Region, k: int | None, shape: tuple[int, ...], dtype: Any, same: bool) -> Value:
    """An argument: number `k` of those that all points share, or the row of each point."""
    kind = scalar_type(dtype)
    stored = "i8" if np.dtype(dtype) == np.bool_ else kind
    pointer = "%rows"
    if k is not None:
        slot = text.value(f"getelementptr ptr, ptr %shared, i64 {k}", dtype).name
        pointer = text.value(f"load ptr, ptr {slot}", dtype).name
    made = []
    for j in range(int(np.prod(shape, dtype=int))):
        if same:
            at = text.value(f"getelementptr {stored}, ptr {pointer}, i64 {j}", dtype).name
            one = text.value(f"load {stored}, ptr {at}", dtype).name
            if stored != kind:
                one = text.value(f"icmp ne i8 {one}, 0", dtype).name
            first = text.value(f"insertelement {vector_type(dtype)} poison, {kind} {one}, i32 0", dtype).name
            mask = f"<{lanes()} x i32> zeroinitializer"
            splat = f"shufflevector {vector_type(dtype)} {first}, {vector_type(dtype)} poison, {mask}"
            made.append(text.value(splat, dtype))
        else:
            at = _address(text, pointer, stored, j)
            wide = text.value(f"load <{lanes()} x {stored}>, ptr {at}{_aligned()}", dtype)
            if stored != kind:
                wide = text.value(f"icmp ne <{lanes()} x i8> {wide.name}, zeroinitializer", dtype)
            made.append(wide)
    return filled(shape, np.dtype(dtype), made)


def _address(text: Region, pointer: str, kind: str, j: int) -> str:
    """Of the current lanes of element `j`."""
    start = text.value(f"mul i64 %stride, {j}", np.int64).name
    lane = text.value(f"add i64 {start}, %lane", np.int64).name
    return text.value(f"getelementptr {kind}, ptr {pointer}, i64 {lane}", np.int64).name


def store(elements: Instructions, k: int, value: Value) -> None:
    """Write result number `k` to where the caller wants it."""
    text, dtype = elements.region, value.dtype
    slot = text.value(f"getelementptr ptr, ptr %outs, i64 {k}", dtype).name
    pointer = text.value(f"load ptr, ptr {slot}", dtype).name
    for j, x in enumerate(value.flat):
        name, kind = elements.text(x), vector_type(dtype)
        stored = scalar_type(dtype)
        if np.dtype(dtype) == np.bool_:
            stored = "i8"
            name = text.value(f"zext {kind} {name} to <{lanes()} x i8>", dtype).name
            kind = f"<{lanes()} x i8>"
        text.put(f"store {kind} {name}, ptr {_address(text, pointer, stored, j)}{_aligned()}")


def _aligned() -> str:
    """Several lanes may begin at any of them; one is where a number of its type is."""
    return "" if lanes() == 1 else ", align 1"
