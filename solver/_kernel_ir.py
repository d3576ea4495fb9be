"""Operations on elements as instructions for LLVM, for eight or sixteen lanes at once.

What XLA makes of a solver that is taken apart is dozens of short loops over the lanes, each of which writes its results
to memory for the next one. Here one function does everything for a few lanes: elements are vectors in registers
(`Register`), and loops end when the last of these lanes is done, not the last of thousands. `Elements` merges
equal operations and folds known ones; what is left is written out as text.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np

from . import _numpy as jnp
from ._elements import Element, Elements, is_known

ONE, FEW, MANY = 1, 8, 16
"""Lanes of a kernel: of a thread of a GPU; as many as a register holds; twice that where so little is done that one
would wait for itself."""
_SHORT = 6000
"""Lines of a text of which that can be said."""
_NAMES = re.compile(r"%[\w.]+")
_LANES: ContextVar[int] = ContextVar("_LANES", default=FEW)
_ROOM = 2**19
"""Bytes of memory that a call takes on its thread's stack; some systems give a thread not much more."""
_TYPES = {
    **{"f8": "double", "f4": "float", "b1": "i1"},
    **{"i1": "i8", "i4": "i32", "i8": "i64", "u1": "i8", "u4": "i32", "u8": "i64"},
}


def lanes() -> int:
    """How many points are computed together."""
    return _LANES.get()


@contextlib.contextmanager
def with_lanes(count: int) -> Iterator[None]:
    """Within this, so many of them."""
    token = _LANES.set(count)
    try:
        yield
    finally:
        _LANES.reset(token)


class UnsupportedError(Exception):
    """Something has no instructions; what does is XLA."""


class Register:
    """A vector over the lanes, by its name in the text."""

    __slots__ = ("depth", "dtype", "name")
    ndim = 0
    shape = ()

    def __init__(self, name: str, dtype: Any, depth: int):
        self.name, self.dtype, self.depth = name, np.dtype(dtype), depth
        """`depth`: how many loops it is inside of."""


@functools.cache
def scalar_type(dtype: Any) -> str:
    """What LLVM calls a number."""
    kind = None if jnp.issubdtype(dtype, jax.dtypes.extended) else np.dtype(dtype).str[1:]
    if kind not in _TYPES:
        raise UnsupportedError(f"numbers of type {dtype}")
    return _TYPES[kind]


def vector_type(dtype: Any) -> str:
    """What LLVM calls a vector of them."""
    return _vector(scalar_type(dtype), lanes())


@functools.cache
def _vector(scalar: str, count: int) -> str:
    return f"<{count} x {scalar}>"


class Function:
    """What all parts of a function's text share."""

    def __init__(self, most: int, whole: "Function | None" = None) -> None:
        self.whole = self if whole is None else whole
        """What this is a part of."""
        self.most = most
        """Lines; a longer text raises `UnsupportedError`."""
        self.needs: dict[str, str] = {} if whole is None else whole.needs
        """Name -> the text that declares what comes from elsewhere, or defines a part."""
        self.room: list[str] = []
        """Memory that is taken once, when the function is called."""
        self._count = 0
        self._lines = 0
        self.bytes = 0
        """Memory taken so far, by all parts."""
        self._free: list[dict[str, list[str]]] = [{}]
        """Memory that has been released, by its kind: outside of loops, and in each loop."""

    def fresh(self, prefix: str = "v") -> str:
        """A new name."""
        self.whole._count += 1
        return f"{prefix}{self.whole._count}"

    @property
    def short(self) -> bool:
        """Whether it gains by more lanes."""
        return self.whole._lines <= _SHORT

    def count(self) -> None:
        """One line more."""
        self.whole._lines += 1
        if self.whole._lines > self.most:
            raise UnsupportedError(f"programs of more than {self.most} instructions")

    def reserve(self, count: int, dtype: Any, lasting: bool = False) -> str:
        """Memory for so many vectors, until they are released; for `lasting` ones none that this loop uses."""
        kind = f"[{count} x {vector_type(dtype)}]"
        for free in self._free[: -1 if lasting else None]:
            if free.get(kind):
                return free[kind].pop()
        self.whole.bytes += count * lanes() * np.dtype(dtype).itemsize
        if self.whole.bytes > _ROOM:
            raise UnsupportedError(f"more than {_ROOM} bytes of memory")
        name = f"%{self.fresh('room')}"
        self.room.append(f"{name} = alloca {kind}, align 64")
        return name

    def release(self, name: str, count: int, dtype: Any) -> None:
        """Nothing will be read from this memory before something else is written."""
        self._free[-1].setdefault(f"[{count} x {vector_type(dtype)}]", []).append(name)

    @contextlib.contextmanager
    def loop(self) -> Iterator[None]:
        """Within this, what is released is free for the rest of a step, but the next step uses it anew."""
        self._free.append({})
        try:
            yield
        finally:
            for kind, names in self._free.pop().items():
                self._free[-1].setdefault(kind, []).extend(names)


class Region:
    """The text of a loop, or of what is outside all loops."""

    def __init__(self, function: Function, depth: int, block: str):
        self.function, self.depth, self.block = function, depth, block
        self.lines: list[str] = []

    def put(self, line: str) -> int:
        """Add a line; its number."""
        self.function.count()
        self.lines.append(line)
        return len(self.lines) - 1

    def value(self, text: str, dtype: Any, name: str = "") -> Register:
        """The result of an instruction."""
        name = name or f"%{self.function.fresh()}"
        self.put(f"{name} = {text}")
        return Register(name, dtype, self.depth)

    def begin(self, label: str) -> None:
        """Start a block."""
        self.put(f"{label}:")
        self.block = label

    def call(self, name: str, dtype: Any, *operands: str, of: Any = None, flags: str = "") -> Register:
        """Call a function of vectors, one that LLVM has built in."""
        kind, given = vector_type(dtype), vector_type(of or dtype)
        arguments = ", ".join(f"{given} {x}" for x in operands)
        self.function.needs.setdefault(name, f"declare {kind} @{name}({', '.join([given] * len(operands))})")
        return self.value(f"call {flags}{kind} @{name}({arguments})", dtype)


def literal(x: Any, dtype: Any) -> str:
    """A number that is the same for all lanes."""
    dtype = np.dtype(dtype)
    return _literal(dtype.type(x).tobytes(), dtype, lanes())


@functools.lru_cache(maxsize=4096)
def _literal(data: bytes, dtype: np.dtype, count: int) -> str:
    x = np.frombuffer(data, dtype)[0]
    if dtype.kind == "f":
        # LLVM writes single precision with the digits of double, too.
        text = f"0x{np.float64(dtype.type(x)).view(np.uint64):016X}"
    elif dtype.kind == "b":
        text = "true" if x else "false"
    else:
        text = str(int(x))
    return "<" + ", ".join([f"{scalar_type(dtype)} {text}"] * count) + ">"


Emit = Callable[["Instructions", dict[str, Any], list[Element]], Element]


class Instructions(Elements):
    """Elementwise operations as instructions in a region; `emit` has one for each primitive.

    What does not depend on the loop that it is in is put outside, where the loop may use it. A branch keeps what it
    does, but for what has been done outside before.
    """

    def __init__(
        self, region: Region, emit: dict[str, Emit], outside: "Instructions | None" = None, branch: bool = False
    ):
        super().__init__(lanes())
        if outside is not None:
            self.chosen, self.unless, self.truths = outside.chosen, outside.unless, outside.truths
        self.region, self.emit, self.outside, self.branch = region, emit, outside, branch
        self.active: Element = np.bool_(True) if outside is None else outside.active
        """The lanes that are computed for; for others, those that have left a loop around this, anything will do."""

    def inside(self, branch: bool = False) -> "Instructions":
        """For a loop, or for a branch."""
        region = Region(self.region.function, self.region.depth + 1, "")
        return Instructions(region, self.emit, self, branch)

    def apply(self, primitive: Any, params: dict[str, Any], operands: list[Element]) -> Element:
        depth = max((x.depth for x in operands if not is_known(x)), default=self.region.depth)
        if depth < self.region.depth and self.outside is not None and not self.branch:
            return self.outside.apply(primitive, params, operands)
        return super().apply(primitive, params, operands)

    def once(self, key: Any, operands: Any, make: Callable[[], Element]) -> Element:
        before = self.outside if self.branch else None
        while before is not None:
            if key in before.done:
                return before.done[key]
            before = before.outside
        return super().once(key, operands, make)

    def bind(self, primitive: Any, params: dict[str, Any], operands: list[Element]) -> Element:
        rule = self.emit.get(primitive.name)
        if rule is None:
            raise UnsupportedError(f"the operation {primitive.name}")
        return rule(self, params, operands)

    def wide(self, x: Element, shape: tuple[int, ...]) -> Element:
        return x

    def text(self, x: Element) -> str:
        """An operand in the text."""
        if is_known(x):
            if np.ndim(x):
                raise UnsupportedError("arrays that are not taken apart")
            return literal(x, x.dtype)
        return x.name

    def instruction(self, text: str, operands: list[Element], dtype: Any = None) -> Register:
        """`text` with the type and the operands put in."""
        kind = operands[-1].dtype
        names = ", ".join(self.text(x) for x in operands)
        return self.region.value(f"{text} {vector_type(kind)} {names}", kind if dtype is None else dtype)


class Loop:
    """The text of a loop while it is being written: first what decides whether to go on, then `body`, then `again`."""

    def __init__(self, outside: Instructions, begin: list[Element]):
        self.outside, self.inside = outside, outside.inside()
        function, region = outside.region.function, self.inside.region
        self._head, self._body, self._exit = (function.fresh(kind) for kind in ("head", "body", "exit"))
        region.begin(self._head)
        self.state = [Register(f"%{function.fresh()}", x.dtype, region.depth) for x in begin]
        self._begin = [outside.text(x) for x in begin]
        self._lines = [region.put("") for _ in begin]

    def body(self, going: Element) -> None:
        """Go on as long as any lane of `going` does."""
        region = self.inside.region
        region.put(f"br i1 {_some(self.inside, going)}, label %{self._body}, label %{self._exit}")
        region.begin(self._body)

    def again(self, new: list[Element]) -> None:
        """Begin anew with these, and close the loop."""
        region, outer = self.inside.region, self.outside.region
        for k, (register, x) in enumerate(zip(self.state, new, strict=True)):
            incoming = f"[{self._begin[k]}, %{outer.block}], [{self.inside.text(x)}, %{region.block}]"
            region.lines[self._lines[k]] = f"{register.name} = phi {vector_type(register.dtype)} {incoming}"
        region.put(f"br label %{self._head}")
        # What did not depend on the loop is above it by now.
        outer.put(f"br label %{self._head}")
        outer.lines += region.lines
        outer.begin(self._exit)


def alive(lines: list[str]) -> list[str]:
    """The lines that something which is stored or decided depends on: a loop may carry what nobody asks for."""
    every = [line for several in lines for line in several.split("\n")]
    made = {}
    wanted = []
    for k, line in enumerate(every):
        name, equals, _ = line.strip().partition(" = ")
        if equals and name.startswith("%"):
            made[name] = k
        else:
            wanted.append(k)
    live = set(wanted)
    while wanted:
        for name in _NAMES.findall(every[wanted.pop()]):
            k = made.get(name)
            if k is not None and k not in live:
                live.add(k)
                wanted.append(k)
    return [line for k, line in enumerate(every) if k in live]


class Branch:
    """The text of what is done only if some lane wants it: first its `inside`, then `end`."""

    def __init__(self, outside: Instructions):
        self.outside, self.inside = outside, outside.inside(branch=True)
        function = outside.region.function
        self._begin, self._join = function.fresh("then"), function.fresh("join")
        self.inside.region.begin(self._begin)

    def end(self, wanted: Element, results: list[Element], otherwise: list[Element] | None = None) -> list[Element]:
        """The results as they are outside.

        In lanes of `wanted` that are false they are anything, or what they are `otherwise`, which has to be so in
        here already.
        """
        region, outer = self.inside.region, self.outside.region
        if len(region.lines) == 1:  # Nothing is done.
            return results
        olds = [None] * len(results) if otherwise is None else otherwise
        texts = ["zeroinitializer" if old is None else self.outside.text(old) for old in olds]
        outer.put(f"br i1 {_some(self.outside, wanted)}, label %{self._begin}, label %{self._join}")
        before = outer.block
        region.put(f"br label %{self._join}")
        outer.lines += region.lines
        outer.begin(self._join)
        joined = {}
        made = []
        for x, old, text in zip(results, olds, texts, strict=True):
            name = self.inside.text(x)
            if old is x or (old is None and (is_known(x) or x.depth <= outer.depth)):
                made.append(x)
                continue
            key = name, text, x.dtype
            if key not in joined:
                incoming = f"[{name}, %{region.block}], [{text}, %{before}]"
                joined[key] = outer.value(f"phi {vector_type(x.dtype)} {incoming}", x.dtype)
                if old is not None:
                    self.outside.unless[id(joined[key])] = joined[key], self.outside.active, old
            made.append(joined[key])
        return made


def _some(elements: Instructions, whether: Element) -> str:
    """Whether it is true in any lane."""
    bits = elements.region.value(f"bitcast <{lanes()} x i1> {elements.text(whether)} to i{lanes()}", bool)
    return elements.region.value(f"icmp ne i{lanes()} {bits.name}, 0", bool).name
