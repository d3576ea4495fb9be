"""Points that a core's first steps have left, computed again by it: the text for LLVM.

Lanes wait for the slowest among them. A kernel may be told to stop early and to flag what is left unfinished; the core
that left it gathers such points from a block, computes them with all their steps beside others like them, and puts them
where they belong, without a word to Python.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._kernel_ir import UnsupportedError, lanes, scalar_type

_MOST = 256
"""Points that are gathered before they are computed: so many that few lanes have none of their own."""
_BYTES = 2**17
"""Memory that their results take on the thread's stack, if a few of them do not take more."""
_ROOM = 2**19
_ALIGNED = 64


def again(results: Sequence[Any], row: Any) -> str:
    """The function `again`, for a kernel of which the last result, one truth value, flags the points that are left.

    Args:
        results: shapes and types of the results at one point.
        row: the same of the row of a point.

    Raises:
        UnsupportedError: the results of a few points take too much memory.
    """
    kinds, sizes = [_stored(leaf.dtype) for leaf in results], [math.prod(leaf.shape) for leaf in results]
    widths = [size * np.dtype(leaf.dtype).itemsize for size, leaf in zip(sizes, results, strict=True)]
    room = max(min(_MOST, _BYTES // sum(widths)) // lanes(), 1) * lanes()
    if sum(widths) * room > _ROOM:
        raise UnsupportedError(f"results of more than {_ROOM // room} bytes")
    starts = np.cumsum([0, *(-(-width * room // _ALIGNED) * _ALIGNED for width in widths)])

    def each(text: str) -> str:
        filled = [k for k, size in enumerate(sizes) if size]
        return "".join(text.format(k=k, start=starts[k], kind=kinds[k], size=sizes[k]) for k in filled)

    of_row, columns = _stored(row.dtype), math.prod(row.shape)
    gather = _MOVE.format(name="gather", kind=of_row, room=room, source="far_one", target="near_one")
    scatter = [
        _MOVE.format(name="scatter", kind=kind, room=room, source="near_one", target="far_one")
        for kind in sorted(set(kinds))
    ]
    return "".join([gather, *scatter]) + _AGAIN.format(
        lanes=lanes(),
        room=room,
        full=room - lanes(),
        flags=len(results) - 1,
        leaves=len(results),
        bytes=starts[-1],
        row=of_row,
        places=columns * room,
        gathered=_GATHERED.format(kind=of_row, size=columns) if columns else "",
        found=each(_FOUND),
        put=each(_PUT),
    )


def _stored(dtype: Any) -> str:
    return "i8" if np.dtype(dtype) == np.bool_ else scalar_type(dtype)


# Between an array of all points and one of those that are gathered.
_MOVE = """
define internal void @{name}_{kind}(ptr %near, ptr %far, i64 %elements, i64 %stride, ptr %index, i64 %count) {{
begin:
  br label %element
element:
  %j = phi i64 [0, %begin], [%following, %after]
  %near_start = mul i64 %j, {room}
  %far_start = mul i64 %j, %stride
  br label %point
point:
  %i = phi i64 [0, %element], [%next, %point]
  %slot = getelementptr i64, ptr %index, i64 %i
  %place = load i64, ptr %slot
  %near_place = add i64 %near_start, %i
  %far_place = add i64 %far_start, %place
  %near_one = getelementptr {kind}, ptr %near, i64 %near_place
  %far_one = getelementptr {kind}, ptr %far, i64 %far_place
  %value = load {kind}, ptr %{source}
  store {kind} %value, ptr %{target}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %point, label %after
after:
  %following = add i64 %j, 1
  %others = icmp slt i64 %following, %elements
  br i1 %others, label %element, label %end
end:
  ret void
}}"""

# The last of them stands in for those that are missing to fill the lanes.
_AGAIN = """
define internal void @some_again(ptr %shared, ptr %rows, ptr %outs, i64 %stride, ptr %index, i64 %count, ptr %taken) {{
begin:
  %own = alloca [{places} x {row}], align 64
  %found = alloca [{bytes} x i8], align 64
  %table = alloca [{leaves} x ptr]
  %counted = getelementptr i64, ptr %taken, i64 1
  %before = atomicrmw add ptr %counted, i64 %count monotonic
  %less = sub i64 %count, 1
  %ending = getelementptr i64, ptr %index, i64 %less
  %last = load i64, ptr %ending
  %more_than = add i64 %count, {lanes}
  %beyond = sub i64 %more_than, 1
  %upto = and i64 %beyond, -{lanes}
  %missing = icmp slt i64 %count, %upto
  br i1 %missing, label %fill, label %filled
fill:
  %i = phi i64 [%count, %begin], [%next, %fill]
  %slot = getelementptr i64, ptr %index, i64 %i
  store i64 %last, ptr %slot
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %upto
  br i1 %more, label %fill, label %filled
filled:
  {gathered}{found}
  call void @kernel(ptr %shared, ptr %own, ptr %table, i64 {room}, i64 0, i64 %upto){put}
  ret void
}}

define void @again(ptr %shared, ptr %rows, ptr %outs, i64 %stride, i64 %first, i64 %last, ptr %taken) {{
begin:
  %index = alloca [{room} x i64]
  %where = getelementptr ptr, ptr %outs, i64 {flags}
  %flags = load ptr, ptr %where
  %final = sub i64 %stride, {lanes}
  br label %look
look:
  %place = phi i64 [%first, %begin], [%next, %on]
  %count = phi i64 [0, %begin], [%now, %on]
  %lane = call i64 @llvm.smin.i64(i64 %place, i64 %final)
  %at = getelementptr i8, ptr %flags, i64 %lane
  %bytes = load <{lanes} x i8>, ptr %at, align 1
  %bits = icmp ne <{lanes} x i8> %bytes, zeroinitializer
  %mask = bitcast <{lanes} x i1> %bits to i{lanes}
  %none = icmp eq i{lanes} %mask, 0
  br i1 %none, label %on, label %each
each:
  %left = phi i{lanes} [%mask, %look], [%others, %each]
  %taken_so_far = phi i64 [%count, %look], [%more, %each]
  %bit = call i{lanes} @llvm.cttz.i{lanes}(i{lanes} %left, i1 true)
  %offset = zext i{lanes} %bit to i64
  %point = add i64 %lane, %offset
  %slot = getelementptr i64, ptr %index, i64 %taken_so_far
  store i64 %point, ptr %slot
  %more = add i64 %taken_so_far, 1
  %without = sub i{lanes} %left, 1
  %others = and i{lanes} %left, %without
  %any = icmp ne i{lanes} %others, 0
  br i1 %any, label %each, label %enough
enough:
  %full = icmp sgt i64 %more, {full}
  br i1 %full, label %compute, label %on
compute:
  call void @some_again(ptr %shared, ptr %rows, ptr %outs, i64 %stride, ptr %index, i64 %more, ptr %taken)
  br label %on
on:
  %now = phi i64 [%count, %look], [%more, %enough], [0, %compute]
  %next = add i64 %place, {lanes}
  %unseen = icmp slt i64 %next, %last
  br i1 %unseen, label %look, label %seen
seen:
  %rest = icmp sgt i64 %now, 0
  br i1 %rest, label %finish, label %end
finish:
  call void @some_again(ptr %shared, ptr %rows, ptr %outs, i64 %stride, ptr %index, i64 %now, ptr %taken)
  br label %end
end:
  ret void
}}
declare i{lanes} @llvm.cttz.i{lanes}(i{lanes}, i1)
"""
_GATHERED = "call void @gather_{kind}(ptr %own, ptr %rows, i64 {size}, i64 %stride, ptr %index, i64 %upto)"
_FOUND = """
  %from{k} = getelementptr i8, ptr %found, i64 {start}
  %entry{k} = getelementptr ptr, ptr %table, i64 {k}
  store ptr %from{k}, ptr %entry{k}"""
_PUT = """
  %there{k} = getelementptr ptr, ptr %outs, i64 {k}
  %to{k} = load ptr, ptr %there{k}
  call void @scatter_{kind}(ptr %from{k}, ptr %to{k}, i64 {size}, i64 %stride, ptr %index, i64 %count)"""
