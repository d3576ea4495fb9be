"""Vectors in memory, and loops over them: for matrices with more entries than a processor has registers for.

A product of matrices, written out, has a line for every one of n^3 products, and elimination for a third of them. Here
both are functions that go through memory with the row and the column as numbers, as in any language. Four columns are
done at a time, so that counting takes less than computing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._apart import Value, filled
from ._elements import Element
from ._kernel_ir import Instructions, Region, Register, lanes, literal, vector_type

_TOGETHER = 4
_FEWEST = 512
"""Products of numbers, fewer of which are written out."""


def put_down(elements: Instructions, column: Sequence[Element]) -> str:
    """Memory with the elements of a column."""
    dtype = column[0].dtype
    memory = elements.region.function.reserve(len(column), dtype)
    for k, x in enumerate(column):
        put(elements, x, memory, str(k), dtype)
    return memory


def put(elements: Instructions, x: Element, memory: str, index: str, dtype: Any) -> None:
    """Write one vector."""
    kind = vector_type(dtype)
    at = elements.region.value(f"getelementptr {kind}, ptr {memory}, i32 {index}", dtype).name
    elements.region.put(f"store {kind} {elements.text(x)}, ptr {at}")


def picked_up(region: Region, memory: str, index: str, dtype: Any) -> Register:
    """Read one vector."""
    kind = vector_type(dtype)
    at = region.value(f"getelementptr {kind}, ptr {memory}, i32 {index}", dtype).name
    return region.value(f"load {kind}, ptr {at}", dtype)


def eliminated(elements: Instructions, matrix: Value, rhs: Value) -> Value:
    """The solution x of matrix @ x = rhs, with partial pivoting; infinite or NaN where singular."""
    n, m = rhs.shape
    start, dtype = _whole(n), rhs.dtype
    width = start + _whole(m)
    region, function = elements.region, elements.region.function
    memory = function.reserve(n * width, dtype)
    for k, x in enumerate(_rows(matrix.parts, rhs.parts)):
        put(elements, x, memory, str(k), dtype)
    name = f"eliminated_{n}_{m}_{np.dtype(dtype)}"
    function.needs.setdefault(name, _elimination(function.needs, name, n, m, dtype))
    region.put(f"call void @{name}(ptr {memory})")
    places = [i * width + start + j for i in range(n) for j in range(m)]
    made = filled(rhs.shape, dtype, [picked_up(region, memory, str(k), dtype) for k in places])
    function.release(memory, n * width, dtype)
    return made


def product(elements: Instructions, equation: Any, a: Value, b: Value) -> Value | None:
    """A product of two matrices, or None if it had better be written out."""
    (ca, cb), (ba, bb) = equation.params["dimension_numbers"]
    aval = equation.outvars[0].aval
    dtype, depth = aval.dtype, int(np.prod([a.shape[k] for k in ca], dtype=int))
    if ba or bb or aval.size * depth < _FEWEST or a.known or b.known:
        return None
    if np.dtype(dtype).kind != "f" or not a.dtype == b.dtype == dtype:
        return None
    left = np.moveaxis(a.parts, ca, range(-len(ca), 0)).reshape(-1, depth)
    right = np.moveaxis(b.parts, cb, range(len(cb))).reshape(depth, -1)
    (n, _), m = left.shape, right.shape[1]
    width = _whole(m)
    region, function = elements.region, elements.region.function
    first = n * depth + depth * width
    memory = function.reserve(first + n * width, dtype)
    for k, x in enumerate((*left.reshape(-1), *_rows(right))):
        put(elements, x, memory, str(k), dtype)
    name = f"product_{n}_{depth}_{width}_{np.dtype(dtype)}"
    function.needs.setdefault(name, _product(name, n, depth, width, dtype))
    region.put(f"call void @{name}(ptr {memory})")
    places = [first + i * width + j for i in range(n) for j in range(m)]
    made = filled(aval.shape, dtype, [picked_up(region, memory, str(k), dtype) for k in places])
    function.release(memory, first + n * width, dtype)
    return made


def _whole(columns: int) -> int:
    return -(-columns // _TOGETHER) * _TOGETHER


def _rows(*tables: np.ndarray) -> list[Element]:
    """The elements of tables next to each other, row by row, each with zeros up to a whole number of columns."""
    made = []
    for rows in zip(*tables, strict=True):
        for row in rows:
            made += [*row, *[row[0].dtype.type(0)] * (_whole(len(row)) - len(row))]
    return made


def _each(columns: Sequence[int], *lines: str) -> str:
    """Lines for each of some columns, whose number is put in for #."""
    return "\n".join("  " + line.replace("#", str(c)) for c in columns for line in lines)


def _elimination(needs: dict[str, str], name: str, n: int, m: int, dtype: Any) -> str:
    kind, start = vector_type(dtype), _whole(n)
    width, every = start + _whole(m), range(_TOGETHER)
    one, mask, whole = literal(1, dtype), f"<{lanes()} x i1>", vector_type(np.int32)
    size = f"llvm.fabs.v{lanes()}f{8 * np.dtype(dtype).itemsize}"
    needs.setdefault(size, f"declare {kind} @{size}({kind})")
    some = 1 if m < _TOGETHER else _TOGETHER
    found = range(some)
    at = f"getelementptr {kind}, ptr %a, i32"

    def same(number: str, to: str) -> str:
        return f"""%first.{to} = insertelement {whole} poison, i32 {number}, i32 0
  %{to} = shufflevector {whole} %first.{to}, {whole} poison, {whole} zeroinitializer"""

    return f"""define internal void @{name}(ptr %a) {{
begin:
  br label %unknown
unknown:
  %k = phi i32 [0, %begin], [%k.next, %unknown.next]
  %k.next = add i32 %k, 1
  %k.row = mul i32 %k, {width}
  %kk = add i32 %k.row, %k
  %kk.at = {at} %kk
  %here = load {kind}, ptr %kk.at
  %here.size = call {kind} @{size}({kind} %here)
  br label %look
look:
  %l = phi i32 [%k.next, %unknown], [%l.next, %looked]
  %largest = phi {kind} [%here.size, %unknown], [%larger, %looked]
  %pivot = phi {whole} [zeroinitializer, %unknown], [%better, %looked]
  %l.more = icmp slt i32 %l, {n}
  br i1 %l.more, label %looked, label %chosen
looked:
  %l.row = mul i32 %l, {width}
  %lk = add i32 %l.row, %k
  %lk.at = {at} %lk
  %lk.value = load {kind}, ptr %lk.at
  %lk.size = call {kind} @{size}({kind} %lk.value)
  %is.larger = fcmp ogt {kind} %lk.size, %largest
  {same("%l", "l.same")}
  %larger = select {mask} %is.larger, {kind} %lk.size, {kind} %largest
  %better = select {mask} %is.larger, {whole} %l.same, {whole} %pivot
  %l.next = add i32 %l, 1
  br label %look
chosen:
  %others = icmp ne {whole} %pivot, zeroinitializer
  %others.bits = bitcast {mask} %others to i{lanes()}
  %others.any = icmp ne i{lanes()} %others.bits, 0
  br i1 %others.any, label %exchange, label %eliminate
exchange:
  %e = phi i32 [%k.next, %chosen], [%e.next, %exchanged]
  %e.more = icmp slt i32 %e, {n}
  br i1 %e.more, label %compare, label %eliminate
compare:
  {same("%e", "e.same")}
  %e.here = icmp eq {whole} %e.same, %pivot
  %e.bits = bitcast {mask} %e.here to i{lanes()}
  %e.any = icmp ne i{lanes()} %e.bits, 0
  %e.row = mul i32 %e, {width}
  br i1 %e.any, label %swap, label %exchanged
swap:
  %s = phi i32 [%k, %compare], [%s.next, %swap]
  %upper = add i32 %k.row, %s
  %lower = add i32 %e.row, %s
  %upper.at = {at} %upper
  %lower.at = {at} %lower
  %upper.old = load {kind}, ptr %upper.at
  %lower.old = load {kind}, ptr %lower.at
  %upper.new = select {mask} %e.here, {kind} %lower.old, {kind} %upper.old
  %lower.new = select {mask} %e.here, {kind} %upper.old, {kind} %lower.old
  store {kind} %upper.new, ptr %upper.at
  store {kind} %lower.new, ptr %lower.at
  %s.next = add i32 %s, 1
  %s.more = icmp slt i32 %s.next, {width}
  br i1 %s.more, label %swap, label %exchanged
exchanged:
  %e.next = add i32 %e, 1
  br label %exchange
eliminate:
  %top = load {kind}, ptr %kk.at
  %inverse = fdiv {kind} {one}, %top
  %from = and i32 %k.next, {-_TOGETHER}
  br label %row
row:
  %i = phi i32 [%k.next, %eliminate], [%i.next, %row.next]
  %i.more = icmp slt i32 %i, {n}
  br i1 %i.more, label %row.begin, label %unknown.next
row.begin:
  %i.row = mul i32 %i, {width}
  %ik = add i32 %i.row, %k
  %ik.at = {at} %ik
  %ik.value = load {kind}, ptr %ik.at
  %factor = fmul {kind} %ik.value, %inverse
  br label %subtract
subtract:
  %j = phi i32 [%from, %row.begin], [%j.next, %subtract]
  %kj = add i32 %k.row, %j
  %ij = add i32 %i.row, %j
  %kj.at = {at} %kj
  %ij.at = {at} %ij
{
        _each(
            every,
            f"%kj.at.# = getelementptr {kind}, ptr %kj.at, i32 #",
            f"%ij.at.# = getelementptr {kind}, ptr %ij.at, i32 #",
            f"%kj.# = load {kind}, ptr %kj.at.#",
            f"%ij.# = load {kind}, ptr %ij.at.#",
            f"%part.# = fmul contract {kind} %factor, %kj.#",
            f"%left.# = fsub contract {kind} %ij.#, %part.#",
            f"store {kind} %left.#, ptr %ij.at.#",
        )
    }
  %j.next = add i32 %j, {_TOGETHER}
  %j.more = icmp slt i32 %j.next, {width}
  br i1 %j.more, label %subtract, label %row.next
row.next:
  %i.next = add i32 %i, 1
  br label %row
unknown.next:
  %k.more = icmp slt i32 %k.next, {n}
  br i1 %k.more, label %unknown, label %back
back:
  %b = phi i32 [{n - 1}, %unknown.next], [%b.next, %back.next]
  %b.after = add i32 %b, 1
  %b.row = mul i32 %b, {width}
  %bb = add i32 %b.row, %b
  %bb.at = {at} %bb
  %bb.value = load {kind}, ptr %bb.at
  %bb.inverse = fdiv {kind} {one}, %bb.value
  br label %column
column:
  %c = phi i32 [{start}, %back], [%c.next, %column.next]
  %bc = add i32 %b.row, %c
  %bc.at = {at} %bc
{_each(found, f"%bc.at.# = getelementptr {kind}, ptr %bc.at, i32 #", f"%bc.# = load {kind}, ptr %bc.at.#")}
  br label %known
known:
  %d = phi i32 [%b.after, %column], [%d.next, %known.next]
{_each(found, f"%sum.# = phi {kind} [%bc.#, %column], [%rest.#, %known.next]")}
  %d.more = icmp slt i32 %d, {n}
  br i1 %d.more, label %known.next, label %column.next
known.next:
  %bd = add i32 %b.row, %d
  %bd.at = {at} %bd
  %bd.value = load {kind}, ptr %bd.at
  %d.row = mul i32 %d, {width}
  %dc = add i32 %d.row, %c
  %dc.at = {at} %dc
{
        _each(
            found,
            f"%dc.at.# = getelementptr {kind}, ptr %dc.at, i32 #",
            f"%dc.# = load {kind}, ptr %dc.at.#",
            f"%share.# = fmul contract {kind} %bd.value, %dc.#",
            f"%rest.# = fsub contract {kind} %sum.#, %share.#",
        )
    }
  %d.next = add i32 %d, 1
  br label %known
column.next:
{_each(found, f"%x.# = fmul {kind} %sum.#, %bb.inverse", f"store {kind} %x.#, ptr %bc.at.#")}
  %c.next = add i32 %c, {some}
  %c.more = icmp slt i32 %c.next, {start + m}
  br i1 %c.more, label %column, label %back.next
back.next:
  %b.next = sub i32 %b, 1
  %b.more = icmp sge i32 %b.next, 0
  br i1 %b.more, label %back, label %end
end:
  ret void
}}"""


def _product(name: str, n: int, depth: int, width: int, dtype: Any) -> str:
    """Rows of the first factor, then of the second and of the result, whose rows are `width` long."""
    kind, zero = vector_type(dtype), literal(0, dtype)
    second, third, every = n * depth, n * depth + depth * width, range(_TOGETHER)
    at = f"getelementptr {kind}, ptr %a, i32"
    return f"""define internal void @{name}(ptr %a) {{
begin:
  br label %row
row:
  %i = phi i32 [0, %begin], [%i.next, %row.next]
  %i.from = mul i32 %i, {depth}
  %i.row = mul i32 %i, {width}
  %i.to = add i32 %i.row, {third}
  br label %column
column:
  %j = phi i32 [0, %row], [%j.next, %column.next]
  %j.from = add i32 %j, {second}
  br label %term
term:
  %l = phi i32 [0, %column], [%l.next, %term]
{_each(every, f"%sum.# = phi {kind} [{zero}, %column], [%more.#, %term]")}
  %il = add i32 %i.from, %l
  %il.at = {at} %il
  %il.value = load {kind}, ptr %il.at
  %l.row = mul i32 %l, {width}
  %lj = add i32 %l.row, %j.from
  %lj.at = {at} %lj
{
        _each(
            every,
            f"%lj.at.# = getelementptr {kind}, ptr %lj.at, i32 #",
            f"%lj.# = load {kind}, ptr %lj.at.#",
            f"%part.# = fmul contract {kind} %il.value, %lj.#",
            f"%more.# = fadd contract {kind} %sum.#, %part.#",
        )
    }
  %l.next = add i32 %l, 1
  %l.again = icmp slt i32 %l.next, {depth}
  br i1 %l.again, label %term, label %column.next
column.next:
  %ij = add i32 %i.to, %j
  %ij.at = {at} %ij
{_each(every, f"%ij.at.# = getelementptr {kind}, ptr %ij.at, i32 #", f"store {kind} %more.#, ptr %ij.at.#")}
  %j.next = add i32 %j, {_TOGETHER}
  %j.again = icmp slt i32 %j.next, {width}
  br i1 %j.again, label %column, label %row.next
row.next:
  %i.next = add i32 %i, 1
  %i.again = icmp slt i32 %i.next, {n}
  br i1 %i.again, label %row, label %end
end:
  ret void
}}"""
