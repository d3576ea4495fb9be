"""Floating-point operations that a kernel executes: counted, not estimated.

A kernel is text for LLVM before it is compiled. Here each of its blocks gets a counter, and each of the programs that
it calls at several places, so that after a run it is known how often each was executed, and with it every sum, product,
quotient and root in it; a product that is added at once counts as two, a quotient or a root as one. exp and log are in
the text as the sums and products of their series, and count as these; a function of the C library counts as one.
Comparing, choosing and changing signs do not count. Lanes that wait for slower ones beside them do: the processor
computes them all the same.
"""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from nashgrid.solver import _kernel
from nashgrid.solver._kernel_code import Code, Text

_OPERATION = re.compile(r"= f(add|sub|mul|div|rem)\b[^<]*?(?:<(\d+) x )?(?:double|float)\b")
_CALL = re.compile(r"= call (?:nsz )?(?:<(\d+) x )?(?:double|float)>? @(?:llvm\.)?(\w+)")
_LABEL = re.compile(r"^\s*[\w.]+:")
_FUNCTION = re.compile(r"^define .*?^}", re.MULTILINE | re.DOTALL)
"""The kernel, and the programs that it calls at several places."""
_FREE = ("fabs", "copysign", "maximum", "minimum", "maxnum", "minnum", "floor", "ceil", "trunc", "rint", "round")
"""What only moves or compares numbers."""


class Operations(NamedTuple):
    """How many floating-point operations."""

    every: int
    slow: int
    """Quotients and roots among them."""


_NONE = Operations(0, 0)


def operations(line: str) -> Operations:
    """Of an instruction, over all its lanes."""
    if found := _OPERATION.search(line):
        lanes = int(found[2] or 1)
        return Operations(lanes, lanes if found[1] in ("div", "rem") else 0)
    if (found := _CALL.search(line)) and not found[2].startswith(_FREE):
        lanes = int(found[1] or 1)
        together = 2 if found[2].startswith(("fma", "fmuladd")) else 1
        return Operations(lanes * together, lanes if found[2].startswith("sqrt") else 0)
    return _NONE


def instrumented(text: str) -> tuple[str, list[Operations]]:
    """The text with a counter in each block of its functions, and the operations in each of them.

    Raises:
        ValueError: there are operations in no block, which would be left out.
    """
    found: list[Operations] = []
    text = _FUNCTION.sub(lambda function: _with_counters(function[0], found), text)
    return f"@counts = global [{len(found)} x i64] zeroinitializer\n{text}", found


def _with_counters(function: str, found: list[Operations]) -> str:
    """A function with its counters; what is in its blocks is added to `found`."""
    lines, first, waiting = [], len(found), False
    for line in function.splitlines():
        if waiting and line.strip() and "= phi " not in line:
            k, waiting = len(found) - 1, False
            place = f"getelementptr (i64, ptr @counts, i64 {k})"
            lines += [f"%old_{k} = load i64, ptr {place}", f"%new_{k} = add i64 %old_{k}, 1"]
            lines.append(f"store i64 %new_{k}, ptr {place}")
        lines.append(line)
        if _LABEL.match(line):
            found.append(_NONE)
            waiting = True
        elif any(more := operations(line)):
            if len(found) == first:
                raise ValueError(f"this is in no block, and would not be counted: {line.strip()}")
            found[-1] = Operations(*(sum(both) for both in zip(found[-1], more, strict=True)))
    return "\n".join(lines)


class Counter:
    """The operations of the kernel that has been compiled last."""

    def __init__(self) -> None:
        self.engine: Any = None
        self.each: list[Operations] = []

    def total(self) -> Operations:
        """All so far; what runs on several cores at once is not counted right."""
        address = self.engine.get_global_value_address("counts")
        counts = (ctypes.c_int64 * len(self.each)).from_address(address)
        kinds = ([each[kind] for each in self.each] for kind in range(len(_NONE)))
        return Operations(*(sum(n * k for n, k in zip(counts, kind, strict=True)) for kind in kinds))


@contextmanager
def counting() -> Iterator[Counter]:
    """Within this, kernels that are made count what they do."""
    counter, plain, kept = Counter(), _kernel.compiled, _kernel.loaded

    def compiled(key: str | None, text: Text, careful: bool) -> Code:
        del key, careful  # Not to be found by those who do not count, and not to be fast.
        counted, counter.each = instrumented(text.text)
        code = plain(None, text._replace(text=counted), careful=False)
        counter.engine = code.engine
        return code

    _kernel.compiled, _kernel.loaded = compiled, lambda key, careful: None
    try:
        yield counter
    finally:
        _kernel.compiled, _kernel.loaded = plain, kept
