"""Machine code of kernels: compiled by LLVM from their texts, or found where an earlier process has left it.

The text has no equal expressions and nothing to be folded, so that LLVM has only to choose instructions and registers.
Doing that with care takes three to five times as long as without, and makes long kernels two to three times as fast.
Results may differ in the last bit, as it is LLVM that decides which sums and products are rounded at once.
"""

import ctypes
import functools
import json
import time
from typing import Any, NamedTuple

from ._kernel_ir import UnsupportedError
from ._kernel_store import found, keep

_CALL = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)


class Text(NamedTuple):
    """A kernel for LLVM."""

    text: str
    lanes: int
    """Points that it computes together."""

    @property
    def lines(self) -> int:
        return self.text.count("\n")


class Code(NamedTuple):
    """A kernel for the processor."""

    call: Any
    """The function `blocks` of the text."""
    engine: Any
    """Owns it."""
    careful: bool
    lanes: int
    lines: int
    """Of the text."""


def loaded(key: str | None, careful: bool) -> Code | None:
    """The machine code of an earlier process."""
    kept = None if key is None else found(_name(key, careful))
    if kept is None:
        return None
    head, _, data = kept.partition(b"\n")
    about = json.loads(head)
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(careful))
    if _absent(about["calls"]):
        return None
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return Code(_CALL(engine.get_function_address("blocks")), engine, careful, about["lanes"], about["lines"])


def compiled(key: str | None, text: Text, careful: bool) -> Code:
    """The machine code of a text, which is kept for later processes under its key."""
    began = time.perf_counter()
    llvm = _llvm()
    module = llvm.parse_assembly(text.text)
    module.verify()
    made: list[bytes] = []
    engine = llvm.create_mcjit_compiler(module, _machine(careful))
    names = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    for name in _absent(names):
        raise UnsupportedError(f"the function {name}, which the C library here does not have")
    engine.set_object_cache(lambda module, data: made.append(data))
    engine.finalize_object()
    if key is not None:
        head = json.dumps({"calls": names, "lanes": text.lanes, "lines": text.lines}).encode()
        keep(_name(key, careful), head + b"\n" + made[0], time.perf_counter() - began)
    return Code(_CALL(engine.get_function_address("blocks")), engine, careful, text.lanes, text.lines)


def compiler() -> tuple[str, ...]:
    """What compiles, and for what: code made by one is not for another."""
    llvm = _llvm()
    return (_version(), str(llvm.llvm_version_info), llvm.get_process_triple(), *_processor())


def _absent(names: list[str]) -> list[str]:
    """The functions that this process does not have.

    LLVM can look them up once it has an engine, and stops the process if it finishes code that calls such a one.
    """
    return [name for name in names if not _llvm().address_of_symbol(name)]


def _name(key: str, careful: bool) -> str:
    return f"{key}-{'careful' if careful else 'quick'}"


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm  # Slow to import, and not needed for single points.

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _version() -> str:
    import llvmlite

    return llvmlite.__version__


@functools.cache
def _processor() -> tuple[str, str]:
    """Its name and what it can do."""
    return _llvm().get_host_cpu_name(), _llvm().get_host_cpu_features().flatten()


def _machine(careful: bool) -> Any:
    llvm, (cpu, features) = _llvm(), _processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=cpu, features=features, opt=3 if careful else 0, jit=True)
